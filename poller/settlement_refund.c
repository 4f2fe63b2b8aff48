/* Settlement of a refund, or of a void: its intent is committed already, by who asked for it. */
#include <string.h>

#include "allocation.h"
#include "settlement_steps.h"
#include "text.h"

/* The columns of begin_refund_statement. */
enum {
    REFUND_STATUS,
    KIND,
    AMOUNT,
    REFUND_REFERENCE,
    ORDER_ID,
    ATTEMPT_ID,
    PROVIDER,
    REFERENCE,
    AGE_SECONDS,
    ORDER_STATUS,
};

/* The columns of settle_refund_statement. */
enum {
    SETTLED_RESULT,
    SETTLED_ORDER_STATUS,
};

static void take_outcome(struct settlement *settlement, const struct payment_answer *answer);

/* take_settled ends it, or looks again later where the outcome is still unknown. */
static void take_settled(void *context, const struct database_answer *database_answer) {
    struct settlement *settlement = context;
    struct settlement_answer answer = {.result = SETTLEMENT_SETTLED};

    if (database_answer->outcome != DATABASE_OK) {
        settlement_database_failed(settlement, database_answer);
        return;
    }
    answer.result_text = database_row_text(database_answer->result, SETTLED_RESULT);
    answer.order_status = database_row_text(database_answer->result, SETTLED_ORDER_STATUS);
    if (answer.result_text != NULL && strcmp(answer.result_text, "recorded") == 0) {
        settlement_wait(settlement, settlement->open_reason, settlement->pause_ms);
        return;
    }
    if (answer.result_text != NULL && strcmp(answer.result_text, "already_settled") == 0) {
        answer.result = SETTLEMENT_ALREADY_SETTLED;
    } else if (answer.result_text == NULL || strcmp(answer.result_text, "settled") != 0) {
        settlement_fail(settlement, "shop.settle_refund gave a result that this program does not know");
        return;
    }
    settlement_finish(settlement, &answer);
}

/* settle writes the outcome: completed, failed or unknown. */
static void settle(struct settlement *settlement, const char *outcome, const char *reference, const char *reason) {
    char store_id[NUMBER_TEXT_SIZE], refund_id[NUMBER_TEXT_SIZE], outbox_id[NUMBER_TEXT_SIZE];
    const char *values[] = {
        number_text(settlement->services->store_id, store_id),
        number_text(settlement->message.refund_id, refund_id),
        outcome,
        reference,
        reason,
        settlement->message.request_id,
        settlement_outbox_id(settlement, outbox_id),
    };

    settlement_query(settlement, &settle_refund_statement, values, take_settled);
}

/* put_off notes that nothing definite is known, and looks again later. */
static void put_off(struct settlement *settlement, const struct payment_answer *answer) {
    settlement_note_open(settlement, answer);
    settle(settlement, "unknown", settlement->is_void ? NULL : answer->reference, NULL);
}

/* take_captured ends a void that came too late, once the money is known to be there: its refund is asked for by now. */
static void take_captured(void *context, const struct database_answer *database_answer) {
    struct settlement *settlement = context;

    if (database_answer->outcome != DATABASE_OK) {
        settlement_database_failed(settlement, database_answer);
        return;
    }
    settle(settlement, "failed", NULL, "the payment was captured already");
}

/* apply_capture tells that the payment which was to be voided is captured. */
static void apply_capture(struct settlement *settlement, const struct payment_answer *answer) {
    char store_id[NUMBER_TEXT_SIZE], attempt_id[NUMBER_TEXT_SIZE], amount[PAYMENT_AMOUNT_SIZE];
    const char *values[] = {
        number_text(settlement->services->store_id, store_id),
        number_text(settlement->request.attempt_id, attempt_id),
        "captured",
        answer->reference,
        NULL,
        answer->reason,
        settlement->message.request_id,
        NULL,
    };

    if (answer->amount_cents >= 0) {
        payment_amount_text(amount, answer->amount_cents);
        values[4] = amount;
    }
    settlement_query(settlement, &apply_payment_statement, values, take_captured);
}

static void take_not_found(struct settlement *settlement, const struct payment_answer *answer) {
    if (settlement->request.operation == PAYMENT_REFUND_STATUS) {
        settlement_ask(settlement, PAYMENT_REFUND, take_outcome); /* what the provider does not know was not done */
    } else {
        settlement_fail(settlement, answer->reason);
    }
}

