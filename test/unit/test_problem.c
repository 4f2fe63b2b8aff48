/* The members of an error body. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "problem.h"

static json_t *parsed(bool with_error) {
    char *text = problem_body(404, "not_found", "No such \"thing\"", "r-1", with_error);
    json_t *problem = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

    free(text);
    assert_non_null(problem);
    return problem;
}

static const char *text_of(const json_t *problem, const char *name) {
    return json_string_value(json_object_get(problem, name));
}

static void has_the_members(void **state) {
    json_t *problem = parsed(false);

    (void)state;
    assert_string_equal(text_of(problem, "type"), "urn:pg-shop:problem:not_found");
    assert_string_equal(text_of(problem, "title"), "Not Found");
    assert_int_equal(json_integer_value(json_object_get(problem, "status")), 404);
    assert_string_equal(text_of(problem, "detail"), "No such \"thing\"");
    assert_string_equal(text_of(problem, "message"), "No such \"thing\"");
    assert_string_equal(text_of(problem, "code"), "not_found");
    assert_string_equal(text_of(problem, "requestId"), "r-1");
    assert_int_equal(json_object_size(problem), 7);
    json_decref(problem);
}

static void adds_error_for_the_other_clients(void **state) {
    json_t *problem = parsed(true);

    (void)state;
    assert_string_equal(text_of(problem, "error"), "Not Found");
    json_decref(problem);
}

static void puts_error_into_finished_documents(void **state) {
    static const char *const pairs[][2] = {
        {"{\"status\":404}", "{\"error\":\"Not Found\",\"status\":404}"},
        {"{ \"status\" : 404 }", "{\"error\":\"Not Found\",\"status\" : 404 }"},
        {"{}", "{\"error\":\"Not Found\"}"},
        {"[]", "[]"},
        {"", ""},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        char *text = problem_with_error(pairs[i][0], 404);

        assert_string_equal(text, pairs[i][1]);
        free(text);
    }
}

static void reads_codes(void **state) {
    char *text = problem_body(404, "not_found", "m", "r-1", true);
    char code[PROBLEM_CODE_SIZE];

    (void)state;
    assert_true(problem_code(text, code));
    assert_string_equal(code, "not_found");
    free(text);
    assert_true(problem_code("{\"type\" : \"urn:pg-shop:problem:sku_exists\"}", code));
    assert_string_equal(code, "sku_exists");
    assert_true(
        problem_code("{\"type\":\"urn:pg-shop:problem:a123456789b123456789c123456789d123456789e1234567890\"}", code));
    assert_int_equal(strlen(code), PROBLEM_CODE_SIZE - 1);
    assert_false(problem_code("{\"type\":\"urn:pg-shop:problem:\"}", code));
    assert_false(problem_code("{\"detail\":\"\\\"urn:pg-shop\"}", code));
    assert_false(problem_code("", code));
}

static void knows_titles(void **state) {
    (void)state;
    assert_string_equal(problem_title(400), "Bad Request");
    assert_string_equal(problem_title(503), "Service Unavailable");
    assert_string_equal(problem_title(999), "Error");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_the_members),
        cmocka_unit_test(adds_error_for_the_other_clients),
        cmocka_unit_test(puts_error_into_finished_documents),
        cmocka_unit_test(reads_codes),
        cmocka_unit_test(knows_titles),
    };

    return cmocka_run_group_tests_name("problem", tests, NULL, NULL);
}
