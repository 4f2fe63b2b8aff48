/*
 * Checkouts that arrive while one runs go to the database together, as one call and one commit: a row that many want is
 * locked once for all of them, and they share one flush. Nobody waits to fill a batch: with nothing running, a checkout
 * goes at once.
 */
#ifndef SHOP_GATEWAY_CHECKOUT_BATCHER_H
#define SHOP_GATEWAY_CHECKOUT_BATCHER_H

#include <stddef.h>
#include <stdint.h>

#include "database.h"

/* Most requests in one call. */
#define CHECKOUT_BATCH_MAXIMUM 64

/* Upper bounds of the size histogram: 1, 2, 4 ... CHECKOUT_BATCH_MAXIMUM. */
#define CHECKOUT_BATCH_BUCKETS 7

struct checkout_batcher;

/* The answer to one checkout: a row of answer's result where its outcome is DATABASE_OK. */
typedef void checkout_callback(void *context, const struct database_answer *answer, int row);

struct checkout_batcher_statistics {
    uint64_t sizes[CHECKOUT_BATCH_BUCKETS]; /* calls with at most 1, 2, 4 ... requests, each counted once */
    uint64_t calls;
    uint64_t requests;       /* in all calls */
    uint64_t repeated_alone; /* requests that their batch left undecided */
    int waiting;
};

/* checkout_batcher_create makes a batcher over the pool, which must outlive its use but is destroyed before it.
 * store_id is borrowed. NULL when memory is short. */
struct checkout_batcher *checkout_batcher_create(struct database_pool *database, const char *store_id);

/*
 * checkout_batcher_submit takes one checkout; values: those of checkout_statement, copied. The callback is called once:
 * later, or at once with DATABASE_OVERLOADED when too many wait.
 */
void checkout_batcher_submit(struct checkout_batcher *batcher, const char *const *values, checkout_callback *callback,
                             void *context);

/* checkout_batcher_timeout_ms gives the time until checkout_batcher_process has something to do, -1 for never. */
int checkout_batcher_timeout_ms(const struct checkout_batcher *batcher);

/* checkout_batcher_process starts and gives up what is due. */
void checkout_batcher_process(struct checkout_batcher *batcher);

/* checkout_batcher_statistics_of reads the counters. */
struct checkout_batcher_statistics checkout_batcher_statistics_of(const struct checkout_batcher *batcher);

/* checkout_batcher_free frees it; the pool is destroyed by then and has answered all. NULL is allowed. */
void checkout_batcher_free(struct checkout_batcher *batcher);

#endif
