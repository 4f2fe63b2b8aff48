/*
 * Intake orders: shop.accept_order takes one durably at once, shop.ingest_order processes it exactly once when its
 * message arrives, or takes and processes one that a producer queued. An item whose product_id is a SKU of the
 * catalogue takes stock; others have no effect on it.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/json.h"
#include "utils/timestamp.h"

#include "arguments.h"
#include "errors.h"
#include "fault_point.h"
#include "idempotency.h"
#include "intake_document.h"
#include "intake_lock.h"
#include "inventory.h"
#include "money.h"
#include "order_state.h"
#include "outbox.h"
#include "response.h"
#include "tables.h"
#include "utc_time.h"

#define SOURCE_API   "api"
#define SOURCE_QUEUE "queue"

/* meaning is the canonical text of what an intake order asks for. */
static const char *meaning(const IntakeDocument *document) {
    StringInfoData text;

    initStringInfo(&text);
    escape_json(&text, document->customer_id);
    appendStringInfoString(&text, document->items_json);
    return text.data;
}

/* write_order adds the order in status QUEUED with its document. Returns the row of the order. */
static Row *write_order(Tables *tables, const RequestContext *context, const IntakeDocument *document,
                        const uint8 *fingerprint, const char *source) {
    bytea *stored = palloc(VARHDRSZ + FINGERPRINT_SIZE);
    Row *order = row_new(tables, ORDERS);
    Row *intake = row_new(tables, INTAKE_ORDERS);
    int64 order_id = row_next_id(tables, ORDERS);

    row_set_int32(order, ORDER_STORE_ID, context->store_id);
    row_set_int64(order, ORDER_ID, order_id);
    row_set_datum(order, ORDER_TOTAL_PRICE, money_numeric(document->total));
    order_start(tables, context, order, ORDER_ACCEPTED);
    orders_count(tables, context, 1);

    SET_VARSIZE(stored, VARHDRSZ + FINGERPRINT_SIZE);
    memcpy(VARDATA(stored), fingerprint, FINGERPRINT_SIZE);
    row_set_int32(intake, INTAKE_STORE_ID, context->store_id);
    row_set_int64(intake, INTAKE_ORDER_ID, order_id);
    row_set_text(intake, INTAKE_EXTERNAL_ID, document->order_id);
    row_set_text(intake, INTAKE_CUSTOMER_ID, document->customer_id);
    row_set_text(intake, INTAKE_ITEMS, document->items_json);
    row_set_datum(intake, INTAKE_FINGERPRINT, PointerGetDatum(stored));
    row_set_text(intake, INTAKE_SOURCE, source);
    row_set_datum(intake, INTAKE_CREATED_AT, TimestampTzGetDatum(GetCurrentTimestamp()));
    row_insert(intake);
    return order;
}

/* message prints the body that goes through the queue: {order_id,customer_id,total_amount,items,status,created_at}. */
static char *message(const IntakeDocument *document) {
    StringInfoData body;
    TimestampTz now = GetCurrentTimestamp();

    initStringInfo(&body);
    appendStringInfoString(&body, "{\"order_id\":");
    escape_json(&body, document->order_id);
    appendStringInfoString(&body, ",\"customer_id\":");
    escape_json(&body, document->customer_id);
    appendStringInfoString(&body, ",\"total_amount\":");
    money_append(&body, document->total);
    appendStringInfo(&body, ",\"items\":%s,\"status\":\"pending\",\"created_at\":", document->items_json);
    escape_json(&body, utc_time_text(now));
    appendStringInfoChar(&body, '}');
    return body.data;
}

/* accepted prints the 202. */
static Response accepted(const IntakeDocument *document, int64 order_id) {
    StringInfoData body;
    Response response;

    initStringInfo(&body);
    appendStringInfoString(&body, "{\"message\":\"Order accepted for processing\",\"order_id\":");
    escape_json(&body, document->order_id);
    appendStringInfoString(&body, ",\"status\":\"queued\",\"total_amount\":");
    money_append(&body, document->total);
    appendStringInfoChar(&body, '}');
    response = success(202, &body);
    response.order_id = order_id;
    response.location = psprintf("/api/orders/%s", document->order_id);
    return response;
}

