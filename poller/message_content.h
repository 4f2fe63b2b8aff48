/*
 * What a message is about, told by the shape of its body. The same for a row of the outbox and for a message of the
 * queue, whoever put it there.
 *
 *   payment  {"orderId": 42}
 *   refund   {"refundId": 7, "orderId": 42}
 *   intake   {"order_id": "ORD-1", "customer_id": "…", "items": […], …}
 */
#ifndef SHOP_POLLER_MESSAGE_CONTENT_H
#define SHOP_POLLER_MESSAGE_CONTENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum message_kind { MESSAGE_UNREADABLE, MESSAGE_PAYMENT, MESSAGE_REFUND, MESSAGE_INTAKE };

struct message_content {
    enum message_kind kind;
    int64_t order_id;               /* payment, refund */
    int64_t refund_id;              /* refund */
    char *order_key, *customer_key; /* intake: order_id and customer_id as they came; NULL where they are no strings */
};

/*
 * message_content_read reads a body. The ids of payments and refunds have to be integers from 1 to 2^63 - 1 and no
 * member may be there twice; members that we do not know are ignored, so that producers can add some. A body with any
 * member of an intake order is one: shop.ingest_order judges it.
 * Returns false, with kind MESSAGE_UNREADABLE and a static text in *error, for any other body. content has to be given
 * to message_content_clear.
 */
bool message_content_read(const char *body, struct message_content *content, const char **error);

/* message_content_clear frees the texts. */
void message_content_clear(struct message_content *content);

/* message_content_worker gives the value of "worker" in log lines about such a message. */
const char *message_content_worker(const struct message_content *content);

/*
 * message_content_order gives the value of "orderId" in log lines: the number of the order, an intake order's own
 * order_id, or null where unknown. order_id: what is known besides the body, 0 for nothing. The caller owns the
 * reference.
 */
json_t *message_content_order(const struct message_content *content, int64_t order_id);

/* request_id_is_well_formed tells whether a request id that came with a message may be used: 1 to 128 of A-Z, a-z, 0-9
 * and ._:- as in the x-request-id header. NULL is not well formed. */
bool request_id_is_well_formed(const char *request_id);

#endif
