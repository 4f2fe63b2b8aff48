/*
 * Idempotency keys: the same request again gets the stored answer, byte by byte (contract, section 2; the header is
 * that of draft-ietf-httpapi-idempotency-key-header). A key is scoped to store, user and route. While a request with a
 * key runs, its transaction holds an advisory lock on the scope and key; the row is written once, with the answer. A
 * refused or failed request leaves no row, so the key may be used again.
 */
#ifndef SHOP_IDEMPOTENCY_H
#define SHOP_IDEMPOTENCY_H

#include "postgres.h"

#include "arguments.h"
#include "response.h"
#include "tables.h"

#define IDEMPOTENCY_KEY_MAX 255

#define FINGERPRINT_SIZE 32 /* bytes: SHA-256 */

typedef struct IdempotencyKey {
    const RequestContext *context;
    int64 user_id;
    const char *route;                   /* stable name of the operation, for example "checkout" */
    const char *key;                     /* as normalised by idempotency_parse; NULL: none was given */
    uint8 fingerprint[FINGERPRINT_SIZE]; /* of what the request means */
} IdempotencyKey;

/*
 * idempotency_parse normalises a header value: "abc" in quotes (a structured-field string, RFC 8941) is abc.
 * Returns the key, or NULL with the refusal in *response.
 */
extern char *idempotency_parse(const char *header, const RequestContext *context, Response *response);

/* idempotency_fingerprint writes the FINGERPRINT_SIZE bytes that tell one meaning from another. */
extern void idempotency_fingerprint(const char *meaning, uint8 *fingerprint);

/*
 * idempotency_init fills the key's parts. meaning: canonical text of the fields that change the result; two requests
 * with the same key must have the same meaning.
 */
extern void idempotency_init(IdempotencyKey *key, const RequestContext *context, int64 user_id, const char *route,
                             const char *normalised_key, const char *meaning);

/*
 * idempotency_lock makes this transaction the only one that runs with the key. Waits up to shop.idempotency_wait for
 * another; returns false with the 409 in *response when that one still runs. Comes before any other lock.
 */
extern bool idempotency_lock(const IdempotencyKey *key, Response *response);

/*
 * idempotency_try_lock is idempotency_lock that does not wait, for a request among others: *response says by status 0
 * that the request is undecided and is to be sent again alone.
 */
extern bool idempotency_try_lock(const IdempotencyKey *key, Response *response);

/*
 * idempotency_answer_twin gives the answer to a request whose key another one in the same transaction has used with
 * success: the same bytes, or the 422 for another meaning.
 */
extern Response idempotency_answer_twin(const IdempotencyKey *key, const IdempotencyKey *twin,
                                        const Response *twin_answer);

/*
 * idempotency_replay looks for a finished request with this key: true with the stored answer, or the 422 for another
 * meaning, in *response.
 */
extern bool idempotency_replay(Tables *tables, const IdempotencyKey *key, Response *response);

/* idempotency_store keeps a successful answer in the transaction that did the work. Does nothing without a key. */
extern void idempotency_store(Tables *tables, const IdempotencyKey *key, const Response *response);

#endif
