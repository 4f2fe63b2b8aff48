#include "message_syntax.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "text.h"

#define EMPTY_LINES_ALLOWED  2  /* before a request, RFC 9112 section 2.2 */
#define CHUNK_DIGITS_ALLOWED 15 /* fits into 63 bits */

const struct message_fault message_body_too_large = {413, "body_too_large", "The body is too large"};

static const struct message_fault bad_line = {400, "bad_request", "The request line is malformed"};
static const struct message_fault bad_line_end = {400, "bad_request", "A line does not end with CR and LF"};
static const struct message_fault bad_version = {505, "http_version_not_supported", "Only HTTP/1.0 and 1.1 are served"};
static const struct message_fault bad_field = {400, "bad_request", "A header is malformed"};
static const struct message_fault folded_field = {400, "bad_request", "A header is folded over several lines"};
static const struct message_fault bad_length = {400, "bad_request", "Content-Length is not a number"};
static const struct message_fault bad_coding = {400, "bad_request", "The only Transfer-Encoding allowed is chunked"};
static const struct message_fault old_coding = {400, "bad_request", "HTTP/1.0 has no Transfer-Encoding"};
static const struct message_fault two_sizes = {400, "bad_request",
                                               "Both Transfer-Encoding and Content-Length are given"};
static const struct message_fault no_host = {400, "bad_request", "The Host header is missing"};
static const struct message_fault bad_chunk = {400, "bad_request", "The chunked body is malformed"};
static const struct message_fault long_line = {414, "uri_too_long", "The request line is too long"};
static const struct message_fault large_head = {431, "headers_too_large", "The headers are too large"};

/* The headers that the gateway or the library reads. */
static const char *const read_names[] = {
    "Access-Control-Request-Headers",
    "Authorization",
    "Connection",
    "Content-Length",
    "Content-Type",
    "Expect",
    "Host",
    "Idempotency-Key",
    "If-None-Match",
    "Origin",
    "Payment-Signature",
    "Stripe-Signature",
    "traceparent",
    "Transfer-Encoding",
    "X-Request-Id",
};

/* What is kept of the bytes being read. */
struct sieve {
    char *out; /* NULL: it is only counted */
    size_t size;
};

struct single {
    const char *name;
    struct message_fault twice;
};

static const struct single singles[SINGLE_FIELDS] = {
    [FIELD_HOST] = {"Host", {400, "bad_request", "More than one Host header"}},
    [FIELD_CONTENT_LENGTH] = {"Content-Length", {400, "bad_request", "More than one Content-Length header"}},
    [FIELD_TRANSFER_ENCODING] = {"Transfer-Encoding", {400, "bad_request", "More than one Transfer-Encoding header"}},
    [FIELD_AUTHORIZATION] = {"Authorization", {400, "bad_request", "More than one Authorization header"}},
    [FIELD_IDEMPOTENCY_KEY] = {"Idempotency-Key", {400, "bad_request", "More than one Idempotency-Key header"}},
};

bool message_syntax_reads(const char *name) {
    size_t i;

    for (i = 0; i < sizeof(read_names) / sizeof(read_names[0]); i++) {
        if (strcasecmp(name, read_names[i]) == 0) {
            return true;
        }
    }
    return false;
}

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
    syntax->is_http_1_0 = c == '0'; /* the last one counts */
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
        syntax->leaves_out =
            syntax->in_trailer || syntax->name_size >= sizeof(syntax->name) || !message_syntax_reads(syntax->name);
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

/* note_length reads how long the body is. The library refuses blanks behind the digits, so they are refused here. */
static const struct message_fault *note_length(struct message_syntax *syntax) {
    int64_t length;

    if (syntax->value_size >= sizeof(syntax->value) || !isdigit((unsigned char)syntax->value[0]) ||
        !text_to_int64(syntax->value, 0, INT64_MAX, &length)) {
        return &bad_length;
    }
    syntax->left = (uint64_t)length;
    return NULL;
}

/* note_coding: what is not exactly "chunked" the library would read until the connection ends. */
static const struct message_fault *note_coding(const struct message_syntax *syntax) {
    return syntax->value_size < sizeof(syntax->value) && strcasecmp(syntax->value, "chunked") == 0 ? NULL : &bad_coding;
}

/* note_single takes one of those fields into account of which only one may exist. */
static const struct message_fault *note_single(struct message_syntax *syntax, enum single_field field) {
    if (syntax->has[field]) {
        return &singles[field].twice;
    }
    syntax->has[field] = true;
    if (field == FIELD_CONTENT_LENGTH) {
        return note_length(syntax);
    }
    return field == FIELD_TRANSFER_ENCODING ? note_coding(syntax) : NULL;
}

