/*
 * The order state machine: one table of transitions, one function that performs them with their history row.
 */
#ifndef SHOP_ORDER_STATE_H
#define SHOP_ORDER_STATE_H

#include "postgres.h"

#include "arguments.h"
#include "tables.h"

#define ORDER_PENDING   "pending"
#define ORDER_CONFIRMED "CONFIRMED"
#define ORDER_CANCELLED "CANCELLED"

typedef enum OrderEvent { ORDER_PLACED, ORDER_PAYMENT_CAPTURED, ORDER_PAYMENT_DECLINED } OrderEvent;

/* order_may tells whether the event is a legal one in the status that the row has. */
extern bool order_may(const Row *order, OrderEvent event);

/*
 * order_transition sets the status that the event leads to and writes the history row. A new order (row_new) is
 * inserted, a locked one updated. reason may be NULL. Raises SH003 for an event that is not legal: callers ask
 * order_may first.
 */
extern void order_transition(Tables *tables, const RequestContext *context, Row *order, OrderEvent event,
                             const char *reason);

#endif
