/*
 * The pool of database connections, against a server of the test's own that speaks just enough of PostgreSQL's protocol
 * (PostgreSQL documentation, "Message Formats") to answer, refuse, fall silent or hang up as each test wants.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "database.h"
#include "log.h"

#define CLIENTS_MAXIMUM 16
#define CANCEL_CODE     80877102
#define LONGEST_TEST_MS 20000

/* What the server does with an execution: "" answers with a row, five characters are an error's SQLSTATE. */
#define ANSWER  ""
#define HANG_UP "hang up"
#define SILENCE "silence"

struct client {
    int fd;
    bool started;  /* the start-up packet was read */
    bool parsed;   /* since the last Sync: a statement was prepared ... */
    bool executed; /* ... or executed */
    unsigned char input[8192];
    size_t size;
};

static struct server {
    int listener;
    int port;
    pthread_t thread;
    atomic_bool stop;
    atomic_int connections, cancels, preparations, unprepared, executions;
    const char *script[8]; /* for the executions, in their order; then it answers */
    struct client clients[CLIENTS_MAXIMUM];
} server;

/* --- the server
 * ------------------------------------------------------------------------------------------------------- */

static void put_int32(unsigned char *out, uint32_t number) {
    uint32_t swapped = htonl(number);

    memcpy(out, &swapped, sizeof(swapped));
}

static uint32_t get_int32(const unsigned char *in) {
    uint32_t swapped;

    memcpy(&swapped, in, sizeof(swapped));
    return ntohl(swapped);
}

static void send_message(int fd, char type, const void *content, size_t size) {
    unsigned char message[512];

    message[0] = (unsigned char)type;
    put_int32(message + 1, (uint32_t)size + 4);
    memcpy(message + 5, content, size);
    (void)send(fd, message, size + 5, MSG_NOSIGNAL);
}

static void send_ready(int fd) {
    send_message(fd, 'Z', "I", 1);
}

static void send_error(int fd, const char *sqlstate) {
    char content[64];
    int size = snprintf(content, sizeof(content), "SERROR%cVERROR%cC%s%cMrefused%c", 0, 0, sqlstate, 0, 0);

    send_message(fd, 'E', content, (size_t)size + 1);
}

/* send_row answers an execution with one column and one row holding "1". */
static void send_row(int fd) {
    static const unsigned char description[] = {0, 1, 'n', 0,   0,   0,   0,   0,   0,   0, 0,
                                                0, 0, 25,  255, 255, 255, 255, 255, 255, 0, 0};
    static const unsigned char row[] = {0, 1, 0, 0, 0, 1, '1'};

    send_message(fd, '2', "", 0);
    send_message(fd, 'T', description, sizeof(description));
    send_message(fd, 'D', row, sizeof(row));
    send_message(fd, 'C', "SELECT 1", 9);
}

static void hang_up(struct client *client) {
    close(client->fd);
    client->fd = -1;
}

/* synchronise answers what came since the last Sync. */
static void synchronise(struct client *client) {
    const char *step = ANSWER;
    int number;

    if (client->parsed) {
        send_message(client->fd, '1', "", 0);
        atomic_fetch_add(client->executed ? &server.unprepared : &server.preparations, 1);
    }
    if (client->executed) {
        number = atomic_fetch_add(&server.executions, 1);
        step = number < 8 && server.script[number] != NULL ? server.script[number] : ANSWER;
        if (strcmp(step, ANSWER) == 0) {
            send_row(client->fd);
        } else if (strlen(step) == 5) {
            send_error(client->fd, step);
        }
    }
    client->parsed = client->executed = false;
    if (strcmp(step, HANG_UP) == 0) {
        hang_up(client);
    } else if (strcmp(step, SILENCE) != 0) {
        send_ready(client->fd);
    }
}

/* start_up reads the first packet: a new session, or a cancel request. */
static void start_up(struct client *client, const unsigned char *packet) {
    if (get_int32(packet + 4) == CANCEL_CODE) {
        atomic_fetch_add(&server.cancels, 1);
        hang_up(client);
        return;
    }
    atomic_fetch_add(&server.connections, 1);
    client->started = true;
    send_message(client->fd, 'R', "\0\0\0\0", 4);
    send_message(client->fd, 'S', "client_encoding\0UTF8", 21);
    send_message(client->fd, 'K', "\0\0\0\1\0\0\0\2", 8);
    send_ready(client->fd);
}

