/* Strict reading of numbers, UTF-8, and what random identifiers look like. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "random.h"
#include "text.h"

static void reads_integers(void **state) {
    static const struct {
        const char *text;
        int64_t number;
    } good[] = {
        {"0", 0}, {"-1", -1}, {"007", 7}, {"9223372036854775807", INT64_MAX}, {"-9223372036854775808", INT64_MIN},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        int64_t number = 42;

        assert_true(text_to_int64(good[i].text, INT64_MIN, INT64_MAX, &number));
        assert_true(number == good[i].number);
    }
}

static void refuses_what_is_no_integer(void **state) {
    static const char *const bad[] = {
        "",
        "-",
        "+1",
        " 1",
        "1 ",
        "1.0",
        "1e2",
        "0x1",
        "--1",
        "1-",
        "one",
        "9223372036854775808",
        "99999999999999999999",
    };
    int64_t number = 42;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(text_to_int64(bad[i], INT64_MIN, INT64_MAX, &number));
    }
    assert_false(text_to_int64("0", 1, 10, &number));
    assert_false(text_to_int64("11", 1, 10, &number));
    assert_int_equal(number, 42);
}

static void reads_decimals(void **state) {
    static const char *const bad[] = {"", "-", ".5", "5.", "1e3", "nan", "inf", "0x1p3", " 1", "1,5"};
    double number = 42;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(text_to_double(bad[i], &number));
    }
    assert_true(number > 41 && number < 43);
    assert_true(text_to_double("0.7", &number));
    assert_true(number > 0.69 && number < 0.71);
    assert_true(text_to_double("-2", &number));
    assert_true(number < -1.9);
}

static void knows_utf8(void **state) {
    static const char *const bad[] = {
        "\xff",  "\xc0\x80", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf0\x80\x80\x80",
        "a\x80", "\xe2\x82",
    };
    static const char good[] = "aé€😀\xf4\x8f\xbf\xbf";
    size_t i;

    (void)state;
    assert_true(text_is_utf8(good, strlen(good)));
    assert_true(text_is_utf8("", 0));
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(text_is_utf8(bad[i], strlen(bad[i])));
    }
}

static void mends_utf8(void **state) {
    char text[] = "a\xff€\xe2\x82z";

    (void)state;
    text_replace_bad_utf8(text, strlen(text));
    assert_string_equal(text, "a?€??z");
}

static void makes_random_uuids(void **state) {
    char one[UUID_TEXT_SIZE], other[UUID_TEXT_SIZE];

    (void)state;
    random_uuid(one);
    random_uuid(other);
    assert_string_not_equal(one, other);
    assert_int_equal(strlen(one), 36);
    assert_int_equal(strspn(one, "0123456789abcdef-"), 36);
    assert_int_equal(one[14], '4');
    assert_non_null(strchr("89ab", one[19]));
    assert_int_equal(random_below(1), 0);
    assert_int_equal(random_below(0), 0);
    assert_true(random_below(10) < 10);
}

static void tells_the_time(void **state) {
    char now[CLOCK_ISO_TEXT_SIZE];
    int64_t first = clock_monotonic_us();

    (void)state;
    clock_iso_text(now);
    assert_int_equal(strlen(now), 24);
    assert_int_equal(now[10], 'T');
    assert_int_equal(now[19], '.');
    assert_int_equal(now[23], 'Z');
    assert_true(clock_monotonic_us() >= first);
    assert_int_equal(clock_remaining_ms(100, 40), 60);
    assert_int_equal(clock_remaining_ms(40, 100), 0);
    assert_int_equal(clock_remaining_ms(INT64_MAX, 0), INT32_MAX);
}

static void copies_texts_into_one_block(void **state) {
    const char *texts[] = {"one", NULL, "", "\xc3\xa9"};
    const char **copy = malloc(texts_size(texts, 4));

    (void)state;
    assert_int_equal(texts_size(texts, 4), 4 * sizeof(char *) + 4 + 1 + 3);
    assert_int_equal(texts_size(texts, 0), 0);
    assert_non_null(copy);
    texts_copy(copy, texts, 4);
    assert_ptr_not_equal(copy[0], texts[0]);
    assert_string_equal(copy[0], "one");
    assert_null(copy[1]);
    assert_string_equal(copy[2], "");
    assert_string_equal(copy[3], "\xc3\xa9");
    assert_ptr_equal(copy[3] + 3, (const char *)copy + texts_size(texts, 4));
    free(copy);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_integers), cmocka_unit_test(refuses_what_is_no_integer),
        cmocka_unit_test(reads_decimals), cmocka_unit_test(knows_utf8),
        cmocka_unit_test(mends_utf8),     cmocka_unit_test(makes_random_uuids),
        cmocka_unit_test(tells_the_time), cmocka_unit_test(copies_texts_into_one_block),
    };

    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
