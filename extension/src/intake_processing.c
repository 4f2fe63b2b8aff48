/*
 * shop.ingest_order and shop.ingest_orders: intake orders whose messages have arrived are processed exactly once, also
 * those that a producer queued and nobody accepted before. An item whose product_id is a SKU of the catalogue takes
 * stock; others have no effect on it. One order is a batch of one.
 *
 * Locks are taken in the order of all of pg_shop: the ids of the orders, products ascending, orders ascending, and
 * messages ascending at the end. Then each document is decided in the order of the batch, on levels and orders that are
 * in memory and ours, as if it had come alone after those before it. What refuses is decided before the first write for
 * that document, so it fails no neighbour. Changed levels are stored once, after the last document.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "arguments.h"
#include "array_arguments.h"
#include "compat.h"
#include "errors.h"
#include "fault_point.h"
#include "idempotency.h"
#include "intake_document.h"
#include "intake_lock.h"
#include "intake_order.h"
#include "inventory.h"
#include "money.h"
#include "order_state.h"
#include "outbox.h"
#include "tables.h"

#define RESULT_COLUMNS 3

/* All NULL: undecided, because somebody else is at the order. */
typedef struct IngestResult {
    const char *result;
    const char *order_status;
    const char *detail;
} IngestResult;

/* One document, and what became of it. */
typedef struct Ingestion {
    RequestContext context;
    IntakeDocument document;
    uint8 fingerprint[FINGERPRINT_SIZE];
    int64 outbox_id; /* 0: none */
    bool locked;     /* the order's id is ours */
    int64 order_id;  /* of the order to process; 0: there is nothing more to do */
    IngestResult result;
} Ingestion;

/* An order that is still to be processed, however many documents of the batch ask for it. */
typedef struct QueuedOrder {
    const IntakeDocument *document;
    int64 *item_ids;    /* by item of the document */
    int64 *product_ids; /* by item; 0: the catalogue does not know it */
    Row *row;           /* locked; NULL: somebody else holds it */
    LockedOrders stock; /* the lines of this order only; the levels are shared with the other orders */
} QueuedOrder;

typedef struct IngestBatch {
    Tables *tables;
    RequestContext context; /* of the batch as a whole: only the store */
    Ingestion *ingestion;
    int count;
    int orders_written;
    int64 *order_id; /* of the orders to process, ascending, each once */
    QueuedOrder *order;
    int order_count;
    StockLines lines; /* of all of them */
} IngestBatch;

/* --- reading a document --- */

/* mismatch says that the producer's total is not the sum of the items. */
static IngestResult mismatch(const IntakeDocument *document) {
    return (IngestResult){.result = "total_mismatch",
                          .detail =
                              psprintf("total_amount is " INT64_FORMAT ".%02d, the items sum to " INT64_FORMAT ".%02d",
                                       document->given_total / 100, (int)(document->given_total % 100),
                                       document->total / 100, (int)(document->total % 100))};
}

static IngestResult invalid(const char *detail) {
    return (IngestResult){.result = "invalid_message_body", .detail = detail};
}

/* read_message reads the document, and refuses what can never be processed. */
static void read_message(Ingestion *ingestion, const char *body) {
    IntakeDocument *document = &ingestion->document;
    const char *fault = intake_read_message(body, document);

    if (fault != NULL)
        ingestion->result = invalid(fault);
    else if (document->order_id == NULL)
        ingestion->result = invalid("order_id is required");
    else if (document->given_total == INTAKE_TOTAL_MISSING)
        ingestion->result = invalid("total_amount is required");
    else if (document->given_total == INTAKE_TOTAL_UNREADABLE)
        ingestion->result = invalid("total_amount must be a non-negative number with at most two decimals");
    else if (document->given_total != document->total)
        ingestion->result = mismatch(document);
    else
        idempotency_fingerprint(intake_meaning(document), ingestion->fingerprint);
}

/* --- locking --- */

/*
 * lock_id makes this transaction the only one that is at the document's order. A single document waits for another
 * delivery of its order; among others that would hold the neighbours, so there it stays undecided and is to be sent
 * again alone.
 */
static bool lock_id(const IngestBatch *batch, Ingestion *ingestion) {
    const char *external_id = ingestion->document.order_id;
    Response busy;

    if (batch->count > 1)
        return intake_try_lock(&ingestion->context, external_id);
    if (intake_lock(&ingestion->context, external_id, &busy))
        return true;
    ingestion->result = (IngestResult){.result = "busy", .detail = "another delivery of this order is being processed"};
    return false;
}

