#include "database_connection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "database_cancel.h"
#include "database_opening.h"
#include "log.h"

#define STATEMENT_NAME_SIZE 96

/* on_notice takes the server's notices. When it ends a connection that is idle, its reason comes as one too. */
static void on_notice(void *context, const PGresult *notice) {
    struct database_connection *connection = context;
    const char *severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);

    if (severity != NULL && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0)) {
        database_call_set_message(connection->farewell, PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY));
    }
    database_opening_log_notice(NULL, notice);
}

struct database_connection *database_connection_open(struct database_login *login, const char *application_name,
                                                     unsigned turn) {
    struct database_connection *connection = calloc(1, sizeof(*connection));

    if (connection == NULL) {
        return NULL;
    }
    connection->opening = database_opening_start(login, application_name, turn);
    if (connection->opening == NULL) {
        free(connection);
        return NULL;
    }
    connection->state = STATE_OPENING;
    connection->turn = turn;
    connection->next_turn = turn + 1;
    return connection;
}

void database_connection_close(struct database_connection *connection) {
    database_opening_abandon(connection->opening);
    PQfinish(connection->handle);
    free(connection->prepared);
    free(connection);
}

int database_connection_fd(const struct database_connection *connection) {
    if (connection->opening != NULL) {
        return database_opening_fd(connection->opening);
    }
    return PQsocket(connection->handle);
}

const char *database_connection_error(const struct database_connection *connection) {
    if (connection->call != NULL && connection->call->message[0] != '\0') {
        return connection->call->message;
    }
    if (connection->farewell[0] != '\0') {
        return connection->farewell;
    }
    if (connection->was_open) {
        /* libpq's message may still be that of an earlier statement. */
        return PQstatus(connection->handle) == CONNECTION_BAD ? "the server closed the connection"
                                                              : "the server does not answer";
    }
    if (connection->handle == NULL) {
        return "the connection could not be made in time: does the name service answer?";
    }
    return PQerrorMessage(connection->handle)[0] != '\0' ? PQerrorMessage(connection->handle)
                                                         : "the server did not answer in time";
}

short database_connection_events(const struct database_connection *connection) {
    return (short)(POLLIN | (connection->flush_wanted ? POLLOUT : 0));
}

/* finish_opening takes the connection over from the thread that made it, or failed to. */
static void finish_opening(struct database_connection *connection, int64_t now) {
    struct database_opened opened;

    if (!database_opening_take(connection->opening, &opened)) {
        return; /* it is just before its end */
    }
    connection->opening = NULL;
    connection->handle = opened.handle;
    connection->login_version = opened.login_version;
    connection->next_turn = opened.next_turn;
    database_call_set_message(connection->farewell, opened.error);
    if (PQstatus(connection->handle) != CONNECTION_OK || PQsetnonblocking(connection->handle, 1) != 0) {
        connection->state = STATE_BROKEN;
        return;
    }
    PQsetNoticeReceiver(connection->handle, on_notice, connection);
    connection->was_open = true;
    connection->state = STATE_IDLE;
    connection->open_since = now;
    connection->idle_since = now;
}

/* flush sends what libpq holds back; what the socket does not take goes when it is writable again. */
static void flush(struct database_connection *connection) {
    int left = PQflush(connection->handle);

    connection->flush_wanted = left > 0;
    if (left < 0) {
        connection->state = STATE_BROKEN;
    }
}

/* hash_of is FNV-1a, to tell texts apart. */
static uint32_t hash_of(const char *text) {
    uint32_t hash = 2166136261U;

    for (; *text != '\0'; text++) {
        hash = (hash ^ (unsigned char)*text) * 16777619U;
    }
    return hash;
}

/* prepared_entry finds the connection's entry of a statement, making it at first use. NULL when memory is short. */
static struct prepared_statement *prepared_entry(struct database_connection *connection,
                                                 const struct database_statement *statement) {
    struct prepared_statement *grown;
    size_t i;

    for (i = 0; i < connection->prepared_count; i++) {
        if (connection->prepared[i].statement == statement) {
            return &connection->prepared[i];
        }
    }
    grown = realloc(connection->prepared, (connection->prepared_count + 1) * sizeof(*grown));
    if (grown == NULL) {
        return NULL;
    }
    connection->prepared = grown;
    grown += connection->prepared_count++;
    *grown = (struct prepared_statement){.statement = statement, .text_hash = hash_of(statement->sql)};
    return grown;
}

