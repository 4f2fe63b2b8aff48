/*
 * The making of a connection, off the event loop. Private to the database pool.
 *
 * PQconnectStart and PQconnectPoll are called non-blocking, but they look up the servers' names with getaddrinfo, which
 * blocks for many seconds when the name service is away, and the connection string may have to be fetched first. So a
 * short-lived thread does all of it and hands over the connection that is made.
 */
#ifndef SHOP_COMMON_DATABASE_OPENING_H
#define SHOP_COMMON_DATABASE_OPENING_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "database_login.h"

struct database_opening;

/*
 * database_opening_start begins to connect. login: gives libpq's string, shared; application_name: used where the
 * string names none, copied; turn: with which host (database_hosts.h). The server has 5 seconds, or what the string
 * says in connect_timeout. NULL when memory or threads are short.
 */
struct database_opening *database_opening_start(struct database_login *login, const char *application_name,
                                                unsigned turn);

/* database_opening_fd gives the descriptor that becomes readable when it is done. */
int database_opening_fd(const struct database_opening *opening);

/* database_opening_deadline gives the time (clock_monotonic_ms) at which to abandon it, because it hangs where it
 * cannot limit the time by itself. It may move on. */
int64_t database_opening_deadline(const struct database_opening *opening);

/* database_opening_log_notice keeps libpq from writing a server's notices to stderr, where only JSON lines belong: a
 * PQnoticeReceiver. */
void database_opening_log_notice(void *unused, const PGresult *notice);

/* What an opening came to. */
struct database_opened {
    PGconn *handle;         /* NULL: no string or no memory; its status may be CONNECTION_BAD */
    unsigned login_version; /* of the string that was used */
    unsigned next_turn;     /* which begins after the host that this connection is at or was at last */
    char error[512];        /* what the connection's own message does not say; "": nothing */
};

/* database_opening_take returns false while it is not done. Else it gives the outcome, of which the connection is
 * the caller's, frees the opening and returns true. */
bool database_opening_take(struct database_opening *opening, struct database_opened *opened);

/* database_opening_abandon ends the caller's interest; the thread soon ends and cleans up. NULL is allowed. */
void database_opening_abandon(struct database_opening *opening);

/* database_opening_wait waits until no thread is connecting any more, limit_ms milliseconds at most: a program that
 * ends in the midst of a TLS handshake would take OpenSSL down under it. */
void database_opening_wait(int limit_ms);

#endif
