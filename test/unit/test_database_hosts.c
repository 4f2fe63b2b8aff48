/* In which order the hosts of a connection string are asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "database_hosts.h"

/* same compares texts of which either may be missing. */
static void same(const char *given, const char *expected) {
    if (expected == NULL) {
        assert_null(given);
    } else {
        assert_non_null(given);
        assert_string_equal(given, expected);
    }
}

static void check(const char *conninfo, unsigned turn, const char *host, const char *hostaddr, const char *port) {
    PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
    struct database_hosts hosts = database_hosts_from(options, turn);

    assert_non_null(options);
    same(hosts.host, host);
    same(hosts.hostaddr, hostaddr);
    same(hosts.port, port);
    database_hosts_free(&hosts);
    PQconninfoFree(options);
}

static void begins_one_further(void **state) {
    (void)state;
    check("postgresql://db1,db2,db3/shop", 1, "db2,db3,db1", ",,", ",,");
    check("postgresql://db1,db2,db3/shop", 2, "db3,db1,db2", ",,", ",,");
    check("host=db1,db2 port=5433", 1, "db2,db1", ",", "5433,5433");
    check("host=db1,db2 port=5433,5434", 1, "db2,db1", ",", "5434,5433");
    check("host=db1,db2 port=,5434", 1, "db2,db1", ",", "5434,");
    check("host=db1,/run/postgresql port=1,2", 1, "/run/postgresql,db1", ",", "2,1");
    check("host=db1,db2 hostaddr=10.0.0.1,10.0.0.2", 1, "db2,db1", "10.0.0.2,10.0.0.1", ",");
    check("hostaddr=10.0.0.1,10.0.0.2", 1, ",", "10.0.0.2,10.0.0.1", ",");
}

static void leaves_the_rest_to_libpq(void **state) {
    (void)state;
    check("postgresql://db1,db2/shop", 0, NULL, NULL, NULL);
    check("dbname=shop", 1, NULL, NULL, NULL);
    check("host=db1,db2 port=1,2,3", 1, NULL, NULL, NULL);
    check("host=db1,db2 hostaddr=10.0.0.1", 1, NULL, NULL, NULL);
    check("host=/run/postgresql", 3, "/run/postgresql", "", "");
    check("host=@abstract", 3, "@abstract", "", "");
    check("host=name.invalid", 1, "name.invalid", "", "");
}

static void looks_names_up_in_later_rounds(void **state) {
    (void)state;
    check("host=127.0.0.1", 1, "127.0.0.1", "127.0.0.1", "");
    check("host=127.0.0.1 hostaddr=127.0.0.2", 1, "127.0.0.1", "127.0.0.2", "");
    check("host=127.0.0.1,db2 port=1", 2, "127.0.0.1,db2", "127.0.0.1,", "1,1");
    check("host=db1,127.0.0.2 port=1,2", 3, "127.0.0.2,db1", "127.0.0.2,", "2,1");
}

static void takes_the_environment_where_the_string_is_silent(void **state) {
    (void)state;
    setenv("PGHOST", "db1,db2", 1);
    setenv("PGPORT", "1,2", 1);
    check("dbname=shop", 1, "db2,db1", ",", "2,1");
    check("host=db3", 0, NULL, NULL, NULL);
    unsetenv("PGHOST");
    unsetenv("PGPORT");
}

/* turn_after connects to hosts of which none answers, and gives the turn that follows. */
static unsigned turn_after(const char *conninfo, unsigned turn) {
    PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
    struct database_hosts hosts = database_hosts_from(options, turn);
    const char *const keywords[] = {"dbname", "host", "hostaddr", "port", NULL};
    const char *const values[] = {conninfo, hosts.host, hosts.hostaddr, hosts.port, NULL};
    PGconn *handle = PQconnectdbParams(keywords, values, 1);
    unsigned next = database_hosts_turn_after(options, turn, handle);

    assert_int_equal(PQstatus(handle), CONNECTION_BAD);
    PQfinish(handle);
    database_hosts_free(&hosts);
    PQconninfoFree(options);
    return next;
}

static void goes_on_after_the_last_that_was_asked(void **state) {
    (void)state;
    assert_int_equal(turn_after("host=/nowhere/1", 0), 1);
    assert_int_equal(turn_after("host=/nowhere/1,/nowhere/2,/nowhere/3", 0), 3);
    assert_int_equal(turn_after("host=/nowhere/1,/nowhere/2,/nowhere/3", 4), 7);
    assert_int_equal(turn_after("host=/nowhere,/nowhere port=1,2", 1), 3);
    assert_int_equal(turn_after("hostaddr=127.0.0.1,127.0.0.2 port=1", 1), 3);
    assert_int_equal(database_hosts_turn_after(NULL, 4, NULL), 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(begins_one_further),
        cmocka_unit_test(leaves_the_rest_to_libpq),
        cmocka_unit_test(looks_names_up_in_later_rounds),
        cmocka_unit_test(takes_the_environment_where_the_string_is_silent),
        cmocka_unit_test(goes_on_after_the_last_that_was_asked),
    };

    return cmocka_run_group_tests_name("database_hosts", tests, NULL, NULL);
}