/* lock_ids locks the orders' ids, and tells whether there is anything to process. */
static bool lock_ids(IngestBatch *batch) {
    bool any = false;

    for (int i = 0; i < batch->count; i++) {
        Ingestion *ingestion = &batch->ingestion[i];

        ingestion->locked = ingestion->result.result == NULL && lock_id(batch, ingestion);
        any = any || ingestion->locked;
    }
    return any;
}

/* status_of reads an order's status. That it is QUEUED changes only under the lock on the order's id, which is ours. */
static char *status_of(IngestBatch *batch, int64 order_id) {
    Row *order =
        row_find(batch->tables, ORDERS_BY_ID, ROW_KEY(Int32GetDatum(batch->context.store_id), Int64GetDatum(order_id)));

    if (order == NULL)
        raise_invariant_lost("An accepted order is not among the orders.");
    return row_text(order, ORDER_STATUS);
}

/*
 * take finds the order that a document is about, and takes it where a producer queued it. A later document of the batch
 * that asks for the same order has to find it too.
 */
static void take(IngestBatch *batch, Ingestion *ingestion) {
    Row *intake = intake_find(batch->tables, &ingestion->context, ingestion->document.order_id);
    int64 order_id;
    char *status;

    if (intake == NULL) {
        ingestion->order_id = row_int64(intake_write(batch->tables, &ingestion->context, &ingestion->document,
                                                     ingestion->fingerprint, INTAKE_SOURCE_QUEUE),
                                        ORDER_ID);
        batch->orders_written++;
        tables_look_again(batch->tables);
        return;
    }
    if (!intake_is_same(intake, ingestion->fingerprint)) {
        ingestion->result = invalid("order_id was already used for a different order");
        return;
    }
    order_id = row_int64(intake, INTAKE_ORDER_ID);
    status = status_of(batch, order_id);
    if (strcmp(status, ORDER_QUEUED) == 0)
        ingestion->order_id = order_id;
    else
        ingestion->result = (IngestResult){.result = "already_processed", .order_status = status};
}

/* order_of gives the order that a document asks for. */
static QueuedOrder *order_of(const IngestBatch *batch, const Ingestion *ingestion) {
    return &batch->order[ids_place(batch->order_id, batch->order_count, ingestion->order_id)];
}

/* gather_orders lists the orders that are to be processed, each once, ascending. */
static void gather_orders(IngestBatch *batch) {
    int count = 0;

    batch->order_id = palloc(batch->count * sizeof(int64));
    for (int i = 0; i < batch->count; i++)
        if (batch->ingestion[i].order_id != 0)
            batch->order_id[count++] = batch->ingestion[i].order_id;
    batch->order_count = ids_sort(batch->order_id, count);
    batch->order = palloc0(Max(1, batch->order_count) * sizeof(QueuedOrder));
    for (int i = 0; i < batch->count; i++)
        if (batch->ingestion[i].order_id != 0)
            order_of(batch, &batch->ingestion[i])->document = &batch->ingestion[i].document;
}

/* catalogue_lines makes a stock line of every item that the catalogue knows, with item ids drawn in their order. */
static void catalogue_lines(IngestBatch *batch, int number) {
    QueuedOrder *order = &batch->order[number];
    const IntakeDocument *document = order->document;

    order->item_ids = palloc0(document->item_count * sizeof(int64));
    order->product_ids = palloc0(document->item_count * sizeof(int64));
    for (int i = 0; i < document->item_count; i++) {
        const IntakeItem *item = &document->items[i];
        Row *product = row_find(batch->tables, PRODUCTS_BY_SKU,
                                ROW_KEY(Int32GetDatum(batch->context.store_id), CStringGetTextDatum(item->product_id)));

        order->item_ids[i] = row_next_id(batch->tables, ORDER_ITEMS);
        if (product == NULL)
            continue;
        order->product_ids[i] = row_int64(product, PRODUCT_ID);
        stock_lines_add(&batch->lines, (StockLine){
                                           .order_id = batch->order_id[number],
                                           .order_item_id = order->item_ids[i],
                                           .product_id = order->product_ids[i],
                                           .qty = item->quantity,
                                           .group = number,
                                       });
    }
}

