#include "database.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "database_call.h"
#include "database_cancel.h"
#include "database_connection.h"
#include "database_login.h"
#include "database_opening.h"
#include "log.h"
#include "random.h"

#define FIRST_BACKOFF_MS        100
#define LONGEST_BACKOFF_MS      5000
#define WANTED_ATTEMPT_MS       250   /* a call that needs a connection may bring the next attempt forward to this */
#define DRAIN_LIMIT_MS          1000  /* how long a cancelled call may keep its connection */
#define CANCEL_LIMIT_MS         1000  /* how long cancels that are on their way may hold up the end of the program */
#define OPENING_LIMIT_MS        200   /* the same for attempts to connect */
#define READ_ONLY_AGE_MS        5000  /* how long a connection is kept even though its server takes no writes */
#define SURPLUS_IDLE_MS         60000 /* connections beyond the first are closed after resting this long */
#define MAXIMUM_CONFLICTS       3
#define CONFLICT_PAUSE_MS       10 /* times the number of the try, plus as much again at random */
#define MAXIMUM_ANSWERS_IN_TURN 1000

struct database_pool {
    struct database_pool_settings settings;
    struct database_login *login;
    char *application_name;
    struct database_connection **connections;
    int connection_count;
    struct database_call_list waiting;
    struct database_call_list finished; /* answered, their callbacks not yet called */
    int64_t next_attempt;               /* no connection is opened before this time */
    int64_t last_attempt;
    unsigned turn; /* with which host the next one begins (database_hosts.h) */
    int backoff_ms;
    bool outage; /* no connection, and the last one broke or an attempt failed */
    int64_t outage_since;
    bool was_connected;
    bool closing;
    bool unprepared; /* a pooler was noticed: statements go with their text */
    char last_error[DATABASE_MESSAGE_SIZE];
};

struct database_pool *database_pool_create(const struct database_pool_settings *settings) {
    struct database_pool *pool = calloc(1, sizeof(*pool));

    if (pool == NULL) {
        return NULL;
    }
    pool->settings = *settings;
    pool->login =
        settings->login != NULL ? database_login_share(settings->login) : database_login_fixed(settings->conninfo);
    pool->application_name = strdup(settings->application_name);
    pool->connections = calloc((size_t)settings->maximum_connections, sizeof(struct database_connection *));
    pool->backoff_ms = FIRST_BACKOFF_MS;
    if (pool->application_name == NULL || pool->connections == NULL) {
        database_login_release(pool->login);
        free(pool->application_name);
        free(pool->connections);
        free(pool);
        return NULL;
    }
    return pool;
}

/* answer moves a call, which is in no list, to those whose callbacks are due. */
static void answer(struct database_pool *pool, struct database_call *call, enum database_outcome outcome,
                   const char *message) {
    call->outcome = outcome;
    if (outcome != DATABASE_OK && outcome != DATABASE_ERROR) {
        call->sqlstate[0] = '\0';
    }
    if (message != NULL) {
        database_call_set_message(call->message, message);
    }
    database_call_list_append(&pool->finished, call);
}

static bool is_open(const struct database_connection *connection) {
    return connection->state != STATE_OPENING && connection->state != STATE_BROKEN && connection->state != STATE_SPENT;
}

/* is_executing tells whether the server is at work on a call of the connection. */
static bool is_executing(const struct database_connection *connection) {
    return connection->state == STATE_PREPARING || connection->state == STATE_EXECUTING;
}

static int count_open(const struct database_pool *pool) {
    int open = 0;
    int i;

    for (i = 0; i < pool->connection_count; i++) {
        open += is_open(pool->connections[i]) ? 1 : 0;
    }
    return open;
}

static int count_in_state(const struct database_pool *pool, enum connection_state state) {
    int found = 0;
    int i;

    for (i = 0; i < pool->connection_count; i++) {
        found += pool->connections[i]->state == state ? 1 : 0;
    }
    return found;
}

/* count_opening counts the attempts that are under way. */
static int count_opening(const struct database_pool *pool) {
    return count_in_state(pool, STATE_OPENING);
}

/* idle_connection gives the first connection that can take a call. Taking the first lets the later ones fall idle. */
static struct database_connection *idle_connection(const struct database_pool *pool) {
    int i;

    for (i = 0; i < pool->connection_count; i++) {
        if (pool->connections[i]->state == STATE_IDLE && pool->connections[i]->call == NULL) {
            return pool->connections[i];
        }
    }
    return NULL;
}

