#include "sql_route.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "errmap.h"
#include "log.h"
#include "request.h"
#include "text.h"

/* The columns of shop.response, in the order in which the statements of the route table name them. */
enum response_column { COLUMN_STATUS, COLUMN_BODY, COLUMN_REPLAYED, COLUMN_ORDER_ID, COLUMN_RETRY_AFTER, COLUMN_COUNT };

void sql_answer_failure(struct request *request, const struct database_answer *answer, bool repeatable) {
    const struct error_mapping *mapping = errmap_of_answer(answer, repeatable);
    char cause[640];

    snprintf(cause, sizeof(cause), "%s%s%s", answer->sqlstate, answer->sqlstate[0] != '\0' ? ": " : "",
             answer->message);
    request_set_error(request, cause);
    if (request->gateway->stopping && strcmp(mapping->code, "database_unavailable") == 0) {
        request_answer_problem(request, mapping->status, "shutting_down", SHUTTING_DOWN_MESSAGE, mapping->retry_after);
        return;
    }
    request_answer_problem(request, mapping->status, mapping->code, mapping->message, mapping->retry_after);
}

/* integer_column reads an integer column; fallback for NULL and for what is no such number. */
static int64_t integer_column(const PGresult *result, enum response_column column, int64_t fallback) {
    int64_t number;

    if (PQgetisnull(result, 0, column) || !text_to_int64(PQgetvalue(result, 0, column), 0, INT64_MAX, &number)) {
        return fallback;
    }
    return number;
}

/* log_success writes the event that the route asks for. */
static void log_success(const struct request *request) {
    const struct reply *reply = &request->reply;

    if (request->route->log_event == NULL || reply->status >= 400) {
        return;
    }
    log_event(LOG_INFO, request->route->log_event,
              json_pack("{s:s,s:o,s:i,s:b}", "requestId", request->request_id, "orderId",
                        request->order_id != 0 ? json_integer(request->order_id) : json_null(), "status",
                        (int)reply->status, "replayed", reply->replayed));
}

/* answer_response turns a row of shop.response into the reply. */
static void answer_response(struct request *request, const PGresult *result) {
    int64_t status;

    if (PQntuples(result) != 1 || PQnfields(result) != COLUMN_COUNT || PQgetisnull(result, 0, COLUMN_BODY)) {
        status = 0;
    } else {
        status = integer_column(result, COLUMN_STATUS, 0);
    }
    if (status < 200 || status > 599) {
        request_set_error(request, "the function's answer is no shop.response");
        request_answer_problem(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "internal_error", "Internal server error",
                               NO_RETRY);
        return;
    }
    request_answer_json(request, (unsigned)status, strdup(PQgetvalue(result, 0, COLUMN_BODY)));
    request->order_id = integer_column(result, COLUMN_ORDER_ID, 0);
    request->reply.retry_after = (int)integer_column(result, COLUMN_RETRY_AFTER, NO_RETRY);
    request->reply.replayed =
        !PQgetisnull(result, 0, COLUMN_REPLAYED) && strcmp(PQgetvalue(result, 0, COLUMN_REPLAYED), "t") == 0;
    log_success(request);
}

/* statement_of gives the statement to call: where a key makes the call repeatable, the one that says so. */
static const struct database_statement *statement_of(const struct request *request) {
    if (request->route->keyed_statement != NULL && request->sources.idempotency_key != NULL) {
        return request->route->keyed_statement;
    }
    return request->route->statement;
}

static void on_answer(void *context, const struct database_answer *answer) {
    struct request *request = context;

    if (answer->outcome == DATABASE_OK) {
        answer_response(request, answer->result);
    } else {
        sql_answer_failure(request, answer, statement_of(request)->repeatable);
    }
    request_answered(request);
}

void sql_route_call(struct request *request) {
    const struct database_statement *statement = statement_of(request);
    struct argument_values values;
    const char *refused =
        arguments_collect(request->route->arguments, (size_t)statement->parameter_count, &request->sources, &values);

    if (refused != NULL) {
        char message[128];

        snprintf(message, sizeof(message), "%s must be a string", refused);
        request_answer_problem(request, MHD_HTTP_BAD_REQUEST, "invalid_field", message, NO_RETRY);
        request_answered(request);
    } else {
        database_pool_submit(request->gateway->database, statement, values.values, DATABASE_CALL_TIMEOUT_MS, on_answer,
                             request);
    }
    arguments_free(&values);
}
