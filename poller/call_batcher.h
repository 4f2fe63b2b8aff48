/*
 * Calls of one function of the database, several in one call and one commit: the outcomes of payments, the messages of
 * intake orders. Those that come in one round of the loop go together at its end; those that come while as many calls
 * are under way as may be wait for the end of one. So nothing waits for a batch to fill, and a busy poller pays for one
 * commit per batch.
 */
#ifndef SHOP_POLLER_CALL_BATCHER_H
#define SHOP_POLLER_CALL_BATCHER_H

#include "database.h"

/* Most values of a call, besides the store. */
#define CALL_BATCHER_VALUES 5

struct call_batcher;

/*
 * call_batcher_create makes a batcher of one store; the pool has to outlive it.
 * one: the statement for one call; its first parameter is the store, at most CALL_BATCHER_VALUES others follow.
 * many: the statement for several calls, with an array in the place of each other parameter. It answers one row for
 * each call, in their order; the first column is NULL where a call was left out and is to be made alone.
 */
struct call_batcher *call_batcher_create(struct database_pool *pool, long store_id,
                                         const struct database_statement *one, const struct database_statement *many);

/* call_batcher_destroy drops what is under way without calling back. NULL is allowed. */
void call_batcher_destroy(struct call_batcher *batcher);

/*
 * call_batcher_submit takes a call, which departs with the next call of call_batcher_depart. values: the parameters
 * after the store, as texts or NULLs; copied. timeout_ms: from now, as for database_pool_submit. callback is called
 * exactly once, never inside this function, with an answer like one of the statement for one call. When a batch fails
 * for another reason than the database being away, each of its calls is sent once more, alone, so that none suffers for
 * another one.
 */
void call_batcher_submit(struct call_batcher *batcher, const char *const *values, int timeout_ms,
                         database_callback *callback, void *context);

/* call_batcher_depart sends what waits, as far as calls may be under way. Call it at the end of every round. */
void call_batcher_depart(struct call_batcher *batcher);

/* call_batcher_cancel drops the callbacks of all calls that were submitted with this context; what was sent may still
 * be committed. */
void call_batcher_cancel(struct call_batcher *batcher, const void *context);

#endif