static void read_message(struct client *client, char type) {
    switch (type) {
    case 'P':
        client->parsed = true;
        break;
    case 'E':
        client->executed = true;
        break;
    case 'S':
        synchronise(client);
        break;
    case 'X':
        hang_up(client);
        break;
    default:
        break;
    }
}

/* read_client takes what has arrived, message by message. */
static void read_client(struct client *client) {
    ssize_t got = recv(client->fd, client->input + client->size, sizeof(client->input) - client->size, 0);

    if (got <= 0) {
        hang_up(client);
        return;
    }
    client->size += (size_t)got;
    while (client->fd >= 0) {
        size_t head = client->started ? 1 : 0;
        size_t length = client->size >= head + 4 ? head + get_int32(client->input + head) : SIZE_MAX;

        if (length > client->size) {
            return;
        }
        if (!client->started) {
            start_up(client, client->input);
        } else {
            read_message(client, (char)client->input[0]);
        }
        client->size -= length;
        memmove(client->input, client->input + length, client->size);
    }
}

static void accept_client(void) {
    int fd = accept(server.listener, NULL, NULL);
    int i;

    for (i = 0; i < CLIENTS_MAXIMUM; i++) {
        if (server.clients[i].fd < 0) {
            server.clients[i] = (struct client){.fd = fd};
            return;
        }
    }
    close(fd);
}

static void *serve(void *argument) {
    int i;

    while (!atomic_load(&server.stop)) {
        struct pollfd fds[CLIENTS_MAXIMUM + 1];

        for (i = 0; i < CLIENTS_MAXIMUM; i++) {
            fds[i] = (struct pollfd){.fd = server.clients[i].fd, .events = POLLIN};
        }
        fds[CLIENTS_MAXIMUM] = (struct pollfd){.fd = server.listener, .events = POLLIN};
        poll(fds, CLIENTS_MAXIMUM + 1, 10);
        for (i = 0; i < CLIENTS_MAXIMUM; i++) {
            if (fds[i].revents != 0) {
                read_client(&server.clients[i]);
            }
        }
        if (fds[CLIENTS_MAXIMUM].revents != 0) {
            accept_client();
        }
    }
    return argument;
}

static int start_server(void **state) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int i;

    (void)state;
    memset(&server, 0, sizeof(server));
    for (i = 0; i < CLIENTS_MAXIMUM; i++) {
        server.clients[i].fd = -1;
    }
    server.listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(server.listener, (struct sockaddr *)&address, size) != 0 || listen(server.listener, 8) != 0) {
        return -1;
    }
    getsockname(server.listener, (struct sockaddr *)&address, &size);
    server.port = ntohs(address.sin_port);
    return pthread_create(&server.thread, NULL, serve, NULL);
}

static int stop_server(void **state) {
    int i;

    (void)state;
    atomic_store(&server.stop, true);
    pthread_join(server.thread, NULL);
    close(server.listener);
    for (i = 0; i < CLIENTS_MAXIMUM; i++) {
        if (server.clients[i].fd >= 0) {
            close(server.clients[i].fd);
        }
    }
    return 0;
}

/* --- the pool's side
 * -------------------------------------------------------------------------------------------------- */

static const struct database_statement repeatable = {"repeatable", "SELECT $1::pg_catalog.text", 1, true};
static const struct database_statement once = {"once", "SELECT $1::pg_catalog.text", 1, false};

struct outcome {
    int calls;
    enum database_outcome outcome;
    char sqlstate[6];
    char value[8];
};

static void note(void *context, const struct database_answer *answer) {
    struct outcome *outcome = context;

    outcome->calls++;
    outcome->outcome = answer->outcome;
    snprintf(outcome->sqlstate, sizeof(outcome->sqlstate), "%s", answer->sqlstate);
    assert_non_null(answer->message);
    if (answer->outcome == DATABASE_OK) {
        snprintf(outcome->value, sizeof(outcome->value), "%s", PQgetvalue(answer->result, 0, 0));
    }
}

static struct database_pool *pool_to(const char *hosts, int maximum_connections, int queue_limit, int wait_limit_ms) {
    char conninfo[192];
    struct database_pool_settings settings = {conninfo, "test", maximum_connections, queue_limit, wait_limit_ms, NULL};

    snprintf(conninfo, sizeof(conninfo), "%s user=u dbname=d sslmode=disable gssencmode=disable", hosts);
    return database_pool_create(&settings);
}

