/*
 * A circuit breaker (Nygard, "Release It!"): after several failures of the provider in a row nobody asks it for a
 * while; then one request goes through, and what becomes of it decides for the others.
 */
#ifndef SHOP_POLLER_CIRCUIT_BREAKER_H
#define SHOP_POLLER_CIRCUIT_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

enum circuit_state {
    CIRCUIT_CLOSED,    /* requests go through */
    CIRCUIT_HALF_OPEN, /* one request is on trial */
    CIRCUIT_OPEN,      /* none goes through */
};

struct circuit_breaker {
    int failure_limit; /* failures in a row that open it */
    int64_t pause_ms;  /* how long it stays open before a request is tried */

    enum circuit_state state;
    int failures;         /* in a row */
    int64_t opened_ms;    /* when it opened last, clock_monotonic_ms */
    const void *on_trial; /* HALF_OPEN: whose request it is */
};

/* circuit_breaker_wait_ms gives how long a request has to wait, 0: none. Changes nothing. */
int64_t circuit_breaker_wait_ms(const struct circuit_breaker *breaker, int64_t now_ms);

/* circuit_breaker_enter lets a request of this owner through, or not; the first one after the pause is on trial. */
bool circuit_breaker_enter(struct circuit_breaker *breaker, const void *owner, int64_t now_ms);

/* circuit_breaker_leave takes notice of what became of a request that was let through. Returns whether the state
 * changed, for the log. */
bool circuit_breaker_leave(struct circuit_breaker *breaker, const void *owner, bool failed, int64_t now_ms);

/* circuit_breaker_forget takes notice that a request was given up without an outcome. */
void circuit_breaker_forget(struct circuit_breaker *breaker, const void *owner);

/* circuit_breaker_state_name gives the state in words: closed, half_open, open. */
const char *circuit_breaker_state_name(const struct circuit_breaker *breaker);

#endif
