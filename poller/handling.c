#include "handling.h"

#include <stdlib.h>
#include <string.h>

#include "allocation.h"
#include "database_calls.h"
#include "dead_letter.h"

struct handling {
    const struct handling_services *services;
    struct handling_request request;
    handling_callback *callback;
    void *context;
    struct settlement *settlement; /* of a payment or refund; NULL when it is over, and for intake orders */
};

static void start_settlement(struct handling *handling);
static void start_intake(struct handling *handling);

struct handling *handling_start(const struct handling_services *services, const struct handling_request *request,
                                handling_callback *callback, void *context) {
    struct handling *handling = memory_allocate(sizeof(*handling));

    handling->services = services;
    handling->request = *request;
    handling->callback = callback;
    handling->context = context;
    if (request->content->kind == MESSAGE_INTAKE) {
        start_intake(handling);
    } else {
        start_settlement(handling);
    }
    return handling;
}

void handling_cancel(struct handling *handling) {
    if (handling->settlement != NULL) {
        settlement_cancel(handling->settlement);
    }
    call_batcher_cancel(handling->services->ingest_batcher, handling);
    free(handling);
}

int handling_maximum_tries(const struct handling_services *services, enum message_kind kind) {
    return kind == MESSAGE_INTAKE ? services->intake_tries : services->payment_tries;
}

/* finish calls back and frees the try. */
static void finish(struct handling *handling, const struct handling_answer *answer) {
    handling->callback(handling->context, answer);
    free(handling);
}

/* ---- payments and refunds ---- */

static void take_settlement(void *context, const struct settlement_answer *settled) {
    static const enum handling_result results[] = {
        [SETTLEMENT_SETTLED] = HANDLING_DONE,
        [SETTLEMENT_ALREADY_SETTLED] = HANDLING_DONE,
        [SETTLEMENT_ORDER_NOT_FOUND] = HANDLING_HOPELESS,
        [SETTLEMENT_REFUND_NOT_FOUND] = HANDLING_HOPELESS,
        [SETTLEMENT_DEFERRED] = HANDLING_DEFERRED,
        [SETTLEMENT_FAILED] = HANDLING_FAILED,
        [SETTLEMENT_DATABASE_AWAY] = HANDLING_DATABASE_AWAY,
    };
    struct handling *handling = context;
    struct handling_answer answer = {
        .result = results[settled->result],
        .inconclusive = settled->inconclusive,
        .result_text = settled->result_text,
        .order_status = settled->order_status,
        .reason =
            settled->result == SETTLEMENT_REFUND_NOT_FOUND ? DEAD_LETTER_REFUND_NOT_FOUND : DEAD_LETTER_ORDER_NOT_FOUND,
        .error = settled->error,
        .retry_after_ms = settled->retry_after_ms,
    };

    handling->settlement = NULL;
    finish(handling, &answer);
}

static void start_settlement(struct handling *handling) {
    struct settlement_request request = {
        .order_id = handling->request.content->order_id,
        .refund_id = handling->request.content->refund_id,
        .request_id = handling->request.request_id,
        .outbox_id = handling->request.outbox_id,
        .body = handling->request.body,
        .traceparent = handling->request.traceparent,
    };

    handling->settlement = settlement_start(handling->services->settlements, &request, take_settlement, handling);
}

/* ---- intake orders: one call to the database, in which others may go along ---- */

/* take_failure finishes a try whose call did not succeed. */
static void take_failure(struct handling *handling, const struct database_answer *database_answer) {
    char *failure = database_failure_text(database_answer);
    struct handling_answer answer = {
        .result = database_work_verdict(handling->services->settlements->pool, database_answer) == DATABASE_AWAY
                      ? HANDLING_DATABASE_AWAY
                      : HANDLING_FAILED,
        .inconclusive = database_answer_is_inconclusive(database_answer),
        .error = failure,
    };

    finish(handling, &answer);
    free(failure);
}

/* read_ingested translates the row that ingest_order gave. */
static void read_ingested(const PGresult *rows, struct handling_answer *answer) {
    static const struct {
        const char *text;
        enum handling_result result;
    } results[] = {
        {"processed", HANDLING_DONE},
        {"failed", HANDLING_DONE},
        {"already_processed", HANDLING_DONE},
        {"busy", HANDLING_BUSY},
        {DEAD_LETTER_INVALID_BODY, HANDLING_HOPELESS},
        {DEAD_LETTER_TOTAL_MISMATCH, HANDLING_HOPELESS},
    };
    const char *result = database_row_text(rows, 0);
    size_t i;

    answer->result = HANDLING_FAILED;
    answer->error = "shop.ingest_order gave a result that this program does not know";
    answer->order_status = database_row_text(rows, 1);
    for (i = 0; result != NULL && i < sizeof(results) / sizeof(results[0]); i++) {
        if (strcmp(result, results[i].text) == 0) {
            answer->result = results[i].result;
            answer->result_text = result;
            answer->reason = results[i].text;
            answer->error = answer->result == HANDLING_DONE ? NULL : database_row_text(rows, 2);
        }
    }
    if (answer->error == NULL && answer->result != HANDLING_DONE) {
        answer->error = result;
    }
}

static void take_ingested(void *context, const struct database_answer *database_answer) {
    struct handling *handling = context;
    struct handling_answer answer = {.result = HANDLING_HOPELESS, .reason = DEAD_LETTER_INVALID_BODY};

    if (database_answer->outcome == DATABASE_OK) {
        read_ingested(database_answer->result, &answer);
        finish(handling, &answer);
    } else if (database_answer->outcome == DATABASE_ERROR && strncmp(database_answer->sqlstate, "22", 2) == 0) {
        /* A data exception is the text's own fault (PostgreSQL manual, "Error Codes", class 22). */
        answer.error = database_answer->message;
        finish(handling, &answer);
    } else {
        take_failure(handling, database_answer);
    }
}

static void start_intake(struct handling *handling) {
    const struct handling_request *request = &handling->request;
    char outbox_id[NUMBER_TEXT_SIZE];
    const char *values[] = {
        request->body,
        request->request_id,
        request->outbox_id > 0 ? number_text(request->outbox_id, outbox_id) : NULL,
    };

    call_batcher_submit(handling->services->ingest_batcher, values, handling->services->settlements->timeout_ms,
                        take_ingested, handling);
}