static struct database_pool *pool_of(int port, int maximum_connections, int queue_limit, int wait_limit_ms) {
    char hosts[64];

    snprintf(hosts, sizeof(hosts), "host=127.0.0.1 port=%d", port);
    return pool_to(hosts, maximum_connections, queue_limit, wait_limit_ms);
}

static void submit(struct database_pool *pool, const struct database_statement *statement, int timeout_ms,
                   struct outcome *outcome) {
    const char *values[] = {"value"};

    *outcome = (struct outcome){0};
    database_pool_submit(pool, statement, values, timeout_ms, note, outcome);
    assert_int_equal(outcome->calls, 0); /* never inside submit */
}

/* turn waits for the pool once, at most limit_ms. */
static void turn(struct database_pool *pool, int limit_ms) {
    struct pollfd fds[8];
    size_t count = database_pool_pollfds(pool, fds, 8);
    int timeout = database_pool_timeout_ms(pool);

    poll(fds, count, timeout < 0 || timeout > limit_ms ? limit_ms : timeout);
    database_pool_process(pool, fds, count);
}

/* finish runs the loop until the call is answered; returns the milliseconds that took. */
static int64_t finish(struct database_pool *pool, const struct outcome *outcome) {
    int64_t start = clock_monotonic_ms();

    while (outcome->calls == 0) {
        assert_true(clock_monotonic_ms() - start < LONGEST_TEST_MS);
        turn(pool, 100);
    }
    assert_int_equal(outcome->calls, 1);
    return clock_monotonic_ms() - start;
}

/* call submits one call and waits for its answer. */
static struct outcome call(struct database_pool *pool, const struct database_statement *statement, int timeout_ms) {
    struct outcome outcome;

    submit(pool, statement, timeout_ms, &outcome);
    finish(pool, &outcome);
    return outcome;
}

static void answers_and_prepares_once(void **state) {
    struct database_pool *pool = pool_of(server.port, 2, 10, 2000);
    int i;

    (void)state;
    assert_false(database_pool_connected(pool));
    for (i = 0; i < 5; i++) {
        struct outcome outcome = call(pool, &once, 5000);

        assert_int_equal(outcome.outcome, DATABASE_OK);
        assert_string_equal(outcome.value, "1");
    }
    assert_true(database_pool_connected(pool));
    assert_int_equal(server.preparations, 1);
    assert_int_equal(server.executions, 5);
    assert_int_equal(database_pool_statistics_of(pool).open, 1);
    assert_int_equal(database_pool_statistics_of(pool).in_use, 0);
    database_pool_destroy(pool);
}

static void gives_errors_as_they_are(void **state) {
    struct database_pool *pool = pool_of(server.port, 1, 10, 2000);
    struct outcome outcome;

    (void)state;
    server.script[0] = "55P03";
    outcome = call(pool, &repeatable, 5000);
    assert_int_equal(outcome.outcome, DATABASE_ERROR);
    assert_string_equal(outcome.sqlstate, "55P03");
    assert_int_equal(server.executions, 1);
    assert_int_equal(call(pool, &once, 5000).outcome, DATABASE_OK);
    database_pool_destroy(pool);
}

static void repeats_conflicts_three_times(void **state) {
    struct database_pool *pool = pool_of(server.port, 1, 10, 2000);
    struct outcome outcome;

    (void)state;
    server.script[0] = "40001";
    server.script[1] = "40P01";
    assert_int_equal(call(pool, &once, 5000).outcome, DATABASE_OK);
    assert_int_equal(server.executions, 3);
    server.script[3] = server.script[4] = server.script[5] = server.script[6] = "40001";
    outcome = call(pool, &once, 5000);
    assert_int_equal(outcome.outcome, DATABASE_ERROR);
    assert_string_equal(outcome.sqlstate, "40001");
    assert_int_equal(server.executions, 7);
    database_pool_destroy(pool);
}

static void prepares_again_what_no_longer_fits(void **state) {
    struct database_pool *pool = pool_of(server.port, 1, 10, 2000);
    struct outcome outcome;

    (void)state;
    server.script[0] = "0A000";
    server.script[1] = ANSWER;
    server.script[2] = server.script[3] = "0A000";
    assert_int_equal(call(pool, &once, 5000).outcome, DATABASE_OK);
    assert_int_equal(server.preparations, 2);
    outcome = call(pool, &once, 5000); /* a second time in one call: given up */
    assert_int_equal(outcome.outcome, DATABASE_ERROR);
    assert_string_equal(outcome.sqlstate, "0A000");
    assert_int_equal(server.unprepared, 0);
    database_pool_destroy(pool);
}

