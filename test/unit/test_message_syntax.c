/* What may be sent over a connection, byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "message_syntax.h"

#define HEAD    "GET /a HTTP/1.1\r\nHost: x\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
#define POST    "POST /a HTTP/1.1\r\nHost: x\r\n"

/* feed reads all at once and then, anew, byte by byte: both must come to the same. Returns the status of the fault, or
 * 0. */
static unsigned feed_bytes(const char *data, size_t size, size_t *whole) {
    struct message_syntax at_once = {0}, by_bytes = {0};
    const struct message_fault *one = message_syntax_feed(&at_once, data, size, whole);
    const struct message_fault *other = NULL;
    size_t i, ignored;

    for (i = 0; i < size && other == NULL; i++) {
        other = message_syntax_feed(&by_bytes, data + i, 1, &ignored);
    }
    assert_ptr_equal(one, other);
    return one != NULL ? one->status : 0;
}

static unsigned feed(const char *text) {
    size_t whole;

    return feed_bytes(text, strlen(text), &whole);
}

static void ordinary_messages_pass(void **state) {
    static const char *const messages[] = {
        HEAD "\r\n",
        "\r\n\r\n" HEAD "\r\n",
        HEAD "\r\n" HEAD "\r\n\r\n" HEAD "\r\n",
        "GET /a?b=%20&c=\xc3\xa9 HTTP/1.0\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: x\r\nX-Empty:\r\nX-Blank: \t \r\nX-Latin: \xe9\r\n\r\n",
        POST "Content-Length:\t 003\r\n\r\nabc" HEAD "\r\n",
        POST "content-length:0\r\n\r\n" HEAD "\r\n",
        POST "Transfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\nA;x=\"y\"\r\n0123456789\r\n0\r\n\r\n" HEAD "\r\n",
        POST "Transfer-Encoding: chunked\r\n\r\n0\r\nX-Sum: 1\r\n\r\n" HEAD "\r\n",
        POST "Transfer-Encoding: chunked\r\n\r\n00000000000000000000001\r\na\r\n00\r\n\r\n" HEAD "\r\n",
        POST "Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: x\r\nHost: x\r\n\r\n" HEAD "\r\n",
        HEAD "Authorization: a\r\nIdempotency-Key: k\r\nUser-Agent: \xfc\x62\x65r\tall\r\n\r\n",
        POST "Content-Length: 5\r\n\r\n\0\r\n\n\x01",
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
        assert_int_equal(feed(messages[i]), 0);
    }
}

static void malformed_messages_are_refused(void **state) {
    static const char *const messages[] = {
        "\r\n\r\n\r\n" HEAD,
        "\nGET /a HTTP/1.1\r\n",
        " GET /a HTTP/1.1\r\n",
        "G\x01T /a HTTP/1.1\r\n",
        "G(T /a HTTP/1.1\r\n",
        "GET  /a HTTP/1.1\r\n",
        "GET /a  HTTP/1.1\r\n",
        "GET /a\r\n",
        "GET /a HTTP/1.1\n",
        "GET /a HTTP/1.1 \r\n",
        "GET /a HTTP/1.1\r\r\n",
        "GET /a http/1.1\r\n",
        "GET /a HTTP/1.\r\n",
        "GET /a HTTP/1,1\r\n",
        "GET /a\tb HTTP/1.1\r\n",
        "GET /a\x7f HTTP/1.1\r\n",
        HEAD " folded\r\n",
        HEAD "\tfolded\r\n",
        "GET /a HTTP/1.1\r\n Host: x\r\n",
        HEAD "No-Colon\r\n",
        HEAD "Blank : x\r\n",
        HEAD ": x\r\n",
        HEAD "B\xe9: x\r\n",
        HEAD "A: b\nC: d\r\n",
        HEAD "A: b\x01\r\n",
        HEAD "A: b\x7f\r\n",
        HEAD "A: b\rC: d\r\n",
        HEAD "\n",
        HEAD "\r\r\n",
        POST "Content-Length: -1\r\n\r\n",
        POST "Content-Length: +1\r\n\r\n",
        POST "Content-Length: 1x\r\n\r\n",
        POST "Content-Length: 0x1\r\n\r\n",
        POST "Content-Length: 1, 1\r\n\r\n",
        POST "Content-Length: \r\n\r\n",
        POST "Content-Length: 99999999999999999999\r\n\r\n",
        POST "Content-Length: 3 \r\n\r\n",
        POST "Content-Length: 1\r\nContent-Length: 1\r\n\r\n",
        POST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        POST "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
        POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        POST "Transfer-Encoding: gzip, chunked\r\n\r\n",
        POST "Transfer-Encoding: xchunked\r\n\r\n",
        POST "Transfer-Encoding: chunked \r\n\r\n",
        POST "Transfer-Encoding: identity\r\n\r\n",
        POST "Transfer-Encoding: \r\n\r\n",
        "POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET /a HTTP/1.1\r\nUser-Agent: x\r\n\r\n",
        HEAD "Host: x\r\n\r\n",
        HEAD "Authorization: a\r\nAuthorization: b\r\n\r\n",
        HEAD "Idempotency-Key: a\r\nidempotency-key: a\r\n\r\n",
        POST "Transfer-Encoding: chunked\r\n\r\n\r\n",
        POST "Transfer-Encoding: chunked\r\n\r\nx\r\n",
        POST "Transfer-Encoding: chunked\r\n\r\n-1\r\n",
        POST "Transfer-Encoding: chunked\r\n\r\n0x1\r\n",
        POST "Transfer-Encoding: chunked\r\n\r\n1 \r\n",
        POST "Transfer-Encoding: chunked\r\n\r\n1\n",
        POST "Transfer-Encoding: chunked\r\n\r\n1;\x01\r\n",
        POST "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
        POST "Transfer-Encoding: chunked\r\n\r\n1\r\na\n",
        POST "Transfer-Encoding: chunked\r\n\r\n0\r\n folded\r\n",
        POST "Transfer-Encoding: chunked\r\n\r\n0\r\nX: \x01\r\n",
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
        if (feed(messages[i]) != 400) {
            fail_msg("not refused: %s", messages[i]);
        }
    }
}

