/*
 * shop.settle_payment: the outcome of an order's payment is applied exactly once. The poller calls it for every
 * delivery of the payment message, however often that comes. Locks: products ascending, then the order, as everywhere.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "arguments.h"
#include "errors.h"
#include "inventory.h"
#include "order_state.h"
#include "outbox.h"
#include "tables.h"

typedef struct Settlement {
    RequestContext context;
    int64 order_id;
    bool paid;
    const char *reason; /* of a refusal, for the history; may be NULL */
    int64 outbox_id;    /* the message to finish in the same commit; 0: none */
} Settlement;

typedef struct SettlementResult {
    const char *result;
    const char *order_status; /* NULL: there is no such order */
} SettlementResult;

/* read_order_lines reads the lines of an order. */
static void read_order_lines(Tables *tables, const Settlement *settlement, StockLines *lines) {
    RowScan *scan =
        row_scan_begin(tables, ORDER_ITEMS_BY_ORDER,
                       ROW_KEY(Int32GetDatum(settlement->context.store_id), Int64GetDatum(settlement->order_id)));
    Row *row;

    while ((row = row_scan_next(scan)) != NULL)
        stock_lines_add(lines, (StockLine){
                                   .product_id = row_int64(row, ORDER_ITEM_PRODUCT_ID),
                                   .qty = row_int32(row, ORDER_ITEM_QTY),
                                   .order_item_id = row_int64(row, ORDER_ITEM_ID),
                               });
    row_scan_end(scan);
}

/* settle_pending applies the outcome, unless another delivery of the message did while this one waited. */
static SettlementResult settle_pending(Tables *tables, const Settlement *settlement) {
    OrderEvent event = settlement->paid ? ORDER_PAYMENT_CAPTURED : ORDER_PAYMENT_DECLINED;
    SettlementResult result = {.result = "already_settled"};
    StockLines lines = {0};
    Row *order;

    read_order_lines(tables, settlement, &lines);
    inventory_lock(tables, &settlement->context, &lines);
    order = row_lock(tables, ORDERS_BY_ID,
                     ROW_KEY(Int32GetDatum(settlement->context.store_id), Int64GetDatum(settlement->order_id)));
    if (order == NULL)
        raise_invariant_lost("An order vanished while it was being settled.");
    if (order_may(order, event)) {
        order_transition(tables, &settlement->context, order, event, settlement->reason);
        inventory_move(tables, &settlement->context, settlement->paid ? STOCK_COMMIT : STOCK_RELEASE,
                       settlement->order_id, &lines);
        result.result = "settled";
    }
    result.order_status = row_text(order, ORDER_STATUS);
    return result;
}

/* settle finds what the message is about and finishes the message with it. */
static SettlementResult settle(Tables *tables, const Settlement *settlement) {
    SettlementResult result = {.result = "order_not_found"};
    Row *order = row_find(tables, ORDERS_BY_ID,
                          ROW_KEY(Int32GetDatum(settlement->context.store_id), Int64GetDatum(settlement->order_id)));

    if (order == NULL)
        return result;
    if (strcmp(row_text(order, ORDER_STATUS), ORDER_PENDING) == 0) {
        result = settle_pending(tables, settlement);
    } else {
        result.result = "already_settled";
        result.order_status = row_text(order, ORDER_STATUS);
    }
    if (settlement->outbox_id != 0)
        outbox_mark_delivered(tables, &settlement->context, settlement->outbox_id);
    return result;
}

PG_FUNCTION_INFO_V1(shop_settle_payment);

/* shop.settle_payment(store_id, order_id, paid, reason, request_id, outbox_id) */
Datum shop_settle_payment(PG_FUNCTION_ARGS) {
    Settlement settlement = {
        .context = {.store_id = argument_store_id(fcinfo, 0),
                    .request_id = argument_text(fcinfo, 4),
                    .actor = "payment"},
        .order_id = argument_int64(fcinfo, 1, 0),
        .reason = argument_text(fcinfo, 3),
        .outbox_id = argument_int64(fcinfo, 5, 0),
    };
    SettlementResult result;
    TupleDesc descriptor;
    Tables *tables;
    Datum values[2];
    bool nulls[2];

    if (PG_ARGISNULL(2))
        raise_invalid_argument("paid", "It must be true or false.");
    settlement.paid = PG_GETARG_BOOL(2);
    if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
        elog(ERROR, "function must return a row");
    tables = tables_begin("shop.settle_payment");
    result = settle(tables, &settlement);
    tables_end(tables);
    values[0] = CStringGetTextDatum(result.result);
    nulls[0] = false;
    nulls[1] = result.order_status == NULL;
    values[1] = nulls[1] ? (Datum)0 : CStringGetTextDatum(result.order_status);
    return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls));
}
