/*
 * shop.checkout and shop.checkout_batch: carts become orders. One statement, one commit: idempotency keys, carts, stock
 * and prices under lock, orders, lines, stock movements, history, outbox messages and the stored answers. A checkout is
 * a batch of one.
 *
 * Locks are taken in the order of all of pg_shop: idempotency keys, carts ascending, products ascending. Then each
 * request is decided in order of arrival, on levels and carts that are in memory and ours; what refuses is decided
 * before its first write, so a refused request leaves no trace and fails no neighbour. Changed levels are stored once,
 * at the end.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "arguments.h"
#include "cart.h"
#include "errors.h"
#include "fault_point.h"
#include "idempotency.h"
#include "inventory.h"
#include "money.h"
#include "order_state.h"
#include "outbox.h"
#include "request_array.h"
#include "response.h"
#include "tables.h"

/* A cart of the batch, whoever asks for it and how often. */
typedef struct BatchCart {
    int64 id;
    Row *row;         /* locked; NULL: there is no such cart */
    int64 order_id;   /* the order that it became in this batch, 0 for none */
    StockLine **line; /* its lines, ascending by product */
    int line_count;
} BatchCart;

typedef struct CheckoutRequest {
    RequestContext context;
    bool known_actor; /* the caller proved who he is, so carts of others do not exist for him */
    int64 user_id;
    int64 cart_id;
    bool has_expected_total;
    int64 expected_total; /* cents */
    IdempotencyKey key;
    BatchCart *cart;
    bool answered;
    Response response;
} CheckoutRequest;

typedef struct Batch {
    Tables *tables;
    int32 store_id;
    CheckoutRequest *request;
    int count;
    BatchCart *cart; /* ascending by id */
    int cart_count;
    int orders_placed;
    StockLines lines; /* of all carts */
} Batch;

/* answer gives the request its answer; the first one counts. */
static void answer(CheckoutRequest *request, Response response) {
    request->response = response;
    request->answered = true;
}

/* --- reading a request
 * ------------------------------------------------------------------------------------------------ */

/* The arguments of one request, as they come from SQL. Texts and amounts may be NULL. */
typedef struct CheckoutArguments {
    int64 actor_id;
    bool has_actor;
    const char *idempotency_key;
    Datum expected_total;
    bool has_expected_total;
} CheckoutArguments;

/* meaning is the canonical text of the fields that change the result: the same again is the same request. */
static const char *meaning(const CheckoutRequest *request) {
    return psprintf("cart=" INT64_FORMAT " expectedTotal=%s", request->cart_id,
                    request->has_expected_total ? psprintf(INT64_FORMAT, request->expected_total) : "");
}

/* check_arguments refuses what needs no table, in the contract's order; a request that passes has its key set up. */
static void check_arguments(CheckoutRequest *request, const CheckoutArguments *arguments) {
    const char *request_id = request->context.request_id;
    Response refusal;
    char *normalised_key = idempotency_parse(arguments->idempotency_key, &request->context, &refusal);

    request->known_actor = arguments->has_actor;
    request->has_expected_total = arguments->has_expected_total;
    if (normalised_key == NULL)
        answer(request, refusal);
    else if (request->user_id <= 0)
        answer(request, problem(PROBLEM_INVALID_FIELD, request_id, "userId must be a positive integer"));
    else if (request->cart_id <= 0)
        answer(request, problem(PROBLEM_INVALID_FIELD, request_id, "cartId must be a positive integer"));
    else if (request->has_expected_total && !money_parse(arguments->expected_total, &request->expected_total))
        answer(request, problem(PROBLEM_INVALID_FIELD, request_id,
                                "expectedTotal must be a non-negative number with at most two decimals"));
    else if (arguments->has_actor && arguments->actor_id != request->user_id)
        answer(request, problem(PROBLEM_FORBIDDEN, request_id, "The token does not allow acting for this user"));
    else {
        request->context.actor = psprintf("user:" INT64_FORMAT, request->user_id);
        idempotency_init(&request->key, &request->context, request->user_id, "checkout", normalised_key,
                         meaning(request));
    }
}

/* --- locking
 * ---------------------------------------------------------------------------------------------------------- */

/*
 * lock_keys makes this transaction the only one that runs with each key. A single request waits for its twin; in a
 * batch that would hold the neighbours, so there the request stays undecided and is to be sent again alone.
 */
static void lock_keys(Batch *batch) {
    for (int i = 0; i < batch->count; i++) {
        CheckoutRequest *request = &batch->request[i];
        Response refusal;

        if (request->answered)
            continue;
        if (batch->count == 1 ? !idempotency_lock(&request->key, &refusal)
                              : !idempotency_try_lock(&request->key, &refusal))
            answer(request, refusal);
    }
}

