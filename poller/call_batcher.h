/*
 * Outcomes of payments on their way into the database, several in one call and one commit. An outcome that finds no
 * call under way goes at once and alone; those that come while calls are under way wait for their end and then go
 * together. So an idle poller adds no delay, and a busy one pays for one commit per batch.
 */
#ifndef SHOP_POLLER_SETTLEMENT_BATCHER_H
#define SHOP_POLLER_SETTLEMENT_BATCHER_H

#include <stdbool.h>
#include <stdint.h>

#include "database.h"

struct settlement_batcher;

/* One outcome; the texts are copied. */
struct settlement_outcome {
    int64_t order_id;
    bool paid;
    const char *reason;
    const char *request_id; /* NULL where unknown */
    int64_t outbox_id;      /* the outbox row to mark delivered in the same commit; 0: none */
    int timeout_ms;         /* from now, as for database_pool_submit */
};

/* settlement_batcher_create makes a batcher of one store; the pool has to outlive it. */
struct settlement_batcher *settlement_batcher_create(struct database_pool *pool, long store_id);

/* settlement_batcher_destroy drops what is under way without calling back. NULL is allowed. */
void settlement_batcher_destroy(struct settlement_batcher *batcher);

/*
 * settlement_batcher_submit sends an outcome. callback is called exactly once, never inside this function, with an
 * answer like one of the statement settle_payment: its first row holds result and order_status of this order. When a
 * batch fails for another reason than the database being away, each of its outcomes is sent once more, alone, so that
 * no order suffers for another one.
 */
void settlement_batcher_submit(struct settlement_batcher *batcher, const struct settlement_outcome *outcome,
                               database_callback *callback, void *context);

/* settlement_batcher_cancel drops the callbacks of all outcomes that were submitted with this context; what was sent
 * may still be committed. */
void settlement_batcher_cancel(struct settlement_batcher *batcher, const void *context);

#endif