/* ready_call gives the oldest waiting call that does not rest before being repeated. */
static struct database_call *ready_call(const struct database_pool *pool, int64_t now) {
    struct database_call *call = pool->waiting.first;

    while (call != NULL && call->not_before > now) {
        call = call->next;
    }
    return call;
}

/* dispatch gives waiting calls to idle connections. It opens and closes nothing and calls no callbacks. */
static void dispatch(struct database_pool *pool, int64_t now) {
    struct database_connection *connection = idle_connection(pool);
    struct database_call *call = ready_call(pool, now);

    while (connection != NULL && call != NULL) {
        database_call_list_remove(&pool->waiting, call);
        if (!database_connection_start(connection, call)) {
            database_call_list_prepend(&pool->waiting, call);
        }
        connection = idle_connection(pool);
        call = ready_call(pool, now);
    }
}

/* outage_is_old tells whether the database has been away for longer than calls wait. */
static bool outage_is_old(const struct database_pool *pool, int64_t now) {
    return pool->outage && now - pool->outage_since > pool->settings.wait_limit_ms;
}

/*
 * may_wait_for_attempt tells whether a call in an old outage may wait for the result of an attempt to connect: one that
 * is under way, or one that is now due because of the call. So the first call after the end of an outage is served,
 * while the pauses between attempts that nobody waits for grow.
 */
static bool may_wait_for_attempt(struct database_pool *pool, int64_t now) {
    if (count_opening(pool) > 0) {
        return true;
    }
    if (now - pool->last_attempt < WANTED_ATTEMPT_MS) {
        return false;
    }
    pool->next_attempt = now;
    return true;
}

/*
 * refusal tells why a new call cannot be taken. In the first moments of an outage calls wait for its end, so that a
 * quick restart of the server is not noticed; later they wait at most for the next attempt to connect.
 */
static enum database_outcome refusal(struct database_pool *pool, int64_t now, const char **message) {
    if (pool->closing) {
        *message = "the pool is closing";
        return DATABASE_UNAVAILABLE;
    }
    if (outage_is_old(pool, now) && !may_wait_for_attempt(pool, now)) {
        *message = pool->last_error;
        return DATABASE_UNAVAILABLE;
    }
    if (pool->waiting.count >= pool->settings.queue_limit && idle_connection(pool) == NULL) {
        *message = "too many calls wait for a database connection";
        return DATABASE_OVERLOADED;
    }
    return DATABASE_OK;
}

/* set_wait_deadline starts the time that the call may wait for a connection. */
static void set_wait_deadline(const struct database_pool *pool, struct database_call *call, int64_t now) {
    call->wait_deadline = now + pool->settings.wait_limit_ms;
    if (call->wait_deadline > call->deadline) {
        call->wait_deadline = call->deadline;
    }
}

void database_pool_submit(struct database_pool *pool, const struct database_statement *statement,
                          const char *const *values, int timeout_ms, database_callback *callback, void *context) {
    struct database_call *call = database_call_create(statement, values);
    int64_t now = clock_monotonic_ms();
    enum database_outcome refused;
    const char *message = NULL;

    if (call == NULL) {
        abort(); /* the promise of exactly one callback cannot be kept without memory for the call */
    }
    call->callback = callback;
    call->context = context;
    call->deadline = now + timeout_ms;
    set_wait_deadline(pool, call, now);
    refused = refusal(pool, now, &message);
    if (refused != DATABASE_OK) {
        answer(pool, call, refused, message);
        return;
    }
    database_call_list_append(&pool->waiting, call);
    dispatch(pool, now);
}

/* drop_context takes the calls of the context out of a list. */
static void drop_context(struct database_call_list *list, const void *context) {
    struct database_call *call = list->first, *next;

    for (; call != NULL; call = next) {
        next = call->next;
        if (call->context == context) {
            database_call_list_remove(list, call);
            database_call_free(call);
        }
    }
}

void database_pool_cancel_context(struct database_pool *pool, const void *context) {
    int i;

    drop_context(&pool->waiting, context);
    drop_context(&pool->finished, context);
    for (i = 0; i < pool->connection_count; i++) {
        struct database_call *call = pool->connections[i]->call;

        if (call == NULL || call->context != context) {
            continue;
        }
        if (is_executing(pool->connections[i]) && !pool->connections[i]->call_finished) {
            database_call_free(
                database_connection_give_up_call(pool->connections[i], clock_monotonic_ms() + DRAIN_LIMIT_MS));
        } else {
            /* Finished, or in flight on a connection that broke: it must not be made once more. */
            pool->connections[i]->call = NULL;
            pool->connections[i]->call_finished = false;
            database_call_free(call);
        }
    }
}

