/*
 * The first step of a connection, off the event loop. Private to the database pool.
 *
 * PQconnectStart is called non-blocking, but it looks up the server's name with getaddrinfo, which blocks for many
 * seconds when the name service is away, and the connection string may have to be fetched first. So a short-lived
 * thread calls it; everything after that is done on the loop.
 */
#ifndef SHOP_COMMON_DATABASE_OPENING_H
#define SHOP_COMMON_DATABASE_OPENING_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "database_login.h"

struct database_opening;

/* database_opening_start begins to connect. login: gives libpq's string, shared; application_name: used where the
 * string names none, copied. NULL when memory or threads are short. */
struct database_opening *database_opening_start(struct database_login *login, const char *application_name);

/* database_opening_fd gives the descriptor that becomes readable when the step is done. */
int database_opening_fd(const struct database_opening *opening);

/* What an opening came to. */
struct database_opened {
    PGconn *handle;         /* NULL: no string or no memory; its status may be CONNECTION_BAD */
    unsigned login_version; /* of the string that was used */
    char error[512];        /* why there was no string; "" when there was */
};

/* database_opening_take returns false while the step is not done. Else it gives the outcome, of which the connection is
 * the caller's, frees the opening and returns true. */
bool database_opening_take(struct database_opening *opening, struct database_opened *opened);

/* database_opening_abandon ends the caller's interest; the thread cleans up when it gets its answer. NULL is allowed.
 */
void database_opening_abandon(struct database_opening *opening);

#endif
