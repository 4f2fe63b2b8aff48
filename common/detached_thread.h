/*
 * Threads for single library calls that would block an event loop.
 */
#ifndef SHOP_COMMON_DETACHED_THREAD_H
#define SHOP_COMMON_DETACHED_THREAD_H

#include <stdatomic.h>
#include <stdbool.h>

/* detached_thread_start runs function(argument) in a thread that nobody waits for, with a small stack and all signals
 * blocked, so that signals stay with the event loop. Returns false when there can be no thread. */
bool detached_thread_start(void *(*function)(void *), void *argument);

/* detached_thread_wait waits until no thread is left of those that *running counts, limit_ms milliseconds at most. */
void detached_thread_wait(const atomic_int *running, int limit_ms);

#endif