size_t database_pool_pollfds(const struct database_pool *pool, struct pollfd *out, size_t capacity) {
    size_t count = 0;
    int i;

    for (i = 0; i < pool->connection_count && count < capacity; i++) {
        const struct database_connection *connection = pool->connections[i];
        int fd = database_connection_fd(connection);

        if (connection->state != STATE_BROKEN && connection->state != STATE_SPENT && fd >= 0) {
            out[count++] = (struct pollfd){.fd = fd, .events = database_connection_events(connection)};
        }
    }
    return count;
}

/* wants_connection tells whether another connection should be opened, apart from the pause between attempts. */
static bool wants_connection(const struct database_pool *pool, int64_t now) {
    int opening = count_opening(pool);
    const struct database_call *call;
    int ready = 0;

    if (pool->closing || pool->connection_count >= pool->settings.maximum_connections) {
        return false;
    }
    if (pool->connection_count == 0) {
        return true;
    }
    if (count_open(pool) == 0) {
        return opening == 0; /* one attempt at a time until the server is known to be there */
    }
    for (call = pool->waiting.first; call != NULL; call = call->next) {
        ready += call->not_before <= now ? 1 : 0;
    }
    return ready > opening && idle_connection(pool) == NULL;
}

/* earlier gives the earlier of two times; a time of -1 means never. */
static int64_t earlier(int64_t one, int64_t other) {
    return one < 0 || (other >= 0 && other < one) ? other : one;
}

/* connection_timer gives the time at which the connection needs attention without its socket being ready, or -1. */
static int64_t connection_timer(const struct database_connection *connection, bool first) {
    switch (connection->state) {
    case STATE_OPENING:
        return database_opening_deadline(connection->opening);
    case STATE_DRAINING:
        return connection->deadline;
    case STATE_PREPARING:
    case STATE_EXECUTING:
        return connection->call->deadline;
    case STATE_SPENT:
    case STATE_BROKEN:
        return 0;
    case STATE_IDLE:
        break;
    }
    return first ? -1 : connection->idle_since + SURPLUS_IDLE_MS;
}

int database_pool_timeout_ms(const struct database_pool *pool) {
    int64_t now = clock_monotonic_ms();
    const struct database_call *call;
    int64_t next = -1;
    int i;

    if (pool->finished.first != NULL) {
        return 0;
    }
    for (call = pool->waiting.first; call != NULL; call = call->next) {
        next = earlier(next, call->wait_deadline);
        if (call->not_before > now) {
            next = earlier(next, call->not_before);
        }
    }
    for (i = 0; i < pool->connection_count; i++) {
        next = earlier(next, connection_timer(pool->connections[i], i == 0));
    }
    if (wants_connection(pool, now)) {
        next = earlier(next, pool->next_attempt);
    }
    return next < 0 ? -1 : clock_remaining_ms(next, now);
}

/* repeat_conflict puts a call that lost against a concurrent one back to wait; returns false when it is to be answered
 * with its error. */
static bool repeat_conflict(struct database_pool *pool, struct database_call *call, int64_t now) {
    int pause;

    if (call->outcome != DATABASE_ERROR || call->conflicts >= MAXIMUM_CONFLICTS ||
        (strcmp(call->sqlstate, "40001") != 0 && strcmp(call->sqlstate, "40P01") != 0)) {
        return false;
    }
    call->conflicts++;
    pause = CONFLICT_PAUSE_MS * call->conflicts;
    call->not_before = now + pause + random_below((uint32_t)pause);
    if (call->not_before >= call->deadline) {
        return false;
    }
    set_wait_deadline(pool, call, call->not_before);
    database_call_list_append(&pool->waiting, call);
    return true;
}

/* turn_away lets the next attempt begin with another host than the one this connection came to, where there is one.
 * Connections that were begun alike count once. */
static void turn_away(struct database_pool *pool, const struct database_connection *connection) {
    if (pool->turn == connection->turn) {
        pool->turn = connection->next_turn;
    }
}

