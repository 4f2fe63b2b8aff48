#include "connection_watch.h"

#include <netinet/in.h>
#include <linux/tcp.h> /* netinet/tcp.h lacks the counters */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "clock.h"
#include "problem.h"
#include "request.h"

/* A client that takes its answer slower than this is cut off. */
#define LEAST_BYTES_PER_MS 8

#define LOOK_INTERVAL_MS 100

/* So many looks at a body of which nothing is read although it is there mean that it will never be read. */
#define STUCK_LOOKS 3

/* What a client is told whose connection is cut. */
struct farewell {
    unsigned status;
    const char *phrase, *code, *message;
};

static const struct farewell too_slow = {MHD_HTTP_REQUEST_TIMEOUT, "Request Timeout", "request_timeout",
                                         "The request did not arrive in time"};
static const struct farewell stuck = {MHD_HTTP_BAD_REQUEST, "Bad Request", "bad_request",
                                      "The chunked body has a line that is too long"};

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

/*
 * send_farewell writes a whole answer past the HTTP library, which cannot answer before a request is complete. It has
 * written nothing itself at this point, but perhaps "100 Continue".
 */
static void send_farewell(const struct watched_connection *connection, const struct farewell *farewell) {
    const struct request *request = connection->request;
    char request_id[REQUEST_ID_SIZE];
    char *body, *answer = NULL;
    int size;

    request_id_choose(request != NULL ? request->request_id : NULL, request_id);
    body = problem_body(farewell->status, farewell->code, farewell->message, request_id,
                        request != NULL && request_is_api(request));
    size = asprintf(&answer,
                    "HTTP/1.1 %u %s\r\nContent-Type: application/problem+json\r\nX-Request-Id: %s\r\n"
                    "Cache-Control: no-store\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
                    farewell->status, farewell->phrase, request_id, body != NULL ? strlen(body) : 0,
                    body != NULL ? body : "");
    if (size > 0) {
        (void)send(connection->fd, answer, (size_t)size, MSG_DONTWAIT | MSG_NOSIGNAL);
        free(answer);
    }
    free(body);
}

/* cut shuts the socket down. farewell: what the client is told where it waits for an answer to something it began, or
 * NULL. */
static void cut(struct watched_connection *connection, const struct farewell *farewell) {
    if (connection->request != NULL && connection->request->reply.status == 0) {
        connection->request->reply.status =
            farewell != NULL ? farewell->status : MHD_HTTP_REQUEST_TIMEOUT; /* for the log */
    }
    if (farewell != NULL) {
        send_farewell(connection, farewell);
    }
    connection->phase = CONNECTION_CUT;
    shutdown(connection->fd, SHUT_RDWR);
}

/* is_stuck tells whether the library has left what there is to read where it is, several looks long. */
static bool is_stuck(struct watched_connection *connection) {
    uint64_t taken;
    int waiting = 0;

    if (ioctl(connection->fd, FIONREAD, &waiting) != 0 || waiting <= 0) {
        connection->idle_looks = 0;
        return false;
    }
    taken = received_bytes(connection->fd) - (uint64_t)waiting;
    connection->idle_looks = taken == connection->bytes_taken ? connection->idle_looks + 1 : 0;
    connection->bytes_taken = taken;
    return connection->idle_looks >= STUCK_LOOKS;
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
        cut(connection, NULL);
    } else if (!resting || now - connection->since >= quiet_ms + deadlines->headers_ms) {
        cut(connection, &too_slow);
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
            cut(connection, &too_slow);
        }
        break;
    case CONNECTION_BODY:
        if (now - connection->since >= deadlines->request_ms) {
            cut(connection, &too_slow);
        } else if (is_stuck(connection)) {
            cut(connection, &stuck);
        }
        break;
    case CONNECTION_SENDING:
        if (now >= connection->deadline) {
            cut(connection, NULL);
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

bool connection_watch_busy(const struct connection_watch *watch) {
    const struct watched_connection *connection;

    for (connection = watch->first; connection != NULL; connection = connection->next) {
        if (connection->phase != CONNECTION_FRESH && connection->phase != CONNECTION_RESTING &&
            connection->phase != CONNECTION_CUT) {
            return true;
        }
    }
    return false;
}
