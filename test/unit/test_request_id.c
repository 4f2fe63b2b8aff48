/* Which request ids and traceparents are passed on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "request_id.h"

static void keeps_well_formed_ids(void **state) {
    char longest[REQUEST_ID_SIZE], out[REQUEST_ID_SIZE];
    const char *good[] = {"a", "A.b_c:d-1", longest};
    size_t i;

    (void)state;
    memset(longest, 'x', REQUEST_ID_MAXIMUM);
    longest[REQUEST_ID_MAXIMUM] = '\0';
    for (i = 0; i < 3; i++) {
        request_id_choose(good[i], out);
        assert_string_equal(out, good[i]);
    }
}

static void replaces_the_others(void **state) {
    char too_long[REQUEST_ID_MAXIMUM + 2], out[REQUEST_ID_SIZE];
    const char *bad[] = {NULL, "", " ", "a b", "a/b", "a\"b", "a\nb", "\xc3\xa4", too_long};
    size_t i;

    (void)state;
    memset(too_long, 'x', sizeof(too_long) - 1);
    too_long[sizeof(too_long) - 1] = '\0';
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        request_id_choose(bad[i], out);
        assert_int_equal(strlen(out), 36);
        assert_int_equal(out[14], '4');
    }
}

static void knows_traceparents(void **state) {
    static const char *const good[] = {
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-comes-later",
    };
    static const char *const bad[] = {
        "",
        "00",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "0x-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00_0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331_01",
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01x",
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(traceparent_valid(good[i]));
    }
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(traceparent_valid(bad[i]));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_well_formed_ids),
        cmocka_unit_test(replaces_the_others),
        cmocka_unit_test(knows_traceparents),
    };

    return cmocka_run_group_tests_name("request_id", tests, NULL, NULL);
}
