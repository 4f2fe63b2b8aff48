#include "queue_health.h"

#include <jansson.h>
#include <string.h>

#include "clock.h"
#include "errmap.h"
#include "request.h"
#include "text.h"
#include "version.h"

#define TIMEOUT_MS    900 /* a second is promised, and the answer needs a moment too */
#define RETRY_SECONDS 1

enum queue_column { QUEUE_CONNECTED, QUEUE_DEPTH, QUEUE_DLQ_DEPTH, QUEUE_OLDEST_AGE, QUEUE_LAST_POLL, QUEUE_BACKEND };

static const struct database_statement queue_status_statement = {
    "queue_status",
    "SELECT connected, depth, dlq_depth, oldest_message_age_seconds,"
    " pg_catalog.to_char(last_poll_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), backend"
    " FROM shop.queue_status($1::pg_catalog.int4)",
    1, true};

/* number_or_null reads an integer column of the one row. */
static json_t *number_or_null(const PGresult *status, enum queue_column column) {
    int64_t number;

    if (PQgetisnull(status, 0, column) ||
        !text_to_int64(PQgetvalue(status, 0, column), INT64_MIN, INT64_MAX, &number)) {
        return json_null();
    }
    return json_integer(number);
}

static json_t *text_or_null(const PGresult *status, enum queue_column column) {
    return PQgetisnull(status, 0, column) ? json_null() : json_string(PQgetvalue(status, 0, column));
}

static bool is_connected(const PGresult *status) {
    return strcmp(PQgetvalue(status, 0, QUEUE_CONNECTED), "t") == 0;
}

static json_t *queue_known(const PGresult *status) {
    return json_pack("{s:s,s:o,s:o,s:o,s:o,s:o}", "status", is_connected(status) ? "connected" : "disconnected",
                     "depth", number_or_null(status, QUEUE_DEPTH), "dlq_depth", number_or_null(status, QUEUE_DLQ_DEPTH),
                     "oldest_message_age_seconds", number_or_null(status, QUEUE_OLDEST_AGE), "last_poll_at",
                     text_or_null(status, QUEUE_LAST_POLL), "backend", text_or_null(status, QUEUE_BACKEND));
}

/* queue_unknown: what pollers report is in the database too. */
static json_t *queue_unknown(void) {
    return json_pack("{s:s,s:n,s:n,s:n,s:n,s:n}", "status", "disconnected", "depth", "dlq_depth",
                     "oldest_message_age_seconds", "last_poll_at", "backend");
}

/* strict tells whether a queue that is away counts as an outage. */
static bool strict(const struct request *request) {
    const char *value;
    bool repeated;

    request_target_parameter(&request->target, "strict", &value, &repeated);
    return value != NULL && (strcmp(value, "1") == 0 || strcmp(value, "true") == 0);
}

static void on_queue_status(void *context, const struct database_answer *answer) {
    struct request *request = context;
    bool database = answer->outcome == DATABASE_OK && PQntuples(answer->result) == 1;
    bool queue = database && is_connected(answer->result);
    bool serving = database && (queue || !strict(request));
    int64_t uptime_us = clock_monotonic_us() - request->gateway->started_us;
    json_t *body = json_pack("{s:s,s:{s:s},s:o,s:I,s:s}", "status", database && queue ? "healthy" : "degraded",
                             "database", "status", database ? "connected" : "disconnected", "queue",
                             database ? queue_known(answer->result) : queue_unknown(), "uptime_seconds",
                             (json_int_t)(uptime_us / 1000000), "version", PG_SHOP_VERSION);

    request_answer_json(request, serving ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, json_dumps(body, JSON_COMPACT));
    json_decref(body);
    if (!serving) {
        request->reply.is_problem = false; /* clients read the words of this document */
        request->reply.retry_after = RETRY_SECONDS;
        request_set_error(request, database ? "no poller has reported for 60 s" : answer->message);
    }
    request_answered(request);
}

void queue_health_handle(struct request *request) {
    const char *values[] = {request->gateway->store_id};

    database_pool_submit(request->gateway->database, &queue_status_statement, values, TIMEOUT_MS, on_queue_status,
                         request);
}