static void statement_name(const struct prepared_statement *prepared, char out[STATEMENT_NAME_SIZE]) {
    snprintf(out, STATEMENT_NAME_SIZE, "%s_%08x_%u", prepared->statement->name, (unsigned)prepared->text_hash,
             prepared->generation);
}

/* send_call sends the preparation of the connection's call, or the call itself when its statement is prepared. */
static void send_call(struct database_connection *connection) {
    const struct database_call *call = connection->call;
    struct prepared_statement *prepared = prepared_entry(connection, call->statement);
    char name[STATEMENT_NAME_SIZE];
    int sent;

    if (prepared == NULL) {
        connection->state = STATE_BROKEN;
        return;
    }
    statement_name(prepared, name);
    if (connection->unprepared) {
        connection->state = STATE_EXECUTING;
        connection->call_sent = true;
        sent = PQsendQueryParams(connection->handle, call->statement->sql, call->statement->parameter_count, NULL,
                                 call->values, NULL, NULL, 0);
    } else if (prepared->known) {
        connection->state = STATE_EXECUTING;
        connection->call_sent = true;
        sent = PQsendQueryPrepared(connection->handle, name, call->statement->parameter_count, call->values, NULL, NULL,
                                   0);
    } else {
        connection->state = STATE_PREPARING;
        sent = PQsendPrepare(connection->handle, name, call->statement->sql, call->statement->parameter_count, NULL);
    }
    if (sent == 0) {
        connection->state = STATE_BROKEN;
        return;
    }
    flush(connection);
}

bool database_connection_start(struct database_connection *connection, struct database_call *call) {
    /* A server that went away while the connection was idle has left its end of file behind: look before sending, for
     * what was sent and got no answer is lost with unknown effect. */
    if (PQconsumeInput(connection->handle) == 0 || PQstatus(connection->handle) == CONNECTION_BAD) {
        connection->state = STATE_BROKEN;
        return false;
    }
    database_call_clear_result(call);
    connection->call = call;
    connection->call_finished = false;
    connection->call_sent = false;
    send_call(connection);
    return true;
}

static bool is_error(const PGresult *result) {
    return PQresultStatus(result) == PGRES_FATAL_ERROR;
}

/* keep_result remembers the answer of the running step. The first error wins over rows (the commit comes after the rows
 * and may fail) and over the errors that follow from it. */
static void keep_result(struct database_call *call, PGresult *result) {
    if (call == NULL || (call->result != NULL && (is_error(call->result) || !is_error(result)))) {
        PQclear(result);
        return;
    }
    PQclear(call->result);
    call->result = result;
}

static bool is_sqlstate(const struct database_call *call, const char *sqlstate) {
    return strcmp(call->sqlstate, sqlstate) == 0;
}

/*
 * server_is_leaving tells whether the error means that the connection is no longer good: the administrator or a crash
 * ended it, the server starts up or shuts down (57P01 to 57P03), an idle limit passed (57P05), or a pooler lost its own
 * connection (class 08).
 */
static bool server_is_leaving(const struct database_call *call) {
    return is_sqlstate(call, "57P01") || is_sqlstate(call, "57P02") || is_sqlstate(call, "57P03") ||
           is_sqlstate(call, "57P05") || strncmp(call->sqlstate, "08", 2) == 0;
}

/* read_error copies SQLSTATE and message out of an error result; returns false when the result is no error. */
static bool read_error(struct database_call *call) {
    ExecStatusType status = PQresultStatus(call->result);
    const char *sqlstate;

    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
        return false;
    }
    sqlstate = PQresultErrorField(call->result, PG_DIAG_SQLSTATE);
    snprintf(call->sqlstate, sizeof(call->sqlstate), "%s", sqlstate != NULL ? sqlstate : "XX000");
    database_call_set_message(call->message, sqlstate != NULL
                                                 ? PQresultErrorField(call->result, PG_DIAG_MESSAGE_PRIMARY)
                                                 : PQresultErrorMessage(call->result));
    return true;
}

/* finish_call leaves the call on the idle connection for the pool to take. */
static void finish_call(struct database_connection *connection, enum database_outcome outcome, int64_t now) {
    connection->call->outcome = outcome;
    connection->call_finished = true;
    connection->state = STATE_IDLE;
    connection->idle_since = now;
}