/* replay_stored answers the requests that were answered before. */
static void replay_stored(Batch *batch) {
    for (int i = 0; i < batch->count; i++) {
        CheckoutRequest *request = &batch->request[i];
        Response response;

        if (!request->answered && idempotency_replay(batch->tables, &request->key, &response))
            answer(request, response);
    }
}

static int compare_carts(const void *left, const void *right) {
    const BatchCart *a = left;
    const BatchCart *b = right;

    return a->id < b->id ? -1 : a->id > b->id;
}

/* gather_carts lists the carts that are asked for, each once, ascending. */
static void gather_carts(Batch *batch) {
    int count = 0;

    batch->cart = palloc0(batch->count * sizeof(BatchCart));
    for (int i = 0; i < batch->count; i++)
        if (!batch->request[i].answered)
            batch->cart[count++].id = batch->request[i].cart_id;
    qsort(batch->cart, count, sizeof(BatchCart), compare_carts);
    for (int i = 0; i < count; i++)
        if (batch->cart_count == 0 || batch->cart[i].id != batch->cart[batch->cart_count - 1].id)
            batch->cart[batch->cart_count++].id = batch->cart[i].id;
    for (int i = 0; i < batch->count; i++) {
        BatchCart wanted = {.id = batch->request[i].cart_id};

        batch->request[i].cart = bsearch(&wanted, batch->cart, batch->cart_count, sizeof(BatchCart), compare_carts);
    }
}

/* read_lines adds the lines of an open cart to those of the batch. */
static void read_lines(Batch *batch, int cart) {
    RowScan *scan = row_scan_begin(batch->tables, CART_ITEMS_BY_CART,
                                   ROW_KEY(Int32GetDatum(batch->store_id), Int64GetDatum(batch->cart[cart].id)));
    Row *row;

    while ((row = row_scan_next(scan)) != NULL) {
        stock_lines_add(&batch->lines, (StockLine){
                                           .group = cart,
                                           .product_id = row_int64(row, CART_ITEM_PRODUCT_ID),
                                           .qty = row_int32(row, CART_ITEM_QTY),
                                       });
        batch->cart[cart].line_count++;
    }
    row_scan_end(scan);
}

static bool is_open(const BatchCart *cart) {
    return cart->row != NULL && strcmp(row_text(cart->row, CART_STATUS), CART_OPEN) == 0;
}

/* lock_carts locks the carts and reads what is in them now. */
static void lock_carts(Batch *batch) {
    for (int i = 0; i < batch->cart_count; i++)
        batch->cart[i].row = row_lock(batch->tables, CARTS_BY_ID,
                                      ROW_KEY(Int32GetDatum(batch->store_id), Int64GetDatum(batch->cart[i].id)));
    tables_look_again(batch->tables);
    for (int i = 0; i < batch->cart_count; i++)
        if (is_open(&batch->cart[i]))
            read_lines(batch, i);
}

/* lock_stock locks the products of all carts together and hands each cart its lines. */
static void lock_stock(Batch *batch) {
    RequestContext context = {.store_id = batch->store_id};

    inventory_lock(batch->tables, &context, &batch->lines);
    tables_look_again(batch->tables);
    for (int i = 0; i < batch->cart_count; i++) {
        batch->cart[i].line = palloc(Max(1, batch->cart[i].line_count) * sizeof(StockLine *));
        batch->cart[i].line_count = 0;
    }
    for (int i = 0; i < batch->lines.count; i++) {
        BatchCart *cart = &batch->cart[batch->lines.line[i].group];

        cart->line[cart->line_count++] = &batch->lines.line[i];
    }
}

/* --- deciding
 * --------------------------------------------------------------------------------------------------------- */

/* replay_twin answers a request whose key an earlier one of this batch has used; true when it did. One that is not
 * decided yet (status 0) waits for the key's holder and has used nothing. */
static bool replay_twin(Batch *batch, int number) {
    CheckoutRequest *request = &batch->request[number];

    for (int i = 0; i < number; i++) {
        CheckoutRequest *twin = &batch->request[i];

        if (twin->key.key == NULL || twin->response.status == 0 || twin->response.status >= 300 ||
            twin->user_id != request->user_id || strcmp(twin->key.key, request->key.key) != 0)
            continue;
        answer(request, idempotency_answer_twin(&request->key, &twin->key, &twin->response));
        return true;
    }
    return false;
}

