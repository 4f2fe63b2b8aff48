#include "inbound.h"

#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "clock.h"
#include "connection_watch.h"
#include "errmap.h"
#include "message_syntax.h"
#include "metrics.h"
#include "raw_answer.h"
#include "request.h"

#define READ_SIZE ((size_t)16 * 1024)

/* What still comes after a refused head is read for nothing for this time. */
#define LINGER_TIME_MS 2000

static struct watched_connection **by_descriptor;
static int descriptor_limit;
static int users; /* servers that have begun */

/* Symbols that other objects must find in the program, however it is built. The functions have names of their own here,
 * for <sys/socket.h> may define an inline recv(). */
#define INTERPOSED(name) __asm__(name) __attribute__((visibility("default"), used))

ssize_t checked_recv(int fd, void *buffer, size_t size, int flags) INTERPOSED("recv");
ssize_t checked_record_recv(gnutls_session_t session, void *data, size_t size) INTERPOSED("gnutls_record_recv");

typedef ssize_t reader(const struct watched_connection *connection, void *buffer, size_t size);

bool inbound_begin(int limit) {
    if (users == 0) {
        by_descriptor = calloc((size_t)limit, sizeof(struct watched_connection *));
        descriptor_limit = by_descriptor != NULL ? limit : 0;
    }
    users += by_descriptor != NULL;
    return by_descriptor != NULL;
}

void inbound_end(void) {
    if (users > 0 && --users > 0) {
        return;
    }
    free(by_descriptor);
    by_descriptor = NULL;
    descriptor_limit = 0;
}

static struct watched_connection *find(int fd) {
    return fd >= 0 && fd < descriptor_limit ? by_descriptor[fd] : NULL;
}

bool inbound_register(struct watched_connection *connection) {
    if (connection->fd >= descriptor_limit) {
        return false;
    }
    by_descriptor[connection->fd] = connection;
    return true;
}

void inbound_forget(const struct watched_connection *connection) {
    if (find(connection->fd) == connection) {
        by_descriptor[connection->fd] = NULL;
    }
}

/* begun_request gives the request that has the fault; where the library has not seen it, it is made, so that it is
 * counted and logged as one. */
static struct request *begun_request(struct watched_connection *connection) {
    struct request *request = connection->request;
    const char *method, *target;

    message_syntax_line(&connection->syntax, &method, &target);
    if (request == NULL) {
        request = request_create(connection->watch->gateway, NULL, target);
    }
    if (request != NULL && request->phase == REQUEST_HEAD) {
        snprintf(request->method, sizeof(request->method), "%s", method);
        request_identify(request, connection->syntax.request_id, connection->syntax.traceparent);
    }
    return request;
}

/* refuse answers the fault. The library, which was not given the faulty bytes, sees an end of the stream later: after
 * linger_ms at the latest. */
static void refuse(struct watched_connection *connection, const struct message_fault *fault, int64_t linger_ms) {
    bool unseen = connection->request == NULL;
    struct request *request = begun_request(connection);

    connection->fault = fault;
    connection->refused = true;
    if (request != NULL) {
        request_answer_problem(request, fault->status, fault->code, fault->message, NO_RETRY);
        if (request->reply.body != NULL) {
            metrics_refused(connection->watch->gateway->metrics, request->reply.body);
        }
    }
    raw_answer_send(connection, request, fault->status, fault->code, fault->message);
    if (!connection->encrypted) {
        shutdown(connection->fd, SHUT_WR);
    }
    connection_watch_linger(connection, linger_ms);
    if (request != NULL) {
        request->ended_us = clock_monotonic_us(); /* the client's reading and closing is no time of ours */
    }
    if (unseen && request != NULL) {
        request_log(request);
        request_free(request);
    }
}

void inbound_refuse_body(struct watched_connection *connection) {
    refuse(connection, &message_body_too_large, connection->watch->deadlines.request_ms);
}

/* discard reads for nothing. Returns as the reader does when nothing is left, 0 for the end of the stream. */
static ssize_t discard(struct watched_connection *connection, void *buffer, size_t size, reader *read_some) {
    ssize_t got = 0;

    do {
        connection->discarded += (size_t)got;
        if (connection->phase == CONNECTION_CUT || connection->discarded > INBOUND_DISCARD_LIMIT) {
            return 0;
        }
        got = read_some(connection, buffer, size);
    } while (got > 0);
    return got;
}

/*
 * notice_end wakes the library up once more where the client has closed its side in the middle of a message. The
 * library waits for edges and takes a short read for all there is; an end that came together with the last bytes it
 * would not see before the connection's deadline.
 */
static void notice_end(const struct watched_connection *connection) {
    char byte;

    if (connection->syntax.state != MESSAGE_START &&
        recvfrom(connection->fd, &byte, sizeof(byte), MSG_PEEK | MSG_DONTWAIT, NULL, NULL) == 0) {
        shutdown(connection->fd, SHUT_RD);
    }
}

