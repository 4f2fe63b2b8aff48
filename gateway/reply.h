/*
 * A finished answer, before it is handed to the HTTP library.
 */
#ifndef SHOP_GATEWAY_REPLY_H
#define SHOP_GATEWAY_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "routes.h"

struct MHD_Response;

struct reply {
    unsigned status;          /* 0: none yet */
    char *body;               /* owned; NULL for none */
    const char *content_type; /* static; NULL: JSON, a problem document from status 400 on */
    bool is_problem;          /* decides the content type where none is given */
    bool replayed;
    bool bearer_challenge;            /* WWW-Authenticate: Bearer */
    bool token_was_bad;               /* the challenge says so */
    bool is_preflight;                /* carries the preflight's CORS headers */
    bool close;                       /* the connection ends after it */
    char *location;                   /* Location header; owned; NULL: none */
    struct MHD_Response *prepared;    /* with its own bytes and type, sent instead of body; owned; NULL: none */
    size_t prepared_size;             /* of its bytes */
    int retry_after;                  /* seconds; NO_RETRY: no header */
    const char *cors_headers;         /* Access-Control-Allow-Headers of a preflight; borrowed */
    char allow[ALLOWED_METHODS_SIZE]; /* of 405 and preflights; "" for none */
};

struct request;

/* request_answer_text sets an answer that is no JSON: content_type is static, body a text that the reply takes over. */
void request_answer_text(struct request *request, unsigned status, const char *content_type, char *body);

/* request_answer_json sets the answer: a JSON text that the reply takes over; NULL (no memory) becomes a plain 500. */
void request_answer_json(struct request *request, unsigned status, char *body);

/* request_answer_problem sets an error answer; retry_after in seconds or NO_RETRY. */
void request_answer_problem(struct request *request, unsigned status, const char *code, const char *message,
                            int retry_after);

/* reply_size gives how many bytes the body has. */
size_t reply_size(const struct reply *reply);

/* reply_send queues the request's answer in the HTTP library. Returns MHD_YES or MHD_NO. */
int reply_send(struct request *request);

/* reply_clear frees what the reply owns. */
void reply_clear(struct reply *reply);

#endif
