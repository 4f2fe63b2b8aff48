/* Heads that two readers could read in two ways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "framing.h"

/* add takes "Name: value". */
static void add(struct framing *framing, const char *header) {
    const char *colon = strchr(header, ':');
    char name[64];

    memcpy(name, header, (size_t)(colon - header));
    name[colon - header] = '\0';
    framing_add_header(framing, name, colon + 2, strlen(colon + 2));
}

static void accepts_ordinary_heads(void **state) {
    struct framing framing = {0};

    (void)state;
    add(&framing, "Host: x");
    assert_null(framing_fault(&framing));
    assert_false(framing_has_body(&framing));
    add(&framing, "Content-Length: 12");
    add(&framing, "User-Agent: \xfc\x62\x65r\tall");
    add(&framing, "Authorization: Bearer x");
    add(&framing, "Idempotency-Key: k");
    add(&framing, "Expect: 100-Continue");
    assert_null(framing_fault(&framing));
    assert_true(framing_has_body(&framing));
    assert_true(framing.expects_continue);
    assert_int_equal(framing.content_length, 12);
}

static void accepts_chunks(void **state) {
    struct framing framing = {0};

    (void)state;
    add(&framing, "host: x");
    add(&framing, "transfer-encoding: Chunked");
    assert_null(framing_fault(&framing));
    assert_true(framing_has_body(&framing));
}

static void refuses_ambiguous_heads(void **state) {
    static const char *const bad[][3] = {
        {"Host: x", "Host: x"},
        {"User-Agent: x"},
        {"Host: x", "Content-Length: 1", "Content-Length: 1"},
        {"Host: x", "Content-Length: 1", "Transfer-Encoding: chunked"},
        {"Host: x", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"},
        {"Host: x", "Transfer-Encoding: gzip, chunked"},
        {"Host: x", "Transfer-Encoding: xchunked"},
        {"Host: x", "Transfer-Encoding: identity"},
        {"Host: x", "Transfer-Encoding: "},
        {"Host: x", "Authorization: a", "Authorization: b"},
        {"Host: x", "Idempotency-Key: a", "idempotency-key: a"},
        {"Host: x", "X-Line: a\rb"},
        {"Host: x", "X-Bell: \a"},
        {"Host: x", "Content-Length : 1"},
        {"Host: x", " X: y"},
        {"Host: x", ": y"},
    };
    size_t i, j;

    (void)state;
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct framing framing = {0};

        for (j = 0; j < 3 && bad[i][j] != NULL; j++) {
            add(&framing, bad[i][j]);
        }
        assert_non_null(framing_fault(&framing));
    }
}

static void knows_http_1_0(void **state) {
    struct framing framing = {.is_http_1_0 = true};

    (void)state;
    assert_null(framing_fault(&framing)); /* it needs no Host ... */
    add(&framing, "Transfer-Encoding: chunked");
    assert_non_null(framing_fault(&framing)); /* ... and has no chunks */
}

static void sees_a_nul(void **state) {
    struct framing framing = {0};

    (void)state;
    add(&framing, "Host: x");
    framing_add_header(&framing, "X", "a\0b", 3);
    assert_non_null(framing_fault(&framing));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_ordinary_heads),
        cmocka_unit_test(accepts_chunks),
        cmocka_unit_test(refuses_ambiguous_heads),
        cmocka_unit_test(knows_http_1_0),
        cmocka_unit_test(sees_a_nul),
    };

    return cmocka_run_group_tests_name("framing", tests, NULL, NULL);
}
