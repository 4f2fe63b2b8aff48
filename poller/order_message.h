/*
 * The body of a payment message: {"orderId": 42}.
 */
#ifndef SHOP_POLLER_ORDER_MESSAGE_H
#define SHOP_POLLER_ORDER_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * order_message_parse reads the order id from a body. The body has to be a JSON object whose orderId is an integer from
 * 1 to 2^63 - 1, no member twice; members that we do not know are ignored, so that producers can add some.
 * Returns false, with a static text in *error, for any other body.
 */
bool order_message_parse(const char *body, int64_t *order_id, const char **error);

/* request_id_is_well_formed tells whether a request id that came with a message may be used: 1 to 128 of A-Z, a-z, 0-9
 * and ._:- as in the x-request-id header. NULL is not well formed. */
bool request_id_is_well_formed(const char *request_id);

#endif
