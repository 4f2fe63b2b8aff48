/*
 * A pool of non-blocking libpq connections for a program with one event loop and one thread.
 *
 * The loop owns the waiting: it asks for the sockets (database_pool_pollfds) and the time of the next timer
 * (database_pool_timeout_ms), waits by whatever means it has (poll, curl_multi_poll), and hands the result back
 * (database_pool_process). Callbacks run only inside database_pool_process and database_pool_destroy, never inside
 * submit.
 *
 * Each call is one statement in autocommit: one call, one transaction. Connections keep no session state beyond
 * protocol-level prepared statements, and do without these from the moment a server does not know one: so the pool
 * works behind PgBouncer in transaction mode, whether it supports them or not.
 */
#ifndef SHOP_COMMON_DATABASE_H
#define SHOP_COMMON_DATABASE_H

#include <libpq-fe.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

struct database_login;
struct database_pool;

struct database_pool_settings {
    const char *conninfo;         /* libpq connection string; copied */
    const char *application_name; /* shown in pg_stat_activity; copied */
    int maximum_connections;      /* opened on demand, one is always kept open */
    int queue_limit;              /* calls that may wait for a connection; more are refused as overloaded */
    int wait_limit_ms;            /* how long a call may wait for a connection */
    struct database_login *login; /* where it comes from instead (database_login.h), shared; NULL: conninfo */
};

/* A statement: static data, prepared on each connection at its first use there. */
struct database_statement {
    const char *name;    /* name of the prepared statement, unique in the program */
    const char *sql;     /* the text, with $1 ... and every parameter cast in SQL */
    int parameter_count; /* how many values it takes, all in text format */
    bool repeatable; /* true: repeating it does no harm (reads, functions that are idempotent by key), so a call whose
                        connection was lost is sent once more by the pool */
};

enum database_outcome {
    DATABASE_OK,          /* result holds the rows */
    DATABASE_ERROR,       /* the server refused: sqlstate and message say why; nothing was committed */
    DATABASE_UNAVAILABLE, /* no connection can be had; nothing was executed */
    DATABASE_OVERLOADED,  /* queue full, or no connection became free within wait_limit_ms; nothing was executed */
    DATABASE_TIMEOUT,     /* the call's own timeout passed; it was cancelled (PQcancel), the effect is unknown */
    DATABASE_LOST,        /* the connection broke with the call in flight; the effect is unknown */
};

struct database_answer {
    enum database_outcome outcome;
    const PGresult *result; /* DATABASE_OK only; owned by the pool, valid during the callback */
    char sqlstate[6];       /* DATABASE_ERROR: five characters; else "" */
    const char *message;    /* for the log, never for a client; valid during the callback; never NULL */
};

typedef void database_callback(void *context, const struct database_answer *answer);

struct database_pool_statistics {
    int open;    /* connections ready for use or in use */
    int in_use;  /* calls in flight */
    int waiting; /* calls queued */
};

/* database_pool_create makes a pool; it connects in the background. Never fails for an unreachable server. */
struct database_pool *database_pool_create(const struct database_pool_settings *settings);

/*
 * database_pool_submit queues one call. Its callback is called exactly once, later.
 * values: statement->parameter_count texts or NULLs (SQL NULL), copied.
 * timeout_ms: from now until DATABASE_TIMEOUT; waiting counts.
 * 40001 and 40P01 are repeated by the pool, at most 3 times with jitter: the only place that does so.
 */
void database_pool_submit(struct database_pool *pool, const struct database_statement *statement,
                          const char *const *values, int timeout_ms, database_callback *callback, void *context);

/*
 * database_pool_cancel_context drops the callbacks of all calls that were submitted with this context (the caller is
 * going away). The server is asked to cancel those that it executes; those that still wait for a connection are never
 * made, and those whose connection broke are not made again.
 */
void database_pool_cancel_context(struct database_pool *pool, const void *context);

/* database_pool_pollfds fills up to capacity entries with the sockets to wait for and returns how many. */
size_t database_pool_pollfds(const struct database_pool *pool, struct pollfd *out, size_t capacity);

/* database_pool_timeout_ms gives the milliseconds until the next timer of the pool, 0 when one is due, -1 when none. */
int database_pool_timeout_ms(const struct database_pool *pool);

/* database_pool_process handles readiness (entries of the pool found in fds), timers, reconnects and waiting calls. */
void database_pool_process(struct database_pool *pool, const struct pollfd *fds, size_t count);

/* database_pool_connected tells whether at least one connection is open now. */
bool database_pool_connected(const struct database_pool *pool);

/* database_pool_statistics_of reads the counters. */
struct database_pool_statistics database_pool_statistics_of(const struct database_pool *pool);

/* database_pool_destroy answers what waits with DATABASE_UNAVAILABLE and what is in flight with DATABASE_LOST, closes
 * the connections and frees the pool. NULL is allowed. */
void database_pool_destroy(struct database_pool *pool);

#endif
