/*
 * shop.accept_order: an intake order is taken durably at once, to be processed when its message arrives
 * (intake_processing.c).
 */
#include "postgres.h"

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
#include "intake_order.h"
#include "money.h"
#include "order_state.h"
#include "outbox.h"
#include "response.h"
#include "tables.h"
#include "utc_time.h"

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

/* accept_again answers for an order id that is known: the same order again, or another one with its id. */
static Response accept_again(const RequestContext *context, const IntakeDocument *document, const Row *intake,
                             const uint8 *fingerprint) {
    Response response;

    if (!intake_is_same(intake, fingerprint))
        return problem(PROBLEM_ORDER_ID_REUSED, context->request_id,
                       "This order_id was already used for a different order");
    response = accepted(document, row_int64(intake, INTAKE_ORDER_ID));
    response.replayed = true;
    return response;
}

/* accept_locked accepts the order, whose key and id this transaction holds. */
static Response accept_locked(Tables *tables, const RequestContext *context, const IntakeDocument *document) {
    Row *known = intake_find(tables, context, document->order_id);
    uint8 fingerprint[FINGERPRINT_SIZE];
    Row *order;
    int64 order_id;

    idempotency_fingerprint(intake_meaning(document), fingerprint);
    if (known != NULL)
        return accept_again(context, document, known, fingerprint);
    FAULT_POINT("accept.locked");
    order = intake_write(tables, context, document, fingerprint, INTAKE_SOURCE_API);
    orders_count(tables, context, 1);
    FAULT_POINT("accept.order_written");
    order_id = row_int64(order, ORDER_ID);
    outbox_put(tables, context, OUTBOX_TOPIC_INTAKE, order_id, message(document));
    FAULT_POINT("accept.message_written");
    return accepted(document, order_id);
}

/* key_meaning gives what a request under an Idempotency-Key means: what is ordered, and the id that the client chose.
 */
static const char *key_meaning(const IntakeDocument *document) {
    const char *meaning = intake_meaning(document);

    return document->order_id == NULL ? meaning : psprintf("%s&order_id=%s", meaning, document->order_id);
}

/* accept_document takes the locks, answers a replay, or accepts and keeps the answer. */
static Response accept_document(const RequestContext *context, IntakeDocument *document, const char *normalised_key) {
    IdempotencyKey key;
    Response response;
    Tables *tables;

    idempotency_init(&key, context, 0, psprintf("intake/%s", document->customer_id), normalised_key,
                     key_meaning(document));
    if (!idempotency_lock(&key, &response))
        return response;
    if (document->order_id == NULL)
        document->order_id = DatumGetCString(OidFunctionCall1(F_UUID_OUT, OidFunctionCall0(F_GEN_RANDOM_UUID)));
    if (!intake_lock(context, document->order_id, &response))
        return response;
    tables = tables_begin("shop.accept_order");
    if (!idempotency_replay(tables, &key, &response)) {
        response = accept_locked(tables, context, document);
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