/* preparation_done goes on with the call, or finishes it with the server's error. 42P05: the name exists already, as
 * happens behind a pooler; its hash makes sure that it is the same statement. */
static void preparation_done(struct database_connection *connection, bool failed, int64_t now) {
    if (failed && !is_sqlstate(connection->call, "42P05")) {
        finish_call(connection, DATABASE_ERROR, now);
        return;
    }
    prepared_entry(connection, connection->call->statement)->known = true;
    database_call_clear_result(connection->call);
    send_call(connection);
}

/*
 * wants_new_preparation tells whether the call failed only because of its prepared statement: the server does not know
 * it (26000, a pooler switched servers) or its plan no longer fits (0A000, "cached plan must not change result type").
 * Both are raised before anything is executed.
 */
static bool wants_new_preparation(const struct database_call *call) {
    return !call->prepared_again && (is_sqlstate(call, "26000") || is_sqlstate(call, "0A000"));
}

static void execution_done(struct database_connection *connection, bool failed, int64_t now) {
    struct database_call *call = connection->call;

    if (failed && wants_new_preparation(call)) {
        struct prepared_statement *prepared = prepared_entry(connection, call->statement);

        prepared->known = false;
        prepared->generation += is_sqlstate(call, "0A000") ? 1 : 0;
        connection->unprepared = connection->unprepared || is_sqlstate(call, "26000");
        call->prepared_again = true;
        database_call_clear_result(call);
        send_call(connection);
        return;
    }
    finish_call(connection, failed ? DATABASE_ERROR : DATABASE_OK, now);
}

/* step_done is called when the server is ready for the next command. */
static void step_done(struct database_connection *connection, int64_t now) {
    bool failed;

    if (connection->state == STATE_DRAINING) {
        /* It is not used again: a cancel request that arrives late would hit the next call. */
        connection->state = STATE_SPENT;
        return;
    }
    if (connection->call->result == NULL) {
        connection->state = STATE_BROKEN;
        return;
    }
    failed = read_error(connection->call);
    if (PQstatus(connection->handle) == CONNECTION_BAD || (failed && server_is_leaving(connection->call))) {
        connection->state = STATE_BROKEN;
    } else if (connection->state == STATE_PREPARING) {
        preparation_done(connection, failed, now);
    } else {
        execution_done(connection, failed, now);
    }
}

static bool is_busy(const struct database_connection *connection) {
    return connection->state == STATE_PREPARING || connection->state == STATE_EXECUTING ||
           connection->state == STATE_DRAINING;
}

/* read_results takes all results that have arrived. Execution may begin within the loop, when a preparation is done. */
static void read_results(struct database_connection *connection, int64_t now) {
    while (is_busy(connection) && !PQisBusy(connection->handle)) {
        PGresult *result = PQgetResult(connection->handle);

        if (result == NULL) {
            step_done(connection, now);
            continue;
        }
        switch (PQresultStatus(result)) {
        case PGRES_COPY_IN:
        case PGRES_COPY_OUT:
        case PGRES_COPY_BOTH: /* PQgetResult would report these for ever; no statement of ours copies */
            connection->state = STATE_BROKEN;
            PQclear(result);
            break;
        default:
            keep_result(connection->call, result);
        }
    }
}

void database_connection_handle(struct database_connection *connection, short revents, int64_t now) {
    if (connection->state == STATE_BROKEN || connection->state == STATE_SPENT) {
        return;
    }
    if (connection->state == STATE_OPENING) {
        finish_opening(connection, now);
        return;
    }
    if ((revents & ~POLLOUT) != 0 && PQconsumeInput(connection->handle) == 0) {
        /* What arrived before the loss may hold the server's reason, and is read below. */
        connection->flush_wanted = false;
    }
    if (connection->flush_wanted) {
        flush(connection);
    }
    (void)PQisBusy(connection->handle); /* an idle connection's notices are read by this alone */
    read_results(connection, now);
    if (PQstatus(connection->handle) == CONNECTION_BAD && connection->state != STATE_SPENT) {
        connection->state = STATE_BROKEN;
    }
}

struct database_call *database_connection_give_up_call(struct database_connection *connection, int64_t deadline) {
    struct database_call *call = connection->call;

    connection->call = NULL;
    connection->call_finished = false;
    connection->state = STATE_DRAINING;
    connection->deadline = deadline;
    database_cancel(connection->handle);
    return call;
}
