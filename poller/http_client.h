/*
 * HTTP requests over libcurl, as many at once as are asked for, served by the event loop.
 */
#ifndef SHOP_POLLER_HTTP_CLIENT_H
#define SHOP_POLLER_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

#include "loop.h"

struct http_client;
struct http_call;

struct http_request {
    const char *url;
    const char *const *headers; /* "Name: value" lines */
    size_t header_count;
    const char *body;   /* NULL: a GET request; else POST */
    size_t body_length; /* bytes */
    int timeout_ms;     /* for everything from connecting to the last byte of the answer */
};

struct http_answer {
    bool complete;       /* a whole answer came; otherwise only failure is set */
    const char *failure; /* why not, for the log; never NULL when complete is false */
    bool nothing_sent;   /* not complete: not a byte of the request left, so the server did nothing */
    long status;         /* HTTP status code */
    const char *body;    /* never NULL when complete; body[body_length] is NUL */
    size_t body_length;
    struct http_call *call; /* for http_answer_header */
};

/* Called exactly once for each request that is not aborted, never inside http_client_post; answer is valid during it.
 */
typedef void http_callback(void *context, const struct http_answer *answer);

/* http_client_create makes a client on the loop. user_agent is copied. */
struct http_client *http_client_create(struct loop *loop, const char *user_agent);

/* http_client_destroy aborts what is under way and frees the client. NULL is allowed. */
void http_client_destroy(struct http_client *client);

/*
 * http_client_post starts a request (POST, or GET where it has no body); everything in it is copied. HTTP/1.1, no
 * redirects, http and https only, the server's certificate is checked. Note that libcurl repeats a request by itself
 * when a kept connection turns out to be closed, so a server may see it twice.
 */
struct http_call *http_client_post(struct http_client *client, const struct http_request *request,
                                   http_callback *callback, void *context);

/* http_client_abort drops a call without calling back. The server may have acted on it. */
void http_client_abort(struct http_call *call);

/* http_answer_header gives a header of the answer by name, in any case, or NULL. Valid during the callback. */
const char *http_answer_header(const struct http_answer *answer, const char *name);

#endif
