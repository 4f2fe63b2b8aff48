#include "message_syntax.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "text.h"

#define EMPTY_LINES_ALLOWED  2  /* before a request, RFC 9112 section 2.2 */
#define CHUNK_DIGITS_ALLOWED 15 /* fits into 63 bits */

static const struct message_fault bad_line = {400, "bad_request", "The request line is malformed"};
static const struct message_fault bad_line_end = {400, "bad_request", "A line does not end with CR and LF"};
static const struct message_fault bad_version = {505, "http_version_not_supported", "Only HTTP/1.0 and 1.1 are served"};
static const struct message_fault bad_field = {400, "bad_request", "A header is malformed"};
static const struct message_fault folded_field = {400, "bad_request", "A header is folded over several lines"};
static const struct message_fault bad_length = {400, "bad_request", "Content-Length is not a number"};
static const struct message_fault bad_chunk = {400, "bad_request", "The chunked body is malformed"};
static const struct message_fault large_chunk = {413, "body_too_large", "The body is too large"};
static const struct message_fault long_line = {414, "uri_too_long", "The request line is too long"};
static const struct message_fault large_head = {431, "headers_too_large", "The headers are too large"};

/* is_token_byte: RFC 9110 section 5.6.2. */
static bool is_token_byte(unsigned char c) {
    return c != '\0' && c < 0x80 && (isalnum(c) || strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_control(unsigned char c) {
    return c < ' ' || c == 0x7f;
}

static void keep_of_line(struct message_syntax *syntax, unsigned char c) {
    if (syntax->line_size < MESSAGE_LINE_KEPT - 1) {
        syntax->line[syntax->line_size] = (char)c;
        syntax->line[syntax->line_size + 1] = '\0';
    }
    syntax->line_size++;
}

/* begin forgets the message before. */
static void begin(struct message_syntax *syntax) {
    size_t empty_lines = syntax->empty_lines;

    memset(syntax, 0, sizeof(*syntax));
    syntax->empty_lines = empty_lines;
}

/* end_line expects the line feed, and tells what comes after it. */
static const struct message_fault *end_line(struct message_syntax *syntax, enum message_state after) {
    syntax->state = MESSAGE_LINE_END;
    syntax->after_line = after;
    return NULL;
}

static const struct message_fault *on_method(struct message_syntax *syntax, unsigned char c) {
    keep_of_line(syntax, c);
    if (c == ' ' && syntax->line_size > 1) {
        syntax->state = MESSAGE_TARGET;
        return NULL;
    }
    return is_token_byte(c) ? NULL : &bad_line;
}

static const struct message_fault *on_start(struct message_syntax *syntax, unsigned char c) {
    if (c == '\r' && syntax->empty_lines < EMPTY_LINES_ALLOWED) {
        syntax->empty_lines++;
        return end_line(syntax, MESSAGE_START);
    }
    syntax->empty_lines = 0;
    syntax->state = MESSAGE_METHOD;
    return on_method(syntax, c);
}

static const struct message_fault *on_target(struct message_syntax *syntax, unsigned char c) {
    bool empty =
        syntax->line_size > 0 && syntax->line_size < MESSAGE_LINE_KEPT && syntax->line[syntax->line_size - 1] == ' ';

    if (c == ' ') {
        syntax->state = MESSAGE_VERSION;
        return empty ? &bad_line : NULL;
    }
    keep_of_line(syntax, c);
    syntax->head_size += c == '&' ? MESSAGE_FIELD_WEIGHT : 0;
    if (syntax->line_size > MESSAGE_LINE_LIMIT) {
        return &long_line;
    }
    return is_control(c) ? &bad_line : NULL;
}

/* on_version: "HTTP/", a digit, a dot, a digit. */
static const struct message_fault *on_version(struct message_syntax *syntax, unsigned char c) {
    static const char pattern[] = "HTTP/#.#";

    if (syntax->version_size == sizeof(pattern) - 1) {
        return c == '\r' ? end_line(syntax, MESSAGE_FIELD_START) : &bad_line;
    }
    if (pattern[syntax->version_size] == '#' ? !isdigit(c) : c != (unsigned char)pattern[syntax->version_size]) {
        return &bad_line;
    }
    return syntax->version_size++ == strlen("HTTP/") && c != '1' ? &bad_version : NULL;
}

static const struct message_fault *on_line_end(struct message_syntax *syntax, unsigned char c) {
    syntax->state = syntax->after_line;
    return c == '\n' ? NULL : &bad_line_end;
}

static const struct message_fault *on_field_name(struct message_syntax *syntax, unsigned char c) {
    if (c == ':') {
        syntax->state = MESSAGE_FIELD_VALUE;
        return syntax->name_size > 0 ? NULL : &bad_field;
    }
    if (syntax->name_size < sizeof(syntax->name) - 1) {
        syntax->name[syntax->name_size] = (char)c;
        syntax->name[syntax->name_size + 1] = '\0';
    }
    syntax->name_size++;
    return is_token_byte(c) ? NULL : &bad_field;
}

static const struct message_fault *on_field_start(struct message_syntax *syntax, unsigned char c) {
    if (c == '\r') {
        syntax->state = MESSAGE_HEAD_END;
        return NULL;
    }
    if (c == ' ' || c == '\t') {
        return &folded_field;
    }
    syntax->name_size = 0;
    syntax->value_size = 0;
    syntax->name[0] = '\0';
    syntax->value[0] = '\0';
    syntax->head_size += MESSAGE_FIELD_WEIGHT;
    syntax->state = MESSAGE_FIELD_NAME;
    return on_field_name(syntax, c);
}

static bool is_field(const struct message_syntax *syntax, const char *name) {
    return syntax->name_size == strlen(name) && strcasecmp(syntax->name, name) == 0;
}

/* trim_value cuts blanks at the value's end. */
static void trim_value(struct message_syntax *syntax) {
    size_t size = strlen(syntax->value);

    while (size > 0 && (syntax->value[size - 1] == ' ' || syntax->value[size - 1] == '\t')) {
        syntax->value[--size] = '\0';
    }
}

/* note_field takes a finished field into account, where it says how long the body is. */
static const struct message_fault *note_field(struct message_syntax *syntax) {
    int64_t length;

    if (syntax->in_trailer) {
        return NULL;
    }
    trim_value(syntax);
    if (is_field(syntax, "Content-Length")) {
        syntax->is_ambiguous = syntax->is_ambiguous || syntax->has_length || syntax->has_coding;
        syntax->has_length = true;
        if (syntax->value_size >= sizeof(syntax->value) || !isdigit((unsigned char)syntax->value[0]) ||
            !text_to_int64(syntax->value, 0, INT64_MAX, &length)) {
            return &bad_length;
        }
        syntax->left = (uint64_t)length;
    } else if (is_field(syntax, "Transfer-Encoding")) {
        syntax->is_ambiguous = syntax->is_ambiguous || syntax->has_length || syntax->has_coding;
        syntax->has_coding = true;
        syntax->is_chunked = syntax->value_size < sizeof(syntax->value) && strcasecmp(syntax->value, "chunked") == 0;
    }
    return NULL;
}

static const struct message_fault *on_field_value(struct message_syntax *syntax, unsigned char c) {
    if (c == '\r') {
        end_line(syntax, MESSAGE_FIELD_START);
        return note_field(syntax);
    }
    if (c == '\n') {
        return &bad_line_end;
    }
    if (is_control(c) && c != '\t') {
        return &bad_field;
    }
    if (syntax->value_size == 0 && (c == ' ' || c == '\t')) {
        return NULL;
    }
    if (syntax->value_size < sizeof(syntax->value) - 1) {
        syntax->value[syntax->value_size] = (char)c;
        syntax->value[syntax->value_size + 1] = '\0';
    }
    syntax->value_size++;
    if (is_field(syntax, "Cookie")) {
        syntax->head_size += c == ';' ? 1 + MESSAGE_FIELD_WEIGHT : 1;
    }
    return NULL;
}

/* on_head_end decides what follows the empty line. */
static const struct message_fault *on_head_end(struct message_syntax *syntax, unsigned char c) {
    if (c != '\n') {
        return &bad_line_end;
    }
    if (syntax->in_trailer) {
        begin(syntax);
        return NULL;
    }
    if (syntax->is_ambiguous || (syntax->has_coding && !syntax->is_chunked)) {
        syntax->state = MESSAGE_OPAQUE;
    } else if (syntax->is_chunked) {
        syntax->state = MESSAGE_CHUNK_SIZE;
        syntax->digits = 0;
        syntax->left = 0;
    } else if (syntax->left > 0) {
        syntax->state = MESSAGE_BODY;
    } else {
        begin(syntax);
    }
    return NULL;
}

/* after_size tells what follows the line of a chunk's size: its data, or after the last one the trailer. */
static enum message_state after_size(struct message_syntax *syntax) {
    syntax->head_size = 0;
    syntax->in_trailer = syntax->left == 0;
    return syntax->in_trailer ? MESSAGE_FIELD_START : MESSAGE_CHUNK_DATA;
}

static const struct message_fault *on_chunk_size(struct message_syntax *syntax, unsigned char c) {
    static const char hexadecimal[] = "0123456789abcdef";
    const char *digit = c != '\0' ? strchr(hexadecimal, tolower(c)) : NULL;

    if (digit != NULL) {
        syntax->left = syntax->left * 16 + (uint64_t)(digit - hexadecimal);
        return ++syntax->digits > CHUNK_DIGITS_ALLOWED ? &large_chunk : NULL;
    }
    if (syntax->digits == 0) {
        return &bad_chunk;
    }
    if (c == ';') {
        syntax->state = MESSAGE_CHUNK_EXTENSION;
        return NULL;
    }
    return c == '\r' ? end_line(syntax, after_size(syntax)) : &bad_chunk;
}

static const struct message_fault *on_chunk_extension(struct message_syntax *syntax, unsigned char c) {
    if (c == '\r') {
        return end_line(syntax, after_size(syntax));
    }
    return is_control(c) && c != '\t' ? &bad_chunk : NULL;
}

/* on_chunk_end expects the line's end that closes a chunk's data. */
static const struct message_fault *on_chunk_end(struct message_syntax *syntax, unsigned char c) {
    syntax->digits = 0;
    syntax->left = 0;
    end_line(syntax, MESSAGE_CHUNK_SIZE);
    return c == '\r' ? NULL : &bad_chunk;
}

/* on_byte reads a byte that is not data. */
static const struct message_fault *on_byte(struct message_syntax *syntax, unsigned char c) {
    switch (syntax->state) {
    case MESSAGE_START:
        return on_start(syntax, c);
    case MESSAGE_METHOD:
        return on_method(syntax, c);
    case MESSAGE_TARGET:
        return on_target(syntax, c);
    case MESSAGE_VERSION:
        return on_version(syntax, c);
    case MESSAGE_LINE_END:
        return on_line_end(syntax, c);
    case MESSAGE_FIELD_START:
        return on_field_start(syntax, c);
    case MESSAGE_FIELD_NAME:
        return on_field_name(syntax, c);
    case MESSAGE_FIELD_VALUE:
        return on_field_value(syntax, c);
    case MESSAGE_HEAD_END:
        return on_head_end(syntax, c);
    case MESSAGE_CHUNK_SIZE:
        return on_chunk_size(syntax, c);
    case MESSAGE_CHUNK_EXTENSION:
        return on_chunk_extension(syntax, c);
    case MESSAGE_CHUNK_END:
        return on_chunk_end(syntax, c);
    case MESSAGE_BODY:
    case MESSAGE_CHUNK_DATA:
    case MESSAGE_OPAQUE:
        break;
    }
    return NULL;
}

/* skip_data passes over a body's data and returns how many bytes that were. */
static size_t skip_data(struct message_syntax *syntax, size_t size) {
    size_t skipped = syntax->left < size ? (size_t)syntax->left : size;

    if (syntax->state == MESSAGE_OPAQUE) {
        return size;
    }
    if (syntax->state != MESSAGE_BODY && syntax->state != MESSAGE_CHUNK_DATA) {
        return 0;
    }
    syntax->left -= skipped;
    if (syntax->left == 0 && syntax->state == MESSAGE_BODY) {
        begin(syntax);
    } else if (syntax->left == 0) {
        syntax->state = MESSAGE_CHUNK_END;
    }
    return skipped;
}

/* head_fault checks the size of the head (or the trailer, or the line of a chunk). */
static const struct message_fault *head_fault(const struct message_syntax *syntax) {
    if (syntax->head_size <= MESSAGE_HEAD_LIMIT) {
        return NULL;
    }
    return syntax->state <= MESSAGE_VERSION ? &long_line : &large_head;
}

const struct message_fault *message_syntax_feed(struct message_syntax *syntax, const char *data, size_t size,
                                                size_t *whole) {
    const struct message_fault *fault = NULL;
    size_t position = 0;

    *whole = 0;
    while (position < size && fault == NULL) {
        size_t skipped = skip_data(syntax, size - position);

        position += skipped;
        if (skipped == 0) {
            syntax->head_size++;
            fault = on_byte(syntax, (unsigned char)data[position++]);
            fault = fault == NULL ? head_fault(syntax) : fault;
        }
        if (fault == NULL && syntax->state == MESSAGE_START) {
            *whole = position;
        }
    }
    if (fault == NULL) {
        *whole = size;
    }
    return fault;
}

void message_syntax_line(struct message_syntax *syntax, const char **method, const char **target) {
    char *blank = strchr(syntax->line, ' ');

    *method = syntax->line;
    *target = "";
    if (blank != NULL) {
        *blank = '\0';
        *target = blank + 1;
    }
}
