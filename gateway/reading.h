/*
 * Reads that may be a moment behind: they go to the replica of DATABASE_READ_URL where there is one, and to the primary
 * when that fails in whatever way.
 *
 * Where a statement exists that answers many at once, those that arrive while others run go together, as one call: many
 * clients need few connections. How they wait for each other: call_lane.h.
 */
#ifndef SHOP_GATEWAY_READING_H
#define SHOP_GATEWAY_READING_H

#include "call_lane.h"
#include "database.h"

struct gateway;
struct reading_lanes;

/* A read of a route: one at a time, and many. */
struct reading_statements {
    const struct database_statement *one;  /* its first value is the store */
    const struct database_statement *many; /* (store, JSON array of arrays of the other values) -> a row for each, in
                                              their order; NULL: there is none */
};

/* reading_lanes_create makes the place where reads wait; its lanes are the gateway's. NULL when memory is short. */
struct reading_lanes *reading_lanes_create(struct gateway *gateway);

/*
 * reading_submit asks the replica, or the primary where there is none. Whatever the replica cannot do (it is away,
 * slow, too far behind for the extension's version, cancels the query because of recovery), and every 404, which may be
 * the delay's, the primary answers instead. values: those of statements->one, copied. timeout_ms: from now. The
 * callback is called once: later, or at once as call_lane_submit says.
 */
void reading_submit(struct reading_lanes *lanes, const struct reading_statements *statements, const char *const *values,
                    int timeout_ms, lane_callback *callback, void *context);

/* reading_lanes_waiting counts the reads that wait for the next call. */
int reading_lanes_waiting(const struct reading_lanes *lanes);

/* reading_lanes_free frees it; the pools are destroyed by then and have answered all. NULL is allowed. */
void reading_lanes_free(struct reading_lanes *lanes);

#endif
