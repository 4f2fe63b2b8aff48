#include "circuit_breaker.h"

#include <stddef.h>

/* What others wait while one request is on trial. */
#define TRIAL_WAIT_MS 1000

int64_t circuit_breaker_wait_ms(const struct circuit_breaker *breaker, int64_t now_ms) {
    int64_t end_ms = breaker->opened_ms + breaker->pause_ms;

    if (breaker->state == CIRCUIT_HALF_OPEN) {
        return TRIAL_WAIT_MS;
    }
    return breaker->state == CIRCUIT_OPEN && now_ms < end_ms ? end_ms - now_ms : 0;
}

bool circuit_breaker_enter(struct circuit_breaker *breaker, const void *owner, int64_t now_ms) {
    if (circuit_breaker_wait_ms(breaker, now_ms) > 0) {
        return false;
    }
    if (breaker->state == CIRCUIT_OPEN) {
        breaker->state = CIRCUIT_HALF_OPEN;
        breaker->on_trial = owner;
    }
    return true;
}

bool circuit_breaker_leave(struct circuit_breaker *breaker, const void *owner, bool failed, int64_t now_ms) {
    enum circuit_state before = breaker->state;
    bool was_on_trial = before == CIRCUIT_HALF_OPEN && breaker->on_trial == owner;

    if (before != CIRCUIT_CLOSED && !was_on_trial) {
        return false; /* it began before the circuit opened, and says nothing about now */
    }
    breaker->on_trial = NULL;
    if (!failed) {
        breaker->failures = 0;
        breaker->state = CIRCUIT_CLOSED;
    } else if (was_on_trial || ++breaker->failures >= breaker->failure_limit) {
        breaker->state = CIRCUIT_OPEN;
        breaker->opened_ms = now_ms;
    }
    return breaker->state != before;
}

void circuit_breaker_forget(struct circuit_breaker *breaker, const void *owner) {
    if (breaker->state == CIRCUIT_HALF_OPEN && breaker->on_trial == owner) {
        breaker->state = CIRCUIT_OPEN; /* its pause is over: the next request is on trial */
        breaker->on_trial = NULL;
    }
}

const char *circuit_breaker_state_name(const struct circuit_breaker *breaker) {
    static const char *const names[] = {
        [CIRCUIT_CLOSED] = "closed", [CIRCUIT_HALF_OPEN] = "half_open", [CIRCUIT_OPEN] = "open"};

    return names[breaker->state];
}
