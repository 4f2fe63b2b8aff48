/*
 * Writing requests of one kind that arrive while one runs go to the database together, as one call and one commit: a
 * row that many want is locked once for all of them, and they share one flush. How they wait for each other:
 * call_lane.h.
 */
#ifndef SHOP_GATEWAY_REQUEST_BATCHER_H
#define SHOP_GATEWAY_REQUEST_BATCHER_H

#include <stddef.h>
#include <stdint.h>

#include "call_lane.h"
#include "database.h"

/* Upper bounds of the size histogram: 1, 2, 4 ... CALL_MAXIMUM. */
#define BATCH_BUCKETS 7

struct request_batcher;

/* The statements of a kind of request. */
struct batched_statements {
    const struct database_statement *one;  /* its first value is the store */
    const struct database_statement *many; /* (store, array of a composite of the other values) -> a row for each, in
                                              their order; status 0: undecided, to be asked for alone */
};

struct request_batcher_statistics {
    uint64_t sizes[BATCH_BUCKETS]; /* calls with at most 1, 2, 4 ... requests, each counted once */
    uint64_t calls;
    uint64_t requests;       /* in all calls */
    uint64_t repeated_alone; /* requests that their batch left undecided */
    int waiting;
};

/* request_batcher_create makes a batcher with a lane over the pool, which must outlive its use but is destroyed before
 * it. statements are static data. NULL when memory is short. */
struct request_batcher *request_batcher_create(struct call_lanes *lanes, struct database_pool *database,
                                               const struct batched_statements *statements);

/*
 * request_batcher_submit takes one request; values: those of statements->one, copied. The callback is called once:
 * later, or at once as call_lane_submit says.
 */
void request_batcher_submit(struct request_batcher *batcher, const char *const *values, lane_callback *callback,
                            void *context);

/* request_batcher_statistics_of reads the counters. */
struct request_batcher_statistics request_batcher_statistics_of(const struct request_batcher *batcher);

/* request_batcher_free frees it; the pool is destroyed by then and has answered all. NULL is allowed. */
void request_batcher_free(struct request_batcher *batcher);

#endif