/* A server that does not know what was prepared over the same connection: a pooler switches sessions. */
static void prepares_nothing_behind_a_pooler(void **state) {
    struct database_pool *pool = pool_of(server.port, 2, 10, 2000);

    (void)state;
    server.script[0] = ANSWER;
    server.script[1] = "26000";
    server.script[2] = ANSWER;
    assert_int_equal(call(pool, &once, 5000).outcome, DATABASE_OK);
    assert_int_equal(server.unprepared, 0);
    assert_int_equal(call(pool, &once, 5000).outcome, DATABASE_OK);
    assert_int_equal(server.unprepared, 1);
    assert_int_equal(call(pool, &repeatable, 5000).outcome, DATABASE_OK);
    assert_int_equal(server.unprepared, 2);
    assert_int_equal(server.preparations, 1);
    database_pool_destroy(pool);
}

static void sends_lost_calls_again_where_that_is_harmless(void **state) {
    struct database_pool *pool = pool_of(server.port, 1, 10, 2000);

    (void)state;
    server.script[0] = HANG_UP;
    server.script[1] = ANSWER;
    server.script[2] = "57P01";
    server.script[3] = ANSWER;
    assert_int_equal(call(pool, &repeatable, 5000).outcome, DATABASE_OK);
    assert_int_equal(server.executions, 2);
    assert_int_equal(call(pool, &repeatable, 5000).outcome, DATABASE_OK);
    assert_int_equal(server.executions, 4);
    assert_int_equal(server.connections, 3);
    database_pool_destroy(pool);
}

static void says_so_when_the_effect_is_unknown(void **state) {
    struct database_pool *pool = pool_of(server.port, 1, 10, 2000);

    (void)state;
    server.script[0] = HANG_UP;
    assert_int_equal(call(pool, &once, 5000).outcome, DATABASE_LOST);
    assert_int_equal(server.executions, 1);
    server.script[1] = server.script[2] = HANG_UP;
    assert_int_equal(call(pool, &repeatable, 5000).outcome, DATABASE_LOST);
    assert_int_equal(server.executions, 3);
    assert_int_equal(call(pool, &once, 5000).outcome, DATABASE_OK);
    database_pool_destroy(pool);
}

static void gives_up_on_a_silent_server(void **state) {
    struct database_pool *pool = pool_of(server.port, 1, 10, 2000);
    struct outcome outcome;
    int64_t start, elapsed;

    (void)state;
    assert_int_equal(call(pool, &once, 5000).outcome, DATABASE_OK);
    server.script[1] = SILENCE;
    submit(pool, &repeatable, 300, &outcome);
    elapsed = finish(pool, &outcome);
    assert_int_equal(outcome.outcome, DATABASE_TIMEOUT);
    assert_in_range(elapsed, 250, 1500);
    start = clock_monotonic_ms();
    assert_int_equal(call(pool, &once, 5000).outcome, DATABASE_OK); /* over another connection */
    assert_true(clock_monotonic_ms() - start < 3000);
    assert_int_equal(server.connections, 2);
    assert_int_equal(server.cancels, 1);
    database_pool_destroy(pool);
}

static void bounds_the_queue_and_the_wait(void **state) {
    struct database_pool *pool = pool_of(server.port, 1, 2, 300);
    struct outcome running, waiting[2], refused;

    (void)state;
    assert_int_equal(call(pool, &once, 5000).outcome, DATABASE_OK);
    server.script[1] = SILENCE;
    submit(pool, &once, 1500, &running);
    submit(pool, &once, 5000, &waiting[0]);
    submit(pool, &once, 5000, &waiting[1]);
    assert_int_equal(database_pool_statistics_of(pool).waiting, 2);
    submit(pool, &once, 5000, &refused);
    assert_int_equal(database_pool_timeout_ms(pool), 0);
    turn(pool, 0);
    assert_int_equal(refused.outcome, DATABASE_OVERLOADED);
    assert_in_range(finish(pool, &waiting[0]), 150, 1200);
    assert_int_equal(waiting[0].outcome, DATABASE_OVERLOADED);
    finish(pool, &waiting[1]);
    assert_int_equal(waiting[1].outcome, DATABASE_OVERLOADED);
    finish(pool, &running);
    assert_int_equal(running.outcome, DATABASE_TIMEOUT);
    database_pool_destroy(pool);
}

