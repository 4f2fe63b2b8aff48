/*
 * Cancel requests that cannot hang the caller. Private to the database pool.
 */
#ifndef SHOP_COMMON_DATABASE_CANCEL_H
#define SHOP_COMMON_DATABASE_CANCEL_H

#include <libpq-fe.h>

/*
 * database_cancel asks the server to stop what the connection is executing, and returns at once.
 *
 * libpq 15 has only PQcancel, which opens a second connection and blocks until the server closes it; with a stopped
 * server that lasts for ever. The secret key that a cancel request needs is not accessible, so the request cannot be
 * written by hand over a non-blocking socket. Therefore a short-lived detached thread makes the call on its own copy of
 * the request (PQgetCancel), which shares nothing with the connection. At most eight of them exist at a time; beyond
 * that the request is left out, and closing the connection has to do.
 */
void database_cancel(PGconn *connection);

/* database_cancel_wait waits until no request is on its way any more, limit_ms milliseconds at most: a program that
 * ends at once would take its threads with it, and the server would go on with what nobody waits for. */
void database_cancel_wait(int limit_ms);

#endif