/* find_by_external_id finds the order that has this id already; NULL when none has. */
static Row *find_by_external_id(Tables *tables, const RequestContext *context, const char *external_id) {
    return row_find(tables, INTAKE_BY_EXTERNAL_ID,
                    ROW_KEY(Int32GetDatum(context->store_id), CStringGetTextDatum(external_id)));
}

/* is_same_order tells whether the stored document asks for the same. */
static bool is_same_order(const Row *intake, const uint8 *fingerprint) {
    bytea *stored = DatumGetByteaPP(row_datum(intake, INTAKE_FINGERPRINT));

    return VARSIZE_ANY_EXHDR(stored) == FINGERPRINT_SIZE &&
           memcmp(VARDATA_ANY(stored), fingerprint, FINGERPRINT_SIZE) == 0;
}

/* accept_again answers for an order id that is known: the same order again, or another one with its id. */
static Response accept_again(const RequestContext *context, const IntakeDocument *document, const Row *intake,
                             const uint8 *fingerprint) {
    Response response;

    if (!is_same_order(intake, fingerprint))
        return problem(PROBLEM_ORDER_ID_REUSED, context->request_id,
                       "This order_id was already used for a different order");
    response = accepted(document, row_int64(intake, INTAKE_ORDER_ID));
    response.replayed = true;
    return response;
}

/* accept_locked accepts the order, whose key and id this transaction holds. */
static Response accept_locked(Tables *tables, const RequestContext *context, const IntakeDocument *document,
                              const IdempotencyKey *key) {
    Row *known = find_by_external_id(tables, context, document->order_id);
    Row *order;
    int64 order_id;

    if (known != NULL)
        return accept_again(context, document, known, key->fingerprint);
    FAULT_POINT("accept.locked");
    order = write_order(tables, context, document, key->fingerprint, SOURCE_API);
    FAULT_POINT("accept.order_written");
    order_id = row_int64(order, ORDER_ID);
    outbox_put(tables, context, OUTBOX_TOPIC_INTAKE, order_id, message(document));
    FAULT_POINT("accept.message_written");
    return accepted(document, order_id);
}

/* accept_document takes the locks, answers a replay, or accepts and keeps the answer. */
static Response accept_document(const RequestContext *context, IntakeDocument *document, const char *normalised_key) {
    IdempotencyKey key;
    Response response;
    Tables *tables;

    idempotency_init(&key, context, 0, psprintf("intake/%s", document->customer_id), normalised_key, meaning(document));
    if (!idempotency_lock(&key, &response))
        return response;
    if (document->order_id == NULL)
        document->order_id = DatumGetCString(OidFunctionCall1(F_UUID_OUT, OidFunctionCall0(F_GEN_RANDOM_UUID)));
    if (!intake_lock(context, document->order_id, &response))
        return response;
    tables = tables_begin("shop.accept_order");
    if (!idempotency_replay(tables, &key, &response)) {
        response = accept_locked(tables, context, document, &key);
        if (response.status < 300 && !response.replayed)
            idempotency_store(tables, &key, &response);
        FAULT_POINT("accept.answer_stored");
    }
    tables_end(tables);
    return response;
}

/*
 * fault_of_new reads the document of an order that a client posts. Its own id must not look like the number of an order
 * of checkout, which it would hide under /api/orders. From a producer such an id is taken: nobody is there to choose
 * another one, and both orders can still be read, checkout's under /orders.
 */
static const char *fault_of_new(const char *body, IntakeDocument *document) {
    const char *fault = intake_read_document(body, document);

    if (fault == NULL && intake_order_id_is_number(document))
        return "order_id must not consist of digits only: the orders of carts have such ids";
    return fault;
}

PG_FUNCTION_INFO_V1(shop_accept_order);

