/* The shape of log lines: read back from the streams they are written to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

/* A stream of the process that goes to a file for a while. */
struct captured {
    FILE *stream;
    FILE *file;
    int original;
};

static void capture(struct captured *captured, FILE *stream) {
    captured->stream = stream;
    captured->file = tmpfile();
    assert_non_null(captured->file);
    fflush(stream);
    captured->original = dup(fileno(stream));
    assert_true(captured->original >= 0);
    assert_true(dup2(fileno(captured->file), fileno(stream)) >= 0);
}

/* release gives the stream back and copies what was written into text. */
static void release(struct captured *captured, char *text, size_t size) {
    size_t length;

    fflush(captured->stream);
    dup2(captured->original, fileno(captured->stream));
    close(captured->original);
    rewind(captured->file);
    length = fread(text, 1, size - 1, captured->file);
    text[length] = '\0';
    fclose(captured->file);
}

/* line_of logs one event and gives the line, parsed; NULL when nothing was written to the stream. */
static json_t *line_of(FILE *stream, enum log_level level, json_t *fields) {
    struct captured captured;
    char text[2048];

    capture(&captured, stream);
    log_event(level, "something", fields);
    release(&captured, text, sizeof(text));
    if (text[0] == '\0') {
        return NULL;
    }
    assert_int_equal(text[strlen(text) - 1], '\n');
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    return json_loads(text, 0, NULL);
}

static const char *text_of(const json_t *line, const char *name) {
    return json_string_value(json_object_get(line, name));
}

static void writes_one_object(void **state) {
    json_t *line = line_of(stdout, LOG_INFO, json_pack("{s:s,s:i}", "name", "a\"b\n", "number", 5));

    (void)state;
    assert_non_null(line);
    assert_string_equal(text_of(line, "level"), "info");
    assert_string_equal(text_of(line, "event"), "something");
    assert_string_equal(text_of(line, "name"), "a\"b\n");
    assert_int_equal(json_integer_value(json_object_get(line, "number")), 5);
    assert_int_equal(strlen(text_of(line, "ts")), 24);
    json_decref(line);
}

static void sends_warnings_to_stderr(void **state) {
    static const enum log_level levels[] = {LOG_WARN, LOG_ERROR};
    size_t i;

    (void)state;
    for (i = 0; i < 2; i++) {
        json_t *line = line_of(stderr, levels[i], NULL);

        assert_non_null(line);
        assert_string_equal(text_of(line, "level"), levels[i] == LOG_WARN ? "warn" : "error");
        json_decref(line);
    }
}

static void leaves_out_what_is_null(void **state) {
    json_t *line = line_of(stdout, LOG_INFO, json_pack("{s:n,s:o}", "orderId", "error", log_text(NULL)));

    (void)state;
    assert_int_equal(json_object_size(line), 3);
    json_decref(line);
}

static void adds_common_fields(void **state) {
    json_t *line;

    (void)state;
    log_set_common_fields(json_pack("{s:s}", "worker", "payment"));
    line = line_of(stdout, LOG_INFO, NULL);
    assert_string_equal(text_of(line, "worker"), "payment");
    json_decref(line);
    log_set_common_fields(NULL);
    line = line_of(stdout, LOG_INFO, NULL);
    assert_null(text_of(line, "worker"));
    json_decref(line);
}

static void keeps_to_its_level(void **state) {
    json_t *line;

    (void)state;
    assert_false(log_set_level("loud"));
    assert_false(log_enabled(LOG_DEBUG));
    assert_null(line_of(stdout, LOG_DEBUG, json_object()));
    assert_true(log_set_level("debug"));
    line = line_of(stdout, LOG_DEBUG, NULL);
    assert_string_equal(text_of(line, "level"), "debug");
    json_decref(line);
    assert_true(log_set_level("error"));
    assert_null(line_of(stderr, LOG_WARN, NULL));
    assert_true(log_set_level("info"));
}

static void takes_any_text(void **state) {
    json_t *line = line_of(stdout, LOG_INFO, json_pack("{s:o}", "error", log_text("bad \xff byte")));

    (void)state;
    assert_string_equal(text_of(line, "error"), "bad ? byte");
    json_decref(line);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_one_object),       cmocka_unit_test(sends_warnings_to_stderr),
        cmocka_unit_test(leaves_out_what_is_null), cmocka_unit_test(adds_common_fields),
        cmocka_unit_test(keeps_to_its_level),      cmocka_unit_test(takes_any_text),
    };

    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
