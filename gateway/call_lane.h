/*
 * A lane: what is asked of the database in one way waits in it, and calls take many of those that wait to the database
 * at once, in one statement. Nobody waits to fill a call: while few run, a request leaves at once; what arrives
 * meanwhile shares the next one. When those that run are late, more start beside them.
 */
#ifndef SHOP_GATEWAY_CALL_LANE_H
#define SHOP_GATEWAY_CALL_LANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "database.h"

/* Most requests in one call. */
#define CALL_MAXIMUM 64

struct call_lane;

/* The answer to one request: a row of answer's result where its outcome is DATABASE_OK. */
typedef void lane_callback(void *context, const struct database_answer *answer, int row);

/* A request that waits, or is in a call. */
struct lane_request {
    struct lane_request *next;
    struct call_lane *lane;
    lane_callback *callback;
    void *context;
    int64_t arrived, deadline; /* clock_monotonic_ms */
    size_t size;               /* of the values, in bytes */
    const char *values[];      /* what the statement for one takes, followed by the texts themselves */
};

/* A call that runs. */
struct lane_call {
    struct lane_call *next;
    struct call_lane *lane;
    int64_t started;             /* clock_monotonic_ms */
    struct database_pool *asked; /* for a lane that may ask several: send sets it, hand_out looks */
    size_t count;
    struct lane_request *requests[CALL_MAXIMUM]; /* in the order in which they came */
};

struct lane_settings {
    struct database_pool *database;       /* what is asked for alone goes there; outlives the lane's use */
    const struct database_statement *one; /* for a single request; static */
    size_t largest_call;                  /* requests in a call: 1 to CALL_MAXIMUM */
    int usually_running;                  /* calls that may run at any time */
    int64_t late_ms;                      /* when all that run have run for so long, another one may start ... */
    int most_running;                     /* ... up to so many */

    /* Submits the call, with call_lane_take_answer and the call as callback and context. Returns false, with nothing
     * submitted, when memory is short. */
    bool (*send)(struct lane_call *call);
    /* Hands each request of the call over to lane_request_finish or lane_request_ask_alone. */
    void (*hand_out)(const struct lane_call *call, const struct database_answer *answer);
    void *owner; /* for these two */
};

/* All lanes of a program. Set to zero before use. */
struct call_lanes {
    struct call_lane *first;
    bool ended;
};

struct call_lane {
    struct call_lane *next;
    struct call_lanes *all;
    struct lane_settings settings;
    struct lane_request *first, *last; /* waiting, the oldest first */
    int waiting;
    struct lane_call *running;
    int running_count;
    int64_t last_start; /* when a call was last started, or could not be */
};

/* call_lane_open makes a lane, which is set to zero and lives as long as the others, one of all lanes. */
void call_lane_open(struct call_lane *lane, struct call_lanes *all, const struct lane_settings *settings);

/*
 * call_lane_submit takes one request; values: those of settings.one, copied. timeout_ms: from now. The callback is
 * called once: later, or at once, with DATABASE_OVERLOADED when too many wait or memory is short and with
 * DATABASE_UNAVAILABLE after call_lanes_end.
 */
void call_lane_submit(struct call_lane *lane, const char *const *values, int timeout_ms, lane_callback *callback,
                      void *context);

/* call_lane_take_answer takes the answer to a call, which is its context. */
void call_lane_take_answer(void *context, const struct database_answer *answer);

/* lane_request_finish hands over a row of the answer and frees the request. */
void lane_request_finish(struct lane_request *request, const struct database_answer *answer, int row);

/* lane_request_ask_alone asks for a request that its call left undecided, in what is left of its time. */
void lane_request_ask_alone(struct lane_request *request);

/* lane_request_remaining_ms gives what is left of its time, at least 1. */
int lane_request_remaining_ms(const struct lane_request *request);

/* call_lanes_timeout_ms gives the time until call_lanes_process has something to do, -1 for never. */
int call_lanes_timeout_ms(const struct call_lanes *lanes);

/* call_lanes_process starts and gives up what is due. */
void call_lanes_process(struct call_lanes *lanes);

/* call_lanes_end refuses what waits and what still comes: the pools are about to be destroyed. */
void call_lanes_end(struct call_lanes *lanes);

#endif
