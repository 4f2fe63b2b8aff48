#include "health.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "demo_accounts.h"
#include "errmap.h"
#include "request.h"
#include "version.h"

#define READY_TIMEOUT_MS    1000
#define READY_RETRY_SECONDS 1

static const struct database_statement version_statement = {"version", "SELECT shop.version()", 0, true};

void health_handle(struct request *request) {
    char now[CLOCK_ISO_TEXT_SIZE];
    json_t *body;

    clock_iso_text(now);
    body = json_pack("{s:s,s:s}", "status", "ok", "timestamp", now);
    request_answer_json(request, MHD_HTTP_OK, json_dumps(body, JSON_COMPACT));
    json_decref(body);
    request_answered(request);
}

/* answer_not_ready: no problem document, since clients read the word in status. */
static void answer_not_ready(struct request *request, const char *reason) {
    json_t *body = json_pack("{s:s,s:s}", "status", "not_ready", "reason", reason);

    request_answer_json(request, MHD_HTTP_SERVICE_UNAVAILABLE, json_dumps(body, JSON_COMPACT));
    json_decref(body);
    request->reply.is_problem = false;
    request->reply.retry_after = READY_RETRY_SECONDS;
    request_set_error(request, reason);
}

static void answer_version(struct request *request, const char *version) {
    char reason[160];
    json_t *body;

    if (strcmp(version, PG_SHOP_VERSION) != 0) {
        snprintf(reason, sizeof(reason), "the database has version %.40s of pg_shop, this gateway is %s", version,
                 PG_SHOP_VERSION);
        answer_not_ready(request, reason);
        return;
    }
    if (!demo_accounts_stored(request->gateway->demo_accounts)) {
        answer_not_ready(request, "the demo accounts are not stored yet");
        return;
    }
    body = json_pack("{s:s}", "status", "ready");
    request_answer_json(request, MHD_HTTP_OK, json_dumps(body, JSON_COMPACT));
    json_decref(body);
}

static void on_version(void *context, const struct database_answer *answer) {
    struct request *request = context;

    if (answer->outcome == DATABASE_OK && PQntuples(answer->result) == 1) {
        answer_version(request, PQgetvalue(answer->result, 0, 0));
    } else {
        answer_not_ready(request, errmap_of_answer(answer, true)->message);
        request_set_error(request, answer->message);
    }
    request_answered(request);
}

void ready_handle(struct request *request) {
    if (request->gateway->stopping) {
        answer_not_ready(request, "the gateway is shutting down");
        request_answered(request);
        return;
    }
    database_pool_submit(request->gateway->database, &version_statement, NULL, READY_TIMEOUT_MS, on_version, request);
}
