/* Request bodies: what is accepted as JSON, and the literals of its members. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_body.h"

static bool parses(const char *text, size_t size) {
    struct json_body body;
    bool parsed = json_body_parse(text, size, &body);

    json_body_free(&body);
    return parsed;
}

static void accepts_objects_only(void **state) {
    static const char *const good[] = {"{}", " {\"a\":1}\r\n", "{\"a\":{\"b\":[1,2,{}]}}",
                                       "{\"\\u0061\":\"\\ud83d\\ude00\"}"};
    static const char *const bad[] = {
        "",
        " ",
        "[1]",
        "\"x\"",
        "5",
        "null",
        "true",
        "{",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{'a':1}",
        "{} x",
        "{}{}",
        "{\"a\":01}",
        "{\"a\":+1}",
        "{\"a\":.5}",
        "{\"a\":NaN}",
        "{\"a\":\"\t\"}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\\u0000\"}",
        "{\"\\u0000\":1}",
        "{\"a\":1,\"a\":2}",
        "{\"\xff\":1}",
        "\xef\xbb\xbf{}",
        "{\"a\":1e999}",
        "// c\n{}",
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(parses(good[i], strlen(good[i])));
    }
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(parses(bad[i], strlen(bad[i])));
    }
    assert_false(parses("{}\0", 3));
    assert_false(parses("{\"a\0b\":1}", 9));
}

/* nested makes {"a":[[...]]} with depth levels in all. */
static char *nested(size_t depth) {
    char *text = calloc(1, depth * 2 + 8);

    assert_non_null(text);
    snprintf(text, 6, "{\"a\":");
    memset(text + 5, '[', depth - 1);
    memset(text + 5 + depth - 1, ']', depth - 1);
    text[5 + 2 * (depth - 1)] = '}';
    return text;
}

static void bounds_the_depth(void **state) {
    static const char brackets_in_text[] =
        "{\"a\":\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[\"}";
    static const struct {
        size_t depth;
        bool accepted;
    } cases[] = {{JSON_MAXIMUM_DEPTH, true}, {JSON_MAXIMUM_DEPTH + 1, false}, {50000, false}};
    size_t i;

    (void)state;
    for (i = 0; i < 3; i++) {
        char *text = nested(cases[i].depth);

        assert_int_equal(parses(text, strlen(text)), cases[i].accepted);
        free(text);
    }
    assert_true(parses(brackets_in_text, strlen(brackets_in_text)));
}

/* listed makes {"a":[element,element,...]}. */
static char *listed(const char *element, size_t count) {
    char *text = NULL;
    size_t size, i;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    fputs("{\"a\":[", out);
    for (i = 0; i < count; i++) {
        fprintf(out, "%s%s", i > 0 ? "," : "", element);
    }
    fputs("]}", out);
    fclose(out);
    return text;
}

static void bounds_the_number_of_values(void **state) {
    static const char commas_in_text[] = "\"{,[,{,[,{,[,{,[,{,[\\\",,\"";
    static const char item[] = "{\"product_id\":\"p\",\"quantity\":1,\"price\":2,\"a\":1,\"b\":[],\"c\":{},\"d\":4,"
                               "\"e\":5,\"f\":6,\"g\":7,\"h\":[1,2,3],\"i\":{\"j\":1,\"k\":2},\"l\":1,\"m\":2,\"n\":3,"
                               "\"o\":4,\"p\":5,\"q\":\"6\",\"r\":null,\"s\":true,\"t\":9}";
    static const struct {
        const char *element;
        size_t count;
        bool accepted;
    } cases[] = {
        {"0", JSON_MAXIMUM_VALUES - 2, true},
        {"0", JSON_MAXIMUM_VALUES - 1, false},
        {"{}", JSON_MAXIMUM_VALUES / 2 - 1, true},
        {"{}", JSON_MAXIMUM_VALUES / 2, false},
        {"\"\"", 1000000, false},
        {"{\"a\":0}", JSON_MAXIMUM_VALUES / 2, false},
        {commas_in_text, JSON_MAXIMUM_VALUES / 9, true},
        {item, 1000, true},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text = listed(cases[i].element, cases[i].count);

        assert_int_equal(parses(text, strlen(text)), cases[i].accepted);
        free(text);
    }
}

static void expect_literal(const struct json_body *body, const char *name, const char *literal) {
    const struct json_member *member = json_body_find(body, name);

    assert_non_null(member);
    assert_int_equal(member->literal_size, strlen(literal));
    assert_memory_equal(member->literal, literal, strlen(literal));
}

static void keeps_the_literals(void **state) {
    static const char text[] =
        " {\"z\" :\n0.10000000000000000000001,\"s\":\"},\\\"{\", \"o\":{\"price\":[1,{\"x\":\"]\"}],\"b\":2} "
        ",\"\\u0061\":-1.50E+2 ,\"n\":null,\"t\":true,\"big\":123456789012345678901234567890}";
    struct json_body body;

    (void)state;
    assert_true(json_body_parse(text, strlen(text), &body));
    assert_int_equal(body.count, 7);
    expect_literal(&body, "z", "0.10000000000000000000001");
    expect_literal(&body, "s", "\"},\\\"{\"");
    expect_literal(&body, "o", "{\"price\":[1,{\"x\":\"]\"}],\"b\":2}");
    expect_literal(&body, "a", "-1.50E+2");
    expect_literal(&body, "n", "null");
    expect_literal(&body, "t", "true");
    expect_literal(&body, "big", "123456789012345678901234567890");
    assert_null(json_body_find(&body, "price"));
    json_body_free(&body);
}

/* The literals rely on jansson keeping the order of the text, whatever the hash of the names. */
static void keeps_the_order_of_many(void **state) {
    char *text = NULL;
    size_t size = 0, i;
    FILE *out = open_memstream(&text, &size);
    struct json_body body;

    (void)state;
    for (i = 0; i < 1000; i++) {
        fprintf(out, "%s\"k%zu\":%zu", i == 0 ? "{" : ",", i * 7919 % 1000, i * 7919 % 1000);
    }
    fputc('}', out);
    fclose(out);
    assert_true(json_body_parse(text, size, &body));
    for (i = 0; i < body.count; i++) {
        assert_int_equal(body.members[i].literal_size, strlen(body.members[i].name) - 1);
        assert_memory_equal(body.members[i].literal, body.members[i].name + 1, body.members[i].literal_size);
    }
    json_body_free(&body);
    free(text);
}

static void knows_content_types(void **state) {
    static const char *const good[] = {
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=\"UTF-8\"",
        "application/ld+json",
        "application/vnd.api+json; x=y; charset=utf-8",
        "application/json ; x=y",
    };
    static const char *const bad[] = {
        "",
        "json",
        "text/json",
        "text/plain",
        "application/jsonx",
        "application/+json",
        "application/x json",
        "application/json, text/plain",
        "application/json; charset=latin1",
        "application/x-www-form-urlencoded",
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(json_content_type_accepted(good[i]));
    }
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(json_content_type_accepted(bad[i]));
    }
    assert_false(json_content_type_accepted(NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_objects_only),        cmocka_unit_test(bounds_the_depth),
        cmocka_unit_test(bounds_the_number_of_values), cmocka_unit_test(keeps_the_literals),
        cmocka_unit_test(keeps_the_order_of_many),     cmocka_unit_test(knows_content_types),
    };

    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