/* lock_orders locks the products of all orders together, then the orders, and hands each order its lines. */
static void lock_orders(IngestBatch *batch) {
    Row *(*lock)(Tables *, IndexId, Datum *, int) = batch->count > 1 ? row_try_lock : row_lock;

    for (int i = 0; i < batch->order_count; i++)
        catalogue_lines(batch, i);
    inventory_lock(batch->tables, &batch->context, &batch->lines);
    for (int i = 0; i < batch->order_count; i++)
        batch->order[i].row =
            lock(batch->tables, ORDERS_BY_ID,
                 (Datum[]){Int32GetDatum(batch->context.store_id), Int64GetDatum(batch->order_id[i])}, 2);
    tables_look_again(batch->tables);
    for (int i = 0; i < batch->lines.count; i++)
        stock_lines_add(&batch->order[batch->lines.line[i].group].stock.lines, batch->lines.line[i]);
}

/* --- processing --- */

/* short_stock tells what is missing, over all lines of a product together; NULL when all is there. */
static char *short_stock(const StockLines *lines) {
    for (int i = 0; i < lines->count;) {
        const StockLine *first = &lines->line[i];
        int64 required = 0;

        for (; i < lines->count && lines->line[i].product_id == first->product_id; i++)
            required += lines->line[i].qty;
        if (required > inventory_available(first))
            return psprintf("Insufficient stock for product " INT64_FORMAT ". Available: %d, Required: " INT64_FORMAT,
                            first->product_id, inventory_available(first), required);
    }
    return NULL;
}

/* write_items adds the order's lines, those without a product of the catalogue too. */
static void write_items(IngestBatch *batch, const QueuedOrder *order, int64 order_id) {
    for (int i = 0; i < order->document->item_count; i++) {
        const IntakeItem *from = &order->document->items[i];
        Row *item = row_new(batch->tables, ORDER_ITEMS);

        row_set_int32(item, ORDER_ITEM_STORE_ID, batch->context.store_id);
        row_set_int64(item, ORDER_ITEM_ID, order->item_ids[i]);
        row_set_int64(item, ORDER_ITEM_ORDER_ID, order_id);
        if (order->product_ids[i] != 0)
            row_set_int64(item, ORDER_ITEM_PRODUCT_ID, order->product_ids[i]);
        row_set_int32(item, ORDER_ITEM_QTY, from->quantity);
        row_set_datum(item, ORDER_ITEM_PRICE, money_numeric(from->price));
        row_set_int32(item, ORDER_ITEM_RETURNED, 0);
        row_insert_referenced(item); /* the locked inventory row keeps its product there */
    }
}

/* complete completes the locked order, or fails it for want of stock. */
static IngestResult complete(IngestBatch *batch, const Ingestion *ingestion, QueuedOrder *order) {
    char *shortage = short_stock(&order->stock.lines);

    if (shortage == NULL)
        write_items(batch, order, ingestion->order_id);
    FAULT_POINT("ingest.items_written");
    order_change(batch->tables, &ingestion->context, &order->stock, order->row,
                 shortage == NULL ? ORDER_PROCESSED : ORDER_FAILED, shortage);
    return (IngestResult){.result = shortage == NULL ? "processed" : "failed", .detail = shortage};
}

/* process decides about one document. An earlier one of the batch may have asked for the same order. */
static void process(IngestBatch *batch, Ingestion *ingestion) {
    QueuedOrder *order = order_of(batch, ingestion);

    if (order->row == NULL && batch->count == 1)
        raise_invariant_lost("An accepted order is not among the orders.");
    if (order->row == NULL)
        return;
    if (strcmp(row_text(order->row, ORDER_STATUS), ORDER_QUEUED) == 0)
        ingestion->result = complete(batch, ingestion, order);
    else
        ingestion->result = (IngestResult){.result = "already_processed"};
    ingestion->result.order_status = row_text(order->row, ORDER_STATUS);
}

/* finish_messages finishes the messages of the orders that are done. The refused ones become dead letters. */
static void finish_messages(IngestBatch *batch) {
    int64 *ids = palloc(batch->count * sizeof(int64));
    int count = 0;

    for (int i = 0; i < batch->count; i++)
        if (batch->ingestion[i].outbox_id != 0 && batch->ingestion[i].result.order_status != NULL)
            ids[count++] = batch->ingestion[i].outbox_id;
    outbox_mark_all_delivered(batch->tables, &batch->context, ids, count);
}

