#include "settlement.h"

#include <stdlib.h>
#include <string.h>

#include "allocation.h"
#include "backoff.h"
#include "clock.h"
#include "log.h"
#include "metrics.h"
#include "settlement_steps.h"
#include "text.h"

/* Waits before a message that failed is tried again. */
#define RETRY_BASE_MS    1000
#define RETRY_MAXIMUM_MS 300000

/* Waits for a provider that has no outcome yet: half the age of the attempt, within these. */
#define WAIT_LEAST_MS   500
#define WAIT_MAXIMUM_MS 300000

/* A call to provider or database gets at least this, so that it can succeed at all. */
#define LEAST_CALL_MS 100

/* How the topics of the outbox call the two kinds of messages. */
#define TOPIC_PAYMENT "payment"
#define TOPIC_REFUND  "refund"

struct settlement *settlement_start(const struct settlement_services *services,
                                    const struct settlement_request *request, settlement_callback *callback,
                                    void *context) {
    struct settlement *settlement = memory_allocate(sizeof(*settlement));

    settlement->services = services;
    settlement->message = *request;
    settlement->message.request_id = memory_duplicate(request->request_id);
    settlement->callback = callback;
    settlement->context = context;
    settlement->deadline_ms = clock_monotonic_ms() + services->timeout_ms;
    settlement->request.store_id = services->store_id;
    settlement->request.order_id = request->order_id;
    settlement->request.refund_id = request->refund_id;
    settlement->request.request_id = settlement->message.request_id;
    if (request->refund_id > 0) {
        settlement_refund(settlement);
    } else {
        settlement_pay(settlement);
    }
    return settlement;
}

int64_t settlement_retry_delay_ms(int tries) {
    return backoff_delay_ms(RETRY_BASE_MS, RETRY_MAXIMUM_MS, tries);
}

static void free_settlement(struct settlement *settlement) {
    free((char *)settlement->message.request_id);
    free((char *)settlement->request.reference);
    free((char *)settlement->request.refund_reference);
    free(settlement->status);
    free(settlement->waits_for);
    free(settlement->open_reason);
    free(settlement);
}

void settlement_cancel(struct settlement *settlement) {
    if (settlement->take != NULL) {
        settlement->services->provider->cancel(settlement->services->provider, settlement);
        circuit_breaker_forget(settlement->services->breaker, settlement);
    }
    call_batcher_cancel(settlement->services->batcher, settlement);
    database_pool_cancel_context(settlement->services->pool, settlement);
    free_settlement(settlement);
}

void settlement_finish(struct settlement *settlement, const struct settlement_answer *answer) {
    settlement->callback(settlement->context, answer);
    free_settlement(settlement);
}

void settlement_fail(struct settlement *settlement, const char *error) {
    struct settlement_answer answer = {.result = SETTLEMENT_FAILED, .error = error};

    settlement_finish(settlement, &answer);
}

/* ---- the database ---- */

int settlement_remaining_ms(const struct settlement *settlement) {
    int left_ms = clock_remaining_ms(settlement->deadline_ms, clock_monotonic_ms());

    return left_ms > LEAST_CALL_MS ? left_ms : LEAST_CALL_MS;
}

void settlement_query(struct settlement *settlement, const struct database_statement *statement,
                      const char *const *values, database_callback *callback) {
    database_pool_submit(settlement->services->pool, statement, values, settlement_remaining_ms(settlement), callback,
                         settlement);
}

void settlement_database_failed(struct settlement *settlement, const struct database_answer *database_answer) {
    char *failure = database_failure_text(database_answer);
    bool away = database_work_verdict(settlement->services->pool, database_answer) == DATABASE_AWAY;
    struct settlement_answer answer = {
        .result = away ? SETTLEMENT_DATABASE_AWAY : SETTLEMENT_FAILED,
        .inconclusive = !away && database_answer_is_inconclusive(database_answer),
        .error = failure,
    };

    settlement_finish(settlement, &answer);
    free(failure);
}

const char *settlement_outbox_id(const struct settlement *settlement, char out[NUMBER_TEXT_SIZE]) {
    return settlement->message.outbox_id > 0 ? number_text(settlement->message.outbox_id, out) : NULL;
}

bool settlement_read_target(struct settlement *settlement, const PGresult *rows, int provider_column,
                            int reference_column, int age_column) {
    const char *provider = database_row_text(rows, provider_column);
    const char *age = database_row_text(rows, age_column);
    char *error;

    if (provider == NULL || strcmp(provider, settlement->services->provider->name) != 0) {
        error = memory_format("the payment is with provider %s, which this poller is not configured for",
                              provider != NULL ? provider : "unknown");
        settlement_fail(settlement, error);
        free(error);
        return false;
    }
    if (age == NULL || !text_to_int64(age, 0, INT64_MAX, &settlement->request.age_seconds)) {
        settlement->request.age_seconds = 0;
    }
    settlement->request.reference = memory_duplicate(database_row_text(rows, reference_column));
    return true;
}

/* ---- the provider ---- */