static void uses_several_connections(void **state) {
    struct database_pool *pool = pool_of(server.port, 3, 10, 2000);
    struct outcome slow, quick;

    (void)state;
    server.script[0] = SILENCE;
    submit(pool, &once, 1000, &slow);
    while (server.executions == 0) {
        turn(pool, 20);
    }
    submit(pool, &once, 5000, &quick);
    finish(pool, &quick);
    assert_int_equal(quick.outcome, DATABASE_OK);
    assert_int_equal(slow.calls, 0);
    assert_int_equal(database_pool_statistics_of(pool).open, 2);
    assert_int_equal(database_pool_statistics_of(pool).in_use, 1);
    database_pool_cancel_context(pool, &slow);
    database_pool_destroy(pool);
    assert_int_equal(slow.calls, 0);
}

static void never_makes_a_waiting_call_that_was_cancelled(void **state) {
    struct database_pool *pool = pool_of(server.port, 1, 10, 2000);
    struct outcome running, cancelled, later;

    (void)state;
    submit(pool, &once, 5000, &running);
    submit(pool, &once, 5000, &cancelled);
    submit(pool, &once, 5000, &later);
    database_pool_cancel_context(pool, &cancelled);
    assert_int_equal(database_pool_statistics_of(pool).waiting, 2);
    finish(pool, &running);
    finish(pool, &later);
    assert_int_equal(later.outcome, DATABASE_OK);
    assert_int_equal(cancelled.calls, 0);
    assert_int_equal(server.executions, 2);
    database_pool_destroy(pool);
}

/* Makes the next flushes fail, as when the connection breaks while a call is being sent (see common/Makefile). */
static bool flushes_fail;

int __wrap_PQflush(PGconn *connection);
int __real_PQflush(PGconn *connection);

int __wrap_PQflush(PGconn *connection) {
    return flushes_fail ? -1 : __real_PQflush(connection);
}

static void never_makes_a_call_again_that_was_cancelled(void **state) {
    struct database_pool *pool = pool_of(server.port, 1, 10, 2000);
    struct outcome cancelled;

    (void)state;
    assert_int_equal(call(pool, &once, 5000).outcome, DATABASE_OK);
    flushes_fail = true;
    submit(pool, &repeatable, 5000, &cancelled);
    flushes_fail = false;
    database_pool_cancel_context(pool, &cancelled);
    assert_int_equal(call(pool, &once, 5000).outcome, DATABASE_OK);
    assert_int_equal(cancelled.calls, 0);
    assert_int_equal(server.connections, 2);
    assert_int_equal(server.executions, 2);
    database_pool_destroy(pool);
}

static void answers_everything_at_its_end(void **state) {
    struct database_pool *pool = pool_of(server.port, 1, 10, 2000);
    struct outcome running, waiting;

    (void)state;
    server.script[0] = SILENCE;
    submit(pool, &once, 5000, &running);
    while (server.executions == 0) {
        turn(pool, 20);
    }
    submit(pool, &once, 5000, &waiting);
    database_pool_destroy(pool);
    assert_int_equal(running.calls, 1);
    assert_int_equal(running.outcome, DATABASE_LOST);
    assert_int_equal(waiting.calls, 1);
    assert_int_equal(waiting.outcome, DATABASE_UNAVAILABLE);
}

/* unreachable_port gives a port where nobody listens. */
static int unreachable_port(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    getsockname(fd, (struct sockaddr *)&address, &size);
    close(fd);
    return ntohs(address.sin_port);
}

static void refuses_quickly_in_a_long_outage(void **state) {
    struct database_pool *pool = pool_of(unreachable_port(), 2, 10, 300);
    struct outcome outcome;
    int64_t start = clock_monotonic_ms();

    (void)state;
    submit(pool, &repeatable, 5000, &outcome);
    assert_in_range(finish(pool, &outcome), 250, 1500); /* the outage might be over soon */
    assert_int_equal(outcome.outcome, DATABASE_UNAVAILABLE);
    while (clock_monotonic_ms() - start < 700) {
        turn(pool, 50);
    }
    submit(pool, &repeatable, 5000, &outcome);
    assert_in_range(finish(pool, &outcome), 0, 200);
    assert_int_equal(outcome.outcome, DATABASE_UNAVAILABLE);
    assert_false(database_pool_connected(pool));
    database_pool_destroy(pool);
}

