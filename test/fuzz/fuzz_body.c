/* A body, its members as arguments of a SQL function, and those as one value of the batch. */
#include <jansson.h>

#include "arguments.h"
#include "fuzz.h"
#include "json_body.h"
#include "request_array.h"
#include "text.h"

static const struct argument table[] = {
    {FROM_BODY, INTEGER_8, "a", false},        {FROM_BODY, INTEGER_4, "b", true}, {FROM_BODY, MONEY, "c", true},
    {FROM_BODY, LENIENT_INTEGER_8, "a", true}, {FROM_BODY, BOOLEAN, "e", true},   {FROM_BODY, TEXT, "d", false},
    {FROM_WHOLE_BODY, TEXT, NULL, false},
};

#define BATCH_VALUES 8
#define TABLE_SIZE   (sizeof(table) / sizeof(table[0]))

/* check_literals: the literal of each member, parsed alone, is the member's value. */
static void check_literals(const char *text, size_t size, const struct json_body *body) {
    size_t i;

    for (i = 0; i < body->count; i++) {
        const struct json_member *member = &body->members[i];
        json_t *alone;

        REQUIRE(member->literal >= text && member->literal + member->literal_size <= text + size);
        alone = json_loadb(member->literal, member->literal_size, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL);
        REQUIRE(json_equal(alone, (json_t *)member->value));
        json_decref(alone);
        REQUIRE(json_body_find(body, member->name) == member);
    }
}

/* check_values: what goes to the database has the form of its type. */
static void check_values(const struct argument_values *values) {
    int64_t number;

    REQUIRE(values->values[0] == NULL || text_to_int64(values->values[0], INT64_MIN, INT64_MAX, &number));
    REQUIRE(values->values[1] == NULL || text_to_int64(values->values[1], INT32_MIN, INT32_MAX, &number));
    REQUIRE(values->values[2] == NULL || strcmp(values->values[2], "NaN") == 0 ||
            strspn(values->values[2], "0123456789.eE+-") == strlen(values->values[2]));
    REQUIRE(values->values[3] == NULL || text_to_int64(values->values[3], INT64_MIN, INT64_MAX, &number));
    REQUIRE(values->values[5] == NULL || text_is_utf8(values->values[5], strlen(values->values[5])));
}

/* check_batch: in the text of the array, quotes that are not escaped stand only around its elements. */
static void check_batch(const struct argument_values *values) {
    const char *one[BATCH_VALUES] = {"1", values->values[5], values->values[2], NULL, "key", values->values[6]};
    char *text = NULL;
    size_t size = 0, i, quotes = 0;
    FILE *out = open_memstream(&text, &size);

    REQUIRE(out != NULL);
    request_array_begin(out);
    request_array_add(out, one, BATCH_VALUES, 0);
    request_array_add(out, one, BATCH_VALUES, 1);
    request_array_end(out);
    fclose(out);
    for (i = 0; i < size; i++) {
        if (text[i] == '\\') {
            i++;
        } else if (text[i] == '"') {
            quotes++;
        }
    }
    REQUIRE(quotes == 4 && text[0] == '{' && text[size - 1] == '}');
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = fuzz_text(data, size);
    struct argument_values values;
    struct json_body body;

    if (json_body_parse(text, size, &body)) {
        struct argument_sources sources = {.body = &body, .body_text = text};

        check_literals(text, size, &body);
        if (arguments_collect(table, TABLE_SIZE, &sources, &values) == NULL) {
            check_values(&values);
            check_batch(&values);
        }
        arguments_free(&values);
    }
    json_body_free(&body);
    free(text);
    return 0;
}