/* cart_not_open names the order that the cart became, when there is one. */
static Response cart_not_open(Batch *batch, const CheckoutRequest *request) {
    int64 order_id = request->cart->order_id;
    Response response;

    if (order_id == 0) {
        Row *order = row_find(batch->tables, ORDERS_BY_CART,
                              ROW_KEY(Int32GetDatum(batch->store_id), Int64GetDatum(request->cart_id)));

        order_id = order == NULL ? 0 : row_int64(order, ORDER_ID);
    }
    response = problem_with(PROBLEM_CART_NOT_OPEN, request->context.request_id,
                            order_id == 0 ? "" : psprintf(",\"orderId\":" INT64_FORMAT, order_id),
                            "Cart is not open (status: %s)", row_text(request->cart->row, CART_STATUS));
    response.order_id = order_id;
    return response;
}

/* refuse_cart refuses a cart that this user cannot check out now. */
static bool refuse_cart(Batch *batch, CheckoutRequest *request) {
    const BatchCart *cart = request->cart;
    const char *request_id = request->context.request_id;
    bool foreign = cart->row != NULL && row_int64(cart->row, CART_USER_ID) != request->user_id;

    if (cart->row == NULL || (foreign && request->known_actor))
        answer(request, problem(PROBLEM_CART_NOT_FOUND, request_id, "Cart not found"));
    else if (foreign)
        answer(request, problem(PROBLEM_CART_NOT_OWNED, request_id, "Cart does not belong to this user"));
    else if (!is_open(cart))
        answer(request, cart_not_open(batch, request));
    else if (cart->line_count == 0)
        answer(request, problem(PROBLEM_CART_EMPTY, request_id, "Cart is empty"));
    else
        return false;
    return true;
}

/* refuse_short_stock reports the first short line in the message and every short line in the body. */
static bool refuse_short_stock(CheckoutRequest *request) {
    const StockLine *first = NULL;
    StringInfoData members;

    initStringInfo(&members);
    for (int i = 0; i < request->cart->line_count; i++) {
        const StockLine *line = request->cart->line[i];

        if (inventory_available(line) >= line->qty)
            continue;
        appendStringInfo(&members, "%s{\"productId\":" INT64_FORMAT ",\"available\":%d,\"required\":%d}",
                         first == NULL ? ",\"shortages\":[" : ",", line->product_id, inventory_available(line),
                         line->qty);
        first = first == NULL ? line : first;
    }
    if (first == NULL)
        return false;
    appendStringInfoChar(&members, ']');
    answer(request, problem_with(PROBLEM_INSUFFICIENT_STOCK, request->context.request_id, members.data,
                                 "Insufficient stock for product " INT64_FORMAT ". Available: %d, Required: %d",
                                 first->product_id, inventory_available(first), first->qty));
    return true;
}

/* read_prices reads the prices of now, each product once, after its stock is locked. */
static void read_prices(Batch *batch, const BatchCart *cart) {
    for (int i = 0; i < cart->line_count; i++) {
        StockLevel *level = cart->line[i]->level;
        Row *product;

        if (level->price >= 0)
            continue;
        product = row_find(batch->tables, PRODUCTS_BY_ID,
                           ROW_KEY(Int32GetDatum(batch->store_id), Int64GetDatum(cart->line[i]->product_id)));
        if (product == NULL)
            raise_invariant_lost("A cart holds a product that does not exist.");
        level->price = money_cents(row_datum(product, PRODUCT_PRICE));
    }
}

/* refuse_total sums the cart exactly and refuses a total that is too large or not the one the client expects. */
static bool refuse_total(CheckoutRequest *request, int64 *total) {
    const char *request_id = request->context.request_id;
    StringInfoData text;

    *total = 0;
    for (int i = 0; i < request->cart->line_count; i++) {
        const StockLine *line = request->cart->line[i];

        if (!money_add_line(total, line->level->price, line->qty)) {
            answer(request, problem(PROBLEM_TOTAL_TOO_LARGE, request_id, "The order's total is over 9999999999.99"));
            return true;
        }
    }
    if (!request->has_expected_total || request->expected_total == *total)
        return false;
    initStringInfo(&text);
    appendStringInfoString(&text, ",\"total_price\":");
    money_append(&text, *total);
    answer(request, problem_with(PROBLEM_TOTAL_CHANGED, request_id, text.data,
                                 "total_changed: the order's total is now " INT64_FORMAT ".%02d", *total / 100,
                                 (int)(*total % 100)));
    return true;
}

/* --- writing
 * ---------------------------------------------------------------------------------------------------------- */