/* ingest processes the documents of the batch in one unit of work. */
static void ingest(IngestBatch *batch, const char *purpose) {
    if (!lock_ids(batch))
        return;
    batch->tables = tables_begin(purpose);
    for (int i = 0; i < batch->count; i++)
        if (batch->ingestion[i].locked)
            take(batch, &batch->ingestion[i]);
    gather_orders(batch);
    lock_orders(batch);
    FAULT_POINT("ingest.order_locked");
    for (int i = 0; i < batch->count; i++)
        if (batch->ingestion[i].order_id != 0)
            process(batch, &batch->ingestion[i]);
    inventory_write(&batch->lines);
    FAULT_POINT("ingest.order_changed");
    orders_count(batch->tables, &batch->context, batch->orders_written);
    finish_messages(batch);
    FAULT_POINT("ingest.message_finished");
    tables_end(batch->tables);
}

/* --- the SQL functions --- */

/* result_columns makes the columns of a result: result, order_status, detail. */
static void result_columns(const IngestResult *result, Datum *values, bool *nulls) {
    const char *texts[RESULT_COLUMNS] = {result->result, result->order_status, result->detail};

    for (int i = 0; i < RESULT_COLUMNS; i++) {
        nulls[i] = texts[i] == NULL;
        values[i] = nulls[i] ? (Datum)0 : CStringGetTextDatum(texts[i]);
    }
}

PG_FUNCTION_INFO_V1(shop_ingest_order);

/* shop.ingest_order(store_id, body, request_id, outbox_id) -> (result, order_status, detail) */
Datum shop_ingest_order(PG_FUNCTION_ARGS) {
    Ingestion ingestion = {
        .context = {.store_id = argument_store_id(fcinfo, 0),
                    .actor = "intake",
                    .request_id = argument_text(fcinfo, 2)},
        .outbox_id = argument_int64(fcinfo, 3, 0),
    };
    IngestBatch batch = {.context = {.store_id = ingestion.context.store_id}, .ingestion = &ingestion, .count = 1};
    const char *body = argument_text(fcinfo, 1);
    Datum values[RESULT_COLUMNS];
    bool nulls[RESULT_COLUMNS];
    TupleDesc descriptor;

    if (body == NULL)
        raise_invalid_argument("body", "It must be the JSON text of an order.");
    if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
        elog(ERROR, "function must return a row");
    read_message(&ingestion, body);
    ingest(&batch, "shop.ingest_order");
    result_columns(&ingestion.result, values, nulls);
    return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls));
}

/* read_batch reads the arrays and the documents in them. */
static void read_batch(FunctionCallInfo fcinfo, IngestBatch *batch) {
    int count = batch->count = array_argument_count(fcinfo, 1, "bodies", "orders");
    ArrayColumn bodies = array_argument(fcinfo, 1, "bodies", TEXTOID, count);
    ArrayColumn request_ids = array_argument(fcinfo, 2, "request_ids", TEXTOID, count);
    ArrayColumn outbox_ids = array_argument(fcinfo, 3, "outbox_ids", INT8OID, count);

    batch->ingestion = palloc0(Max(1, count) * sizeof(Ingestion));
    for (int i = 0; i < count; i++) {
        Ingestion *ingestion = &batch->ingestion[i];

        if (column_is_null(&bodies, i))
            raise_invalid_argument("bodies", "Each must be the JSON text of an order.");
        ingestion->context = (RequestContext){
            .store_id = batch->context.store_id, .actor = "intake", .request_id = column_text(&request_ids, i)};
        ingestion->outbox_id = column_int64(&outbox_ids, i);
        read_message(ingestion, column_text(&bodies, i));
    }
}

PG_FUNCTION_INFO_V1(shop_ingest_orders);

/*
 * shop.ingest_orders(store_id, bodies, request_ids, outbox_ids) -> (result, order_status, detail) in the order of the
 * arrays
 */
Datum shop_ingest_orders(PG_FUNCTION_ARGS) {
    ReturnSetInfo *rows = (ReturnSetInfo *)fcinfo->resultinfo;
    IngestBatch batch = {.context = {.store_id = argument_store_id(fcinfo, 0)}};

    compat_materialize_result(fcinfo);
    read_batch(fcinfo, &batch);
    ingest(&batch, "shop.ingest_orders");
    for (int i = 0; i < batch.count; i++) {
        Datum values[RESULT_COLUMNS];
        bool nulls[RESULT_COLUMNS];

        result_columns(&batch.ingestion[i].result, values, nulls);
        tuplestore_putvalues(rows->setResult, rows->setDesc, values, nulls);
    }
    return (Datum)0;
}
