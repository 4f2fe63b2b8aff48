/*
 * One HTTP request at a time, for a thread that may wait for it: the services that hand out credentials and secrets.
 * Neither proxies nor redirects are followed.
 */
#ifndef SHOP_COMMON_BLOCKING_HTTP_H
#define SHOP_COMMON_BLOCKING_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

/* Most header lines of a request. */
#define BLOCKING_HTTP_HEADERS 8

struct blocking_request {
    const char *method;                             /* "GET", "PUT", "POST" */
    const char *url;                                /* http or https */
    const char *headers[BLOCKING_HTTP_HEADERS + 1]; /* "Name: value" lines; the first NULL ends them */
    const char *body; /* NULL: none; else sent as a form where no header line names another type */
    long timeout_ms;  /* of the whole request */
    int tries;        /* how often it is sent while there is no answer or one of 5xx */
};

struct blocking_answer {
    long status;
    char *body;  /* never NULL; the caller frees it */
    time_t date; /* of the Date header; -1 without one */
};

/*
 * blocking_http_exchange makes the request and gives the answer, whatever its status. Returns false, with a message in
 * error and nothing to free, when there is none.
 */
bool blocking_http_exchange(const struct blocking_request *request, struct blocking_answer *answer, char *error,
                            size_t error_size);

/*
 * blocking_http_text makes the request. Returns the body of an answer of status 200, which the caller frees, or NULL
 * with a message in error, which holds neither header nor body.
 */
char *blocking_http_text(const struct blocking_request *request, char *error, size_t error_size);

#endif
