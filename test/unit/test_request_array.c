/* The text of an array of requests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "request_array.h"

#define VALUES 8

static void expect(const char *const requests[][VALUES], size_t count, const char *expected) {
    char *text = NULL;
    size_t size, i;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    request_array_begin(out);
    for (i = 0; i < count; i++) {
        request_array_add(out, requests[i], VALUES, i);
    }
    request_array_end(out);
    fclose(out);
    assert_string_equal(text, expected);
    free(text);
}

static void leaves_the_store_out(void **state) {
    static const char *const requests[][VALUES] = {{"1", "2", "3", "4", "key", "5.00", "r", "t"}};

    (void)state;
    expect(requests, 1, "{\"(\\\"2\\\",\\\"3\\\",\\\"4\\\",\\\"key\\\",\\\"5.00\\\",\\\"r\\\",\\\"t\\\")\"}");
}

static void tells_null_from_empty(void **state) {
    static const char *const requests[][VALUES] = {{"1", NULL, "3", NULL, "", NULL, "r", NULL},
                                                   {"1", NULL, NULL, NULL, NULL, NULL, NULL, NULL}};

    (void)state;
    expect(requests, 2, "{\"(,\\\"3\\\",,\\\"\\\",,\\\"r\\\",)\",\"(,,,,,,)\"}");
}

static void quotes_what_has_a_meaning(void **state) {
    static const char *const requests[][VALUES] = {{"1", NULL, NULL, NULL, "a\"b\\c,(){} d", NULL, NULL, NULL}};

    (void)state;
    expect(requests, 1, "{\"(,,,\\\"a\\\\\\\"b\\\\\\\\c,(){} d\\\",,,)\"}");
}

static void writes_as_many_as_there_are(void **state) {
    static const char *const request[] = {"1", "2", "3", "not written"};
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    (void)state;
    assert_non_null(out);
    request_array_add(out, request, 3, 0);
    fclose(out);
    assert_string_equal(text, "\"(\\\"2\\\",\\\"3\\\")\"");
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaves_the_store_out),
        cmocka_unit_test(tells_null_from_empty),
        cmocka_unit_test(quotes_what_has_a_meaning),
        cmocka_unit_test(writes_as_many_as_there_are),
    };

    return cmocka_run_group_tests_name("request_array", tests, NULL, NULL);
}