static void count_answer(const struct payment_answer *answer) {
    static const enum metric metrics[] = {
        [PAYMENT_CAPTURED] = METRIC_PAYMENT_CAPTURED, [PAYMENT_AUTHORIZED] = METRIC_PAYMENT_AUTHORIZED,
        [PAYMENT_DECLINED] = METRIC_PAYMENT_DECLINED, [PAYMENT_VOIDED] = METRIC_PAYMENT_VOIDED,
        [PAYMENT_REFUNDED] = METRIC_PAYMENT_REFUNDED, [PAYMENT_REFUND_FAILED] = METRIC_PAYMENT_REFUND_FAILED,
        [PAYMENT_PENDING] = METRIC_PAYMENT_PENDING,   [PAYMENT_UNKNOWN] = METRIC_PAYMENT_UNKNOWN,
        [PAYMENT_NOT_SENT] = METRIC_PAYMENT_NOT_SENT, [PAYMENT_NOT_FOUND] = METRIC_PAYMENT_NOT_FOUND,
        [PAYMENT_REJECTED] = METRIC_PAYMENT_REJECTED,
    };

    metrics_count(metrics[answer->outcome]);
}

/* note_circuit lets the answer count for the circuit breaker, and tells when that opened or closed it. */
static void note_circuit(struct settlement *settlement, const struct payment_answer *answer) {
    struct circuit_breaker *breaker = settlement->services->breaker;

    if (!circuit_breaker_leave(breaker, settlement, answer->provider_failed, clock_monotonic_ms())) {
        return;
    }
    if (breaker->state == CIRCUIT_OPEN) {
        metrics_count(METRIC_PAYMENT_CIRCUIT_OPENED);
    }
    log_event(breaker->state == CIRCUIT_OPEN ? LOG_ERROR : LOG_INFO, "payment_circuit_changed",
              json_pack("{s:s,s:s,s:s,s:o,s:I}", "worker", "payment", "provider", settlement->services->provider->name,
                        "state", circuit_breaker_state_name(breaker), "error",
                        answer->provider_failed ? log_text(answer->reason) : json_null(), "failures",
                        (json_int_t)breaker->failures));
}

static void take_answer(void *context, const struct payment_answer *answer) {
    struct settlement *settlement = context;
    settlement_take *take = settlement->take;

    settlement->take = NULL;
    count_answer(answer);
    note_circuit(settlement, answer);
    if (answer->provider_failed) {
        log_event(LOG_WARN, "payment_provider_failed",
                  json_pack("{s:s,s:o,s:I,s:I,s:o}", "worker", "payment", "requestId",
                            log_text(settlement->message.request_id), "orderId",
                            (json_int_t)settlement->request.order_id, "attemptId",
                            (json_int_t)settlement->request.attempt_id, "error", log_text(answer->reason)));
    }
    take(settlement, answer);
}

void settlement_ask(struct settlement *settlement, enum payment_operation operation, settlement_take *take) {
    const struct settlement_services *services = settlement->services;
    int64_t now = clock_monotonic_ms();
    int left_ms = settlement_remaining_ms(settlement);

    if (!circuit_breaker_enter(services->breaker, settlement, now)) {
        settlement_defer(settlement, SETTLEMENT_CIRCUIT_OPEN, circuit_breaker_wait_ms(services->breaker, now));
        return;
    }
    settlement->request.operation = operation;
    settlement->request.timeout_ms = left_ms < services->provider_timeout_ms ? left_ms : services->provider_timeout_ms;
    settlement->take = take;
    services->provider->start(services->provider, &settlement->request, take_answer, settlement);
}

/* ---- putting off ---- */

static void take_deferred(void *context, const struct database_answer *database_answer) {
    struct settlement *settlement = context;
    struct settlement_answer answer = {
        .result = SETTLEMENT_DEFERRED,
        .result_text = "deferred",
        .error = settlement->waits_for,
        .retry_after_ms = settlement->waits_ms,
    };

    if (database_answer->outcome != DATABASE_OK) {
        settlement_database_failed(settlement, database_answer);
        return;
    }
    metrics_count(METRIC_PAYMENT_DEFERRED);
    settlement_finish(settlement, &answer);
}

void settlement_defer(struct settlement *settlement, const char *reason, int64_t delay_ms) {
    const struct settlement_request *message = &settlement->message;
    char store_id[NUMBER_TEXT_SIZE], outbox_id[NUMBER_TEXT_SIZE], order_id[NUMBER_TEXT_SIZE], delay[NUMBER_TEXT_SIZE];
    const char *values[] = {
        number_text(settlement->services->store_id, store_id),
        settlement_outbox_id(settlement, outbox_id),
        message->refund_id > 0 ? TOPIC_REFUND : TOPIC_PAYMENT,
        number_text(message->order_id, order_id),
        message->body,
        message->request_id,
        message->traceparent,
        reason,
        NULL,
    };

    /* Those that wait for the same thing should not all come back at once: up to half as long again. */
    settlement->waits_for = memory_duplicate(reason);
    settlement->waits_ms = delay_ms + backoff_jitter_ms(delay_ms / 2, backoff_random_fraction());
    values[8] = number_text(settlement->waits_ms, delay);
    settlement_query(settlement, &defer_message_statement, values, take_deferred);
}

void settlement_note_open(struct settlement *settlement, const struct payment_answer *answer) {
    free(settlement->open_reason);
    settlement->open_reason = memory_format("payment provider: %s", answer->reason);
    settlement->pause_ms = answer->retry_after_ms;
}

void settlement_wait(struct settlement *settlement, const char *reason, int64_t least_ms) {
    int64_t delay_ms = settlement->request.age_seconds * 1000 / 2;

    delay_ms = delay_ms > WAIT_MAXIMUM_MS ? WAIT_MAXIMUM_MS : delay_ms;
    delay_ms = delay_ms < WAIT_LEAST_MS ? WAIT_LEAST_MS : delay_ms;
    settlement_defer(settlement, reason, delay_ms > least_ms ? delay_ms : least_ms);
}
