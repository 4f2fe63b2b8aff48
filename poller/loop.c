#include "loop.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "clock.h"
#include "allocation.h"

/* Longest wait of one round; nothing depends on it. */
#define LONGEST_WAIT_MS 60000

/* Wait of a round in which libcurl fails to wait. */
#define FAILED_WAIT_MS 100

/* Sockets that the database pool may have: its largest number of connections and one for a cancel request on each. */
#define POOL_SOCKET_CAPACITY 2048

#define OWN_DESCRIPTORS 2

struct loop {
    CURLM *transfers;
    int signal_descriptor;
    struct list timers; /* unordered: there are few */
    struct database_pool *pool;
    bool running;

    loop_signal_callback *on_signal;
    void *signal_context;
    loop_transfer_callback *on_transfer;
    void *transfer_context;
    loop_callback *on_round;
    void *round_context;
    int more_descriptor; /* -1: none */
    loop_callback *on_more;
    void *more_context;

    /* The first one is the signal descriptor, the second one more_descriptor, which poll() passes over when it is -1.
     */
    struct pollfd descriptors[OWN_DESCRIPTORS + POOL_SOCKET_CAPACITY];
    struct curl_waitfd waits[OWN_DESCRIPTORS + POOL_SOCKET_CAPACITY];
    size_t descriptor_count, wait_count;
};

static int open_signal_descriptor(void) {
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    if (sigprocmask(SIG_BLOCK, &signals, NULL) != 0) {
        return -1;
    }
    return signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
}

struct loop *loop_create(loop_signal_callback *on_signal, void *context) {
    struct loop *loop = memory_allocate(sizeof(*loop));

    loop->more_descriptor = -1;
    loop->on_signal = on_signal;
    loop->signal_context = context;
    loop->signal_descriptor = open_signal_descriptor();
    loop->transfers = curl_multi_init();
    if (loop->signal_descriptor < 0 || loop->transfers == NULL) {
        loop_destroy(loop);
        return NULL;
    }
    return loop;
}

void loop_destroy(struct loop *loop) {
    if (loop == NULL) {
        return;
    }
    curl_multi_cleanup(loop->transfers);
    if (loop->signal_descriptor >= 0) {
        close(loop->signal_descriptor);
    }
    free(loop);
}

void loop_set_pool(struct loop *loop, struct database_pool *pool) {
    loop->pool = pool;
}

void loop_set_transfer_callback(struct loop *loop, loop_transfer_callback *callback, void *context) {
    loop->on_transfer = callback;
    loop->transfer_context = context;
}

void loop_set_round_callback(struct loop *loop, loop_callback *callback, void *context) {
    loop->on_round = callback;
    loop->round_context = context;
}

void loop_set_descriptor(struct loop *loop, int descriptor, loop_callback *callback, void *context) {
    loop->more_descriptor = descriptor;
    loop->on_more = callback;
    loop->more_context = context;
}

CURLM *loop_transfers(struct loop *loop) {
    return loop->transfers;
}

bool loop_timer_is_armed(const struct loop_timer *timer) {
    return timer->place.list != NULL;
}

void loop_arm(struct loop *loop, struct loop_timer *timer, int64_t delay_ms, loop_callback *callback, void *context) {
    if (!loop_timer_is_armed(timer)) {
        list_append(&loop->timers, &timer->place);
    }
    timer->due_ms = clock_monotonic_ms() + (delay_ms > 1 ? delay_ms : 1);
    timer->callback = callback;
    timer->context = context;
}

void loop_disarm(struct loop_timer *timer) {
    list_remove(&timer->place);
}

/* wait_limit_ms gives how long the present round may wait. */
static int wait_limit_ms(const struct loop *loop) {
    int64_t now = clock_monotonic_ms(), limit = LONGEST_WAIT_MS;
    const struct loop_timer *timer;
    int pool_limit = loop->pool != NULL ? database_pool_timeout_ms(loop->pool) : -1;

    for (timer = list_first(&loop->timers); timer != NULL; timer = list_next(timer)) {
        if (timer->due_ms - now < limit) {
            limit = timer->due_ms > now ? timer->due_ms - now : 0;
        }
    }
    return pool_limit >= 0 && pool_limit < limit ? pool_limit : (int)limit;
}

