/*
 * The event loop: one thread that waits for HTTP transfers, database sockets, signals and timers at once, and does
 * nothing while none of them has anything.
 */
#ifndef SHOP_POLLER_LOOP_H
#define SHOP_POLLER_LOOP_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

#include "database.h"
#include "list.h"

struct loop;

/* Called with the context that was given together with it. */
typedef void loop_callback(void *context);
typedef void loop_signal_callback(void *context, int signal_number);
/* A finished transfer: the handle is out of the multi handle already; result says how it ended. */
typedef void loop_transfer_callback(void *context, CURL *transfer, CURLcode result);

/* A timer: lives in its user's struct, set to zero before its first use; one that is armed must not be freed. */
struct loop_timer {
    struct list_place place; /* in the list of armed timers */
    int64_t due_ms;          /* on clock_monotonic_ms */
    loop_callback *callback;
    void *context;
};

/*
 * loop_create makes a loop that reports SIGTERM and SIGINT to on_signal. It blocks both in this thread, so it has to
 * run before any other thread starts. Returns NULL, with errno set, when the kernel refuses.
 */
struct loop *loop_create(loop_signal_callback *on_signal, void *context);

/* loop_destroy frees the loop; timers and transfers have to be gone. NULL is allowed. */
void loop_destroy(struct loop *loop);

/* loop_set_pool makes the loop serve a database pool; NULL ends that. */
void loop_set_pool(struct loop *loop, struct database_pool *pool);

/* loop_set_transfer_callback sets who is told of finished transfers. */
void loop_set_transfer_callback(struct loop *loop, loop_transfer_callback *callback, void *context);

/* loop_set_round_callback sets what is called at the end of every round, to start work that became possible. */
void loop_set_round_callback(struct loop *loop, loop_callback *callback, void *context);

/* loop_set_descriptor makes the loop call callback(context) in each round in which one more descriptor is readable; -1
 * ends that. */
void loop_set_descriptor(struct loop *loop, int descriptor, loop_callback *callback, void *context);

/* loop_transfers gives the multi handle that transfers are added to. */
CURLM *loop_transfers(struct loop *loop);

/* loop_timer_is_armed tells whether a timer is armed. */
bool loop_timer_is_armed(const struct loop_timer *timer);

/* loop_arm makes the timer call callback(context) once, delay_ms (less than 1 counts as 1) from now; an armed timer is
 * moved. */
void loop_arm(struct loop *loop, struct loop_timer *timer, int64_t delay_ms, loop_callback *callback, void *context);

/* loop_disarm stops a timer; nothing happens when it is not armed. */
void loop_disarm(struct loop_timer *timer);

/* loop_run serves until loop_stop is called. */
void loop_run(struct loop *loop);

/* loop_stop makes loop_run return at the end of the present round. */
void loop_stop(struct loop *loop);

#endif
