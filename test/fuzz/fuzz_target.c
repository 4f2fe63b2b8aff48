/* A request target: path segments, query parameters, and the route that it leads to. */
#include "arguments.h"
#include "fuzz.h"
#include "request_target.h"
#include "text.h"

static const struct argument table[] = {
    {FROM_QUERY, INTEGER_8, "a", true},
    {FROM_QUERY, LENIENT_INTEGER_8, "page", true},
    {FROM_QUERY, TEXT, "b", true},
};

static void check_text(const char *text) {
    REQUIRE(text != NULL && text_is_utf8(text, strlen(text)));
}

static void check_parameters(const struct request_target *target) {
    struct argument_sources sources = {.target = target};
    struct argument_values values;
    const char *value;
    bool repeated;
    size_t i;

    for (i = 0; i < target->parameter_count; i++) {
        check_text(target->parameters[i].name);
        check_text(target->parameters[i].value);
        request_target_parameter(target, target->parameters[i].name, &value, &repeated);
        REQUIRE(value != NULL);
    }
    if (arguments_collect(table, sizeof(table) / sizeof(table[0]), &sources, &values) == NULL) {
        int64_t number;

        REQUIRE(values.values[0] == NULL || text_to_int64(values.values[0], INT64_MIN, INT64_MAX, &number));
        REQUIRE(values.values[1] == NULL || text_to_int64(values.values[1], INT64_MIN, INT64_MAX, &number));
    }
    arguments_free(&values);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = fuzz_text(data, size);
    struct request_target target;
    size_t i;

    if (request_target_parse(text, &target) == NULL) {
        REQUIRE(target.segment_count <= TARGET_MAXIMUM_SEGMENTS);
        for (i = 0; i < target.segment_count; i++) {
            check_text(target.segments[i]);
        }
        check_parameters(&target);
    }
    REQUIRE(target.path == NULL || text_is_utf8(target.path, strlen(target.path)));
    request_target_free(&target);
    free(text);
    return 0;
}
