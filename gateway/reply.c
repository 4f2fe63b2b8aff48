#include "reply.h"

#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cors.h"
#include "errmap.h"
#include "metrics.h"
#include "problem.h"
#include "request.h"

#define JSON_TYPE    "application/json; charset=utf-8"
#define PROBLEM_TYPE "application/problem+json"

void request_answer_json(struct request *request, unsigned status, char *body) {
    free(request->reply.body);
    request->reply.status = body != NULL ? status : MHD_HTTP_INTERNAL_SERVER_ERROR;
    request->reply.body = body;
    request->reply.is_problem = request->reply.status >= 400;
    request->reply.content_type = NULL;
    request->reply.retry_after = NO_RETRY;
}

void request_answer_text(struct request *request, unsigned status, const char *content_type, char *body) {
    request_answer_json(request, status, body);
    request->reply.content_type = body != NULL ? content_type : NULL;
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

static const char *content_type_of(const struct reply *reply) {
    if (reply->content_type != NULL) {
        return reply->content_type;
    }
    return reply->is_problem ? PROBLEM_TYPE : JSON_TYPE;
}

static void add_headers(struct MHD_Response *response, const struct request *request) {
    const struct reply *reply = &request->reply;
    char seconds[16];

    add_header(response, "X-Request-Id", request->request_id);
    if (request->traceparent[0] != '\0') {
        add_header(response, "traceparent", request->traceparent);
    }
    if (reply->prepared == NULL) {
        add_header(response, "Cache-Control", "no-store");
    }
    if (reply->body != NULL) {
        add_header(response, "Content-Type", content_type_of(reply));
    }
    if (reply->location != NULL) {
        add_header(response, "Location", reply->location);
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
    if (!request->for_metrics) {
        add_cors_headers(response, request);
    }
}

size_t reply_size(const struct reply *reply) {
    if (reply->prepared != NULL) {
        return reply->prepared_size;
    }
    return reply->body != NULL ? strlen(reply->body) : 0;
}

/* make_response gives the library's form of a reply, which takes over what the reply owns of it. */
static struct MHD_Response *make_response(const struct reply *reply) {
    if (reply->prepared != NULL) {
        return reply->prepared;
    }
    return MHD_create_response_from_buffer(reply_size(reply), reply->body,
                                           reply->body != NULL ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
}

int reply_send(struct request *request) {
    struct reply *reply = &request->reply;
    struct MHD_Response *response = make_response(reply);
    int queued;

    if (response == NULL) {
        return MHD_NO;
    }
    add_headers(response, request);
    if (reply->is_problem && reply->body != NULL) {
        metrics_refused(request->gateway->metrics, reply->body);
    }
    queued = (int)MHD_queue_response(request->connection, reply->status, response);
    MHD_destroy_response(response);
    reply->body = NULL; /* the library frees it */
    reply->prepared = NULL;
    request->phase = REQUEST_SENT;
    return queued;
}

void reply_clear(struct reply *reply) {
    free(reply->body);
    free(reply->location);
    if (reply->prepared != NULL) {
        MHD_destroy_response(reply->prepared);
    }
    reply->prepared = NULL;
    reply->body = NULL;
    reply->location = NULL;
}