/*
 * retire_read_only closes the connection when its server refused a write because it takes none (25006): after a
 * switch-over the old primary goes on as a standby, and only a new connection finds the one that took over. A server
 * that still answers reads is no outage, so a young connection is kept: that bounds how often one is replaced while no
 * server takes writes.
 */
static void retire_read_only(struct database_pool *pool, struct database_connection *connection,
                             const struct database_call *call, int64_t now) {
    if (call->outcome != DATABASE_ERROR || strcmp(call->sqlstate, "25006") != 0 ||
        now - connection->open_since < READ_ONLY_AGE_MS) {
        return;
    }
    connection->state = STATE_SPENT;
    turn_away(pool, connection);
    log_event(LOG_INFO, "db_read_only", json_pack("{s:s}", "pool", pool->application_name));
}

/* take_finished_call takes the call that the connection has finished, if any. */
static void take_finished_call(struct database_pool *pool, struct database_connection *connection, int64_t now) {
    struct database_call *call = connection->call;

    if (!connection->call_finished) {
        return;
    }
    connection->call = NULL;
    connection->call_finished = false;
    retire_read_only(pool, connection, call, now);
    if (!repeat_conflict(pool, call, now)) {
        answer(pool, call, call->outcome, NULL);
    }
}

/* call_lost deals with a call whose connection broke: sent once more where that does no harm (it is repeatable, or only
 * its statement's preparation had been sent), else answered. */
static void call_lost(struct database_pool *pool, struct database_call *call, bool was_sent, const char *message,
                      int64_t now) {
    if ((call->statement->repeatable || !was_sent) && !call->resent && !pool->closing && now < call->deadline) {
        call->resent = true;
        call->prepared_again = false;
        database_call_clear_result(call);
        set_wait_deadline(pool, call, now);
        database_call_list_prepend(&pool->waiting, call);
        return;
    }
    answer(pool, call, DATABASE_LOST, call->message[0] != '\0' ? NULL : message);
}

static void remove_connection(struct database_pool *pool, int index) {
    database_connection_close(pool->connections[index]);
    pool->connection_count--;
    memmove(&pool->connections[index], &pool->connections[index + 1],
            (size_t)(pool->connection_count - index) * sizeof(struct database_connection *));
}

/* lengthen_backoff sets the earliest time of the next attempt: 100 ms at first, doubled up to 5 s, half of it random so
 * that many processes do not come back in step. */
static void lengthen_backoff(struct database_pool *pool, int64_t now) {
    int half = pool->backoff_ms / 2;

    pool->next_attempt = now + half + random_below((uint32_t)half + 1);
    pool->backoff_ms = pool->backoff_ms * 2 > LONGEST_BACKOFF_MS ? LONGEST_BACKOFF_MS : pool->backoff_ms * 2;
}

/* postpone_attempt makes a short pause after an established connection broke, so that a server that accepts and then
 * drops connections is not asked without end. Many may break at once, so the backoff does not grow here. */
static void postpone_attempt(struct database_pool *pool, int64_t now) {
    int64_t earliest = now + FIRST_BACKOFF_MS / 2 + random_below(FIRST_BACKOFF_MS / 2);

    if (pool->next_attempt < earliest && pool->next_attempt <= now) {
        pool->next_attempt = earliest;
    }
}

static const char *last_error(const struct database_pool *pool) {
    return pool->last_error[0] != '\0' ? pool->last_error : "the database server has not answered yet";
}

/* answer_unserved answers a call that gets no connection. */
static void answer_unserved(struct database_pool *pool, struct database_call *call) {
    bool reachable = count_open(pool) > 0 || (pool->was_connected && !pool->outage);

    database_call_list_remove(&pool->waiting, call);
    if (call->resent) {
        answer(pool, call, DATABASE_LOST, last_error(pool));
    } else if (reachable) {
        answer(pool, call, DATABASE_OVERLOADED, "no database connection became free in time");
    } else {
        answer(pool, call, DATABASE_UNAVAILABLE, last_error(pool));
    }
}

/* expire_waiting answers the calls that have waited until now; every waiting call when now is INT64_MAX. */
static void expire_waiting(struct database_pool *pool, int64_t now) {
    struct database_call *call = pool->waiting.first;

    while (call != NULL) {
        struct database_call *next = call->next;

        if (call->wait_deadline <= now) {
            answer_unserved(pool, call);
        }
        call = next;
    }
}

