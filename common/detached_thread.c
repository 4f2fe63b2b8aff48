#include "detached_thread.h"

#include <pthread.h>
#include <signal.h>
#include <stddef.h>

#define STACK_SIZE ((size_t)256 * 1024)

bool detached_thread_start(void *(*function)(void *), void *argument) {
    pthread_attr_t attributes;
    sigset_t all, before;
    pthread_t thread;
    int failed;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    failed = pthread_create(&thread, &attributes, function, argument);
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed == 0;
}
