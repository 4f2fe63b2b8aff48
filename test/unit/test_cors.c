/* Which origins are allowed, and what a preflight is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "cors.h"

static void allows_anybody(void **state) {
    (void)state;
    assert_true(cors_origins_valid("*"));
    assert_string_equal(cors_allowed_origin("*", NULL), "*");
    assert_string_equal(cors_allowed_origin("*", "https://a.example"), "*");
    assert_false(cors_varies_by_origin("*"));
}

static void allows_the_listed(void **state) {
    static const char list[] = "https://a.example, http://localhost:5173";

    (void)state;
    assert_true(cors_origins_valid(list));
    assert_true(cors_varies_by_origin(list));
    assert_string_equal(cors_allowed_origin(list, "https://a.example"), "https://a.example");
    assert_string_equal(cors_allowed_origin(list, "http://localhost:5173"), "http://localhost:5173");
    assert_null(cors_allowed_origin(list, NULL));
    assert_null(cors_allowed_origin(list, "https://a.example.evil"));
    assert_null(cors_allowed_origin(list, "https://a.exampl"));
    assert_null(cors_allowed_origin(list, "http://a.example"));
    assert_null(cors_allowed_origin(list, "null"));
    assert_null(cors_allowed_origin(list, ""));
}

static void refuses_bad_lists(void **state) {
    static const char *const bad[] = {"*,https://a", "a.example", "https://",    "https://a/",
                                      "https://a b", "ftp://a",   "https://a,,x"};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(cors_origins_valid(bad[i]));
    }
}

static void echoes_request_headers(void **state) {
    (void)state;
    assert_string_equal(cors_request_headers("x-custom, authorization"), "x-custom, authorization");
    assert_string_equal(cors_request_headers(NULL), CORS_REQUEST_HEADERS);
    assert_string_equal(cors_request_headers(""), CORS_REQUEST_HEADERS);
    assert_string_equal(cors_request_headers("a: b\r\nc"), CORS_REQUEST_HEADERS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allows_anybody),
        cmocka_unit_test(allows_the_listed),
        cmocka_unit_test(refuses_bad_lists),
        cmocka_unit_test(echoes_request_headers),
    };

    return cmocka_run_group_tests_name("cors", tests, NULL, NULL);
}
