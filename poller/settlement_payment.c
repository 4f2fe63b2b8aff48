/* Settlement of an order's payment. */
#include <stdlib.h>
#include <string.h>

#include "allocation.h"
#include "clock.h"
#include "log.h"
#include "settlement_steps.h"
#include "text.h"

/* The columns of begin_payment_statement. */
enum { ATTEMPT_ID, AMOUNT, ATTEMPT_STATUS, ORDER_STATUS, PROVIDER, REFERENCE, AGE_SECONDS };

static void take_outcome(struct settlement *settlement, const struct payment_answer *answer);

/* ---- the outcome, into the database ---- */

/* warn_held says that money is held: the provider took another amount, and only a person can go on from there. */
static void warn_held(const struct settlement *settlement) {
    log_event(LOG_WARN, "payment_held",
              json_pack("{s:s,s:o,s:I,s:I,s:s}", "worker", "payment", "requestId",
                        log_text(settlement->message.request_id), "orderId", (json_int_t)settlement->request.order_id,
                        "attemptId", (json_int_t)settlement->request.attempt_id, "error",
                        "amount_mismatch: the provider took another amount"));
}

/* take_applied goes on after the outcome was written: the end, the capture, or another look at it later. */
static void take_applied(void *context, const struct database_answer *database_answer) {
    struct settlement *settlement = context;
    struct settlement_answer answer = {.result = SETTLEMENT_SETTLED};

    if (database_answer->outcome != DATABASE_OK) {
        settlement_database_failed(settlement, database_answer);
        return;
    }
    answer.result_text = database_row_text(database_answer->result, 0);
    answer.order_status = database_row_text(database_answer->result, 1);
    if (answer.result_text == NULL) {
        settlement_fail(settlement, "shop.apply_payment gave no result");
    } else if (strcmp(answer.result_text, "recorded") == 0 && settlement->is_promised && settlement->order_pending) {
        settlement->is_promised = false; /* a capture that does not capture is looked at later */
        settlement_ask(settlement, PAYMENT_CAPTURE, take_outcome);
    } else if (strcmp(answer.result_text, "recorded") == 0 || strcmp(answer.result_text, "void_requested") == 0) {
        settlement_wait(settlement, settlement->open_reason, settlement->pause_ms);
    } else if (strcmp(answer.result_text, "attempt_not_found") == 0) {
        settlement_fail(settlement, "the payment attempt does not exist any more");
    } else {
        if (strcmp(answer.result_text, "amount_mismatch") == 0) {
            warn_held(settlement);
        }
        answer.result =
            strcmp(answer.result_text, "already_settled") == 0 ? SETTLEMENT_ALREADY_SETTLED : SETTLEMENT_SETTLED;
        settlement_finish(settlement, &answer);
    }
}

/* apply writes what is known of the attempt; outcome is a word of shop.apply_payment. */
static void apply(struct settlement *settlement, const char *outcome, const struct payment_answer *answer,
                  const char *reason) {
    char store_id[NUMBER_TEXT_SIZE], attempt_id[NUMBER_TEXT_SIZE], outbox_id[NUMBER_TEXT_SIZE];
    char amount[PAYMENT_AMOUNT_SIZE];
    const char *values[] = {
        number_text(settlement->services->store_id, store_id),
        number_text(settlement->request.attempt_id, attempt_id),
        outcome,
        answer->reference,
        NULL,
        reason,
        settlement->message.request_id,
        settlement_outbox_id(settlement, outbox_id),
    };

    if (answer->amount_cents >= 0) {
        payment_amount_text(amount, answer->amount_cents);
        values[4] = amount;
    }
    settlement_note_open(settlement, answer);
    settlement_query(settlement, &apply_payment_statement, values, take_applied);
}

/* take_not_found: what the provider does not know was not charged. It may be charged while the order still wants it,
 * and the key is one that cannot have been forgotten. */
static void take_not_found(struct settlement *settlement, const struct payment_answer *answer) {
    if (settlement->request.operation != PAYMENT_STATUS) {
        settlement_fail(settlement, answer->reason);
    } else if (settlement->order_pending && settlement->request.age_seconds < SETTLEMENT_KEY_LIFE_SECONDS) {
        settlement_ask(settlement, PAYMENT_CHARGE, take_outcome);
    } else {
        apply(settlement, "voided", answer, "the order was never charged");
    }
}

static void take_outcome(struct settlement *settlement, const struct payment_answer *answer) {
    settlement->is_promised = false;
    switch (answer->outcome) {
    case PAYMENT_CAPTURED:
        apply(settlement, "captured", answer, answer->reason);
        break;
    case PAYMENT_AUTHORIZED:
        settlement->is_promised = settlement->request.operation != PAYMENT_CAPTURE;
        free((char *)settlement->request.reference);
        settlement->request.reference = memory_duplicate(answer->reference);
        apply(settlement, "authorized", answer, answer->reason);
        break;
    case PAYMENT_DECLINED:
        apply(settlement, "declined", answer, answer->reason);
        break;
    case PAYMENT_VOIDED:
        apply(settlement, "voided", answer, answer->reason);
        break;
    case PAYMENT_PENDING:
    case PAYMENT_UNKNOWN:
        apply(settlement, "unknown", answer, answer->reason);
        break;
    case PAYMENT_NOT_SENT:
        settlement_wait(settlement, answer->reason, answer->retry_after_ms);
        break;
    case PAYMENT_NOT_FOUND:
        take_not_found(settlement, answer);
        break;
    case PAYMENT_REFUNDED:
    case PAYMENT_REFUND_FAILED:
    case PAYMENT_REJECTED:
        settlement_fail(settlement, answer->reason);
        break;
    }
}

/* ---- the intent, and what to ask ---- */

