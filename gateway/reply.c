#include "reply.h"

#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cors.h"
#include "errmap.h"
#include "problem.h"
#include "request.h"

#define JSON_TYPE    "application/json; charset=utf-8"
#define PROBLEM_TYPE "application/problem+json"

void request_answer_json(struct request *request, unsigned status, char *body) {
    free(request->reply.body);
    request->reply.status = body != NULL ? status : MHD_HTTP_INTERNAL_SERVER_ERROR;
    request->reply.body = body;
    request->reply.is_problem = request->reply.status >= 400;
    request->reply.retry_after = NO_RETRY;
}

void request_answer_problem(struct request *request, unsigned status, const char *code, const char *message,
                            int retry_after) {
    request_answer_json(request, status,
                        problem_body(status, code, message, request->request_id, request_is_api(request)));
    request->reply.retry_after = retry_after;
}

static void add_header(struct MHD_Response *response, const char *name, const char *value) {
    /* It fails for lack of memory or a value with line breaks; an answer without the header is better than none. */
    (void)MHD_add_response_header(response, name, value);
}

static void add_cors_headers(struct MHD_Response *response, const struct request *request) {
    const char *origins = request->gateway->configuration.cors_origins;
    const char *allowed = cors_allowed_origin(origins, request_header(request, "Origin"));

    if (cors_varies_by_origin(origins)) {
        add_header(response, "Vary", "Origin");
    }
    if (allowed == NULL) {
        return;
    }
    add_header(response, "Access-Control-Allow-Origin", allowed);
    if (!request->reply.is_preflight) {
        add_header(response, "Access-Control-Expose-Headers", CORS_EXPOSED_HEADERS);
        return;
    }
    add_header(response, "Access-Control-Allow-Methods", request->reply.allow);
    add_header(response, "Access-Control-Allow-Headers", request->reply.cors_headers);
    add_header(response, "Access-Control-Max-Age", "600");
}

static void add_headers(struct MHD_Response *response, const struct request *request) {
    const struct reply *reply = &request->reply;
    char seconds[16];

    add_header(response, "X-Request-Id", request->request_id);
    add_header(response, "Cache-Control", "no-store");
    if (reply->body != NULL) {
        add_header(response, "Content-Type", reply->is_problem ? PROBLEM_TYPE : JSON_TYPE);
    }
    if (reply->replayed) {
        add_header(response, "Idempotent-Replayed", "true");
    }
    if (reply->retry_after >= 0) {
        snprintf(seconds, sizeof(seconds), "%d", reply->retry_after);
        add_header(response, "Retry-After", seconds);
    }
    if (reply->allow[0] != '\0') {
        add_header(response, "Allow", reply->allow);
    }
    if (reply->bearer_challenge) {
        add_header(response, "WWW-Authenticate", reply->token_was_bad ? "Bearer error=\"invalid_token\"" : "Bearer");
    }
    if (reply->close || request->gateway->stopping) {
        add_header(response, "Connection", "close");
    }
    add_cors_headers(response, request);
}

int reply_send(struct request *request) {
    struct reply *reply = &request->reply;
    size_t size = reply->body != NULL ? strlen(reply->body) : 0;
    struct MHD_Response *response = MHD_create_response_from_buffer(
        size, reply->body, reply->body != NULL ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
    int queued;

    if (response == NULL) {
        return MHD_NO;
    }
    add_headers(response, request);
    queued = (int)MHD_queue_response(request->connection, reply->status, response);
    MHD_destroy_response(response);
    reply->body = NULL; /* the library frees it */
    request->phase = REQUEST_SENT;
    return queued;
}

void reply_clear(struct reply *reply) {
    free(reply->body);
    reply->body = NULL;
}
