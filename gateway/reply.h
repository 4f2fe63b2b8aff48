/*
 * A finished answer, before it is handed to the HTTP library.
 */
#ifndef SHOP_GATEWAY_REPLY_H
#define SHOP_GATEWAY_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "routes.h"

struct reply {
    unsigned status; /* 0: none yet */
    char *body;      /* owned; NULL for none */
    bool is_problem; /* decides the content type */
    bool replayed;
    bool bearer_challenge;            /* WWW-Authenticate: Bearer */
    bool token_was_bad;               /* the challenge says so */
    bool is_preflight;                /* carries the preflight's CORS headers */
    bool close;                       /* the connection ends after it */
    int retry_after;                  /* seconds; NO_RETRY: no header */
    const char *cors_headers;         /* Access-Control-Allow-Headers of a preflight; borrowed */
    char allow[ALLOWED_METHODS_SIZE]; /* of 405 and preflights; "" for none */
};

struct request;

/* request_answer_json sets the answer: a JSON text that the reply takes over; NULL (no memory) becomes a plain 500. */
void request_answer_json(struct request *request, unsigned status, char *body);

/* request_answer_problem sets an error answer; retry_after in seconds or NO_RETRY. */
void request_answer_problem(struct request *request, unsigned status, const char *code, const char *message,
                            int retry_after);

/* reply_send queues the request's answer in the HTTP library. Returns MHD_YES or MHD_NO. */
int reply_send(struct request *request);

/* reply_clear frees the reply's body. */
void reply_clear(struct reply *reply);

#endif