/* choose gives what the provider is to be asked, going by what is known of the attempt. */
static enum payment_operation choose(const struct settlement *settlement) {
    if (!settlement->order_pending) {
        return PAYMENT_STATUS;
    }
    if (strcmp(settlement->status, "authorized") == 0) {
        return PAYMENT_CAPTURE;
    }
    /* Asked for already, perhaps, by a poller that ended before it had an answer: the key makes it one charge. */
    return strcmp(settlement->status, "requested") == 0 && settlement->request.age_seconds < SETTLEMENT_KEY_LIFE_SECONDS
               ? PAYMENT_CHARGE
               : PAYMENT_STATUS;
}

/* take_attempt keeps what the intent says, and asks the provider. */
static void take_attempt(struct settlement *settlement, const PGresult *rows) {
    const char *order_status = database_row_text(rows, ORDER_STATUS);

    if (!settlement_read_target(settlement, rows, PROVIDER, REFERENCE, AGE_SECONDS)) {
        return;
    }
    if (!text_to_int64(PQgetvalue(rows, 0, ATTEMPT_ID), 1, INT64_MAX, &settlement->request.attempt_id) ||
        !payment_amount_read(database_row_text(rows, AMOUNT), &settlement->request.amount_cents)) {
        settlement_fail(settlement, "shop.begin_payment gave an attempt that this program cannot read");
        return;
    }
    settlement->status = memory_duplicate(PQgetvalue(rows, 0, ATTEMPT_STATUS));
    settlement->order_pending = order_status != NULL && strcmp(order_status, "pending") == 0;
    settlement_ask(settlement, choose(settlement), take_outcome);
}

static void take_begun(void *context, const struct database_answer *database_answer) {
    struct settlement *settlement = context;
    struct settlement_answer answer = {.result = SETTLEMENT_ALREADY_SETTLED, .result_text = "already_settled"};

    if (database_answer->outcome != DATABASE_OK) {
        settlement_database_failed(settlement, database_answer);
        return;
    }
    answer.order_status = database_row_text(database_answer->result, ORDER_STATUS);
    if (database_row_text(database_answer->result, ATTEMPT_ID) != NULL) {
        take_attempt(settlement, database_answer->result);
        return;
    }
    if (answer.order_status == NULL) {
        answer = (struct settlement_answer){.result = SETTLEMENT_ORDER_NOT_FOUND, .error = "the order does not exist"};
    }
    settlement_finish(settlement, &answer);
}

static void begin(struct settlement *settlement) {
    char store_id[NUMBER_TEXT_SIZE], order_id[NUMBER_TEXT_SIZE], outbox_id[NUMBER_TEXT_SIZE];
    const char *values[] = {
        number_text(settlement->services->store_id, store_id),
        number_text(settlement->message.order_id, order_id),
        settlement->services->provider->name,
        settlement->message.request_id,
        settlement_outbox_id(settlement, outbox_id),
    };

    settlement_query(settlement, &begin_payment_statement, values, take_begun);
}

/* ---- providers that answer at once ---- */

/* read_settled translates the row that settle_payment gave. */
static void read_settled(const PGresult *rows, struct settlement_answer *answer) {
    static const struct {
        const char *text;
        enum settlement_result result;
        const char *error;
    } results[] = {
        {"settled", SETTLEMENT_SETTLED, NULL},
        {"refund_requested", SETTLEMENT_SETTLED, NULL},
        {"already_settled", SETTLEMENT_ALREADY_SETTLED, NULL},
        {"order_not_found", SETTLEMENT_ORDER_NOT_FOUND, "the order does not exist"},
        {"other_provider", SETTLEMENT_FAILED, "the payment is with another provider than this poller's"},
    };
    size_t i;

    answer->result = SETTLEMENT_FAILED;
    answer->error = "shop.settle_payment gave a result that this program does not know";
    answer->result_text = database_row_text(rows, 0);
    answer->order_status = database_row_text(rows, 1);
    for (i = 0; answer->result_text != NULL && i < sizeof(results) / sizeof(results[0]); i++) {
        if (strcmp(answer->result_text, results[i].text) == 0) {
            answer->result = results[i].result;
            answer->error = results[i].error;
        }
    }
}

static void take_settled(void *context, const struct database_answer *database_answer) {
    struct settlement_answer answer = {0};

    if (database_answer->outcome != DATABASE_OK) {
        settlement_database_failed(context, database_answer);
        return;
    }
    read_settled(database_answer->result, &answer);
    settlement_finish(context, &answer);
}

/* settle_at_once writes intent and outcome in one commit: nothing outside can know of the payment before. Others'
 * outcomes may go along with it. */
static void settle_at_once(struct settlement *settlement, const struct payment_answer *payment) {
    char order_id[NUMBER_TEXT_SIZE], outbox_id[NUMBER_TEXT_SIZE];
    const char *values[] = {
        number_text(settlement->message.order_id, order_id),
        payment->outcome == PAYMENT_CAPTURED ? "true" : "false",
        payment->reason,
        settlement->message.request_id,
        settlement_outbox_id(settlement, outbox_id),
    };

    call_batcher_submit(settlement->services->batcher, values, settlement_remaining_ms(settlement), take_settled,
                        settlement);
}

void settlement_pay(struct settlement *settlement) {
    const struct settlement_services *services = settlement->services;
    int64_t wait_ms = circuit_breaker_wait_ms(services->breaker, clock_monotonic_ms());

    if (services->provider->immediate) {
        settlement_ask(settlement, PAYMENT_CHARGE, settle_at_once);
    } else if (wait_ms > 0) {
        settlement_defer(settlement, SETTLEMENT_CIRCUIT_OPEN, wait_ms); /* without an intent: nothing is asked */
    } else {
        begin(settlement);
    }
}
