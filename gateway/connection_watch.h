/*
 * Deadlines of client connections. The HTTP library's own timeout begins anew with every byte, so a client that sends
 * one byte now and then could hold a connection for ever; these deadlines cannot be moved by the client.
 */
#ifndef SHOP_GATEWAY_CONNECTION_WATCH_H
#define SHOP_GATEWAY_CONNECTION_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "message_syntax.h"

struct connection_watch;
struct gateway;
struct gnutls_session_int;
struct request;

enum connection_phase {
    CONNECTION_FRESH,     /* accepted, nothing read yet as far as we know */
    CONNECTION_HEAD,      /* the first line of a request was read */
    CONNECTION_BODY,      /* the head was read */
    CONNECTION_WORKING,   /* the request is complete; no deadline here: the database call has its own */
    CONNECTION_SENDING,   /* the answer is on its way */
    CONNECTION_LINGERING, /* the last answer was written; what still comes is read for nothing */
    CONNECTION_RESTING,   /* between two requests */
    CONNECTION_CUT,       /* shut down by us */
};

struct watched_connection {
    struct watched_connection *previous;
    struct watched_connection *next;
    const struct connection_watch *watch;
    int fd;
    enum connection_phase phase;
    int64_t since;           /* begin of the phase, or of the request's arrival in HEAD and BODY */
    int64_t deadline;        /* in SENDING and LINGERING */
    uint64_t bytes_received; /* by the kernel, when the phase began */
    struct request *request; /* in HEAD to SENDING */
    struct message_syntax syntax;
    char held[MESSAGE_NAME_KEPT];      /* bytes for which the library had no room */
    size_t held_size, held_whole;      /* how many; how many of them belong to complete messages */
    bool checked;                      /* bytes went through it */
    const struct message_fault *fault; /* of the message that ends the connection, or NULL */
    bool refused;                      /* the fault has been answered */
    size_t discarded;                  /* bytes read for nothing since then */
    bool encrypted;
    struct gnutls_session_int *tls_session; /* once its handshake is done */
};

struct connection_deadlines {
    int64_t headers_ms;
    int64_t request_ms;
    int64_t keep_alive_ms;
};

struct connection_watch {
    struct watched_connection *first;
    int count;
    int64_t next_look; /* of connection_watch_cut at all connections */
    struct connection_deadlines deadlines;
    struct gateway *gateway;
    bool encrypted;   /* its connections speak TLS */
    bool for_metrics; /* they come over METRICS_PORT */
};

/* connection_watch_add begins to watch a new connection. NULL when memory is short. */
struct watched_connection *connection_watch_add(struct connection_watch *watch, int fd);

/* connection_watch_remove ends it and frees the entry. */
void connection_watch_remove(struct connection_watch *watch, struct watched_connection *connection);

/* connection_watch_enter notes a new phase. size: in SENDING, the bytes to send; else 0. */
void connection_watch_enter(struct watched_connection *connection, enum connection_phase phase,
                            const struct connection_watch *watch, size_t size);

/* connection_watch_linger shuts a connection that has had its last answer down after that time, unless the client
 * closes it, or the gateway ends. */
void connection_watch_linger(struct watched_connection *connection, int64_t time_ms);

/*
 * connection_watch_cut shuts down the connections whose time is over; where a request was only begun, 408 is written
 * first. The HTTP library then sees the end of the stream and cleans up. Call it as often as you like: it looks at the
 * connections ten times a second.
 */
void connection_watch_cut(struct connection_watch *watch);

/* connection_watch_close_resting tells the library, by an end of the stream, that no further request comes on the
 * connections that are between two requests. What a client has sent already is still read. */
void connection_watch_close_resting(struct connection_watch *watch);

/* connection_watch_busy tells whether a request is being read, worked on or answered. */
bool connection_watch_busy(const struct connection_watch *watch);

#endif
