/* From request values to SQL parameters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "arguments.h"

/* expect converts one value of a body {"v": <json>} (json NULL: {}) and compares. */
static void expect(enum argument_type type, bool optional, const char *json, const char *expected) {
    const struct argument argument = {FROM_BODY, type, "v", optional};
    struct argument_values values;
    struct json_body body;
    struct argument_sources sources = {.body = &body};
    char text[512];
    int size = snprintf(text, sizeof(text), json != NULL ? "{\"v\":%s}" : "{}", json != NULL ? json : "");

    assert_true(json_body_parse(text, (size_t)size, &body));
    assert_null(arguments_collect(&argument, 1, &sources, &values));
    if (expected == NULL) {
        assert_null(values.values[0]);
    } else {
        assert_non_null(values.values[0]);
        assert_string_equal(values.values[0], expected);
    }
    arguments_free(&values);
    json_body_free(&body);
}

static void takes_integers_and_digits(void **state) {
    (void)state;
    expect(INTEGER_8, false, "5", "5");
    expect(INTEGER_8, false, "\"5\"", "5");
    expect(INTEGER_8, false, "-5", "-5");
    expect(INTEGER_8, false, "-0", "-0");
    expect(INTEGER_8, false, "\"00000000000000000000005\"", "00000000000000000000005");
    expect(INTEGER_8, false, "9223372036854775807", "9223372036854775807");
    expect(INTEGER_4, false, "2147483647", "2147483647");
    expect(INTEGER_4, true, "0", "0");
}

static void makes_unusable_integers_null(void **state) {
    static const char *const bad[] = {
        "true",
        "false",
        "\"0x1\"",
        "1.5",
        "1e2",
        "5.0",
        "[5]",
        "{}",
        "\"\"",
        "\" 5\"",
        "\"5 \"",
        "\"+5\"",
        "\"-5\"",
        "\"-0\"",
        "\"five\"",
        "9223372036854775808",
        "\"9223372036854775808\"",
        "99999999999999999999999999",
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        expect(INTEGER_8, false, bad[i], NULL);
        expect(INTEGER_8, true, bad[i], "-1");
    }
    expect(INTEGER_4, false, "2147483648", NULL);
    expect(INTEGER_4, true, "-2147483649", "-1");
    expect(INTEGER_8, false, "null", NULL);
    expect(INTEGER_8, false, NULL, NULL);
    expect(INTEGER_8, true, "null", NULL);
    expect(INTEGER_8, true, NULL, NULL);
}

static void keeps_amounts_exact(void **state) {
    static const char *const good[] = {
        "19.99",         "0",    "-1", "0.1000000000000000000000000000000000001", "1e2", "1.5E-2", "1E+10",
        "9999999999.99", "-0.0",
    };
    static const char *const bad[] = {
        "true",
        "[1]",
        "{}",
        "\"\"",
        "\"abc\"",
        "\"NaN\"",
        "\"Infinity\"",
        "\" 1\"",
        "\"1,5\"",
        "\"1.\"",
        "\".5\"",
        "\"+1\"",
        "1e100",
        "\"1e\"",
        "\"0x10\"",
        "\"1 OR 1\"",
        "12345678901234567890123456789012345678901",
    };
    char quoted[64];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        expect(MONEY, true, good[i], good[i]);
        /* A string is digits and a point: no exponent and no sign. */
        snprintf(quoted, sizeof(quoted), "\"%s\"", good[i]);
        expect(MONEY, true, quoted, strpbrk(good[i], "eE-") == NULL ? good[i] : "NaN");
    }
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        expect(MONEY, true, bad[i], "NaN");
    }
    expect(MONEY, true, "null", NULL);
    expect(MONEY, true, NULL, NULL);
}

static void takes_strings_as_they_are(void **state) {
    const struct argument argument = {FROM_BODY, TEXT, "v", false};
    static const char *const bad[] = {"{\"v\":5}", "{\"v\":true}", "{\"v\":[\"a\"]}", "{\"v\":{}}"};
    size_t i;

    (void)state;
    expect(TEXT, false, "\"a \\\"b\\\" \\u00e9\"", "a \"b\" é");
    expect(TEXT, false, "\"\"", "");
    expect(TEXT, false, "null", NULL);
    expect(TEXT, false, NULL, NULL);
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct argument_values values;
        struct json_body body;
        struct argument_sources sources = {.body = &body};

        assert_true(json_body_parse(bad[i], strlen(bad[i]), &body));
        assert_ptr_equal(arguments_collect(&argument, 1, &sources, &values), &argument);
        arguments_free(&values);
        json_body_free(&body);
    }
}

