/*
 * What clients send over a connection: an input is its bytes. What is understood must not depend on how the bytes are
 * cut into reads, and what passes must be a sequence of messages that can be read in one way only.
 */
#include <ctype.h>
#include <strings.h>

#include "fuzz.h"
#include "message_syntax.h"

/* require_sound_bytes: no line feed without a carriage return, no carriage return without a line feed, no NUL. */
static void require_sound_bytes(const char *head, size_t size) {
    size_t i;

    for (i = 0; i < size; i++) {
        REQUIRE(head[i] != '\0');
        REQUIRE((head[i] == '\n') == (i > 0 && head[i - 1] == '\r'));
    }
}

/* count_fields tells how often a header stands in the head; value is set to the last one's. */
static int count_fields(const char *head, const char *name, const char **value) {
    const char *line;
    int count = 0;

    for (line = strstr(head, "\r\n"); line != NULL && line[2] != '\r'; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, strlen(name)) == 0 && line[2 + strlen(name)] == ':') {
            *value = line + 3 + strlen(name);
            *value += strspn(*value, " \t");
            count++;
        }
    }
    return count;
}

/* require_one_reading: a head that has passed says in one way how long its body is. */
static void require_one_reading(const char *head, bool is_http_1_0, const struct message_syntax *syntax) {
    const char *length = "", *coding = "", *any;
    int lengths = count_fields(head, "Content-Length", &length);
    int codings = count_fields(head, "Transfer-Encoding", &coding);
    int hosts = count_fields(head, "Host", &any);

    REQUIRE(lengths + codings <= 1);
    REQUIRE(hosts == 1 || (hosts == 0 && is_http_1_0));
    REQUIRE(lengths == 0 || (isdigit((unsigned char)*length) && length[strspn(length, "0123456789")] == '\r'));
    REQUIRE(codings == 0 || (strncasecmp(coding, "chunked\r\n", 9) == 0 && !is_http_1_0));
    REQUIRE(syntax->state == (codings == 1 ? MESSAGE_CHUNK_SIZE : MESSAGE_BODY) || strtoull(length, NULL, 10) == 0);
    REQUIRE(syntax->state != MESSAGE_BODY || syntax->left == strtoull(length, NULL, 10));
}

/* feed_by_bytes reads the input byte by byte, and looks at the first head when it has passed. */
static const struct message_fault *feed_by_bytes(const char *text, size_t size) {
    struct message_syntax syntax = {0};
    const struct message_fault *fault = NULL;
    bool in_head = true;
    size_t i, whole;

    for (i = 0; i < size && fault == NULL; i++) {
        bool ends = in_head && syntax.state == MESSAGE_HEAD_END;
        bool is_http_1_0 = syntax.is_http_1_0; /* which the end of a message forgets */

        fault = message_syntax_feed(&syntax, text + i, 1, &whole);
        REQUIRE(whole == (fault == NULL));
        if (ends && fault == NULL) {
            char *head = fuzz_text((const uint8_t *)text, i + 1);

            in_head = false;
            require_sound_bytes(head, i + 1);
            require_one_reading(head + strspn(head, "\r\n"), is_http_1_0, &syntax);
            free(head);
        }
    }
    return fault;
}

/* sift gives what the HTTP library would get, read in pieces of so many bytes; the caller frees it. */
static char *sift(const char *text, size_t size, size_t piece, size_t *filled) {
    struct message_syntax syntax = {0};
    const struct message_fault *fault = NULL;
    char *out = malloc(size + MESSAGE_NAME_KEPT + 1);
    size_t position, kept, whole;

    REQUIRE(out != NULL);
    *filled = 0;
    for (position = 0; position < size && fault == NULL; position += piece) {
        size_t step = size - position < piece ? size - position : piece;

        fault = message_syntax_sift(&syntax, text + position, step, out + *filled, &kept, &whole);
        REQUIRE(kept <= step + MESSAGE_NAME_KEPT && whole <= kept);
        *filled += kept;
    }
    return out;
}

/* require_sound_sieve: what the library gets does not depend on how the bytes are cut, and is no more than they are. */
static void require_sound_sieve(const char *text, size_t size) {
    size_t at_once, by_bytes;
    char *one = sift(text, size, size + 1, &at_once);
    char *other = sift(text, size, 1, &by_bytes);

    REQUIRE(at_once <= size && at_once == by_bytes && memcmp(one, other, at_once) == 0);
    free(one);
    free(other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct message_syntax syntax = {0}, again = {0};
    const char *text = (const char *)data, *method, *target;
    size_t whole, before;
    const struct message_fault *fault = message_syntax_feed(&syntax, text, size, &whole);

    REQUIRE(whole <= size && (fault != NULL || whole == size));
    REQUIRE(fault == feed_by_bytes(text, size));
    REQUIRE(fault == NULL ||
            (message_syntax_feed(&again, text, whole, &before) == NULL && again.state == MESSAGE_START));
    require_sound_sieve(text, size);
    message_syntax_line(&syntax, &method, &target);
    REQUIRE(strlen(method) + strlen(target) < MESSAGE_LINE_KEPT);
    return 0;
}
