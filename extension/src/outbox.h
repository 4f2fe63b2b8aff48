/*
 * The outbox: messages that are committed together with what they tell of. The poller claims and delivers them
 * (shop.claim_outbox and its companions, in SQL).
 */
#ifndef SHOP_OUTBOX_H
#define SHOP_OUTBOX_H

#include "postgres.h"

#include "arguments.h"
#include "tables.h"

/* The payment of an order is asked for: the message {"orderId":...} of the contract, section 4. */
#define OUTBOX_TOPIC_PAYMENT "payment"

/* Money is to go back: {"refundId":...,"orderId":...}. Handled by the poller straight from the outbox. */
#define OUTBOX_TOPIC_REFUND "refund"

/* An accepted intake order is to be processed: the message of the contract, section 4. */
#define OUTBOX_TOPIC_INTAKE "intake"

/* outbox_put adds a message about an order. body: JSON text. */
extern void outbox_put(Tables *tables, const RequestContext *context, const char *topic, int64 order_id,
                       const char *body);

/* outbox_mark_delivered finishes the message with this id, if it is there and still pending. */
extern void outbox_mark_delivered(Tables *tables, const RequestContext *context, int64 id);

/* outbox_mark_all_delivered does so for many, ascending; it sorts the ids in place. Comes after any other lock. */
extern void outbox_mark_all_delivered(Tables *tables, const RequestContext *context, int64 *ids, int count);

#endif
