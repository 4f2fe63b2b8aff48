#include "sql_route.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "request_batcher.h"
#include "errmap.h"
#include "log.h"
#include "problem.h"
#include "reading.h"
#include "request.h"
#include "statements.h"
#include "text.h"

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
static int64_t integer_column(const PGresult *result, int row, enum response_column column, int64_t fallback) {
    int64_t number;

    if (PQgetisnull(result, row, column) || !text_to_int64(PQgetvalue(result, row, column), 0, INT64_MAX, &number)) {
        return fallback;
    }
    return number;
}

/* body_column copies the body; problems of functions lack the member that the clients of /api/ read. */
static char *body_column(const struct request *request, const PGresult *result, int row, unsigned status) {
    const char *body = PQgetvalue(result, row, COLUMN_BODY);

    return status >= 400 && request_is_api(request) ? problem_with_error(body, status) : strdup(body);
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
static void answer_response(struct request *request, const PGresult *result, int row) {
    int64_t status = 0;

    if (row < PQntuples(result) && PQnfields(result) == COLUMN_COUNT && !PQgetisnull(result, row, COLUMN_BODY)) {
        status = integer_column(result, row, COLUMN_STATUS, 0);
    }
    if (status < 200 || status > 599) {
        request_set_error(request, "the function's answer is no shop.response");
        request_answer_problem(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "internal_error", "Internal server error",
                               NO_RETRY);
        return;
    }
    request_answer_json(request, (unsigned)status, body_column(request, result, row, (unsigned)status));
    request->order_id = integer_column(result, row, COLUMN_ORDER_ID, 0);
    request->reply.retry_after = (int)integer_column(result, row, COLUMN_RETRY_AFTER, NO_RETRY);
    request->reply.replayed = strcmp(PQgetvalue(result, row, COLUMN_REPLAYED), "t") == 0;
    if (!PQgetisnull(result, row, COLUMN_LOCATION)) {
        request->reply.location = strdup(PQgetvalue(result, row, COLUMN_LOCATION));
    }
    log_success(request);
}

/* statement_of gives the statement to call: where a key makes the call repeatable, the one that says so. */
static const struct database_statement *statement_of(const struct request *request) {
    if (request->route->keyed_statement != NULL && request->sources.idempotency_key != NULL) {
        return request->route->keyed_statement;
    }
    return request->route->statement;
}

static void on_row(void *context, const struct database_answer *answer, int row) {
    struct request *request = context;

    if (answer->outcome == DATABASE_OK) {
        answer_response(request, answer->result, row);
    } else {
        sql_answer_failure(request, answer, statement_of(request)->repeatable);
    }
    request_answered(request);
}

static void on_answer(void *context, const struct database_answer *answer) {
    on_row(context, answer, 0);
}

/* refuse_type answers that a member has the wrong type. */
static void refuse_type(struct request *request, const struct argument *refused) {
    char message[128];

    snprintf(message, sizeof(message), "%s must be a %s", refused->name,
             refused->type == BOOLEAN ? "boolean" : "string");
    request_answer_problem(request, MHD_HTTP_BAD_REQUEST, "invalid_field", message, NO_RETRY);
    request_answered(request);
}

static int timeout_of(const struct route *route) {
    return route->timeout_ms > 0 ? route->timeout_ms : DATABASE_CALL_TIMEOUT_MS;
}

void sql_route_submit(struct request *request, const char *const *values) {
    database_pool_submit(request->gateway->database, statement_of(request), values, timeout_of(request->route),
                         on_answer, request);
}

/* batcher_of gives the batcher that takes the calls of the request's route. */
static struct request_batcher *batcher_of(const struct request *request) {
    return request->route->batched == BATCHED_CHECKOUTS ? request->gateway->checkouts : request->gateway->cart_items;
}

void sql_route_call(struct request *request) {
    const struct route *route = request->route;
    const struct database_statement *statement = statement_of(request);
    struct argument_values values;
    const struct argument *refused =
        arguments_collect(route->arguments, (size_t)statement->parameter_count, &request->sources, &values);

    if (refused != NULL) {
        refuse_type(request, refused);
    } else if (route->batched != NOT_BATCHED) {
        request_batcher_submit(batcher_of(request), values.values, on_row, request);
    } else if (route->reading != NULL) {
        reading_submit(request->gateway->readings, route->reading, values.values, timeout_of(route), on_row, request);
    } else {
        sql_route_submit(request, values.values);
    }
    arguments_free(&values);
    request_drop_body(request);
}