/* keep_value keeps the field's value without the blanks behind it, unless an earlier one of its name was kept. */
static void keep_value(const struct message_syntax *syntax, char kept[MESSAGE_VALUE_KEPT]) {
    size_t size = strlen(syntax->value);

    if (kept[0] != '\0') {
        return;
    }
    while (size > 0 && (syntax->value[size - 1] == ' ' || syntax->value[size - 1] == '\t')) {
        size--;
    }
    memcpy(kept, syntax->value, size);
    kept[size] = '\0';
}

/* keep_identifiers: a traceparent that is cut could be taken for a whole one. */
static void keep_identifiers(struct message_syntax *syntax) {
    if (is_field(syntax, "X-Request-Id")) {
        keep_value(syntax, syntax->request_id);
    } else if (is_field(syntax, "traceparent") && syntax->value_size < sizeof(syntax->value)) {
        keep_value(syntax, syntax->traceparent);
    }
}

/* note_field takes a finished field of the head into account. Its fault waits for the head's end: so the answer can
 * carry the request's identifiers, wherever they stand. */
static void note_field(struct message_syntax *syntax) {
    const struct message_fault *fault = NULL;
    size_t field;

    if (syntax->in_trailer) {
        return;
    }
    for (field = 0; field < SINGLE_FIELDS && fault == NULL; field++) {
        if (is_field(syntax, singles[field].name)) {
            fault = note_single(syntax, (enum single_field)field);
        }
    }
    keep_identifiers(syntax);
    if (syntax->head_fault == NULL) {
        syntax->head_fault = fault;
    }
}

