#include "settlement.h"

#include <stdlib.h>
#include <string.h>

#include "backoff.h"
#include "clock.h"
#include "database_calls.h"
#include "allocation.h"

/* Waits before an order that failed is tried again. */
#define RETRY_BASE_MS    1000
#define RETRY_MAXIMUM_MS 300000

struct settlement {
    const struct settlement_services *services;
    int64_t order_id, outbox_id;
    char *request_id;
    settlement_callback *callback;
    void *context;
    int64_t deadline_ms;
    bool provider_answered;
    char *failure;           /* a failure of the provider that waits for failure_timer */
    struct loop_timer timer; /* while the provider is asked: its deadline; after that: tells its failure */
};

static void take_payment_answer(void *context, const struct payment_answer *answer);
static void take_database_answer(void *context, const struct database_answer *answer);
static void give_up_on_provider(void *context);
static void report_failure(void *context);

struct settlement *settlement_start(const struct settlement_services *services,
                                    const struct settlement_request *request, settlement_callback *callback,
                                    void *context) {
    struct settlement *settlement = memory_allocate(sizeof(*settlement));

    settlement->services = services;
    settlement->order_id = request->order_id;
    settlement->outbox_id = request->outbox_id;
    settlement->request_id = memory_duplicate(request->request_id);
    settlement->callback = callback;
    settlement->context = context;
    settlement->deadline_ms = clock_monotonic_ms() + services->timeout_ms;
    services->provider->start(services->provider, request->order_id, take_payment_answer, settlement);
    if (!settlement->provider_answered) {
        loop_arm(services->loop, &settlement->timer, services->timeout_ms, give_up_on_provider, settlement);
    }
    return settlement;
}

int64_t settlement_retry_delay_ms(int tries) {
    return backoff_delay_ms(RETRY_BASE_MS, RETRY_MAXIMUM_MS, tries);
}

static void free_settlement(struct settlement *settlement) {
    loop_disarm(&settlement->timer);
    free(settlement->request_id);
    free(settlement->failure);
    free(settlement);
}

void settlement_cancel(struct settlement *settlement) {
    if (!settlement->provider_answered) {
        settlement->services->provider->cancel(settlement->services->provider, settlement);
    }
    database_pool_cancel_context(settlement->services->pool, settlement);
    free_settlement(settlement);
}

/* finish calls back and frees the settlement. */
static void finish(struct settlement *settlement, const struct settlement_answer *answer) {
    settlement->callback(settlement->context, answer);
    free_settlement(settlement);
}

/* submit writes a definite outcome of the payment. */
static void submit(struct settlement *settlement, const struct payment_answer *payment) {
    const struct settlement_services *services = settlement->services;
    char store_id[NUMBER_TEXT_SIZE], order_id[NUMBER_TEXT_SIZE], outbox_id[NUMBER_TEXT_SIZE];
    const char *values[] = {
        number_text(services->store_id, store_id),
        number_text(settlement->order_id, order_id),
        payment->outcome == PAYMENT_PAID ? "true" : "false",
        payment->reason,
        settlement->request_id,
        settlement->outbox_id > 0 ? number_text(settlement->outbox_id, outbox_id) : NULL,
    };
    int remaining_ms = clock_remaining_ms(settlement->deadline_ms, clock_monotonic_ms());

    database_pool_submit(services->pool, &settle_payment_statement, values, remaining_ms > 0 ? remaining_ms : 1,
                         take_database_answer, settlement);
}

static void take_payment_answer(void *context, const struct payment_answer *answer) {
    struct settlement *settlement = context;

    settlement->provider_answered = true;
    loop_disarm(&settlement->timer);
    if (answer->outcome != PAYMENT_UNKNOWN) {
        submit(settlement, answer);
        return;
    }
    settlement->failure = memory_format("payment provider: %s", answer->reason);
    loop_arm(settlement->services->loop, &settlement->timer, 0, report_failure, settlement);
}

static void give_up_on_provider(void *context) {
    struct settlement *settlement = context;

    settlement->services->provider->cancel(settlement->services->provider, settlement);
    settlement->failure = memory_duplicate("payment provider: no answer in time");
    report_failure(settlement);
}

static void report_failure(void *context) {
    struct settlement *settlement = context;
    struct settlement_answer answer = {.result = SETTLEMENT_FAILED, .error = settlement->failure};

    finish(settlement, &answer);
}

/* read_result translates the row that settle_payment gave. */
static void read_result(const PGresult *rows, struct settlement_answer *answer) {
    answer->result_text = database_row_text(rows, 0);
    answer->order_status = database_row_text(rows, 1);
    if (answer->result_text != NULL && strcmp(answer->result_text, "settled") == 0) {
        answer->result = SETTLEMENT_SETTLED;
    } else if (answer->result_text != NULL && strcmp(answer->result_text, "already_settled") == 0) {
        answer->result = SETTLEMENT_ALREADY_SETTLED;
    } else if (answer->result_text != NULL && strcmp(answer->result_text, "order_not_found") == 0) {
        answer->result = SETTLEMENT_ORDER_NOT_FOUND;
        answer->error = "the order does not exist";
    } else {
        answer->result = SETTLEMENT_FAILED;
        answer->error = "shop.settle_payment gave a result that this program does not know";
    }
}

static void take_database_answer(void *context, const struct database_answer *database_answer) {
    struct settlement *settlement = context;
    struct settlement_answer answer = {0};
    char *failure = NULL;

    switch (database_work_verdict(settlement->services->pool, database_answer)) {
    case DATABASE_DONE:
        read_result(database_answer->result, &answer);
        break;
    case DATABASE_AWAY:
        answer.result = SETTLEMENT_DATABASE_AWAY;
        break;
    case DATABASE_REFUSED:
        answer.result = SETTLEMENT_FAILED;
        answer.inconclusive = database_answer_is_inconclusive(database_answer);
        break;
    }
    if (database_answer->outcome != DATABASE_OK) {
        answer.error = failure = database_failure_text(database_answer);
    }
    finish(settlement, &answer);
    free(failure);
}
