/*
 * What a request's head tells about its body. That the head is sound and can be read in one way only is certain by
 * then: see message_syntax.h.
 */
#ifndef SHOP_GATEWAY_FRAMING_H
#define SHOP_GATEWAY_FRAMING_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>

struct framing {
    bool expects_continue;
    bool chunked;
    uint64_t content_length;
};

/* framing_read walks the head of a connection's request, and takes away the blanks at the end of each value. */
void framing_read(struct MHD_Connection *connection, struct framing *framing);

/* framing_has_body tells whether a body follows the head. */
bool framing_has_body(const struct framing *framing);

#endif
