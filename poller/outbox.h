/*
 * The outbox as both transports use it: claim rows for a while, say what became of them. What became of a row is kept
 * here and told again until the database has taken it or the claim has run out, in which case the row is simply claimed
 * again by whoever comes next. So nothing that happens here can lose a row.
 */
#ifndef SHOP_POLLER_OUTBOX_H
#define SHOP_POLLER_OUTBOX_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "database.h"
#include "loop.h"
#include "message_content.h"

/* Topics, as shop.outbox knows them. */
#define OUTBOX_TOPIC_PAYMENT "payment" /* an order's payment is asked for */
#define OUTBOX_TOPIC_REFUND  "refund"  /* money is to go back */
#define OUTBOX_TOPIC_INTAKE  "intake"  /* an accepted order is to be processed */
#define OUTBOX_TOPIC_REDRIVE "redrive" /* a dead letter is to be tried again, whatever it is about */

/*
 * Bytes of bodies in hand from which on no more rows are claimed, for a body may have megabytes: as many as a claim
 * brings at most, or one larger body (shop.claim_outbox). So what is in hand is less than this and one claim.
 */
#define OUTBOX_BYTES_IN_HAND ((size_t)4 * 1024 * 1024)

struct outbox;

struct outbox_row {
    int64_t id;
    int64_t order_id; /* 0 where there is none */
    char *topic, *body;
    size_t body_bytes;
    char *request_id, *traceparent; /* NULL where unknown */
    int attempts;                   /* this one included */
};

/*
 * Called once for every claim, never inside outbox_claim. error is NULL and rows are the callee's from now on (each one
 * to be given to outbox_row_clear, the array itself is the outbox's), or error says why the claim failed.
 */
typedef void outbox_claim_callback(void *context, struct outbox_row *rows, size_t count, const char *error);

/* outbox_create makes the outbox of one store. */
struct outbox *outbox_create(struct loop *loop, struct database_pool *pool, long store_id);

/* outbox_store_id gives the store that the outbox is of. */
const char *outbox_store_id(const struct outbox *outbox);

/* outbox_destroy drops what is pending without telling the database. NULL is allowed. */
void outbox_destroy(struct outbox *outbox);

/* outbox_claim claims up to limit due rows for lease_ms. One claim at a time. */
void outbox_claim(struct outbox *outbox, int limit, int lease_ms, outbox_claim_callback *callback, void *context);

/* outbox_mark_delivered tells that rows were put on the queue. lease_end_ms: when their claim ends, on
 * clock_monotonic_ms. */
void outbox_mark_delivered(struct outbox *outbox, const int64_t *ids, size_t count, int64_t lease_end_ms);

/*
 * outbox_release gives a row back, due again in retry_after_ms. tried: whether what it asks for was tried, so that the
 * attempt counts. An error (borrowed) is kept with the row; NULL leaves the older one.
 */
void outbox_release(struct outbox *outbox, const struct outbox_row *row, const char *error, bool tried,
                    int64_t retry_after_ms, int64_t lease_end_ms);

/* outbox_extend lets the claim of a row last for lease_ms from now on. */
void outbox_extend(struct outbox *outbox, const struct outbox_row *row, int lease_ms);

/* outbox_is_settled tells whether no claim and no news for the database are pending. */
bool outbox_is_settled(const struct outbox *outbox);

/* outbox_row_attributes makes the MessageAttributes of the row's message. content: what is known of its body. The
 * caller owns the reference. */
json_t *outbox_row_attributes(const struct outbox_row *row, const struct message_content *content);

/* outbox_row_clear frees the parts of a row. */
void outbox_row_clear(struct outbox_row *row);

#endif
