/*
 * Waiting times between repeated tries: exponential growth with full jitter, so that many processes that failed
 * together do not come back together (AWS Architecture Blog, "Exponential Backoff And Jitter").
 */
#ifndef SHOP_POLLER_BACKOFF_H
#define SHOP_POLLER_BACKOFF_H

#include <stdint.h>

/*
 * backoff_ceiling_ms gives the longest wait before the next try: base_ms doubled for every earlier try, at most
 * maximum_ms. tries: how many have failed so far, 1 or more (less counts as 1).
 */
int64_t backoff_ceiling_ms(int64_t base_ms, int64_t maximum_ms, int tries);

/*
 * backoff_jitter_ms picks a wait from 0 to ceiling_ms.
 * fraction: a random number from 0 to 1 (1 itself excluded), given by the caller so that the function stays pure.
 */
int64_t backoff_jitter_ms(int64_t ceiling_ms, double fraction);

/* backoff_delay_ms is backoff_jitter_ms of backoff_ceiling_ms with a fresh random number. */
int64_t backoff_delay_ms(int64_t base_ms, int64_t maximum_ms, int tries);

/* backoff_random_fraction gives a random number from 0 to 1, 1 excluded. */
double backoff_random_fraction(void);

#endif
