#include "framing.h"

#include <string.h>
#include <strings.h>

#include "text.h"

/* trim ends the value before the blanks behind it, which are no part of it (RFC 9112 section 5.1); the library leaves
 * them in its buffer, where whoever asks for the header finds it. */
static void trim(const char *value, size_t size) {
    while (size > 0 && (value[size - 1] == ' ' || value[size - 1] == '\t')) {
        size--;
    }
    ((char *)value)[size] = '\0';
}

static enum MHD_Result read_header(void *context, enum MHD_ValueKind kind, const char *name, size_t name_size,
                                   const char *value, size_t value_size) {
    struct framing *framing = context;
    int64_t length;

    (void)kind;
    (void)name_size;
    if (value == NULL) {
        return MHD_YES;
    }
    trim(value, value_size);
    if (strcasecmp(name, "Content-Length") == 0 && text_to_int64(value, 0, INT64_MAX, &length)) {
        framing->content_length = (uint64_t)length;
    } else if (strcasecmp(name, "Transfer-Encoding") == 0) {
        framing->chunked = true;
    } else if (strcasecmp(name, "Expect") == 0) {
        framing->expects_continue = strcasecmp(value, "100-continue") == 0;
    }
    return MHD_YES;
}

void framing_read(struct MHD_Connection *connection, struct framing *framing) {
    memset(framing, 0, sizeof(*framing));
    MHD_get_connection_values_n(connection, MHD_HEADER_KIND, read_header, framing);
}

bool framing_has_body(const struct framing *framing) {
    return framing->chunked || framing->content_length > 0;
}
