#include "detached_thread.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include "clock.h"

#define STACK_SIZE ((size_t)256 * 1024)

struct work {
    void *(*function)(void *);
    void *argument;
};

/* run frees what OpenSSL keeps for the thread while the thread is still whole: a program that ends just then would not
 * have it freed by the thread's end. */
static void *run(void *context) {
    struct work work = *(struct work *)context;

    free(context);
    work.function(work.argument);
    OPENSSL_thread_stop();
    return NULL;
}

bool detached_thread_start(void *(*function)(void *), void *argument) {
    struct work *work = malloc(sizeof(*work));
    pthread_attr_t attributes;
    sigset_t all, before;
    pthread_t thread;
    int failed;

    if (work == NULL) {
        return false;
    }
    *work = (struct work){.function = function, .argument = argument};
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    failed = pthread_create(&thread, &attributes, run, work);
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed != 0) {
        free(work);
    }
    return failed == 0;
}

void detached_thread_wait(const atomic_int *running, int limit_ms) {
    const struct timespec pause = {.tv_nsec = 1000000};
    int64_t end = clock_monotonic_ms() + limit_ms;

    while (atomic_load(running) > 0 && clock_monotonic_ms() < end) {
        nanosleep(&pause, NULL);
    }
}
