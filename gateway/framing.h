/*
 * How a request's head delimits it (RFC 9112 section 6). libmicrohttpd 0.9.75 lets several ambiguous heads pass that a
 * proxy in front may read in another way (request smuggling); they are refused here.
 */
#ifndef SHOP_GATEWAY_FRAMING_H
#define SHOP_GATEWAY_FRAMING_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>

struct framing {
    bool is_http_1_0;
    int host_count;
    int content_length_count;
    int transfer_encoding_count;
    int single_count[2]; /* headers of which only one may exist: Authorization, Idempotency-Key */
    bool has_gap;        /* the head holds what is in no header */
    bool bad_name;       /* a name that is no token */
    bool bad_value;      /* a value with control characters */
    bool bad_transfer_encoding;
    bool expects_continue;
    bool chunked;
    uint64_t content_length; /* UINT64_MAX when it is no number */
};

/*
 * framing_read walks the head of a connection's request, and takes away the blanks at the end of each value. method and
 * version: as the library gives them to its callback, in the connection's buffer.
 */
void framing_read(struct MHD_Connection *connection, const char *method, const char *version, struct framing *framing);

/* framing_add_header takes one header into account; framing_read calls it for each. value has size bytes and is
 * followed by a NUL. */
void framing_add_header(struct framing *framing, const char *name, const char *value, size_t size);

/* framing_fault gives what forbids to serve the request, for the client, or NULL. After a fault the connection must be
 * closed: where the next request begins is not known. */
const char *framing_fault(const struct framing *framing);

/* framing_has_body tells whether a body follows the head. */
bool framing_has_body(const struct framing *framing);

#endif