static void take_outcome(struct settlement *settlement, const struct payment_answer *answer) {
    const char *reference = settlement->is_void ? NULL : answer->reference;

    switch (answer->outcome) {
    case PAYMENT_REFUNDED:
    case PAYMENT_VOIDED:
        settle(settlement, "completed", reference, NULL);
        break;
    case PAYMENT_DECLINED: /* nothing is promised, so there is nothing to void; a refund is never answered so */
        settle(settlement, settlement->is_void ? "completed" : "failed", reference, answer->reason);
        break;
    case PAYMENT_REFUND_FAILED:
        settle(settlement, "failed", reference, answer->reason);
        break;
    case PAYMENT_CAPTURED:
        if (settlement->is_void) {
            apply_capture(settlement, answer);
        } else {
            put_off(settlement, answer);
        }
        break;
    case PAYMENT_AUTHORIZED:
    case PAYMENT_PENDING:
    case PAYMENT_UNKNOWN:
        put_off(settlement, answer);
        break;
    case PAYMENT_NOT_SENT:
        settlement_wait(settlement, answer->reason, answer->retry_after_ms);
        break;
    case PAYMENT_NOT_FOUND:
        take_not_found(settlement, answer);
        break;
    case PAYMENT_REJECTED:
        settlement_fail(settlement, answer->reason);
        break;
    }
}

/* choose gives what the provider is to be asked, going by what is known of the refund. */
static enum payment_operation choose(const struct settlement *settlement) {
    if (settlement->is_void) {
        return PAYMENT_VOID;
    }
    return strcmp(settlement->status, "requested") == 0 && settlement->request.age_seconds < SETTLEMENT_KEY_LIFE_SECONDS
               ? PAYMENT_REFUND
               : PAYMENT_REFUND_STATUS;
}

/* take_refund keeps what the intent says, and asks the provider. */
static void take_refund(struct settlement *settlement, const PGresult *rows) {
    if (!settlement_read_target(settlement, rows, PROVIDER, REFERENCE, AGE_SECONDS)) {
        return;
    }
    if (!text_to_int64(PQgetvalue(rows, 0, ATTEMPT_ID), 1, INT64_MAX, &settlement->request.attempt_id) ||
        !text_to_int64(PQgetvalue(rows, 0, ORDER_ID), 1, INT64_MAX, &settlement->request.order_id) ||
        !payment_amount_read(database_row_text(rows, AMOUNT), &settlement->request.amount_cents)) {
        settlement_fail(settlement, "shop.begin_refund gave a refund that this program cannot read");
        return;
    }
    settlement->request.refund_reference = memory_duplicate(database_row_text(rows, REFUND_REFERENCE));
    settlement->is_void = strcmp(PQgetvalue(rows, 0, KIND), "void") == 0;
    settlement_ask(settlement, choose(settlement), take_outcome);
}

static void take_begun(void *context, const struct database_answer *database_answer) {
    struct settlement *settlement = context;
    struct settlement_answer answer = {.result = SETTLEMENT_ALREADY_SETTLED, .result_text = "already_settled"};
    const char *status;

    if (database_answer->outcome != DATABASE_OK) {
        settlement_database_failed(settlement, database_answer);
        return;
    }
    status = database_row_text(database_answer->result, REFUND_STATUS);
    settlement->status = memory_duplicate(status);
    if (status == NULL) {
        answer =
            (struct settlement_answer){.result = SETTLEMENT_REFUND_NOT_FOUND, .error = "the refund does not exist"};
        settlement_finish(settlement, &answer);
    } else if (strcmp(status, "completed") == 0 || strcmp(status, "failed") == 0) {
        answer.order_status = database_row_text(database_answer->result, ORDER_STATUS);
        settlement_finish(settlement, &answer);
    } else {
        take_refund(settlement, database_answer->result);
    }
}

void settlement_refund(struct settlement *settlement) {
    char store_id[NUMBER_TEXT_SIZE], refund_id[NUMBER_TEXT_SIZE], outbox_id[NUMBER_TEXT_SIZE];
    const char *values[] = {
        number_text(settlement->services->store_id, store_id),
        number_text(settlement->message.refund_id, refund_id),
        settlement_outbox_id(settlement, outbox_id),
    };

    settlement_query(settlement, &begin_refund_statement, values, take_begun);
}