static void collect_descriptors(struct loop *loop) {
    size_t i;

    loop->descriptors[0] = (struct pollfd){.fd = loop->signal_descriptor, .events = POLLIN};
    loop->descriptors[1] = (struct pollfd){.fd = loop->more_descriptor, .events = POLLIN};
    loop->descriptor_count = OWN_DESCRIPTORS;
    if (loop->pool != NULL) {
        loop->descriptor_count +=
            database_pool_pollfds(loop->pool, loop->descriptors + OWN_DESCRIPTORS, POOL_SOCKET_CAPACITY);
    }
    loop->wait_count = 0;
    for (i = 0; i < loop->descriptor_count; i++) {
        short events = loop->descriptors[i].events;

        if (loop->descriptors[i].fd >= 0) {
            loop->waits[loop->wait_count++] = (struct curl_waitfd){
                .fd = loop->descriptors[i].fd,
                .events = (short)(((events & POLLIN) != 0 ? CURL_WAIT_POLLIN : 0) |
                                  ((events & POLLOUT) != 0 ? CURL_WAIT_POLLOUT : 0)),
            };
        }
    }
}

/* wait_for_events waits for transfers and descriptors together, then asks again for the descriptors' own state, because
 * curl_multi_poll does not report errors and hang-ups of foreign descriptors. */
static void wait_for_events(struct loop *loop) {
    int limit = wait_limit_ms(loop), second_limit = 0;

    collect_descriptors(loop);
    if (curl_multi_poll(loop->transfers, loop->waits, (unsigned)loop->wait_count, limit, NULL) != CURLM_OK) {
        second_limit = limit < FAILED_WAIT_MS ? limit : FAILED_WAIT_MS; /* no busy loop while libcurl cannot wait */
    }
    if (poll(loop->descriptors, (nfds_t)loop->descriptor_count, second_limit) < 0) {
        loop->descriptor_count = 0; /* EINTR: the next round asks again */
    }
}

static void read_signals(struct loop *loop) {
    struct signalfd_siginfo info;

    while (read(loop->signal_descriptor, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        loop->on_signal(loop->signal_context, (int)info.ssi_signo);
    }
}

static void run_transfers(struct loop *loop) {
    const CURLMsg *message;
    int running, waiting;

    curl_multi_perform(loop->transfers, &running);
    while ((message = curl_multi_info_read(loop->transfers, &waiting)) != NULL) {
        if (message->msg == CURLMSG_DONE) {
            CURL *transfer = message->easy_handle;
            CURLcode result = message->data.result; /* copied, because removing the handle frees the message */

            curl_multi_remove_handle(loop->transfers, transfer);
            loop->on_transfer(loop->transfer_context, transfer, result);
        }
    }
}

/* run_timers calls what is due, the earliest first. A timer that a callback arms is due later than now, so that no
 * callback can hold the loop. */
static void run_timers(struct loop *loop) {
    int64_t now = clock_monotonic_ms();

    for (;;) {
        struct loop_timer *due = NULL, *timer;

        for (timer = list_first(&loop->timers); timer != NULL; timer = list_next(timer)) {
            if (timer->due_ms <= now && (due == NULL || timer->due_ms < due->due_ms)) {
                due = timer;
            }
        }
        if (due == NULL) {
            return;
        }
        loop_disarm(due);
        due->callback(due->context);
    }
}

void loop_run(struct loop *loop) {
    loop->running = true;
    while (loop->running) {
        wait_for_events(loop);
        if (loop->descriptor_count > 0 && loop->descriptors[0].revents != 0) {
            read_signals(loop);
        }
        if (loop->pool != NULL) {
            database_pool_process(loop->pool, loop->descriptors + OWN_DESCRIPTORS,
                                  loop->descriptor_count > 0 ? loop->descriptor_count - OWN_DESCRIPTORS : 0);
        }
        if (loop->on_more != NULL && loop->descriptor_count > 0 && loop->descriptors[1].revents != 0) {
            loop->on_more(loop->more_context);
        }
        run_transfers(loop);
        run_timers(loop);
        if (loop->on_round != NULL) {
            loop->on_round(loop->round_context);
        }
    }
}

void loop_stop(struct loop *loop) {
    loop->running = false;
}