/* connection_gone closes a broken connection; its call is sent again or answered. */
static void connection_gone(struct database_pool *pool, int index, int64_t now) {
    struct database_connection *connection = pool->connections[index];
    bool was_open = connection->was_open;
    bool was_sent = connection->call_sent;
    unsigned login_version = connection->login_version;
    struct database_call *call = connection->call;

    database_call_set_message(pool->last_error, database_connection_error(connection));
    if (!was_open) {
        turn_away(pool, connection);
    }
    remove_connection(pool, index);
    if (was_open) {
        postpone_attempt(pool, now);
    } else {
        database_login_refused(pool->login, login_version);
        lengthen_backoff(pool, now);
    }
    log_event(LOG_DEBUG, was_open ? "db_connection_closed" : "db_connection_failed",
              json_pack("{s:o}", "error", log_text(pool->last_error)));
    if (call != NULL) {
        call_lost(pool, call, was_sent, pool->last_error, now);
    }
    if (!was_open && outage_is_old(pool, now)) {
        expire_waiting(pool, INT64_MAX);
    }
}

/* readiness_of finds what poll() reported for the connection's socket. */
static short readiness_of(const struct database_connection *connection, const struct pollfd *fds, size_t count) {
    int fd = database_connection_fd(connection);
    size_t i;

    for (i = 0; i < count; i++) {
        if (fds[i].fd == fd) {
            return fds[i].revents;
        }
    }
    return 0;
}

/* note_pooler: once a pooler between here and the server has handed out a session that does not know a statement,
 * nothing is prepared any more, on any connection. */
static void note_pooler(struct database_pool *pool, const struct database_connection *connection) {
    int i;

    if (pool->unprepared || !connection->unprepared) {
        return;
    }
    pool->unprepared = true;
    for (i = 0; i < pool->connection_count; i++) {
        pool->connections[i]->unprepared = true;
    }
    log_event(LOG_INFO, "db_pooler_noticed", NULL);
}

/* handle_sockets lets each connection work whose socket is ready. */
static void handle_sockets(struct database_pool *pool, const struct pollfd *fds, size_t count, int64_t now) {
    int i;

    for (i = 0; i < pool->connection_count; i++) {
        struct database_connection *connection = pool->connections[i];
        short ready = readiness_of(connection, fds, count);
        bool was_opening = connection->state == STATE_OPENING;

        if (ready != 0) {
            database_connection_handle(connection, ready, now);
        }
        if (was_opening && connection->state == STATE_IDLE) {
            pool->backoff_ms = FIRST_BACKOFF_MS;
            pool->next_attempt = now;
        }
        note_pooler(pool, connection);
        take_finished_call(pool, connection, now);
    }
}

/* connection_timers deals with calls and connections whose time is over. */
static void connection_timers(struct database_pool *pool, struct database_connection *connection, bool first,
                              int64_t now) {
    int64_t timer = connection_timer(connection, first);

    if (timer < 0 || timer > now) {
        return;
    }
    switch (connection->state) {
    case STATE_PREPARING:
    case STATE_EXECUTING:
        answer(pool, database_connection_give_up_call(connection, now + DRAIN_LIMIT_MS), DATABASE_TIMEOUT,
               "the call did not finish in its time");
        break;
    default:
        connection->state = STATE_BROKEN;
    }
}

/* close_surplus closes a connection that is spent or rested too long. That is no loss. */
static bool close_surplus(struct database_pool *pool, int index, int64_t now) {
    const struct database_connection *connection = pool->connections[index];
    bool rested = index > 0 && connection->state == STATE_IDLE && connection->call == NULL &&
                  connection->idle_since + SURPLUS_IDLE_MS <= now;

    if (!rested && connection->state != STATE_SPENT) {
        return false;
    }
    remove_connection(pool, index);
    return true;
}

static void handle_connection_timers(struct database_pool *pool, int64_t now) {
    int i = 0;

    while (i < pool->connection_count) {
        if (close_surplus(pool, i, now)) {
            continue;
        }
        connection_timers(pool, pool->connections[i], i == 0, now);
        if (pool->connections[i]->state == STATE_BROKEN) {
            connection_gone(pool, i, now);
            continue;
        }
        i++;
    }
}

/* open_connections starts the attempts that are wanted and due. */
static void open_connections(struct database_pool *pool, int64_t now) {
    while (now >= pool->next_attempt && wants_connection(pool, now)) {
        struct database_connection *connection =
            database_connection_open(pool->login, pool->application_name, pool->turn);

        pool->last_attempt = now;
        if (connection == NULL) {
            lengthen_backoff(pool, now);
            return;
        }
        connection->unprepared = pool->unprepared;
        pool->connections[pool->connection_count++] = connection;
    }
}