/* silent_host opens a port whose kernel takes connections that nobody ever answers. */
static int silent_host(int *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 8), 0);
    getsockname(fd, (struct sockaddr *)&address, &size);
    *port = ntohs(address.sin_port);
    return fd;
}

static void leaves_a_silent_host(void **state) {
    struct database_pool *pool;
    struct outcome slow, quick;
    char hosts[96];
    int port, silent = silent_host(&port);

    (void)state;
    snprintf(hosts, sizeof(hosts), "host=127.0.0.1,127.0.0.1 port=%d,%d connect_timeout=2", port, server.port);
    pool = pool_to(hosts, 2, 10, 10000);
    submit(pool, &once, 10000, &quick);
    assert_in_range(finish(pool, &quick), 1900, 5000);
    assert_int_equal(quick.outcome, DATABASE_OK);
    server.script[1] = SILENCE;
    submit(pool, &once, 5000, &slow);
    submit(pool, &once, 5000, &quick);
    assert_in_range(finish(pool, &quick), 0,
                    1500); /* over another connection, which begins with the host that answers */
    assert_int_equal(quick.outcome, DATABASE_OK);
    assert_int_equal(server.connections, 2);
    database_pool_destroy(pool);
    close(silent);
}

static void ends_at_once_while_it_connects(void **state) {
    int port, silent = silent_host(&port);
    struct database_pool *pool = pool_of(port, 2, 10, 2000);
    struct outcome outcome;
    int64_t start;

    (void)state;
    submit(pool, &once, 5000, &outcome);
    turn(pool, 0);
    turn(pool, 100);
    start = clock_monotonic_ms();
    database_pool_destroy(pool);
    assert_true(clock_monotonic_ms() - start < 1000);
    assert_int_equal(outcome.outcome, DATABASE_UNAVAILABLE);
    close(silent);
}

/* After a switch-over the old primary lives on as a standby; a name may lead to the new one by now. */
static void leaves_a_server_that_takes_no_writes(void **state) {
    struct database_pool *pool = pool_of(server.port, 1, 10, 2000);
    struct outcome outcome;
    int64_t start = clock_monotonic_ms();

    (void)state;
    server.script[0] = server.script[2] = "25006";
    outcome = call(pool, &once, 5000);
    assert_int_equal(outcome.outcome, DATABASE_ERROR);
    assert_string_equal(outcome.sqlstate, "25006");
    assert_int_equal(call(pool, &repeatable, 5000).outcome, DATABASE_OK);
    assert_int_equal(server.connections, 1); /* it is new: another would hardly find another server */
    while (clock_monotonic_ms() - start < 5200) {
        turn(pool, 100);
    }
    outcome = call(pool, &once, 5000);
    assert_string_equal(outcome.sqlstate, "25006");
    assert_int_equal(call(pool, &once, 5000).outcome, DATABASE_OK);
    assert_int_equal(server.connections, 2);
    database_pool_destroy(pool);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, start_server, stop_server)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_SERVER(answers_and_prepares_once),
        WITH_SERVER(gives_errors_as_they_are),
        WITH_SERVER(repeats_conflicts_three_times),
        WITH_SERVER(prepares_again_what_no_longer_fits),
        WITH_SERVER(prepares_nothing_behind_a_pooler),
        WITH_SERVER(sends_lost_calls_again_where_that_is_harmless),
        WITH_SERVER(says_so_when_the_effect_is_unknown),
        WITH_SERVER(gives_up_on_a_silent_server),
        WITH_SERVER(bounds_the_queue_and_the_wait),
        WITH_SERVER(uses_several_connections),
        WITH_SERVER(never_makes_a_waiting_call_that_was_cancelled),
        WITH_SERVER(never_makes_a_call_again_that_was_cancelled),
        WITH_SERVER(answers_everything_at_its_end),
        cmocka_unit_test(refuses_quickly_in_a_long_outage),
        WITH_SERVER(leaves_a_silent_host),
        cmocka_unit_test(ends_at_once_while_it_connects),
        WITH_SERVER(leaves_a_server_that_takes_no_writes),
    };

    log_set_level("error");
    return cmocka_run_group_tests_name("database", tests, NULL, NULL);
}
