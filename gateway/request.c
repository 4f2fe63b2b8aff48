#include "request.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "message_syntax.h"
#include "metrics.h"

#define BODY_LIMIT         ((size_t)100 * 1024)
#define API_BODY_LIMIT     ((size_t)10 * 1024 * 1024)
#define FIRST_BODY_BUFFER  ((size_t)4096)
#define CLIENT_LEFT_STATUS 499 /* in the log only: the client went away before it was answered */

/* Of all requests' bodies. On its way to the database a body takes two to three times its size. */
#define ALL_BODIES_LIMIT ((size_t)32 * 1024 * 1024)

/* uncount_body takes the request's body out of the account of all. */
static void uncount_body(struct request *request) {
    request->gateway->body_bytes -= request->body_counted;
    request->body_counted = 0;
}

struct request *request_create(struct gateway *gateway, struct MHD_Connection *connection, const char *uri) {
    struct request *request = calloc(1, sizeof(*request));

    if (request == NULL) {
        return NULL;
    }
    request->gateway = gateway;
    request->connection = connection;
    request->started_us = clock_monotonic_us();
    metrics_request_began(gateway->metrics);
    request->target_fault = request_target_parse(uri, &request->target);
    request_id_choose(NULL, request->request_id);
    return request;
}

void request_free(struct request *request) {
    if (request == NULL) {
        return;
    }
    metrics_request_ended(request->gateway->metrics, request);
    request_target_free(&request->target);
    request_drop_body(request);
    uncount_body(request);
    reply_clear(&request->reply);
    free(request->error);
    free(request);
}

const char *request_header(const struct request *request, const char *name) {
    assert(message_syntax_reads(name)); /* or the library never got it */
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

void request_identify(struct request *request, const char *request_id, const char *traceparent) {
    request_id_choose(request_id, request->request_id);
    if (traceparent != NULL && traceparent_valid(traceparent)) {
        snprintf(request->traceparent, sizeof(request->traceparent), "%s", traceparent);
        request->sources.traceparent = request->traceparent;
    }
}

bool request_is_api(const struct request *request) {
    return request->target.path != NULL && strncmp(request->target.path, "/api/", 5) == 0;
}

size_t request_body_limit(const struct request *request) {
    return request_is_api(request) ? API_BODY_LIMIT : BODY_LIMIT;
}

/* capacity_for gives the size of a buffer that holds so many bytes: no more than the largest body and its NUL need. */
static size_t capacity_for(const struct request *request, size_t needed) {
    size_t capacity = request->body_capacity > 0 ? request->body_capacity : FIRST_BODY_BUFFER;
    size_t most = request_body_limit(request) + 1;

    while (capacity < needed) {
        capacity *= 2;
    }
    return capacity < most ? capacity : most;
}

/* count_body takes a body of this capacity into the account of all; false when there is no room. */
static bool count_body(struct request *request, size_t capacity) {
    struct gateway *gateway = request->gateway;
    size_t others = gateway->body_bytes - request->body_counted;

    if (capacity <= FIRST_BODY_BUFFER) {
        return true;
    }
    if (capacity > ALL_BODIES_LIMIT - others) {
        return false;
    }
    gateway->body_bytes = others + capacity;
    request->body_counted = capacity;
    return true;
}

/* reserve makes room for size more bytes and a NUL. */
static bool reserve(struct request *request, size_t size) {
    size_t needed = request->body_size + size + 1;
    size_t capacity = capacity_for(request, needed);
    char *grown;

    if (needed <= request->body_capacity) {
        return true;
    }
    grown = count_body(request, capacity) ? realloc(request->body_text, capacity) : NULL;
    if (grown == NULL) {
        return false;
    }
    request->body_text = grown;
    request->body_capacity = capacity;
    return true;
}

void request_add_body(struct request *request, const char *data, size_t size) {
    if (request->body_too_large || request->body_out_of_memory) {
        return;
    }
    request->body_too_large = size > request_body_limit(request) - request->body_size;
    request->body_out_of_memory = !request->body_too_large && !reserve(request, size);
    if (request->body_too_large || request->body_out_of_memory) {
        request_drop_body(request); /* at once: the rest of it may take long to come */
        uncount_body(request);
        return;
    }
    memcpy(request->body_text + request->body_size, data, size);
    request->body_size += size;
    request->body_text[request->body_size] = '\0';
}

void request_drop_body(struct request *request) {
    json_body_free(&request->body);
    free(request->body_text);
    request->body_text = NULL;
    request->sources.body = NULL;
    request->sources.body_text = NULL;
}

void request_set_error(struct request *request, const char *error) {
    free(request->error);
    request->error = strdup(error);
}

void request_answered(struct request *request) {
    request->phase = REQUEST_ANSWERED;
    if (request->suspended) {
        request->suspended = false;
        MHD_resume_connection(request->connection);
    }
}

int64_t request_took_us(const struct request *request) {
    return (request->ended_us != 0 ? request->ended_us : clock_monotonic_us()) - request->started_us;
}

/* log_fields gives the members that both events share. */
static json_t *log_fields(const struct request *request, unsigned status) {
    double milliseconds = (double)request_took_us(request) / 1000;
    json_t *fields = json_object();

    json_object_set_new(fields, "requestId", json_string(request->request_id));
    json_object_set_new(fields, "method", request->method[0] != '\0' ? log_text(request->method) : json_null());
    json_object_set_new(fields, "path", log_text(request->target.path));
    json_object_set_new(fields, "status", json_integer(status));
    if (request->order_id != 0) {
        json_object_set_new(fields, "orderId", json_integer(request->order_id));
    }
    if (request->traceparent[0] != '\0') {
        json_object_set_new(fields, "traceparent", json_string(request->traceparent));
    }
    json_object_set_new(fields, "durationMs", json_real(milliseconds));
    return fields;
}

void request_log(const struct request *request) {
    unsigned status = request->reply.status != 0 ? request->reply.status : CLIENT_LEFT_STATUS;
    json_t *fields;

    if (status >= 500) {
        fields = log_fields(request, status);
        json_object_set_new(fields, "error", log_text(request->error != NULL ? request->error : "refused"));
        log_event(LOG_ERROR, "http_error", fields);
    }
    if (log_enabled(LOG_INFO)) {
        log_event(LOG_INFO, "http_request", log_fields(request, status));
    }
}
