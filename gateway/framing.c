#include "framing.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "text.h"

static bool is_header(const char *name, const char *expected) {
    return strcasecmp(name, expected) == 0;
}

/* has_control_characters: RFC 9110 section 5.5 allows blanks and tabs, but no other control character in a value. */
static bool has_control_characters(const char *value, size_t size) {
    size_t i;

    for (i = 0; i < size; i++) {
        unsigned char c = (unsigned char)value[i];

        if ((c < ' ' && c != '\t') || c == 0x7f) {
            return true;
        }
    }
    return false;
}

/* is_token: a header's name, RFC 9110 section 5.6.2. A blank before the colon is what request smugglers try. */
static bool is_token(const char *name) {
    const char *c;

    for (c = name; *c != '\0'; c++) {
        if (!isalnum((unsigned char)*c) && strchr("!#$%&'*+-.^_`|~", *c) == NULL) {
            return false;
        }
    }
    return c != name;
}

static uint64_t read_length(const char *value) {
    int64_t length;

    return text_to_int64(value, 0, INT64_MAX, &length) ? (uint64_t)length : UINT64_MAX;
}

void framing_add_header(struct framing *framing, const char *name, const char *value, size_t size) {
    framing->bad_name = framing->bad_name || !is_token(name);
    framing->bad_value = framing->bad_value || has_control_characters(value, size);
    if (is_header(name, "Host")) {
        framing->host_count++;
    } else if (is_header(name, "Content-Length")) {
        framing->content_length_count++;
        framing->content_length = read_length(value);
    } else if (is_header(name, "Transfer-Encoding")) {
        framing->transfer_encoding_count++;
        framing->chunked = strcasecmp(value, "chunked") == 0;
        framing->bad_transfer_encoding = framing->bad_transfer_encoding || !framing->chunked;
    } else if (is_header(name, "Authorization")) {
        framing->single_count[0]++;
    } else if (is_header(name, "Idempotency-Key")) {
        framing->single_count[1]++;
    } else if (is_header(name, "Expect")) {
        framing->expects_continue = strcasecmp(value, "100-continue") == 0;
    }
}

/* What is read of a head, which lies in the connection's buffer as it came, with NULs where names and lines end. */
struct walk {
    struct framing *framing;
    const char *end; /* of the last thing read: its line break follows */
};

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

/*
 * lies_behind tells whether a header begins right after a line break (CRLF, or LF alone, which RFC 9112 section 2.2
 * allows) and has nothing but its colon and blanks before its value. Where it does not, the library has skipped
 * something: it loses continued lines (obs-fold), what follows a NUL, and takes a line without a name for the end.
 */
static bool lies_behind(const char *end, const char *name, size_t name_size, const char *value) {
    const char *between = name + name_size + 1;

    if (name - end < 1 || name - end > 2) {
        return false;
    }
    while (between < value && is_blank(*between)) {
        between++;
    }
    return between == value;
}

/* trim ends the value before the blanks behind it, which are no part of it (RFC 9112 section 5.1); the library leaves
 * them in its buffer, where whoever asks for the header finds it. */
static void trim(const char *value, size_t size) {
    while (size > 0 && is_blank(value[size - 1])) {
        size--;
    }
    ((char *)value)[size] = '\0';
}

static enum MHD_Result add_header(void *context, enum MHD_ValueKind kind, const char *name, size_t name_size,
                                  const char *value, size_t value_size) {
    struct walk *walk = context;

    (void)kind;
    if (value == NULL || !lies_behind(walk->end, name, name_size, value)) {
        walk->framing->has_gap = true;
        return MHD_NO;
    }
    framing_add_header(walk->framing, name, value, value_size);
    trim(value, value_size);
    walk->end = value + value_size;
    return MHD_YES;
}

/* ends_behind tells whether only two line breaks, the second one of the empty line, are left of the head. */
static bool ends_behind(struct MHD_Connection *connection, const char *head, const char *end) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    const char *head_end = info != NULL ? head + info->header_size : NULL;

    return head_end != NULL && head_end - end >= 2 && head_end - end <= 4;
}

void framing_read(struct MHD_Connection *connection, const char *method, const char *version, struct framing *framing) {
    struct walk walk = {.framing = framing, .end = version + strlen(version)};

    memset(framing, 0, sizeof(*framing));
    framing->is_http_1_0 = strcmp(version, "HTTP/1.0") == 0;
    MHD_get_connection_values_n(connection, MHD_HEADER_KIND, add_header, &walk);
    framing->has_gap = framing->has_gap || !ends_behind(connection, method, walk.end);
}

const char *framing_fault(const struct framing *framing) {
    if (framing->has_gap) {
        return "The head has a line that is continued, without a name, or with a NUL";
    }
    if (framing->host_count > 1) {
        return "More than one Host header";
    }
    if (framing->host_count == 0 && !framing->is_http_1_0) {
        return "The Host header is missing";
    }
    if (framing->content_length_count > 1) {
        return "More than one Content-Length header";
    }
    if (framing->transfer_encoding_count > 0 && framing->content_length_count > 0) {
        return "Both Transfer-Encoding and Content-Length are given";
    }
    if (framing->transfer_encoding_count > 0 && framing->is_http_1_0) {
        return "HTTP/1.0 has no Transfer-Encoding";
    }
    if (framing->transfer_encoding_count > 1 || framing->bad_transfer_encoding) {
        return "The only Transfer-Encoding allowed is chunked";
    }
    if (framing->single_count[0] > 1) {
        return "More than one Authorization header";
    }
    if (framing->single_count[1] > 1) {
        return "More than one Idempotency-Key header";
    }
    if (framing->bad_name) {
        return "A header has a malformed name";
    }
    return framing->bad_value ? "A header holds control characters" : NULL;
}

bool framing_has_body(const struct framing *framing) {
    return framing->chunked || framing->content_length > 0;
}
