/*
 * One non-blocking libpq connection that executes one call at a time. Private to the database pool.
 */
#ifndef SHOP_COMMON_DATABASE_CONNECTION_H
#define SHOP_COMMON_DATABASE_CONNECTION_H

#include "database_call.h"

enum connection_state {
    STATE_OPENING,   /* the connection is being made, in a thread of its own */
    STATE_IDLE,      /* ready for a call, once the pool took the finished one */
    STATE_PREPARING, /* the call's statement is being prepared */
    STATE_EXECUTING, /* the call runs */
    STATE_DRAINING,  /* its call timed out and was cancelled; what still comes is thrown away */
    STATE_SPENT,     /* to be closed without it being a fault */
    STATE_BROKEN,    /* to be closed; call holds the call that was in flight, if any */
};

struct prepared_statement {
    const struct database_statement *statement;
    uint32_t text_hash;  /* part of the name on the server: behind a pooler another version's statement may be there */
    unsigned generation; /* part of the name on the server: a stale plan is left behind under its old name */
    bool known;          /* the server has it */
};

struct database_opening;

struct database_connection {
    struct database_opening *opening; /* in OPENING */
    PGconn *handle;                   /* after it; NULL until then */
    enum connection_state state;
    unsigned turn;          /* with which host it was begun */
    unsigned next_turn;     /* which begins with another host than the one it has come to */
    bool flush_wanted;      /* libpq could not send everything yet */
    bool was_open;          /* the connection was established once */
    unsigned login_version; /* of the string that it was begun with; 0 before */
    int64_t deadline;       /* DRAINING: give the connection up */
    int64_t open_since;
    int64_t idle_since;
    struct database_call *call; /* in flight, or finished and not yet taken by the pool */
    bool call_finished;
    bool call_sent; /* not just the preparation of its statement: it may have taken effect */
    struct prepared_statement *prepared;
    size_t prepared_count;
    bool unprepared; /* statements go with their text: a pooler hands out other sessions, which do not know them */
    char farewell[DATABASE_MESSAGE_SIZE]; /* why the server ended an idle connection, where it said so */
};

/*
 * database_connection_open starts a connection. login gives libpq's string; turn: with which host (database_hosts.h).
 * Returns NULL when memory or threads are short; else a connection in state OPENING.
 */
struct database_connection *database_connection_open(struct database_login *login, const char *application_name,
                                                     unsigned turn);

/* database_connection_close closes the socket and frees the connection, not its call. Never blocks. */
void database_connection_close(struct database_connection *connection);

/* database_connection_error gives the reason why a connection is BROKEN, for the log; never empty. */
const char *database_connection_error(const struct database_connection *connection);

/* database_connection_fd gives the descriptor to wait for, or -1. */
int database_connection_fd(const struct database_connection *connection);

/* database_connection_events gives the poll() events to wait for. */
short database_connection_events(const struct database_connection *connection);

/* database_connection_handle works on a socket that is ready; revents as poll() gave them. The state tells the rest. */
void database_connection_handle(struct database_connection *connection, short revents, int64_t now);

/*
 * database_connection_start sends the call over an IDLE connection, preparing its statement first where needed.
 * Returns false when the connection turns out to be BROKEN before anything was sent: the call stays the caller's.
 * When it breaks later, the call is the connection's, as in every other loss.
 */
bool database_connection_start(struct database_connection *connection, struct database_call *call);

/* database_connection_give_up_call cancels what runs and returns the call, which is no longer the connection's. */
struct database_call *database_connection_give_up_call(struct database_connection *connection, int64_t deadline);

#endif
