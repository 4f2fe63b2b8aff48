#include "dispatch.h"

#include <stdio.h>
#include <string.h>

#include "authentication.h"
#include "cors.h"
#include "errmap.h"
#include "message_syntax.h"
#include "request.h"
#include "sql_route.h"
#include "text.h"

#define SHUTDOWN_RETRY_SECONDS 1

static void refuse(struct request *request, unsigned status, const char *code, const char *message) {
    request_answer_problem(request, status, code, message, NO_RETRY);
}

static void refuse_too_large(struct request *request) {
    refuse(request, message_body_too_large.status, message_body_too_large.code, message_body_too_large.message);
}

/*
 * answer_preflight answers OPTIONS: 204 with what a browser wants to know (Fetch standard, "CORS-preflight fetch").
 * That goes for any path, as with the cors middleware of the predecessors: a page whose path is wrong then gets to read
 * the 404 of the request that follows, and not just that the browser has refused it.
 */
static void answer_preflight(struct request *request) {
    request->reply.status = MHD_HTTP_NO_CONTENT;
    request->reply.retry_after = NO_RETRY;
    request->reply.is_preflight = true;
    request->reply.cors_headers = cors_request_headers(request_header(request, "Access-Control-Request-Headers"));
    routes_allowed_methods(&request->target, request->reply.allow);
}

/* find_metrics sets the route of METRICS_PORT, which knows one path and no preflight: no page of another origin may
 * read it. */
static void find_metrics(struct request *request) {
    bool path_known;

    if (request->target.path == NULL || strcmp(request->target.path, "/metrics") != 0) {
        refuse(request, MHD_HTTP_NOT_FOUND, "not_found", "Not found");
        return;
    }
    request->route = routes_find(request->method, &request->target, &request->sources, &path_known);
    if (request->route == NULL) {
        refuse(request, MHD_HTTP_METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed");
        snprintf(request->reply.allow, sizeof(request->reply.allow), "GET, HEAD");
    }
}

/* find_route sets the request's route, or refuses with 404 or 405. */
static void find_route(struct request *request) {
    bool path_known;

    request->route = routes_find(request->method, &request->target, &request->sources, &path_known);
    if (request->route == NULL && path_known) {
        refuse(request, MHD_HTTP_METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed");
        routes_allowed_methods(&request->target, request->reply.allow);
    } else if (request->route == NULL) {
        refuse(request, MHD_HTTP_NOT_FOUND, "not_found", "Not found");
    }
}

/* check_headers refuses header values that cannot be passed on as text. */
static void check_headers(struct request *request) {
    const char *key = request_header(request, "Idempotency-Key");

    if (key != NULL && !text_is_utf8(key, strlen(key))) {
        refuse(request, MHD_HTTP_BAD_REQUEST, "invalid_header", "Idempotency-Key must be UTF-8");
        return;
    }
    request->sources.idempotency_key = key;
}

/* check_announced_size refuses a body that says itself that it is too large. */
static void check_announced_size(struct request *request) {
    if (request->framing.content_length > request_body_limit(request)) {
        request->body_too_large = true;
        refuse_too_large(request);
    }
}

static void refuse_shutting_down(struct request *request) {
    request_answer_problem(request, MHD_HTTP_SERVICE_UNAVAILABLE, "shutting_down", SHUTTING_DOWN_MESSAGE,
                           SHUTDOWN_RETRY_SECONDS);
}

/* refuse_while_stopping: what began before the signal is served, what comes after it is not. */
static void refuse_while_stopping(struct request *request) {
    if (request->gateway->stopping && !request->route->while_stopping) {
        refuse_shutting_down(request);
    }
}

void dispatch_head(struct request *request) {
    framing_read(request->connection, &request->framing);
    request_identify(request, request_header(request, "X-Request-Id"), request_header(request, "traceparent"));
    if (request->target_fault != NULL) {
        refuse(request, MHD_HTTP_BAD_REQUEST, "bad_request", request->target_fault);
        return;
    }
    if (request->for_metrics) {
        find_metrics(request);
    } else if (strcmp(request->method, "OPTIONS") == 0) {
        answer_preflight(request);
    } else {
        find_route(request);
    }
    if (request->reply.status == 0) {
        refuse_while_stopping(request);
    }
    if (request->reply.status == 0) {
        authentication_check(request);
    }
    if (request->reply.status == 0) {
        check_headers(request);
    }
    if (request->reply.status == 0) {
        check_announced_size(request);
    }
}

/* read_body parses the body where the route takes one. */
static void read_body(struct request *request) {
    bool wanted = request->route->body == BODY_OPTIONAL || request->route->body == BODY_REQUIRED;

    if (request->body_too_large) {
        refuse_too_large(request);
    } else if (request->body_out_of_memory) {
        refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "overloaded", "The server is busy, please try again");
        request->reply.retry_after = SHUTDOWN_RETRY_SECONDS;
    } else if (wanted && (request->body_size > 0 || request->route->body == BODY_REQUIRED)) {
        if (!json_content_type_accepted(request_header(request, "Content-Type")) ||
            !json_body_parse(request->body_text, request->body_size, &request->body)) {
            refuse(request, MHD_HTTP_BAD_REQUEST, "invalid_json", "Invalid JSON body");
        }
        request->sources.body = &request->body;
        request->sources.body_text = request->body_text;
    }
}

void dispatch_complete(struct request *request) {
    if (request->reply.status == 0 && request->gateway->closing) {
        refuse_shutting_down(request);
    }
    if (request->reply.status == 0) {
        read_body(request);
    }
    if (request->reply.status != 0) {
        request_answered(request);
        return;
    }
    request->sources.target = &request->target;
    request->sources.store_id = request->gateway->store_id;
    request->sources.request_id = request->request_id;
    if (request->route->handler != NULL) {
        request->route->handler(request);
    } else {
        sql_route_call(request);
    }
}
