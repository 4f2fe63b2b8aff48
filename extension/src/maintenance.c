/*
 * Scheduled work that changes orders: shop.expire_pending_orders. What only deletes old rows is in SQL.
 */
#include "postgres.h"

#include "arguments.h"
#include "errors.h"
#include "order_state.h"
#include "payment.h"
#include "plans.h"
#include "settings.h"
#include "tables.h"

#define EXPIRE_BATCH_MAX 1000

/*
 * Old pending orders that nothing works on any more: no attempt without a final outcome, none that holds money of
 * another amount than was asked for, no message still to be delivered. Ascending, as orders_lock wants them.
 */
static KeptPlan expired_orders = {
    .name = "expired_orders",
    .sql = "SELECT purchase.id::pg_catalog.int8 FROM shop.orders purchase"
           " WHERE purchase.store_id = $1 AND purchase.status COLLATE pg_catalog.\"C\" = 'pending'"
           " AND purchase.created_at < pg_catalog.clock_timestamp() - $2 * interval '1 second'"
           " AND NOT EXISTS (SELECT FROM shop.payment_attempts attempt WHERE attempt.store_id = purchase.store_id"
           " AND attempt.order_id = purchase.id"
           " AND attempt.status IN ('requested', 'unknown', 'authorized', 'captured'))"
           " AND NOT EXISTS (SELECT FROM shop.outbox message WHERE message.store_id = purchase.store_id"
           " AND message.order_id = purchase.id AND message.status = 'pending')"
           " ORDER BY purchase.id LIMIT $3",
    .expected = SPI_OK_SELECT,
    .argument_count = 3,
    .argument_types = {INT4OID, INT4OID, INT4OID},
};

/* find_expired reads the ids of orders that are due; returns how many. */
static int find_expired(const RequestContext *context, int32 row_limit, int64 *ids) {
    int64 count;

    plans_begin(PLANS_WRITE);
    count = plan_run(
        &expired_orders,
        (Datum[]){Int32GetDatum(context->store_id), Int32GetDatum(setting_pending_order_ttl), Int32GetDatum(row_limit)},
        NULL);
    for (int64 i = 0; i < count; i++)
        ids[i] = plan_int64(i, 1);
    plans_end();
    return (int)count;
}

/* expire cancels the orders that are due and that nobody else holds; returns how many. */
static int expire(Tables *tables, const RequestContext *context, int32 row_limit) {
    int64 *ids = palloc(row_limit * sizeof(int64));
    int count = find_expired(context, row_limit, ids);
    LockedOrders orders;
    int expired = 0;

    if (count == 0)
        return 0;
    orders_lock(tables, context, ids, count, true, &orders);
    for (int i = 0; i < count; i++) {
        Row *order = orders.row[i];

        /* A payment may have begun between the search and the lock. */
        if (order == NULL || open_attempt(tables, context, ids[i]) != NULL ||
            captured_attempt(tables, context, ids[i]) != NULL)
            continue;
        if (order_change(tables, context, &orders, order, ORDER_EXPIRE, "not paid in time") == CHANGE_APPLIED)
            expired++;
    }
    inventory_write(&orders.lines);
    return expired;
}

PG_FUNCTION_INFO_V1(shop_expire_pending_orders);

/* shop.expire_pending_orders(store_id, row_limit) -> number of orders */
Datum shop_expire_pending_orders(PG_FUNCTION_ARGS) {
    RequestContext context = {.store_id = argument_store_id(fcinfo, 0), .actor = "maintenance"};
    int32 row_limit = argument_int32(fcinfo, 1, 0);
    Tables *tables;
    int expired;

    if (row_limit < 1 || row_limit > EXPIRE_BATCH_MAX)
        raise_invalid_argument("row_limit", "It must be an integer between 1 and 1000.");
    if (setting_pending_order_ttl == 0)
        PG_RETURN_INT32(0);
    tables = tables_begin("shop.expire_pending_orders");
    expired = expire(tables, &context, row_limit);
    tables_end(tables);
    PG_RETURN_INT32(expired);
}
