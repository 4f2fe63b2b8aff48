/*
 * The order state machine: one table of transitions, and one function that performs them, with the history row and what
 * the transition does to the stock.
 */
#ifndef SHOP_ORDER_STATE_H
#define SHOP_ORDER_STATE_H

#include "postgres.h"

#include "arguments.h"
#include "inventory.h"
#include "tables.h"

#define ORDER_QUEUED    "QUEUED"
#define ORDER_PENDING   "pending"
#define ORDER_CONFIRMED "CONFIRMED"
#define ORDER_CANCELLED "CANCELLED"
#define ORDER_FULFILLED "FULFILLED"
#define ORDER_REFUNDED  "REFUNDED"

typedef enum OrderEvent {
    ORDER_PLACED,           /* checkout made it */
    ORDER_ACCEPTED,         /* intake took it, to be processed later */
    ORDER_PROCESSED,        /* intake's processing went well */
    ORDER_FAILED,           /* intake's processing could not be done */
    ORDER_PAYMENT_CAPTURED, /* the provider has the money */
    ORDER_PAYMENT_DECLINED, /* the provider refused for good */
    ORDER_CANCEL,           /* customer or administrator */
    ORDER_EXPIRE,           /* nobody paid in time */
    ORDER_FULFIL,           /* the goods are on their way */
    ORDER_REFUND            /* all the money went back */
} OrderEvent;

typedef enum ChangeResult {
    CHANGE_APPLIED,
    CHANGE_ALREADY, /* the order is in the status that the event leads to: a quiet success */
    CHANGE_ILLEGAL  /* the event does not fit the order's status */
} ChangeResult;

/* Orders that are locked together with the stock of their lines. */
typedef struct LockedOrders {
    int count;
    Row **row;        /* NULL: there is no such order, or somebody else holds it */
    StockLines lines; /* of all the orders, each with its order_id; lines without a product are left out */
} LockedOrders;

/*
 * orders_lock locks the products of all the orders in ascending order, then the orders: the lock order of all of
 * pg_shop. ids: ascending. skip_locked: orders that somebody else holds, or whose stock, are
 * left out instead of waited for. Raises 55P03 for an intake order that is being processed for longer than
 * shop.idempotency_wait.
 */
extern void orders_lock(Tables *tables, const RequestContext *context, const int64 *ids, int count, bool skip_locked,
                        LockedOrders *orders);

/*
 * orders_lock_free is orders_lock that waits for stock, which everybody holds shortly, but leaves out orders that
 * somebody else holds or that are not there.
 */
extern void orders_lock_free(Tables *tables, const RequestContext *context, const int64 *ids, int count,
                             LockedOrders *orders);

/*
 * order_change applies an event to a locked order: status, history row, stock. reason may be NULL. The changed levels
 * are stored by inventory_write(&orders->lines), which the caller calls once at the end.
 */
extern ChangeResult order_change(Tables *tables, const RequestContext *context, const LockedOrders *orders, Row *order,
                                 OrderEvent event, const char *reason);

/* order_item_lock locks a line of a locked order. Raises SH003 where it is not there any more. */
extern Row *order_item_lock(Tables *tables, const RequestContext *context, const StockLine *line);

/*
 * order_return_all takes what has not come back yet of a locked order's goods back into stock: ledger, levels (stored
 * by inventory_write) and the lines' returned quantity.
 */
extern void order_return_all(Tables *tables, const RequestContext *context, const LockedOrders *orders, int64 order_id);

/*
 * order_start gives a new order (row_new) its first status by ORDER_PLACED or ORDER_ACCEPTED, inserts it and writes the
 * first history row. Stock is the caller's, whose lines have no ids yet; so is counting the order by orders_count.
 */
extern void order_start(Tables *tables, const RequestContext *context, Row *order, OrderEvent event);

/*
 * orders_count adds the orders that were started to the statistics, by one row for all of them, which maintenance
 * folds: a counter would be a hot row. Called once at the end of a unit of work.
 */
extern void orders_count(Tables *tables, const RequestContext *context, int count);

#endif
