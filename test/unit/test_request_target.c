/* Paths and queries: split first, decoded once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "request_target.h"

/* expect_path compares the segments, joined by '|'. */
static void expect_path(const char *uri, const char *expected) {
    struct request_target target;
    char joined[512] = "";
    size_t i;

    assert_null(request_target_parse(uri, &target));
    for (i = 0; i < target.segment_count; i++) {
        strncat(joined, i > 0 ? "|" : "", sizeof(joined) - strlen(joined) - 1);
        strncat(joined, target.segments[i], sizeof(joined) - strlen(joined) - 1);
    }
    assert_string_equal(joined, expected);
    request_target_free(&target);
}

static void splits_paths(void **state) {
    (void)state;
    expect_path("/", "");
    expect_path("/products", "products");
    expect_path("/products/", "products");
    expect_path("/products/12?limit=1/2", "products|12");
    expect_path("//products", "|products");
    expect_path("/a%2Fb/%63", "a/b|c");
    expect_path("/a+b", "a+b");
    expect_path("/%25", "%");
    expect_path("/..%2f..", "../..");
    expect_path("/%E2%82%AC", "€");
    expect_path("http://example.org/health", "health");
    expect_path("HTTPS://user@example.org:80", "");
    expect_path("*", "");
}

static void refuses_malformed_targets(void **state) {
    static const char *const bad[] = {
        "",        "products",        "/%",           "/%1",     "/%zz",       "/a%00b",
        "/%ff",    "/\xff",           "/a b",         "/a\tb",   "/?a=%",      "/?a=%00",
        "/?%ff=1", "ftp://example/x", "http://x?y=1", "/%C0%80", "/%ed%a0%80", "/?=%e2%82",
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct request_target target;

        assert_non_null(request_target_parse(bad[i], &target));
        request_target_free(&target);
    }
}

static void finds_parameters(void **state) {
    struct request_target target;
    const char *value;
    bool repeated;

    (void)state;
    assert_null(request_target_parse("/x?a=1&&b=%32+3&c&d=4=5&b2=&a=6&f=/y?z&?g=?", &target));
    request_target_parameter(&target, "b", &value, &repeated);
    assert_string_equal(value, "2 3");
    assert_false(repeated);
    request_target_parameter(&target, "c", &value, &repeated);
    assert_string_equal(value, "");
    request_target_parameter(&target, "d", &value, &repeated);
    assert_string_equal(value, "4=5");
    request_target_parameter(&target, "b2", &value, &repeated);
    assert_string_equal(value, "");
    request_target_parameter(&target, "a", &value, &repeated);
    assert_true(repeated);
    request_target_parameter(&target, "e", &value, &repeated);
    assert_null(value);
    request_target_parameter(&target, "f", &value, &repeated);
    assert_string_equal(value, "/y?z");
    request_target_parameter(&target, "?g", &value, &repeated);
    assert_string_equal(value, "?");
    assert_string_equal(target.path, "/x");
    request_target_free(&target);
}

/* Every character that is decoded needs its place, also where separators are rare. */
static void has_room_for_everything(void **state) {
    struct request_target target;
    char uri[600];
    size_t i;

    (void)state;
    memset(uri, '\0', sizeof(uri));
    uri[0] = '/';
    uri[1] = '?';
    for (i = 2; i / 2 < TARGET_MAXIMUM_PARAMETERS - 1; i += 2) {
        uri[i] = 'a';
        uri[i + 1] = '&';
    }
    assert_null(request_target_parse(uri, &target));
    request_target_free(&target);
    for (i = 2; i < 500; i += 2) {
        uri[i] = 'a';
        uri[i + 1] = '&';
    }
    assert_non_null(request_target_parse(uri, &target)); /* too many */
    request_target_free(&target);
    for (i = 0; i < 500; i++) {
        uri[i] = i % 2 == 0 ? '/' : 'a';
    }
    assert_null(request_target_parse(uri, &target));
    assert_true(target.too_many_segments);
    request_target_free(&target);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splits_paths),
        cmocka_unit_test(refuses_malformed_targets),
        cmocka_unit_test(finds_parameters),
        cmocka_unit_test(has_room_for_everything),
    };

    return cmocka_run_group_tests_name("request_target", tests, NULL, NULL);
}
