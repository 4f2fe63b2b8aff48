#include "event_loop.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "call_lane.h"
#include "certificate.h"
#include "clock.h"
#include "demo_accounts.h"
#include "gateway.h"
#include "http_server.h"
#include "log.h"

enum fixed_entry { ENTRY_HTTP, ENTRY_SIGNAL, ENTRY_HASHING, ENTRY_METRICS, FIXED_ENTRIES };

struct event_loop {
    struct gateway *gateway;
    int signal_fd;
    struct pollfd *entries; /* the fixed ones, then the database's, then the replica's */
    size_t capacity;
    size_t database_count, replica_count;
    int64_t stop_at; /* end of the grace; 0 while serving */
};

int event_loop_block_signals(bool hangup_reloads) {
    struct sigaction hangup;
    sigset_t stops;

    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_IGN); /* as process 1 of a container: orphans are reaped by the kernel */
    sigemptyset(&stops);
    sigaddset(&stops, SIGTERM);
    sigaddset(&stops, SIGINT);
    if (hangup_reloads) {
        signal(SIGHUP, SIG_DFL); /* an ignored signal would not be reported */
        sigaddset(&stops, SIGHUP);
    } else if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN) {
        sigaddset(&stops, SIGHUP); /* under nohup it stays ignored */
    }
    if (sigprocmask(SIG_BLOCK, &stops, NULL) != 0) {
        return -1;
    }
    return signalfd(-1, &stops, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* sooner gives the shorter of two timeouts, where -1 means none. */
static int sooner(int one, int other) {
    if (one < 0) {
        return other;
    }
    return other >= 0 && other < one ? other : one;
}

static int next_timeout(const struct event_loop *loop) {
    const struct gateway *gateway = loop->gateway;
    int timeout = sooner(http_server_timeout_ms(gateway->server), database_pool_timeout_ms(gateway->database));

    if (gateway->replica != NULL) {
        timeout = sooner(timeout, database_pool_timeout_ms(gateway->replica));
    }
    timeout = sooner(timeout, http_server_timeout_ms(gateway->metrics_server));
    timeout = sooner(timeout, call_lanes_timeout_ms(&gateway->lanes));
    timeout = sooner(timeout, demo_accounts_timeout_ms(gateway->demo_accounts));
    if (loop->stop_at != 0) {
        timeout = sooner(timeout, clock_remaining_ms(loop->stop_at, clock_monotonic_ms()));
    }
    return timeout;
}

static void wait_for_events(struct event_loop *loop) {
    struct pollfd *database = loop->entries + FIXED_ENTRIES;

    loop->entries[ENTRY_HTTP] = (struct pollfd){.fd = http_server_fd(loop->gateway->server), .events = POLLIN};
    loop->entries[ENTRY_SIGNAL] = (struct pollfd){.fd = loop->signal_fd, .events = POLLIN};
    loop->entries[ENTRY_HASHING] = (struct pollfd){.fd = hash_thread_fd(loop->gateway->hashing), .events = POLLIN};
    loop->entries[ENTRY_METRICS] =
        (struct pollfd){.fd = http_server_fd(loop->gateway->metrics_server), .events = POLLIN};
    loop->database_count =
        database_pool_pollfds(loop->gateway->database, database, loop->capacity - (size_t)FIXED_ENTRIES);
    if (loop->gateway->replica != NULL) {
        loop->replica_count = database_pool_pollfds(loop->gateway->replica, database + loop->database_count,
                                                    loop->capacity - (size_t)FIXED_ENTRIES - loop->database_count);
    }
    if (poll(loop->entries, (nfds_t)((size_t)FIXED_ENTRIES + loop->database_count + loop->replica_count),
             next_timeout(loop)) < 0) {
        loop->database_count = loop->replica_count = 0; /* interrupted: nothing is known to be ready */
        loop->entries[ENTRY_SIGNAL].revents = 0;
        loop->entries[ENTRY_HASHING].revents = 0;
    }
}

/* begin_stop closes the door and starts the grace. */
static void begin_stop(struct event_loop *loop, const char *signal_name) {
    struct gateway *gateway = loop->gateway;

    log_event(LOG_INFO, "gateway_stopping",
              json_pack("{s:s,s:I}", "signal", signal_name, "graceMs",
                        (json_int_t)gateway->configuration.http_shutdown_grace_ms));
    loop->stop_at = clock_monotonic_ms() + gateway->configuration.http_shutdown_grace_ms;
    http_server_run(gateway->server); /* what has arrived before the signal is still served */
    gateway->stopping = true;
    http_server_stop_accepting(gateway->server);
}

static const char *name_of(int signal_number) {
    switch (signal_number) {
    case SIGTERM:
        return "SIGTERM";
    case SIGINT:
        return "SIGINT";
    default:
        return "SIGHUP";
    }
}

/* reload_certificate: with a faulty new one the old one goes on, for a shop that is open is worth more. */
static void reload_certificate(struct gateway *gateway) {
    char error[512];

    if (certificate_reload(gateway->certificate, error, sizeof(error))) {
        log_event(LOG_INFO, "certificate_reloaded", NULL);
    } else {
        log_event(LOG_ERROR, "certificate_reload_failed", json_pack("{s:o}", "error", log_text(error)));
    }
}

static void read_signal(struct event_loop *loop) {
    struct signalfd_siginfo info;

    if (read(loop->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info)) {
        return;
    }
    if (info.ssi_signo == SIGHUP && loop->gateway->certificate != NULL) {
        reload_certificate(loop->gateway);
    } else if (loop->stop_at == 0) {
        begin_stop(loop, name_of((int)info.ssi_signo));
    } else {
        loop->stop_at = clock_monotonic_ms();
    }
}

/* turn waits once and handles what is ready. The database comes before HTTP, so that answers leave in the same turn. */
static void turn(struct event_loop *loop) {
    struct gateway *gateway = loop->gateway;

    wait_for_events(loop);
    if (loop->entries[ENTRY_SIGNAL].revents != 0) {
        read_signal(loop);
    }
    if (loop->entries[ENTRY_HASHING].revents != 0) {
        hash_thread_process(gateway->hashing);
    }
    if (gateway->replica != NULL) {
        database_pool_process(gateway->replica, loop->entries + (size_t)FIXED_ENTRIES + loop->database_count,
                              loop->replica_count);
    }
    database_pool_process(gateway->database, loop->entries + FIXED_ENTRIES, loop->database_count);
    call_lanes_process(&gateway->lanes);
    demo_accounts_process(gateway->demo_accounts);
    http_server_run(gateway->server);
    http_server_run(gateway->metrics_server);
}

static bool finished(const struct event_loop *loop) {
    return loop->stop_at != 0 && (!http_server_busy(loop->gateway->server) || clock_monotonic_ms() >= loop->stop_at);
}

void event_loop_run(struct gateway *gateway, int signal_fd) {
    struct event_loop loop = {.gateway = gateway, .signal_fd = signal_fd};

    loop.capacity = (size_t)FIXED_ENTRIES + 2 * (size_t)gateway->configuration.shared.db_pool_max;
    loop.entries = calloc(loop.capacity, sizeof(*loop.entries));
    if (loop.entries == NULL) {
        return;
    }
    while (!finished(&loop)) {
        turn(&loop);
    }
    free(loop.entries);
}

void event_loop_flush(struct gateway *gateway, int limit_ms) {
    int64_t end = clock_monotonic_ms() + limit_ms;
    int64_t now = clock_monotonic_ms();

    while (http_server_busy(gateway->server) && now < end) {
        struct pollfd entry = {.fd = http_server_fd(gateway->server), .events = POLLIN};

        (void)poll(&entry, 1, sooner(http_server_timeout_ms(gateway->server), clock_remaining_ms(end, now)));
        http_server_run(gateway->server);
        now = clock_monotonic_ms();
    }
}
