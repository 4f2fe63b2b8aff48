/*
 * The two identifiers that a request carries through everything it causes: x-request-id and traceparent.
 */
#ifndef SHOP_GATEWAY_REQUEST_ID_H
#define SHOP_GATEWAY_REQUEST_ID_H

#include <stdbool.h>

/* Longest request id, and the size of its text with the closing NUL. */
#define REQUEST_ID_MAXIMUM 128
#define REQUEST_ID_SIZE    (REQUEST_ID_MAXIMUM + 1)

/* request_id_choose writes the client's id when it is well-formed (1 to 128 of A-Za-z0-9._:-), else a new UUID.
 * given: the header's value, or NULL. */
void request_id_choose(const char *given, char out[REQUEST_ID_SIZE]);

/* Longest traceparent that is passed on, and the size of its text with the closing NUL. */
#define TRACEPARENT_MAXIMUM 255
#define TRACEPARENT_SIZE    (TRACEPARENT_MAXIMUM + 1)

/*
 * traceparent_valid tells whether the header is one that may be passed on (W3C Trace Context, "traceparent Header"):
 * version 00 with lower-case hexadecimal parts, or a later version that begins the same way; ids must not be all zero.
 */
bool traceparent_valid(const char *value);

#endif
