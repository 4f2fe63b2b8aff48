#include "database_cancel.h"

#include <stdatomic.h>
#include <stddef.h>

#include "detached_thread.h"

#define MAXIMUM_CANCEL_THREADS 8

static atomic_int cancel_threads;

static void *cancel_thread(void *argument) {
    PGcancel *request = argument;
    char message[256];

    /* A failed cancel needs no handling: the pool gives up on the connection anyway. */
    (void)PQcancel(request, message, (int)sizeof(message));
    PQfreeCancel(request);
    atomic_fetch_sub(&cancel_threads, 1);
    return NULL;
}

void database_cancel_wait(int limit_ms) {
    detached_thread_wait(&cancel_threads, limit_ms);
}

void database_cancel(PGconn *connection) {
    PGcancel *request;

    if (atomic_fetch_add(&cancel_threads, 1) >= MAXIMUM_CANCEL_THREADS) {
        atomic_fetch_sub(&cancel_threads, 1);
        return;
    }
    request = PQgetCancel(connection);
    if (request == NULL || !detached_thread_start(cancel_thread, request)) {
        PQfreeCancel(request);
        atomic_fetch_sub(&cancel_threads, 1);
    }
}
