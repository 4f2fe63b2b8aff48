/*
 * shop.settle_payments: the outcomes of many payments in one call and one commit. Each is applied as
 * shop.settle_payment() would apply it alone after those before it in the arrays, by the same function of payment.c.
 * An order that somebody else holds is left out instead of waited for, so that it does not hold its neighbours.
 *
 * Locks are taken in the order of all of pg_shop: products ascending, orders ascending, and messages ascending at the
 * end. Changed stock levels are stored once, after the last outcome.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "arguments.h"
#include "array_arguments.h"
#include "compat.h"
#include "errors.h"
#include "outbox.h"
#include "payment.h"

/* One outcome, and what became of it. */
typedef struct Settlement {
    RequestContext context;
    int64 order_id;
    bool paid;
    const char *reason;
    int64 outbox_id;         /* 0: none */
    SettlementResult result; /* all NULL: the order is not there or somebody else holds it */
} Settlement;

typedef struct SettlementBatch {
    int32 store_id;
    Settlement *settlement;
    int count;
    int64 *order_id; /* ascending, each once */
    bool *changed;   /* by order: an outcome of this batch was applied to it */
    LockedOrders orders;
} SettlementBatch;

/* lock_orders locks the orders of the batch with the stock of their lines. */
static void lock_orders(Tables *tables, SettlementBatch *batch) {
    RequestContext context = {.store_id = batch->store_id};
    int count;

    batch->order_id = palloc(batch->count * sizeof(int64));
    for (int i = 0; i < batch->count; i++)
        batch->order_id[i] = batch->settlement[i].order_id;
    count = ids_sort(batch->order_id, batch->count);
    batch->changed = palloc0(count * sizeof(bool));
    orders_lock_free(tables, &context, batch->order_id, count, &batch->orders);
}

/* settle applies one outcome. What this batch did to the same order before must be seen. */
static void settle(Tables *tables, SettlementBatch *batch, Settlement *settlement) {
    int number = ids_place(batch->order_id, batch->orders.count, settlement->order_id);

    if (batch->orders.row[number] == NULL)
        return;
    if (batch->changed[number])
        tables_look_again(tables);
    settlement->result = payment_settle_locked(tables, &settlement->context, &batch->orders, batch->orders.row[number],
                                               settlement->paid, settlement->reason);
    batch->changed[number] = true;
}

/* finish_messages finishes the messages of the outcomes that need no further work. */
static void finish_messages(Tables *tables, const SettlementBatch *batch) {
    RequestContext context = {.store_id = batch->store_id};
    int64 *ids = palloc(batch->count * sizeof(int64));
    int count = 0;

    for (int i = 0; i < batch->count; i++)
        if (batch->settlement[i].outbox_id != 0 && batch->settlement[i].result.message_done)
            ids[count++] = batch->settlement[i].outbox_id;
    outbox_mark_all_delivered(tables, &context, ids, count);
}

/* settle_all applies the outcomes of the batch in one unit of work. */
static void settle_all(SettlementBatch *batch) {
    Tables *tables = tables_begin("shop.settle_payments");

    lock_orders(tables, batch);
    for (int i = 0; i < batch->count; i++)
        settle(tables, batch, &batch->settlement[i]);
    inventory_write(&batch->orders.lines);
    finish_messages(tables, batch);
    tables_end(tables);
}

/* read_batch reads the arrays. */
static void read_batch(FunctionCallInfo fcinfo, SettlementBatch *batch) {
    int count = batch->count = array_argument_count(fcinfo, 1, "order_ids", "outcomes");
    ArrayColumn order_ids = array_argument(fcinfo, 1, "order_ids", INT8OID, count);
    ArrayColumn paid = array_argument(fcinfo, 2, "paid", BOOLOID, count);
    ArrayColumn reasons = array_argument(fcinfo, 3, "reasons", TEXTOID, count);
    ArrayColumn request_ids = array_argument(fcinfo, 4, "request_ids", TEXTOID, count);
    ArrayColumn outbox_ids = array_argument(fcinfo, 5, "outbox_ids", INT8OID, count);

    batch->settlement = palloc0(Max(1, count) * sizeof(Settlement));
    for (int i = 0; i < count; i++) {
        if (column_is_null(&paid, i))
            raise_invalid_argument("paid", "It must be true or false.");
        batch->settlement[i] = (Settlement){
            .context = {.store_id = batch->store_id,
                        .request_id = column_text(&request_ids, i),
                        .actor = PAYMENT_ACTOR},
            .order_id = column_int64(&order_ids, i),
            .paid = DatumGetBool(paid.values[i]),
            .reason = column_text(&reasons, i),
            .outbox_id = column_int64(&outbox_ids, i),
        };
    }
}

PG_FUNCTION_INFO_V1(shop_settle_payments);

/*
 * shop.settle_payments(store_id, order_ids, paid, reasons, request_ids, outbox_ids) -> (result, order_status) in the
 * order of the arrays
 */
Datum shop_settle_payments(PG_FUNCTION_ARGS) {
    ReturnSetInfo *rows = (ReturnSetInfo *)fcinfo->resultinfo;
    SettlementBatch batch = {.store_id = argument_store_id(fcinfo, 0)};

    compat_materialize_result(fcinfo);
    read_batch(fcinfo, &batch);
    if (batch.count > 0)
        settle_all(&batch);
    for (int i = 0; i < batch.count; i++) {
        const SettlementResult *result = &batch.settlement[i].result;
        bool nulls[] = {result->result == NULL, result->order_status == NULL};
        Datum values[] = {nulls[0] ? (Datum)0 : CStringGetTextDatum(result->result),
                          nulls[1] ? (Datum)0 : CStringGetTextDatum(result->order_status)};

        tuplestore_putvalues(rows->setResult, rows->setDesc, values, nulls);
    }
    return (Datum)0;
}