/* write_item adds one line of the order. */
static void write_item(Batch *batch, StockLine *line, int64 order_id) {
    Row *item = row_new(batch->tables, ORDER_ITEMS);

    line->order_id = order_id;
    line->order_item_id = row_next_id(batch->tables, ORDER_ITEMS);
    row_set_int32(item, ORDER_ITEM_STORE_ID, batch->store_id);
    row_set_int64(item, ORDER_ITEM_ID, line->order_item_id);
    row_set_int64(item, ORDER_ITEM_ORDER_ID, order_id);
    row_set_int64(item, ORDER_ITEM_PRODUCT_ID, line->product_id);
    row_set_int32(item, ORDER_ITEM_QTY, line->qty);
    row_set_datum(item, ORDER_ITEM_PRICE, money_numeric(line->level->price));
    row_set_int32(item, ORDER_ITEM_RETURNED, 0);
    row_insert_referenced(item); /* the locked inventory row keeps its product there */
}

/* place_order writes the order, its history and its lines, reserves the stock and tells the payment step of it. */
static int64 place_order(Batch *batch, CheckoutRequest *request, int64 total) {
    const RequestContext *context = &request->context;
    BatchCart *cart = request->cart;
    int64 order_id = row_next_id(batch->tables, ORDERS);
    Row *order = row_new(batch->tables, ORDERS);

    row_set_int32(order, ORDER_STORE_ID, batch->store_id);
    row_set_int64(order, ORDER_ID, order_id);
    row_set_int64(order, ORDER_USER_ID, request->user_id);
    row_set_int64(order, ORDER_CART_ID, request->cart_id);
    row_set_datum(order, ORDER_TOTAL_PRICE, money_numeric(total));
    order_start(batch->tables, context, order, ORDER_PLACED);
    FAULT_POINT("checkout.order_written");
    for (int i = 0; i < cart->line_count; i++)
        write_item(batch, cart->line[i], order_id);
    FAULT_POINT("checkout.items_written");
    inventory_move(batch->tables, context, STOCK_RESERVE, order_id, &batch->lines);
    FAULT_POINT("checkout.movements_written");
    outbox_put(batch->tables, context, OUTBOX_TOPIC_PAYMENT, order_id,
               psprintf("{\"orderId\": " INT64_FORMAT "}", order_id));
    return order_id;
}

/* close_cart marks the cart as checked out; the user's next item goes to a new one. */
static void close_cart(BatchCart *cart, int64 order_id) {
    cart->order_id = order_id;
    row_set_text(cart->row, CART_STATUS, CART_CHECKED_OUT);
    row_set_datum(cart->row, CART_UPDATED_AT, TimestampTzGetDatum(GetCurrentTimestamp()));
    row_update(cart->row);
}

/* created prints the 201 answer of the contract. */
static Response created(const CheckoutRequest *request, int64 order_id, int64 total) {
    StringInfoData body;
    Response response;

    initStringInfo(&body);
    appendStringInfo(&body,
                     "{\"order\":{\"id\":" INT64_FORMAT ",\"user_id\":" INT64_FORMAT ",\"total_price\":", order_id,
                     request->user_id);
    money_append(&body, total);
    appendStringInfoString(&body, ",\"status\":\"" ORDER_PENDING "\"},\"order_items\":[");
    for (int i = 0; i < request->cart->line_count; i++) {
        const StockLine *line = request->cart->line[i];

        appendStringInfo(&body,
                         "%s{\"id\":" INT64_FORMAT ",\"order_id\":" INT64_FORMAT ",\"product_id\":" INT64_FORMAT
                         ",\"qty\":%d,\"price\":",
                         i == 0 ? "" : ",", line->order_item_id, order_id, line->product_id, line->qty);
        money_append(&body, line->level->price);
        appendStringInfoChar(&body, '}');
    }
    appendStringInfoString(&body, "]}");
    response = success(201, &body);
    response.order_id = order_id;
    return response;
}

/* decide answers one request: a twin's answer, a refusal, or the order. */
static void decide(Batch *batch, int number) {
    CheckoutRequest *request = &batch->request[number];
    int64 order_id;
    int64 total;

    if (replay_twin(batch, number) || refuse_cart(batch, request) || refuse_short_stock(request))
        return;
    read_prices(batch, request->cart);
    if (refuse_total(request, &total))
        return;
    order_id = place_order(batch, request, total);
    FAULT_POINT("checkout.message_written");
    close_cart(request->cart, order_id);
    FAULT_POINT("checkout.cart_closed");
    batch->orders_placed++;
    answer(request, created(request, order_id, total));
    idempotency_store(batch->tables, &request->key, &request->response);
    FAULT_POINT("checkout.answer_stored");
}