/* give hands kept bytes over, and holds those for which there is no room: fewer than a name has. Returns how many were
 * handed over. */
static size_t give(struct watched_connection *connection, char *buffer, size_t room, const char *kept, size_t size,
                   size_t whole) {
    size_t given = size < room ? size : room;

    memcpy(buffer, kept, given);
    connection->held_size = size - given;
    connection->held_whole = whole > given ? whole - given : 0;
    memmove(connection->held, kept + given, connection->held_size);
    return given;
}

/*
 * read_kept reads until there is something for the library. It takes a short read for all there is and then waits for
 * an edge, so reading goes on where what was read was not short, and what is left of it is. Returns how many bytes
 * there are, or what the reader returned. *whole: how many of them, and of those held, belong to complete messages.
 */
static ssize_t read_kept(struct watched_connection *connection, char *buffer, size_t size, reader *read_some,
                         const struct message_fault **fault, size_t *whole) {
    static char bytes[READ_SIZE], kept[READ_SIZE + MESSAGE_NAME_KEPT];
    size_t filled, wanted;
    ssize_t got;

    *whole = connection->held_whole;
    filled = give(connection, buffer, size, connection->held, connection->held_size, connection->held_whole);
    while (filled < size) {
        size_t kept_size, complete;

        wanted = size - filled < READ_SIZE ? size - filled : READ_SIZE;
        got = read_some(connection, bytes, wanted);
        if (got <= 0) {
            return filled > 0 ? (ssize_t)filled : got;
        }
        connection->checked = true;
        *fault = message_syntax_sift(&connection->syntax, bytes, (size_t)got, kept, &kept_size, &complete);
        *whole = complete > 0 ? filled + complete : *whole;
        filled += give(connection, buffer + filled, size - filled, kept, kept_size, complete);
        if (*fault != NULL || (filled > 0 && (size_t)got < wanted)) {
            break;
        }
    }
    return (ssize_t)filled;
}

/* end_with_whole cuts what was read to the complete messages before a fault; these are answered first, and the end of
 * the stream makes the library read once more. */
static ssize_t end_with_whole(struct watched_connection *connection, ssize_t got, size_t whole) {
    size_t given = whole < (size_t)got ? whole : (size_t)got;

    connection->held_size = connection->held_whole = whole - given;
    shutdown(connection->fd, SHUT_RD);
    return (ssize_t)given;
}

/* receive reads for the library: what came before a fault, and never the faulty message. */
static ssize_t receive(struct watched_connection *connection, void *buffer, size_t size, reader *read_some) {
    const struct message_fault *fault = connection->fault;
    size_t whole;
    ssize_t got;

    if (fault != NULL && connection->held_size > 0) {
        return (ssize_t)give(connection, buffer, size, connection->held, connection->held_size, connection->held_whole);
    }
    if (fault == NULL) {
        got = read_kept(connection, buffer, size, read_some, &fault, &whole);
        if (fault == NULL) {
            if (got > 0) {
                notice_end(connection);
            }
            return got;
        }
        if (whole > 0) {
            connection->fault = fault;
            return end_with_whole(connection, got, whole);
        }
        connection->held_size = 0; /* of the faulty message, too */
    }
    if (!connection->refused) {
        refuse(connection, fault, LINGER_TIME_MS);
    }
    return discard(connection, buffer, size, read_some);
}

static ssize_t read_plain(const struct watched_connection *connection, void *buffer, size_t size) {
    return recvfrom(connection->fd, buffer, size, MSG_DONTWAIT, NULL, NULL);
}

static ssize_t read_encrypted(const struct watched_connection *connection, void *buffer, size_t size) {
    unsigned char sequence[8];

    return gnutls_record_recv_seq(connection->tls_session, buffer, size, sequence);
}

/* checked_recv is recv() in place of the C library's: see inbound.h. Under TLS it is GnuTLS that reads here, and what
 * it reads is checked when it is decrypted. */
ssize_t checked_recv(int fd, void *buffer, size_t size, int flags) {
    struct watched_connection *connection = find(fd);

    if (connection == NULL || connection->encrypted) {
        return recvfrom(fd, buffer, size, flags, NULL, NULL);
    }
    return receive(connection, buffer, size, read_plain);
}

/* checked_record_recv is gnutls_record_recv() in place of the library's. That it is called means that the handshake is
 * done. */
ssize_t checked_record_recv(gnutls_session_t session, void *data, size_t size) {
    struct watched_connection *connection = find(gnutls_transport_get_int(session));
    unsigned char sequence[8];

    if (connection == NULL) {
        return gnutls_record_recv_seq(session, data, size, sequence);
    }
    connection->tls_session = session;
    return receive(connection, data, size, read_encrypted);
}