static void takes_booleans_only(void **state) {
    const struct argument argument = {FROM_BODY, BOOLEAN, "v", true};
    static const char *const bad[] = {"{\"v\":0}", "{\"v\":\"true\"}", "{\"v\":[true]}", "{\"v\":{}}"};
    size_t i;

    (void)state;
    expect(BOOLEAN, true, "true", "true");
    expect(BOOLEAN, true, "false", "false");
    expect(BOOLEAN, true, "null", NULL);
    expect(BOOLEAN, true, NULL, NULL);
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct argument_values values;
        struct json_body body;
        struct argument_sources sources = {.body = &body};

        assert_true(json_body_parse(bad[i], strlen(bad[i]), &body));
        assert_ptr_equal(arguments_collect(&argument, 1, &sources, &values), &argument);
        arguments_free(&values);
        json_body_free(&body);
    }
}

static void forgives_lenient_integers(void **state) {
    static const char *const absent[] = {"\"\"",   "\"abc\"", "\"1.5\"", "\"1x\"", "\"-\"",
                                         "\" 1\"", "\"+1\"",  "true",    "[1]"};
    size_t i;

    (void)state;
    expect(LENIENT_INTEGER_8, true, "\"7\"", "7");
    expect(LENIENT_INTEGER_8, true, "\"0\"", "0");
    expect(LENIENT_INTEGER_8, true, "\"-3\"", "-3");
    expect(LENIENT_INTEGER_8, true, "\"9223372036854775808\"", "9223372036854775807");
    expect(LENIENT_INTEGER_8, true, "\"-99999999999999999999999\"", "-9223372036854775808");
    for (i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
        expect(LENIENT_INTEGER_8, true, absent[i], NULL);
    }
}

static void reads_every_source(void **state) {
    static const struct argument table[] = {
        {FROM_STORE, INTEGER_4, NULL, false},    {FROM_PATH, INTEGER_8, "id", false},
        {FROM_QUERY, INTEGER_4, "limit", true},  {FROM_KEY, TEXT, NULL, false},
        {FROM_ACTOR_ID, INTEGER_8, NULL, false}, {FROM_ADMIN_ID, INTEGER_8, NULL, false},
        {FROM_REQUEST_ID, TEXT, NULL, false},    {FROM_TRACEPARENT, TEXT, NULL, false},
        {FROM_IS_ADMIN, BOOLEAN, NULL, false},   {FROM_WHOLE_BODY, TEXT, NULL, false},
    };
    static const char *const expected[] = {"7", "12", "-1", "", NULL, "1", "r-1", NULL, "true", "{}"};
    struct request_target target;
    struct argument_values values;
    struct argument_sources sources = {
        .target = &target,
        .path_values = {{"id/events", 2, "12"}},
        .path_value_count = 1,
        .store_id = "7",
        .idempotency_key = "",
        .admin_id = "1",
        .body_text = "{}",
        .request_id = "r-1",
    };
    size_t i;

    (void)state;
    assert_null(request_target_parse("/orders/12/events?limit=x", &target));
    assert_null(arguments_collect(table, 10, &sources, &values));
    for (i = 0; i < 10; i++) {
        if (expected[i] == NULL) {
            assert_null(values.values[i]);
        } else {
            assert_string_equal(values.values[i], expected[i]);
        }
    }
    arguments_free(&values);
    request_target_free(&target);
}

/* expect_user reads userId of a DELETE, where the query wins over the body. */
static void expect_user(const char *uri, const char *json, const char *expected) {
    static const struct argument argument = {FROM_QUERY_OR_BODY, INTEGER_8, "userId", false};
    struct request_target target;
    struct argument_values values;
    struct json_body body = {0};
    struct argument_sources sources = {.target = &target, .body = json != NULL ? &body : NULL};

    assert_null(request_target_parse(uri, &target));
    assert_true(json_body_parse(json != NULL ? json : "{}", json != NULL ? strlen(json) : 2, &body));
    assert_null(arguments_collect(&argument, 1, &sources, &values));
    if (expected == NULL) {
        assert_null(values.values[0]);
    } else {
        assert_string_equal(values.values[0], expected);
    }
    arguments_free(&values);
    json_body_free(&body);
    request_target_free(&target);
}

static void prefers_the_query(void **state) {
    (void)state;
    expect_user("/x?userId=1", "{\"userId\":2}", "1");
    expect_user("/x?userId=1", NULL, "1");
    expect_user("/x", "{\"userId\":2}", "2");
    expect_user("/x", NULL, NULL);
    expect_user("/x?userId=", "{\"userId\":2}", NULL);
    expect_user("/x?userId=1&userId=2", NULL, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_integers_and_digits), cmocka_unit_test(makes_unusable_integers_null),
        cmocka_unit_test(keeps_amounts_exact),       cmocka_unit_test(takes_strings_as_they_are),
        cmocka_unit_test(takes_booleans_only),       cmocka_unit_test(forgives_lenient_integers),
        cmocka_unit_test(reads_every_source),        cmocka_unit_test(prefers_the_query),
    };

    return cmocka_run_group_tests_name("arguments", tests, NULL, NULL);
}
