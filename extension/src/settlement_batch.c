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
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "arguments.h"
#include "compat.h"
#include "errors.h"
#include "outbox.h"
#include "payment.h"

#define BATCH_MAX 1000

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

static int compare_ids(const void *left, const void *right) {
    int64 a = *(const int64 *)left;
    int64 b = *(const int64 *)right;

    return a < b ? -1 : a > b;
}

/* sort_ids sorts ids and removes those that come again. Returns how many are left. */
static int sort_ids(int64 *ids, int count) {
    int kept = 0;

    qsort(ids, count, sizeof(int64), compare_ids);
    for (int i = 0; i < count; i++)
        if (kept == 0 || ids[i] != ids[kept - 1])
            ids[kept++] = ids[i];
    return kept;
}

/* lock_orders locks the orders of the batch with the stock of their lines. */
static void lock_orders(Tables *tables, SettlementBatch *batch) {
    RequestContext context = {.store_id = batch->store_id};
    int count;

    batch->order_id = palloc(batch->count * sizeof(int64));
    for (int i = 0; i < batch->count; i++)
        batch->order_id[i] = batch->settlement[i].order_id;
    count = sort_ids(batch->order_id, batch->count);
    batch->changed = palloc0(count * sizeof(bool));
    orders_lock_free(tables, &context, batch->order_id, count, &batch->orders);
}

/* settle applies one outcome. What this batch did to the same order before must be seen. */
static void settle(Tables *tables, SettlementBatch *batch, Settlement *settlement) {
    int64 *place = bsearch(&settlement->order_id, batch->order_id, batch->orders.count, sizeof(int64), compare_ids);
    int number = (int)(place - batch->order_id);

    if (batch->orders.row[number] == NULL)
        return;
    if (batch->changed[number])
        tables_look_again(tables);
    settlement->result = payment_settle_locked(tables, &settlement->context, &batch->orders, batch->orders.row[number],
                                               settlement->paid, settlement->reason);
    batch->changed[number] = true;
}

/* finish_messages finishes the messages of the outcomes that need no further work, ascending. */
static void finish_messages(Tables *tables, const SettlementBatch *batch) {
    RequestContext context = {.store_id = batch->store_id};
    int64 *ids = palloc(batch->count * sizeof(int64));
    int count = 0;

    for (int i = 0; i < batch->count; i++)
        if (batch->settlement[i].outbox_id != 0 && batch->settlement[i].result.message_done)
            ids[count++] = batch->settlement[i].outbox_id;
    count = sort_ids(ids, count);
    for (int i = 0; i < count; i++)
        outbox_mark_delivered(tables, &context, ids[i]);
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

/* One array argument, taken apart. */
typedef struct Column {
    Datum *values;
    bool *nulls;
} Column;

/* read_column takes an array argument apart; NULL for all where the argument is NULL and may be. */
static Column read_column(FunctionCallInfo fcinfo, int number, Oid type, int count) {
    Column column = {0};
    int16 length;
    bool by_value;
    char alignment;
    int elements;

    if (PG_ARGISNULL(number))
        return column;
    get_typlenbyvalalign(type, &length, &by_value, &alignment);
    deconstruct_array(PG_GETARG_ARRAYTYPE_P(number), type, length, by_value, alignment, &column.values, &column.nulls,
                      &elements);
    if (elements != count)
        raise_invalid_argument("order_ids", "The arrays must be of one length.");
    return column;
}

static bool is_null(const Column *column, int row) {
    return column->nulls == NULL || column->nulls[row];
}

/* text_of copies a text; NULL for SQL NULL. */
static char *text_of(const Column *column, int row) {
    return is_null(column, row) ? NULL : TextDatumGetCString(column->values[row]);
}

/* id_of gives a number; 0 for SQL NULL. */
static int64 id_of(const Column *column, int row) {
    return is_null(column, row) ? 0 : DatumGetInt64(column->values[row]);
}

/* count_outcomes gives the length of the arrays. */
static int count_outcomes(FunctionCallInfo fcinfo) {
    ArrayType *ids;
    int count;

    if (PG_ARGISNULL(1))
        raise_invalid_argument("order_ids", "It must be an array.");
    ids = PG_GETARG_ARRAYTYPE_P(1);
    count = ArrayGetNItems(ARR_NDIM(ids), ARR_DIMS(ids));
    if (count > BATCH_MAX)
        raise_invalid_argument("order_ids", "A batch has at most 1000 outcomes.");
    return count;
}

/* read_batch reads the arrays. */
static void read_batch(FunctionCallInfo fcinfo, SettlementBatch *batch) {
    int count = batch->count = count_outcomes(fcinfo);
    Column order_ids = read_column(fcinfo, 1, INT8OID, count);
    Column paid = read_column(fcinfo, 2, BOOLOID, count);
    Column reasons = read_column(fcinfo, 3, TEXTOID, count);
    Column request_ids = read_column(fcinfo, 4, TEXTOID, count);
    Column outbox_ids = read_column(fcinfo, 5, INT8OID, count);

    batch->settlement = palloc0(Max(1, count) * sizeof(Settlement));
    for (int i = 0; i < count; i++) {
        if (is_null(&paid, i))
            raise_invalid_argument("paid", "It must be true or false.");
        batch->settlement[i] = (Settlement){
            .context = {.store_id = batch->store_id, .request_id = text_of(&request_ids, i), .actor = PAYMENT_ACTOR},
            .order_id = id_of(&order_ids, i),
            .paid = DatumGetBool(paid.values[i]),
            .reason = text_of(&reasons, i),
            .outbox_id = id_of(&outbox_ids, i),
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
