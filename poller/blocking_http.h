/*
 * One HTTP request at a time, for a thread that may wait for it: the services that hand out credentials. Neither
 * proxies (they are on this machine or this network) nor redirects are followed.
 */
#ifndef SHOP_POLLER_BLOCKING_HTTP_H
#define SHOP_POLLER_BLOCKING_HTTP_H

#include <stdbool.h>
#include <stddef.h>

struct blocking_request {
    const char *method; /* "GET", "PUT", "POST" */
    const char *url;    /* http or https */
    const char *header; /* a "Name: value" line; NULL: none */
    const char *body;   /* NULL: none; else it is sent as a form */
    long timeout_ms;    /* of the whole request */
    int tries;          /* how often it is sent while there is no answer or one of 5xx */
};

/*
 * blocking_http_text makes the request. Returns the body of an answer of status 200, which the caller frees, or NULL
 * with a message in error, which holds neither header nor body.
 */
char *blocking_http_text(const struct blocking_request *request, char *error, size_t error_size);

#endif