/* note_outage logs the begin and the end of an outage, once each. */
static void note_outage(struct database_pool *pool, int64_t now) {
    bool reachable = count_open(pool) > 0;

    if (!pool->outage && !reachable && pool->last_error[0] != '\0') {
        pool->outage = true;
        pool->outage_since = now;
        log_event(LOG_WARN, "db_connection_lost",
                  json_pack("{s:s,s:o}", "pool", pool->application_name, "error", log_text(pool->last_error)));
    } else if (pool->outage && reachable) {
        pool->outage = false;
        log_event(
            LOG_INFO, "db_connection_restored",
            json_pack("{s:s,s:I}", "pool", pool->application_name, "outageMs", (json_int_t)(now - pool->outage_since)));
    }
    if (reachable) {
        pool->was_connected = true;
        pool->last_error[0] = '\0';
    }
}

/* call_callback hands the answer over and frees the call. */
static void call_callback(struct database_call *call) {
    struct database_answer given = {.outcome = call->outcome, .message = call->message};

    if (call->callback != NULL) {
        given.result = call->outcome == DATABASE_OK ? call->result : NULL;
        memcpy(given.sqlstate, call->sqlstate, sizeof(given.sqlstate));
        call->callback(call->context, &given);
    }
    database_call_free(call);
}

/* call_callbacks answers what is finished. The bound keeps callbacks that submit refused calls from holding the loop.
 */
static void call_callbacks(struct database_pool *pool) {
    int turn;

    for (turn = 0; turn < MAXIMUM_ANSWERS_IN_TURN && pool->finished.first != NULL; turn++) {
        struct database_call *call = pool->finished.first;

        database_call_list_remove(&pool->finished, call);
        call_callback(call);
    }
}

void database_pool_process(struct database_pool *pool, const struct pollfd *fds, size_t count) {
    int64_t now = clock_monotonic_ms();

    handle_sockets(pool, fds, count, now);
    handle_connection_timers(pool, now);
    dispatch(pool, now);
    expire_waiting(pool, now);
    open_connections(pool, now);
    note_outage(pool, now);
    call_callbacks(pool);
    dispatch(pool, now);
}

bool database_pool_connected(const struct database_pool *pool) {
    return count_open(pool) > 0;
}

struct database_pool_statistics database_pool_statistics_of(const struct database_pool *pool) {
    return (struct database_pool_statistics){
        .open = count_open(pool),
        .in_use = count_in_state(pool, STATE_PREPARING) + count_in_state(pool, STATE_EXECUTING),
        .waiting = pool->waiting.count,
    };
}

/* abandon_calls answers every call that is left, in flight or waiting. */
static void abandon_calls(struct database_pool *pool) {
    int i;

    for (i = 0; i < pool->connection_count; i++) {
        struct database_call *call = pool->connections[i]->call;

        pool->connections[i]->call = NULL;
        if (call != NULL && pool->connections[i]->call_finished) {
            answer(pool, call, call->outcome, NULL);
        } else if (call != NULL) {
            answer(pool, call, pool->connections[i]->call_sent ? DATABASE_LOST : DATABASE_UNAVAILABLE,
                   "the pool is closing");
        }
    }
    while (pool->waiting.first != NULL) {
        struct database_call *call = pool->waiting.first;

        database_call_list_remove(&pool->waiting, call);
        answer(pool, call, DATABASE_UNAVAILABLE, "the pool is closing");
    }
}

void database_pool_destroy(struct database_pool *pool) {
    if (pool == NULL) {
        return;
    }
    pool->closing = true;
    abandon_calls(pool);
    call_callbacks(pool);
    while (pool->finished.first != NULL) { /* submitted by callbacks again and again: nobody is told any more */
        struct database_call *call = pool->finished.first;

        database_call_list_remove(&pool->finished, call);
        database_call_free(call);
    }
    database_cancel_wait(CANCEL_LIMIT_MS);
    while (pool->connection_count > 0) {
        remove_connection(pool, pool->connection_count - 1);
    }
    database_opening_wait(OPENING_LIMIT_MS);
    free(pool->connections);
    database_login_release(pool->login);
    free(pool->application_name);
    free(pool);
}
