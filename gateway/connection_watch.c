#include "connection_watch.h"

#include <netinet/in.h>
#include <linux/tcp.h> /* netinet/tcp.h lacks the counters */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "clock.h"
#include "raw_answer.h"
#include "request.h"

/* A client that takes its answer slower than this is cut off. */
#define LEAST_BYTES_PER_MS 8

#define LOOK_INTERVAL_MS 100

/* received_bytes asks the kernel how much the client has sent in all; 0 where it cannot tell (no TCP). */
static uint64_t received_bytes(int fd) {
    struct tcp_info info;
    socklen_t size = sizeof(info);

    memset(&info, 0, sizeof(info));
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) {
        return 0;
    }
    return info.tcpi_bytes_received;
}

struct watched_connection *connection_watch_add(struct connection_watch *watch, int fd) {
    struct watched_connection *connection = calloc(1, sizeof(*connection));

    if (connection == NULL) {
        return NULL;
    }
    connection->fd = fd;
    connection->watch = watch;
    connection->encrypted = watch->encrypted;
    connection->phase = CONNECTION_FRESH;
    connection->since = clock_monotonic_ms();
    connection->next = watch->first;
    if (watch->first != NULL) {
        watch->first->previous = connection;
    }
    watch->first = connection;
    watch->count++;
    return connection;
}

void connection_watch_remove(struct connection_watch *watch, struct watched_connection *connection) {
    if (connection->previous != NULL) {
        connection->previous->next = connection->next;
    } else {
        watch->first = connection->next;
    }
    if (connection->next != NULL) {
        connection->next->previous = connection->previous;
    }
    watch->count--;
    free(connection);
}

void connection_watch_enter(struct watched_connection *connection, enum connection_phase phase,
                            const struct connection_watch *watch, size_t size) {
    int64_t now = clock_monotonic_ms();

    if (connection->phase == CONNECTION_CUT) {
        return;
    }
    /* The time of a request's arrival runs from the connection's begin, as long as nothing else happened on it. */
    if (!(phase == CONNECTION_HEAD && connection->phase == CONNECTION_FRESH) && phase != CONNECTION_BODY) {
        connection->since = now;
    }
    connection->phase = phase;
    if (phase == CONNECTION_SENDING) {
        connection->deadline = now + watch->deadlines.request_ms + (int64_t)(size / LEAST_BYTES_PER_MS);
    } else if (phase == CONNECTION_RESTING) {
        connection->bytes_received = received_bytes(connection->fd);
    }
}

void connection_watch_linger(struct watched_connection *connection, int64_t time_ms) {
    if (connection->phase == CONNECTION_CUT) {
        return;
    }
    connection->phase = CONNECTION_LINGERING;
    connection->deadline = clock_monotonic_ms() + time_ms;
}

/* cut shuts the socket down. Where the client waits for an answer to something it began, it is told. */
static void cut(struct watched_connection *connection, bool tell) {
    struct request *request = connection->request;

    if (request != NULL && (tell || request->reply.status == 0)) {
        request->reply.status = MHD_HTTP_REQUEST_TIMEOUT; /* for the log */
    }
    if (request != NULL && request->phase == REQUEST_HEAD) {
        request_identify(request, connection->syntax.request_id, connection->syntax.traceparent);
    }
    if (tell) {
        raw_answer_send(connection, request, MHD_HTTP_REQUEST_TIMEOUT, "request_timeout",
                        "The request did not arrive in time");
    }
    connection->phase = CONNECTION_CUT;
    shutdown(connection->fd, SHUT_RDWR);
}

/* check_idle looks at a connection on which no request line was read: idle ones go after the keep-alive time, those on
 * which part of a head has arrived after the time for heads. */
static void check_idle(struct watched_connection *connection, const struct connection_deadlines *deadlines,
                       int64_t now) {
    bool resting = connection->phase == CONNECTION_RESTING;
    int64_t quiet_ms = resting ? deadlines->keep_alive_ms : deadlines->headers_ms;

    if (now - connection->since < quiet_ms) {
        return;
    }
    if (received_bytes(connection->fd) == connection->bytes_received) {
        cut(connection, false);
    } else if (!resting || now - connection->since >= quiet_ms + deadlines->headers_ms) {
        cut(connection, true);
    }
}

static void check(struct watched_connection *connection, const struct connection_deadlines *deadlines, int64_t now) {
    switch (connection->phase) {
    case CONNECTION_FRESH:
    case CONNECTION_RESTING:
        check_idle(connection, deadlines, now);
        break;
    case CONNECTION_HEAD:
        if (now - connection->since >= deadlines->headers_ms) {
            cut(connection, true);
        }
        break;
    case CONNECTION_BODY:
        if (now - connection->since >= deadlines->request_ms) {
            cut(connection, true);
        }
        break;
    case CONNECTION_SENDING:
    case CONNECTION_LINGERING:
        if (now >= connection->deadline) {
            cut(connection, false);
        }
        break;
    case CONNECTION_WORKING:
    case CONNECTION_CUT:
        break;
    }
}

void connection_watch_cut(struct connection_watch *watch) {
    int64_t now = clock_monotonic_ms();
    struct watched_connection *connection;

    if (now < watch->next_look) {
        return;
    }
    watch->next_look = now + LOOK_INTERVAL_MS;
    for (connection = watch->first; connection != NULL; connection = connection->next) {
        check(connection, &watch->deadlines, now);
    }
}

void connection_watch_close_resting(struct connection_watch *watch) {
    struct watched_connection *connection;

    for (connection = watch->first; connection != NULL; connection = connection->next) {
        if (connection->phase == CONNECTION_FRESH || connection->phase == CONNECTION_RESTING) {
            shutdown(connection->fd, SHUT_RD);
        }
    }
}

static bool is_busy(enum connection_phase phase) {
    return phase == CONNECTION_HEAD || phase == CONNECTION_BODY || phase == CONNECTION_WORKING ||
           phase == CONNECTION_SENDING;
}

bool connection_watch_busy(const struct connection_watch *watch) {
    const struct watched_connection *connection;

    for (connection = watch->first; connection != NULL; connection = connection->next) {
        if (is_busy(connection->phase)) {
            return true;
        }
    }
    return false;
}
