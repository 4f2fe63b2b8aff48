/* The phases of a client's connection: which of them hold the end of the gateway up, and which end by themselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connection_watch.h"

struct pair {
    struct connection_watch watch;
    struct watched_connection *connection;
    int client;
};

static void open_pair(struct pair *pair) {
    int sockets[2];

    memset(pair, 0, sizeof(*pair));
    pair->watch.deadlines = (struct connection_deadlines){60000, 60000, 60000};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    pair->connection = connection_watch_add(&pair->watch, sockets[0]);
    assert_non_null(pair->connection);
    pair->client = sockets[1];
}

static void close_pair(struct pair *pair) {
    close(pair->connection->fd);
    close(pair->client);
    connection_watch_remove(&pair->watch, pair->connection);
}

static void a_request_keeps_it_busy(void **state) {
    static const enum connection_phase phases[] = {CONNECTION_HEAD, CONNECTION_BODY, CONNECTION_WORKING,
                                                   CONNECTION_SENDING};
    struct pair pair;
    size_t i;

    (void)state;
    open_pair(&pair);
    assert_false(connection_watch_busy(&pair.watch));
    for (i = 0; i < sizeof(phases) / sizeof(phases[0]); i++) {
        connection_watch_enter(pair.connection, phases[i], &pair.watch, 0);
        assert_true(connection_watch_busy(&pair.watch));
    }
    connection_watch_enter(pair.connection, CONNECTION_RESTING, &pair.watch, 0);
    assert_false(connection_watch_busy(&pair.watch));
    close_pair(&pair);
}

static void lingering_does_not_and_ends_at_its_deadline(void **state) {
    struct pair pair;
    char byte;

    (void)state;
    open_pair(&pair);
    connection_watch_enter(pair.connection, CONNECTION_BODY, &pair.watch, 0);
    connection_watch_linger(pair.connection, 60000);
    assert_false(connection_watch_busy(&pair.watch));
    connection_watch_cut(&pair.watch);
    assert_int_equal(pair.connection->phase, CONNECTION_LINGERING);
    assert_int_equal(recv(pair.client, &byte, 1, MSG_DONTWAIT), -1);
    connection_watch_linger(pair.connection, 0);
    pair.watch.next_look = 0;
    connection_watch_cut(&pair.watch);
    assert_int_equal(pair.connection->phase, CONNECTION_CUT);
    assert_int_equal(recv(pair.client, &byte, 1, MSG_DONTWAIT), 0);
    close_pair(&pair);
}

static void what_was_cut_stays_cut(void **state) {
    struct pair pair;

    (void)state;
    open_pair(&pair);
    connection_watch_linger(pair.connection, 0);
    connection_watch_cut(&pair.watch);
    connection_watch_linger(pair.connection, 60000);
    assert_int_equal(pair.connection->phase, CONNECTION_CUT);
    connection_watch_enter(pair.connection, CONNECTION_SENDING, &pair.watch, 0);
    assert_int_equal(pair.connection->phase, CONNECTION_CUT);
    close_pair(&pair);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_keeps_it_busy),
        cmocka_unit_test(lingering_does_not_and_ends_at_its_deadline),
        cmocka_unit_test(what_was_cut_stays_cut),
    };

    return cmocka_run_group_tests_name("connection_watch", tests, NULL, NULL);
}