/* check_out answers all requests of the batch in one unit of work. */
static void check_out(Batch *batch) {
    FAULT_POINT("checkout.begin");
    lock_keys(batch);
    FAULT_POINT("checkout.keys_locked");
    batch->tables = tables_begin("shop.checkout");
    replay_stored(batch);
    gather_carts(batch);
    lock_carts(batch);
    FAULT_POINT("checkout.carts_locked");
    lock_stock(batch);
    FAULT_POINT("checkout.stock_locked");
    for (int i = 0; i < batch->count; i++)
        if (!batch->request[i].answered)
            decide(batch, i);
    inventory_write(&batch->lines);
    FAULT_POINT("checkout.levels_written");
    orders_count(batch->tables, &batch->request[0].context, batch->orders_placed);
    tables_end(batch->tables);
}

/* --- the SQL functions
 * ------------------------------------------------------------------------------------------------ */

PG_FUNCTION_INFO_V1(shop_checkout);

/* shop.checkout(store_id, actor_id, user_id, cart_id, idempotency_key, expected_total, request_id, traceparent) */
Datum shop_checkout(PG_FUNCTION_ARGS) {
    CheckoutRequest request = {
        .context = {.store_id = argument_store_id(fcinfo, 0),
                    .request_id = argument_text(fcinfo, 6),
                    .traceparent = argument_text(fcinfo, 7)},
        .user_id = argument_int64(fcinfo, 2, 0),
        .cart_id = argument_int64(fcinfo, 3, 0),
    };
    CheckoutArguments arguments = {
        .actor_id = argument_int64(fcinfo, 1, 0),
        .has_actor = !PG_ARGISNULL(1),
        .idempotency_key = argument_text(fcinfo, 4),
        .expected_total = PG_GETARG_DATUM(5),
        .has_expected_total = !PG_ARGISNULL(5),
    };
    Batch batch = {.store_id = request.context.store_id, .request = &request, .count = 1};

    check_arguments(&request, &arguments);
    if (!request.answered)
        check_out(&batch);
    return response_datum(fcinfo, &request.response);
}

/* The fields of shop.checkout_request, in their order. */
enum {
    FIELD_ACTOR_ID,
    FIELD_USER_ID,
    FIELD_CART_ID,
    FIELD_IDEMPOTENCY_KEY,
    FIELD_EXPECTED_TOTAL,
    FIELD_REQUEST_ID,
    FIELD_TRACEPARENT,
    FIELD_COUNT
};

/* read_request reads one shop.checkout_request. */
static void read_request(const RequestArray *array, int index, int32 store_id, CheckoutRequest *request) {
    CheckoutArguments arguments;
    RequestFields fields;

    request_array_fields(array, index, &fields);
    request->context.store_id = store_id;
    request->context.request_id = field_text(&fields, FIELD_REQUEST_ID);
    request->context.traceparent = field_text(&fields, FIELD_TRACEPARENT);
    request->user_id = field_int64(&fields, FIELD_USER_ID);
    request->cart_id = field_int64(&fields, FIELD_CART_ID);
    arguments = (CheckoutArguments){
        .has_actor = !fields.nulls[FIELD_ACTOR_ID],
        .actor_id = field_int64(&fields, FIELD_ACTOR_ID),
        .idempotency_key = field_text(&fields, FIELD_IDEMPOTENCY_KEY),
        .has_expected_total = !fields.nulls[FIELD_EXPECTED_TOTAL],
        .expected_total = fields.values[FIELD_EXPECTED_TOTAL],
    };
    check_arguments(request, &arguments);
}

PG_FUNCTION_INFO_V1(shop_checkout_batch);

/* shop.checkout_batch(store_id, requests) -> answers in the order of the requests */
Datum shop_checkout_batch(PG_FUNCTION_ARGS) {
    Batch batch = {.store_id = argument_store_id(fcinfo, 0)};
    RequestArray array = request_array_read(fcinfo, 1, FIELD_COUNT);

    responses_begin(fcinfo);
    batch.count = array.count;
    batch.request = palloc0(Max(1, batch.count) * sizeof(CheckoutRequest));
    for (int i = 0; i < batch.count; i++)
        read_request(&array, i, batch.store_id, &batch.request[i]);
    if (batch.count > 0)
        check_out(&batch);
    for (int i = 0; i < batch.count; i++)
        responses_add(fcinfo, &batch.request[i].response);
    return (Datum)0;
}