static void a_nul_is_refused_wherever_it_stands_in_a_head(void **state) {
    static const char head[] = "GET /abc?d=e HTTP/1.1\r\nHost: x\r\nX-Name: value\r\n\r\n";
    char text[sizeof(head)];
    size_t whole, i;

    (void)state;
    for (i = 0; i < sizeof(head) - 1; i++) {
        memcpy(text, head, sizeof(head));
        text[i] = '\0';
        assert_int_equal(feed_bytes(text, sizeof(head) - 1, &whole), 400);
        assert_int_equal(whole, 0);
    }
}

static void other_versions_are_refused(void **state) {
    (void)state;
    assert_int_equal(feed("GET /a HTTP/2.0\r\n"), 505);
    assert_int_equal(feed("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505);
    assert_int_equal(feed("GET /a HTTP/0.9\r\n"), 505);
}

/* repeated makes "begin", then count times part, then end; the caller frees it. */
static char *repeated(const char *begin, const char *part, size_t count, const char *end) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    fputs(begin, out);
    while (count-- > 0) {
        fputs(part, out);
    }
    fputs(end, out);
    fclose(out);
    return text;
}

static unsigned feed_repeated(const char *begin, const char *part, size_t count, const char *end) {
    char *text = repeated(begin, part, count, end);
    unsigned status = feed(text);

    free(text);
    return status;
}

static void sizes_are_limited(void **state) {
    (void)state;
    assert_int_equal(feed_repeated("GET /", "a", 8000, " HTTP/1.0\r\n\r\n"), 0);
    assert_int_equal(feed_repeated("GET /", "a", MESSAGE_LINE_LIMIT, " HTTP/1.1\r\n\r\n"), 414);
    assert_int_equal(feed_repeated("GET /?", "a&", 220, " HTTP/1.1\r\n\r\n"), 414);
    assert_int_equal(feed_repeated("", "A", MESSAGE_HEAD_LIMIT + 1, ""), 414);
    assert_int_equal(feed_repeated(HEAD "A: ", "b", 15500, "\r\n\r\n"), 0);
    assert_int_equal(feed_repeated(HEAD "A: ", "b", MESSAGE_HEAD_LIMIT, "\r\n\r\n"), 431);
    assert_int_equal(feed_repeated(HEAD "", "A: b\r\n", 190, "\r\n"), 0);
    assert_int_equal(feed_repeated(HEAD "", "A: b\r\n", 210, "\r\n"), 431);
    assert_int_equal(feed_repeated(HEAD "Cookie: ", "a=b;", 200, "\r\n\r\n"), 431);
    assert_int_equal(feed_repeated(HEAD "Cookie: ", "c", 8000, "\r\n\r\n"), 431);
    assert_int_equal(feed_repeated(POST "Transfer-Encoding: chunked\r\n\r\n", "f", 16, "\r\n"), 413);
    assert_int_equal(feed_repeated(CHUNKED "1;", "x", MESSAGE_CHUNK_LINE_LIMIT - 1, "\r\na\r\n0\r\n\r\n"), 0);
    assert_int_equal(feed_repeated(CHUNKED "1;", "x", MESSAGE_CHUNK_LINE_LIMIT, "\r\n"), 400);
    assert_int_equal(feed_repeated(CHUNKED, "0", MESSAGE_CHUNK_LINE_LIMIT, "\r\n\r\n" HEAD "\r\n"), 0);
    assert_int_equal(feed_repeated(CHUNKED, "0", MESSAGE_CHUNK_LINE_LIMIT + 1, "\r\n"), 400);
    assert_int_equal(feed_repeated(CHUNKED "0\r\n", "A: b\r\n", 12, "\r\n" HEAD "\r\n"), 0);
    assert_int_equal(feed_repeated(CHUNKED "0\r\n", "A: b\r\n", 14, "\r\n"), 431);
    assert_int_equal(
        feed_repeated(POST "Transfer-Encoding: chunked\r\n\r\n", "1\r\na\r\n", 10000, "0\r\n\r\n" HEAD "\r\n"), 0);
}

/* A body does not count to the head, however the head is filled. */
static void bodies_follow_the_largest_head(void **state) {
    static const char end[] = "\r\n\r\n1;x\r\na\r\n0\r\nX-Sum: 1\r\n\r\n" HEAD "\r\n";
    const size_t begin_size = strlen(POST "Transfer-Encoding: chunked\r\nA: ") + 3 * MESSAGE_FIELD_WEIGHT;
    const size_t rest = MESSAGE_HEAD_LIMIT - begin_size - strlen("\r\n\r\n");

    (void)state;
    assert_int_equal(feed_repeated(POST "Transfer-Encoding: chunked\r\nA: ", "b", rest, end), 0);
    assert_int_equal(feed_repeated(POST "Transfer-Encoding: chunked\r\nA: ", "b", rest + 1, end), 431);
}

static void the_request_id_is_kept(void **state) {
    static const char *const ids[][2] = {
        {HEAD "X-Request-Id: abc-1 \t\r\nA: b\n", "abc-1"},
        {HEAD "Host: x\r\nx-request-id:abc\r\nX-Request-Id: def\r\n\r\n", "abc"},
        {HEAD "X-Request-Id: a b\r\nA\r\n", "a b"},
        {HEAD "X-Request-Id: abc\r\n\r\n" HEAD "A: b\n", ""},
    };
    size_t i, whole;

    (void)state;
    for (i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        struct message_syntax syntax = {0};

        assert_non_null(message_syntax_feed(&syntax, ids[i][0], strlen(ids[i][0]), &whole));
        assert_string_equal(syntax.request_id, ids[i][1]);
    }
}

static void what_came_before_a_fault_is_told(void **state) {
    static const char good[] = POST "Content-Length: 3\r\n\r\nabc";
    static const char text[] = POST "Content-Length: 3\r\n\r\nabcGET /b HTTP/1.1\nHost: x\r\n\r\n";
    struct message_syntax syntax = {0};
    const char *method, *target;
    size_t whole;

    (void)state;
    assert_int_equal(feed_bytes(text, sizeof(text) - 1, &whole), 400);
    assert_int_equal(whole, sizeof(good) - 1);
    assert_non_null(message_syntax_feed(&syntax, text, sizeof(text) - 1, &whole));
    message_syntax_line(&syntax, &method, &target);
    assert_string_equal(method, "GET");
    assert_string_equal(target, "/b");
}

static void a_long_line_is_kept_in_part(void **state) {
    char *text = repeated("GET /", "a", 1000, " HTTP/1.1\r\n");
    struct message_syntax syntax = {0};
    const char *method, *target;
    size_t whole;

    (void)state;
    assert_null(message_syntax_feed(&syntax, text, strlen(text), &whole));
    message_syntax_line(&syntax, &method, &target);
    assert_string_equal(method, "GET");
    assert_int_equal(strlen(target), MESSAGE_LINE_KEPT - 1 - strlen("GET "));
    free(text);
}

/* sift gives what is kept of a text that is read in pieces of so many bytes; the caller frees it. */
static char *sift(const char *text, size_t piece, size_t *whole) {
    struct message_syntax syntax = {0};
    size_t size = strlen(text), position = 0, filled = 0, kept, complete;
    char *out = calloc(1, size + piece + 2 * MESSAGE_NAME_KEPT);
    const struct message_fault *fault = NULL;

    assert_non_null(out);
    *whole = 0;
    while (position < size && fault == NULL) {
        size_t step = size - position < piece ? size - position : piece;

        fault = message_syntax_sift(&syntax, text + position, step, out + filled, &kept, &complete);
        assert_true(kept <= step + MESSAGE_NAME_KEPT);
        assert_true(complete <= kept);
        *whole = complete > 0 ? filled + complete : *whole;
        filled += kept;
        position += step;
    }
    out[filled] = '\0';
    return out;
}

/* assert_kept checks what is kept of a text, however it is cut; whole is how much of that is complete. */
static void assert_kept(const char *text, const char *expected, size_t whole) {
    size_t piece, complete;

    for (piece = 1; piece <= strlen(text); piece++) {
        char *kept = sift(text, piece, &complete);

        assert_string_equal(kept, expected);
        assert_int_equal(complete, whole);
        free(kept);
    }
}

static void assert_all_kept(const char *text, const char *expected) {
    assert_kept(text, expected, strlen(expected));
}

static void what_nobody_reads_is_left_out(void **state) {
    (void)state;
    assert_all_kept(HEAD "\r\n", HEAD "\r\n");
    assert_all_kept(HEAD "User-Agent: me\r\naUTHORIZATION:\ta b \r\nCookie: c\r\n\r\n" HEAD "\r\n",
                    HEAD "aUTHORIZATION:\ta b \r\n\r\n" HEAD "\r\n");
    assert_all_kept(HEAD "Access-Control-Request-Headers: a\r\n\r\n", HEAD "Access-Control-Request-Headers: a\r\n\r\n");
    assert_all_kept(HEAD "Hos: x\r\nHost-X: x\r\nAccess-Control-Request-HeadersX: a\r\nX-Request-Id:\r\n\r\n",
                    HEAD "X-Request-Id:\r\n\r\n");
    assert_all_kept("\r\n\r\nGET /?a=b&c=? HTTP/1.0\r\nX: y?\r\n\r\n", "\r\n\r\nGET /\x01"
                                                                       "a=b&c=\x01 HTTP/1.0\r\n\r\n");
    assert_all_kept(POST "X: y\r\nContent-Length: 8\r\n\r\nX: ?\r\n\r\n" HEAD "\r\n",
                    POST "Content-Length: 8\r\n\r\nX: ?\r\n\r\n" HEAD "\r\n");
    assert_all_kept(CHUNKED "3;a=b\r\na?b\r\n0\r\nA: b\r\nHost: c\r\n\r\n" HEAD "\r\n",
                    CHUNKED "3;a=b\r\na?b\r\n0\r\n\r\n" HEAD "\r\n");
}

static void what_is_complete_before_a_fault_is_known_among_what_is_kept(void **state) {
    size_t piece, whole;

    (void)state;
    for (piece = 1; piece < 80; piece++) {
        free(sift(HEAD "X: y\r\n\r\n" HEAD "A: b\n", piece, &whole));
        assert_int_equal(whole, strlen(HEAD "\r\n"));
    }
}

static void what_is_kept_is_limited(void **state) {
    const size_t rest = MESSAGE_KEPT_LIMIT - strlen(HEAD "Origin: \r\n\r\n") - 2 * MESSAGE_FIELD_WEIGHT;

    (void)state;
    assert_int_equal(feed_repeated(HEAD "Origin: ", "b", rest, "\r\n\r\n"), 0);
    assert_int_equal(feed_repeated(HEAD "Origin: ", "b", rest + 2, "\r\n\r\n"), 431);
    assert_int_equal(feed_repeated(HEAD "", "Origin: b\r\n", 140, "\r\n"), 0);
    assert_int_equal(feed_repeated(HEAD "", "Origin: b\r\n", 150, "\r\n"), 431);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ordinary_messages_pass),
        cmocka_unit_test(malformed_messages_are_refused),
        cmocka_unit_test(a_nul_is_refused_wherever_it_stands_in_a_head),
        cmocka_unit_test(other_versions_are_refused),
        cmocka_unit_test(sizes_are_limited),
        cmocka_unit_test(bodies_follow_the_largest_head),
        cmocka_unit_test(the_request_id_is_kept),
        cmocka_unit_test(what_came_before_a_fault_is_told),
        cmocka_unit_test(what_nobody_reads_is_left_out),
        cmocka_unit_test(what_is_complete_before_a_fault_is_known_among_what_is_kept),
        cmocka_unit_test(what_is_kept_is_limited),
        cmocka_unit_test(a_long_line_is_kept_in_part),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
