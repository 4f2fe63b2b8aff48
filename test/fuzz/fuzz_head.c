/* The head of a request: an input is its header lines, "name: value". */
#include <strings.h>

#include "framing.h"
#include "fuzz.h"

static int lengths, codings;

/* add_line takes one line, without its end, into account. */
static void add_line(struct framing *framing, char *line, size_t size) {
    char *colon = memchr(line, ':', size);
    size_t length;

    if (colon == NULL) {
        return;
    }
    *colon++ = '\0';
    length = size - (size_t)(colon - line);
    lengths += strcasecmp(line, "Content-Length") == 0;
    codings += strcasecmp(line, "Transfer-Encoding") == 0;
    framing_add_header(framing, line, colon, length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = fuzz_text(data, size);
    struct framing framing = {0};
    char *line = text;
    char *end = text + size;

    lengths = 0;
    codings = 0;
    framing.is_http_1_0 = size > 0 && data[0] == '0';
    while (line < end) {
        char *next = memchr(line, '\n', (size_t)(end - line));

        next = next != NULL ? next : end;
        *next = '\0';
        add_line(&framing, line, (size_t)(next - line));
        line = next + 1;
    }
    if (framing_fault(&framing) == NULL) {
        REQUIRE(lengths + codings <= 1);
        REQUIRE(codings == 0 || (framing.chunked && !framing.is_http_1_0));
        REQUIRE(framing_has_body(&framing) == (framing.chunked || framing.content_length > 0));
    }
    free(text);
    return 0;
}