/* shop.accept_order(store_id, body, idempotency_key, request_id, traceparent) */
Datum shop_accept_order(PG_FUNCTION_ARGS) {
    RequestContext context = {.store_id = argument_store_id(fcinfo, 0),
                              .actor = "intake",
                              .request_id = argument_text(fcinfo, 3),
                              .traceparent = argument_text(fcinfo, 4)};
    const char *body = argument_text(fcinfo, 1);
    const char *header = argument_text(fcinfo, 2);
    char *normalised_key = NULL;
    IntakeDocument document;
    const char *fault;
    Response response;

    if (body == NULL)
        raise_invalid_argument("body", "It must be the JSON text of an order.");
    if (header != NULL && (normalised_key = idempotency_parse(header, &context, &response)) == NULL)
        return response_datum(fcinfo, &response);
    fault = fault_of_new(body, &document);
    if (fault != NULL)
        response = problem(PROBLEM_INVALID_FIELD, context.request_id, "%s", fault);
    else
        response = accept_document(&context, &document, normalised_key);
    return response_datum(fcinfo, &response);
}

typedef struct IngestResult {
    const char *result;
    const char *order_status;
    const char *detail;
} IngestResult;

/* catalogue_lines makes a stock line of every item that the catalogue knows, with item ids drawn in their order. */
static void catalogue_lines(Tables *tables, const RequestContext *context, const IntakeDocument *document,
                            int64 order_id, int64 *item_ids, int64 *product_ids, StockLines *lines) {
    for (int i = 0; i < document->item_count; i++) {
        Row *product =
            row_find(tables, PRODUCTS_BY_SKU,
                     ROW_KEY(Int32GetDatum(context->store_id), CStringGetTextDatum(document->items[i].product_id)));

        item_ids[i] = row_next_id(tables, ORDER_ITEMS);
        product_ids[i] = product == NULL ? 0 : row_int64(product, PRODUCT_ID);
        if (product != NULL)
            stock_lines_add(lines, (StockLine){
                                       .order_id = order_id,
                                       .order_item_id = item_ids[i],
                                       .product_id = product_ids[i],
                                       .qty = document->items[i].quantity,
                                   });
    }
}

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
static void write_items(Tables *tables, const RequestContext *context, const IntakeDocument *document, int64 order_id,
                        const int64 *item_ids, const int64 *product_ids) {
    for (int i = 0; i < document->item_count; i++) {
        Row *item = row_new(tables, ORDER_ITEMS);

        row_set_int32(item, ORDER_ITEM_STORE_ID, context->store_id);
        row_set_int64(item, ORDER_ITEM_ID, item_ids[i]);
        row_set_int64(item, ORDER_ITEM_ORDER_ID, order_id);
        if (product_ids[i] != 0)
            row_set_int64(item, ORDER_ITEM_PRODUCT_ID, product_ids[i]);
        row_set_int32(item, ORDER_ITEM_QTY, document->items[i].quantity);
        row_set_datum(item, ORDER_ITEM_PRICE, money_numeric(document->items[i].price));
        row_set_int32(item, ORDER_ITEM_RETURNED, 0);
        row_insert_referenced(item); /* the locked inventory row keeps its product there */
    }
}

/* process locks the stock and then the order, and completes it, or fails it for want of stock. */
static IngestResult process(Tables *tables, const RequestContext *context, const IntakeDocument *document,
                            int64 order_id) {
    int64 *item_ids = palloc0(document->item_count * sizeof(int64));
    int64 *product_ids = palloc0(document->item_count * sizeof(int64));
    LockedOrders orders = {.count = 1};
    IngestResult result = {.result = "already_processed"};
    char *shortage;
    Row *order;

    catalogue_lines(tables, context, document, order_id, item_ids, product_ids, &orders.lines);
    inventory_lock(tables, context, &orders.lines);
    order = row_lock(tables, ORDERS_BY_ID, ROW_KEY(Int32GetDatum(context->store_id), Int64GetDatum(order_id)));
    if (order == NULL)
        raise_invariant_lost("An accepted order is not among the orders.");
    tables_look_again(tables);
    FAULT_POINT("ingest.order_locked");
    shortage = short_stock(&orders.lines);
    if (strcmp(row_text(order, ORDER_STATUS), ORDER_QUEUED) == 0) {
        if (shortage == NULL)
            write_items(tables, context, document, order_id, item_ids, product_ids);
        FAULT_POINT("ingest.items_written");
        order_change(tables, context, &orders, order, shortage == NULL ? ORDER_PROCESSED : ORDER_FAILED, shortage);
        inventory_write(&orders.lines);
        FAULT_POINT("ingest.order_changed");
        result.result = shortage == NULL ? "processed" : "failed";
        result.detail = shortage;
    }
    result.order_status = row_text(order, ORDER_STATUS);
    return result;
}