static const struct message_fault *on_field_value(struct message_syntax *syntax, unsigned char c) {
    if (c == '\r') {
        note_field(syntax);
        return end_line(syntax, MESSAGE_FIELD_START);
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

/* fault_of_head judges the fields together: RFC 9112 sections 3.2, 6.1 and 6.3. */
static const struct message_fault *fault_of_head(const struct message_syntax *syntax) {
    const bool *has = syntax->has;

    if (syntax->head_fault != NULL) {
        return syntax->head_fault;
    }
    if (!has[FIELD_HOST] && !syntax->is_http_1_0) {
        return &no_host;
    }
    if (has[FIELD_TRANSFER_ENCODING] && has[FIELD_CONTENT_LENGTH]) {
        return &two_sizes;
    }
    return has[FIELD_TRANSFER_ENCODING] && syntax->is_http_1_0 ? &old_coding : NULL;
}

static void begin_chunk(struct message_syntax *syntax) {
    syntax->state = MESSAGE_CHUNK_SIZE;
    syntax->digits = 0;
    syntax->chunk_line_size = 0;
    syntax->left = 0;
}

/* on_head_end decides what follows the empty line. */
static const struct message_fault *on_head_end(struct message_syntax *syntax, unsigned char c) {
    const struct message_fault *fault = syntax->in_trailer ? NULL : fault_of_head(syntax);

    if (c != '\n' || fault != NULL) {
        return c != '\n' ? &bad_line_end : fault;
    }
    if (syntax->has[FIELD_TRANSFER_ENCODING] && !syntax->in_trailer) {
        begin_chunk(syntax);
    } else if (syntax->left > 0) {
        syntax->state = MESSAGE_BODY;
    } else {
        begin(syntax);
    }
    return NULL;
}

/* after_size tells what follows the line of a chunk's size: its data, or after the last one the trailer. */
static enum message_state after_size(struct message_syntax *syntax) {
    syntax->in_trailer = syntax->left == 0;
    if (!syntax->in_trailer) {
        return MESSAGE_CHUNK_DATA;
    }
    syntax->head_size = MESSAGE_HEAD_LIMIT - MESSAGE_TRAILER_LIMIT;
    syntax->kept_size = 0; /* a trailer is left out, but for the empty line behind it */
    return MESSAGE_FIELD_START;
}

static const struct message_fault *on_chunk_size(struct message_syntax *syntax, unsigned char c) {
    static const char hexadecimal[] = "0123456789abcdef";
    const char *digit = c != '\0' ? strchr(hexadecimal, tolower(c)) : NULL;

    if (digit != NULL && syntax->chunk_line_size++ < MESSAGE_CHUNK_LINE_LIMIT) {
        syntax->left = syntax->left * 16 + (uint64_t)(digit - hexadecimal);
        syntax->digits += syntax->left > 0;
        return syntax->digits > CHUNK_DIGITS_ALLOWED ? &message_body_too_large : NULL;
    }
    if (digit != NULL || syntax->chunk_line_size == 0) {
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
    if (++syntax->chunk_line_size > MESSAGE_CHUNK_LINE_LIMIT) {
        return &bad_chunk;
    }
    return is_control(c) && c != '\t' ? &bad_chunk : NULL;
}

/* on_chunk_end expects the line's end that closes a chunk's data. */
static const struct message_fault *on_chunk_end(struct message_syntax *syntax, unsigned char c) {
    begin_chunk(syntax);
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
        break;
    }
    return NULL;
}

/* skip_data passes over a body's data and returns how many bytes that were. */
static size_t skip_data(struct message_syntax *syntax, size_t size) {
    size_t skipped = syntax->left < size ? (size_t)syntax->left : size;

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

/* counts_to_head tells whether the next byte is one of the head or of the trailer. */
static bool counts_to_head(const struct message_syntax *syntax) {
    enum message_state state = syntax->state == MESSAGE_LINE_END ? syntax->after_line : syntax->state;

    return state < MESSAGE_BODY;
}

/* size_fault checks the size of the head or the trailer. */
static const struct message_fault *size_fault(const struct message_syntax *syntax) {
    if (syntax->head_size <= MESSAGE_HEAD_LIMIT && syntax->kept_size <= MESSAGE_KEPT_LIMIT) {
        return NULL;
    }
    return syntax->state <= MESSAGE_VERSION ? &long_line : &large_head;
}

/* keep puts bytes behind those that are kept. */
static void keep(struct sieve *sieve, const char *bytes, size_t size) {
    if (sieve->out != NULL) {
        memcpy(sieve->out + sieve->size, bytes, size);
    }
    sieve->size += size;
}

/* keep_name keeps the name of a field, which was withheld until its colon, where the field is kept. */
static void keep_name(struct message_syntax *syntax, struct sieve *sieve) {
    if (!syntax->leaves_out) {
        keep(sieve, syntax->name, syntax->name_size);
        syntax->kept_size += syntax->name_size + MESSAGE_FIELD_WEIGHT;
    }
}

/* sift decides about a byte that has been read; before: the state in which it was read. */
static void sift(struct message_syntax *syntax, struct sieve *sieve, enum message_state before, char c) {
    const char mark = MESSAGE_QUERY_MARK;

    if (syntax->state == MESSAGE_FIELD_NAME) {
        return; /* withheld */
    }
    if (before == MESSAGE_FIELD_NAME) {
        keep_name(syntax, sieve);
    }
    if (!syntax->leaves_out) {
        keep(sieve, before == MESSAGE_TARGET && c == '?' ? &mark : &c, 1);
        syntax->kept_size += syntax->state != MESSAGE_START && counts_to_head(syntax);
    }
    if (before == MESSAGE_LINE_END) {
        syntax->leaves_out = false;
    }
}

/* read_bytes reads, and puts into the sieve what the library gets. *whole: how many bytes belong to complete messages;
 * *kept_whole: how many the sieve kept of them. */
static const struct message_fault *read_bytes(struct message_syntax *syntax, const char *data, size_t size,
                                              struct sieve *sieve, size_t *whole, size_t *kept_whole) {
    const struct message_fault *fault = NULL;
    size_t position = 0;

    *whole = *kept_whole = 0;
    while (position < size && fault == NULL) {
        size_t skipped = skip_data(syntax, size - position);

        keep(sieve, data + position, skipped);
        position += skipped;
        if (skipped == 0) {
            enum message_state before = syntax->state;
            char c = data[position++];

            syntax->head_size += counts_to_head(syntax);
            fault = on_byte(syntax, (unsigned char)c);
            sift(syntax, sieve, before, c);
            fault = fault == NULL ? size_fault(syntax) : fault;
        }
        if (fault == NULL && syntax->state == MESSAGE_START) {
            *whole = position;
            *kept_whole = sieve->size;
        }
    }
    return fault;
}

const struct message_fault *message_syntax_feed(struct message_syntax *syntax, const char *data, size_t size,
                                                size_t *whole) {
    struct sieve sieve = {NULL, 0};
    size_t kept_whole;
    const struct message_fault *fault = read_bytes(syntax, data, size, &sieve, whole, &kept_whole);

    if (fault == NULL) {
        *whole = size;
    }
    return fault;
}

const struct message_fault *message_syntax_sift(struct message_syntax *syntax, const char *data, size_t size, char *out,
                                                size_t *kept, size_t *whole) {
    struct sieve sieve = {out, 0};
    size_t whole_read;
    const struct message_fault *fault = read_bytes(syntax, data, size, &sieve, &whole_read, whole);

    *kept = sieve.size;
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
