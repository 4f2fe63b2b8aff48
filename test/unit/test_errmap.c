/* What a client is told when the database refuses or is away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "errmap.h"

static void maps_sqlstates(void **state) {
    static const struct {
        const char *sqlstate;
        unsigned status;
        int retry_after;
    } rows[] = {
        {"22021", 400, NO_RETRY}, {"22P05", 400, NO_RETRY}, {"22003", 400, NO_RETRY}, {"25006", 503, 1},
        {"40001", 503, 1},        {"40P01", 503, 1},        {"42501", 500, NO_RETRY}, {"42883", 503, 5},
        {"3F000", 503, 5},        {"55P03", 503, 1},        {"57014", 503, 1},        {"SH001", 503, 5},
        {"SH002", 503, 5},        {"SH003", 500, NO_RETRY}, {"SH004", 500, NO_RETRY}, {"SH005", 500, NO_RETRY},
        {"08006", 503, 1},        {"53300", 503, 1},        {"57P01", 503, 1},        {"58030", 503, 1},
        {"23505", 500, NO_RETRY}, {"XX000", 500, NO_RETRY}, {"P0001", 500, NO_RETRY}, {"", 500, NO_RETRY},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct error_mapping *mapping = errmap_of_sqlstate(rows[i].sqlstate);

        assert_int_equal(mapping->status, rows[i].status);
        assert_int_equal(mapping->retry_after, rows[i].retry_after);
    }
}

static void expect_code(enum database_outcome outcome, bool repeatable, const char *code) {
    const struct database_answer answer = {.outcome = outcome, .sqlstate = "55P03", .message = ""};
    const struct error_mapping *mapping = errmap_of_answer(&answer, repeatable);

    assert_string_equal(mapping->code, code);
    assert_int_equal(mapping->status, 503);
    assert_int_equal(mapping->retry_after, 1);
}

static void maps_outcomes(void **state) {
    (void)state;
    expect_code(DATABASE_ERROR, true, "busy");
    expect_code(DATABASE_UNAVAILABLE, false, "database_unavailable");
    expect_code(DATABASE_OVERLOADED, false, "overloaded");
    expect_code(DATABASE_TIMEOUT, true, "timeout");
    expect_code(DATABASE_TIMEOUT, false, "outcome_unknown");
    expect_code(DATABASE_LOST, true, "database_unavailable");
    expect_code(DATABASE_LOST, false, "outcome_unknown");
}

static void is_well_formed(void **state) {
    size_t count, i;
    const struct error_mapping *rows = errmap_all(&count);

    (void)state;
    for (i = 0; i < count; i++) {
        assert_true(strlen(rows[i].sqlstate) == 5 || strlen(rows[i].sqlstate) == 2);
        assert_int_equal(strspn(rows[i].code, "abcdefghijklmnopqrstuvwxyz_"), strlen(rows[i].code));
        assert_int_equal(rows[i].status == 503, rows[i].retry_after != NO_RETRY);
        assert_ptr_equal(errmap_of_sqlstate(rows[i].sqlstate), &rows[i]); /* no row hides another */
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_sqlstates),
        cmocka_unit_test(maps_outcomes),
        cmocka_unit_test(is_well_formed),
    };

    return cmocka_run_group_tests_name("errmap", tests, NULL, NULL);
}