/* ingest finds the order that the message is about, takes it where a producer queued it, and processes it. */
static IngestResult ingest(Tables *tables, const RequestContext *context, IntakeDocument *document,
                           const uint8 *fingerprint) {
    Row *intake = find_by_external_id(tables, context, document->order_id);
    int64 order_id;

    if (intake == NULL) {
        order_id = row_int64(write_order(tables, context, document, fingerprint, SOURCE_QUEUE), ORDER_ID);
        tables_look_again(tables);
    } else {
        if (!is_same_order(intake, fingerprint))
            return (IngestResult){.result = "invalid_message_body",
                                  .detail = "order_id was already used for a different order"};
        order_id = row_int64(intake, INTAKE_ORDER_ID);
    }
    return process(tables, context, document, order_id);
}

/* ingest_document refuses what can never be processed, and otherwise does the work under the lock of the order's id. */
static IngestResult ingest_document(const RequestContext *context, IntakeDocument *document, int64 outbox_id) {
    IdempotencyKey content;
    IngestResult result;
    Response busy;
    Tables *tables;

    if (document->order_id == NULL)
        return (IngestResult){.result = "invalid_message_body", .detail = "order_id is required"};
    if (document->given_total < 0)
        return (IngestResult){.result = "invalid_message_body", .detail = "total_amount is required"};
    if (document->given_total != document->total)
        return (IngestResult){.result = "total_mismatch",
                              .detail = psprintf("total_amount is " INT64_FORMAT ".%02d, the items sum to " INT64_FORMAT
                                                 ".%02d",
                                                 document->given_total / 100, (int)(document->given_total % 100),
                                                 document->total / 100, (int)(document->total % 100))};
    idempotency_init(&content, context, 0, "", NULL, meaning(document));
    if (!intake_lock(context, document->order_id, &busy))
        return (IngestResult){.result = "busy", .detail = "another delivery of this order is being processed"};
    tables = tables_begin("shop.ingest_order");
    result = ingest(tables, context, document, content.fingerprint);
    if (outbox_id != 0 && result.order_status != NULL)
        outbox_mark_delivered(tables, context, outbox_id);
    FAULT_POINT("ingest.message_finished");
    tables_end(tables);
    return result;
}

PG_FUNCTION_INFO_V1(shop_ingest_order);

/* shop.ingest_order(store_id, body, request_id, outbox_id) -> (result, order_status, detail) */
Datum shop_ingest_order(PG_FUNCTION_ARGS) {
    RequestContext context = {
        .store_id = argument_store_id(fcinfo, 0), .actor = "intake", .request_id = argument_text(fcinfo, 2)};
    const char *body = argument_text(fcinfo, 1);
    IntakeDocument document;
    const char *texts[3];
    Datum values[3] = {0};
    bool nulls[3];
    TupleDesc descriptor;
    IngestResult result;

    if (body == NULL)
        raise_invalid_argument("body", "It must be the JSON text of an order.");
    if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
        elog(ERROR, "function must return a row");
    result.detail = intake_read_document(body, &document);
    if (result.detail != NULL)
        result = (IngestResult){.result = "invalid_message_body", .detail = result.detail};
    else
        result = ingest_document(&context, &document, argument_int64(fcinfo, 3, 0));
    texts[0] = result.result;
    texts[1] = result.order_status;
    texts[2] = result.detail;
    for (int i = 0; i < 3; i++) {
        nulls[i] = texts[i] == NULL;
        if (!nulls[i])
            values[i] = CStringGetTextDatum(texts[i]);
    }
    return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls));
}
