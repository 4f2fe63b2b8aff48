/*
 * One request from its first line to the end of its answer.
 */
#ifndef SHOP_GATEWAY_REQUEST_H
#define SHOP_GATEWAY_REQUEST_H

#include <microhttpd.h>
#include <stdint.h>

#include "arguments.h"
#include "framing.h"
#include "gateway.h"
#include "reply.h"
#include "request_id.h"
#include "token.h"

enum request_phase {
    REQUEST_HEAD,     /* the first line is known */
    REQUEST_BODY,     /* the head is complete, the body arrives */
    REQUEST_WORKING,  /* complete; its answer is being made, its connection may be suspended */
    REQUEST_ANSWERED, /* the answer is there and waits to be sent */
    REQUEST_SENT,     /* handed to the HTTP library */
};

struct request {
    struct gateway *gateway;
    struct MHD_Connection *connection;
    struct watched_connection *watched;
    enum request_phase phase;
    bool suspended;
    bool for_metrics; /* it came over METRICS_PORT */
    int64_t started_us;
    int64_t ended_us; /* 0: its end is when it is freed */

    char method[16]; /* cut when longer; no route has such a method */
    struct request_target target;
    const char *target_fault; /* what is wrong with the target, or NULL */
    struct framing framing;
    char request_id[REQUEST_ID_SIZE];
    char traceparent[TRACEPARENT_SIZE]; /* "": the client gave none that may be passed on */
    const struct route *route;
    struct identity identity;
    bool identified;

    char *body_text;
    size_t body_size, body_capacity;
    size_t body_counted; /* its part of gateway->body_bytes */
    bool body_too_large, body_out_of_memory;
    struct json_body body;

    struct argument_sources sources;
    struct reply reply;
    int64_t order_id;  /* for the log; 0 where not known */
    char *error;       /* what went wrong inside, for the log; owned */
    void *route_state; /* of a route's own handler, freed by it */
};

/* request_create makes the request at its first line. uri: the target as sent. NULL when memory is short. */
struct request *request_create(struct gateway *gateway, struct MHD_Connection *connection, const char *uri);

/* request_free frees it. */
void request_free(struct request *request);

/* request_header gives a header's value, or NULL. */
const char *request_header(const struct request *request, const char *name);

/* request_identify takes over x-request-id and traceparent (NULL or "": not given), which everything that the request
 * causes carries, where they are well-formed. */
void request_identify(struct request *request, const char *request_id, const char *traceparent);

/* request_is_api tells whether the path is under /api/, where bodies may be larger and problems carry "error". */
bool request_is_api(const struct request *request);

/* request_body_limit gives the largest body in bytes. */
size_t request_body_limit(const struct request *request);

/*
 * request_add_body keeps a part of the body, or notes that it is too large, or that there is no memory for it: that of
 * the machine, or what the gateway allows for the bodies of all requests together. Small bodies are not counted, so a
 * few clients that send large ones slowly keep nobody from buying.
 */
void request_add_body(struct request *request, const char *data, size_t size);

/* request_drop_body frees the body, parsed and as text, once nothing borrows from it. It counts until the request ends:
 * the database call has its own copy. */
void request_drop_body(struct request *request);

/* request_set_error notes the cause of a failure for the log. */
void request_set_error(struct request *request, const char *error);

/*
 * request_answered tells that the reply is complete: when the connection is suspended it is woken up, and the HTTP
 * library takes the reply on its next turn.
 */
void request_answered(struct request *request);

/* request_took_us gives the time from its first line to its answer, or to now. */
int64_t request_took_us(const struct request *request);

/* request_log writes http_request, and http_error for answers of 500 and above. */
void request_log(const struct request *request);

#endif
