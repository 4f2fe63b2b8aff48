/*
 * shop.checkout: a cart becomes an order. One statement, one commit: idempotency key, cart, stock and prices under
 * lock, order, lines, stock movements, history, outbox message and the stored answer. Locks are taken in the order of
 * all of pg_shop: idempotency key, cart, products ascending, order. Everything that can refuse is decided before the
 * first write.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "arguments.h"
#include "cart.h"
#include "errors.h"
#include "idempotency.h"
#include "inventory.h"
#include "money.h"
#include "order_state.h"
#include "outbox.h"
#include "response.h"
#include "tables.h"

typedef struct CheckoutRequest {
    RequestContext context;
    bool known_actor; /* the caller proved who he is, so carts of others do not exist for him */
    int64 user_id;
    int64 cart_id;
    bool has_expected_total;
    int64 expected_total; /* cents */
} CheckoutRequest;

typedef struct Basket {
    StockLines lines; /* ascending by product */
    int64 total;      /* cents */
} Basket;

/* cart_not_open names the order that the cart became, when there is one. */
static Response cart_not_open(Tables *tables, const CheckoutRequest *request, const char *status) {
    Row *order = row_find(tables, ORDERS_BY_CART,
                          ROW_KEY(Int32GetDatum(request->context.store_id), Int64GetDatum(request->cart_id)));
    int64 order_id = order == NULL ? 0 : row_int64(order, ORDER_ID);
    const char *members = order == NULL ? "" : psprintf(",\"orderId\":" INT64_FORMAT, order_id);
    Response response = problem_with(PROBLEM_CART_NOT_OPEN, request->context.request_id, members,
                                     "Cart is not open (status: %s)", status);

    response.order_id = order_id;
    return response;
}

/* lock_cart locks the cart and checks that this user may check it out now; NULL with the refusal otherwise. */
static Row *lock_cart(Tables *tables, const CheckoutRequest *request, Response *refusal) {
    const char *request_id = request->context.request_id;
    Row *cart = row_lock(tables, CARTS_BY_ID,
                         ROW_KEY(Int32GetDatum(request->context.store_id), Int64GetDatum(request->cart_id)));
    char *status;

    tables_look_again(tables);
    if (cart == NULL) {
        *refusal = problem(PROBLEM_CART_NOT_FOUND, request_id, "Cart not found");
        return NULL;
    }
    if (row_int64(cart, CART_USER_ID) != request->user_id) {
        *refusal = request->known_actor
                       ? problem(PROBLEM_CART_NOT_FOUND, request_id, "Cart not found")
                       : problem(PROBLEM_CART_NOT_OWNED, request_id, "Cart does not belong to this user");
        return NULL;
    }
    status = row_text(cart, CART_STATUS);
    if (strcmp(status, CART_OPEN) != 0) {
        *refusal = cart_not_open(tables, request, status);
        return NULL;
    }
    return cart;
}

/* read_lines reads the cart's lines. */
static void read_lines(Tables *tables, const CheckoutRequest *request, Basket *basket) {
    RowScan *scan = row_scan_begin(tables, CART_ITEMS_BY_CART,
                                   ROW_KEY(Int32GetDatum(request->context.store_id), Int64GetDatum(request->cart_id)));
    Row *row;

    while ((row = row_scan_next(scan)) != NULL)
        stock_lines_add(&basket->lines, (StockLine){
                                            .product_id = row_int64(row, CART_ITEM_PRODUCT_ID),
                                            .qty = row_int32(row, CART_ITEM_QTY),
                                        });
    row_scan_end(scan);
}

/* read_prices reads the prices of now, after the stock is locked. */
static void read_prices(Tables *tables, const CheckoutRequest *request, Basket *basket) {
    for (int i = 0; i < basket->lines.count; i++) {
        Row *product = row_find(
            tables, PRODUCTS_BY_ID,
            ROW_KEY(Int32GetDatum(request->context.store_id), Int64GetDatum(basket->lines.line[i].product_id)));

        if (product == NULL)
            raise_invariant_lost("A cart holds a product that does not exist.");
        basket->lines.line[i].price = money_cents(row_datum(product, PRODUCT_PRICE));
    }
}

/* refuse_short_stock reports the first short line in the message and every short line in the body. */
static bool refuse_short_stock(const CheckoutRequest *request, const Basket *basket, Response *refusal) {
    const StockLine *first = NULL;
    StringInfoData members;

    initStringInfo(&members);
    for (int i = 0; i < basket->lines.count; i++) {
        const StockLine *line = &basket->lines.line[i];

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
    *refusal = problem_with(PROBLEM_INSUFFICIENT_STOCK, request->context.request_id, members.data,
                            "Insufficient stock for product " INT64_FORMAT ". Available: %d, Required: %d",
                            first->product_id, inventory_available(first), first->qty);
    return true;
}

/* refuse_total sums the basket exactly and refuses a total that is too large or not the one the client expects. */
static bool refuse_total(const CheckoutRequest *request, Basket *basket, Response *refusal) {
    StringInfoData text;

    basket->total = 0;
    for (int i = 0; i < basket->lines.count; i++) {
        if (!money_add_line(&basket->total, basket->lines.line[i].price, basket->lines.line[i].qty)) {
            *refusal = problem(PROBLEM_TOTAL_TOO_LARGE, request->context.request_id,
                               "The order's total is over 9999999999.99");
            return true;
        }
    }
    if (!request->has_expected_total || request->expected_total == basket->total)
        return false;
    initStringInfo(&text);
    appendStringInfoString(&text, ",\"total_price\":");
    money_append(&text, basket->total);
    *refusal = problem_with(PROBLEM_TOTAL_CHANGED, request->context.request_id, text.data,
                            "total_changed: the order's total is now " INT64_FORMAT ".%02d", basket->total / 100,
                            (int)(basket->total % 100));
    return true;
}

/* place_order writes the order, its history and its lines, and tells the payment step of it. */
static int64 place_order(Tables *tables, const CheckoutRequest *request, Basket *basket) {
    const RequestContext *context = &request->context;
    int64 order_id = row_next_id(tables, ORDERS);
    Row *order = row_new(tables, ORDERS);

    row_set_int32(order, ORDER_STORE_ID, context->store_id);
    row_set_int64(order, ORDER_ID, order_id);
    row_set_int64(order, ORDER_USER_ID, request->user_id);
    row_set_int64(order, ORDER_CART_ID, request->cart_id);
    row_set_datum(order, ORDER_TOTAL_PRICE, money_numeric(basket->total));
    order_start(tables, context, order, ORDER_PLACED);

    for (int i = 0; i < basket->lines.count; i++) {
        StockLine *line = &basket->lines.line[i];
        Row *item = row_new(tables, ORDER_ITEMS);

        line->order_id = order_id;
        line->order_item_id = row_next_id(tables, ORDER_ITEMS);
        row_set_int32(item, ORDER_ITEM_STORE_ID, context->store_id);
        row_set_int64(item, ORDER_ITEM_ID, line->order_item_id);
        row_set_int64(item, ORDER_ITEM_ORDER_ID, order_id);
        row_set_int64(item, ORDER_ITEM_PRODUCT_ID, line->product_id);
        row_set_int32(item, ORDER_ITEM_QTY, line->qty);
        row_set_datum(item, ORDER_ITEM_PRICE, money_numeric(line->price));
        row_set_int32(item, ORDER_ITEM_RETURNED, 0);
        row_insert(item);
    }
    outbox_put(tables, context, OUTBOX_TOPIC_PAYMENT, order_id, psprintf("{\"orderId\": " INT64_FORMAT "}", order_id));
    return order_id;
}

/* close_cart marks the cart as checked out; the user's next item goes to a new one. */
static void close_cart(Row *cart) {
    row_set_text(cart, CART_STATUS, CART_CHECKED_OUT);
    row_set_datum(cart, CART_UPDATED_AT, TimestampTzGetDatum(GetCurrentTimestamp()));
    row_update(cart);
}

/* created prints the 201 answer of the contract. */
static Response created(const CheckoutRequest *request, const Basket *basket, int64 order_id) {
    StringInfoData body;
    Response response;

    initStringInfo(&body);
    appendStringInfo(&body,
                     "{\"order\":{\"id\":" INT64_FORMAT ",\"user_id\":" INT64_FORMAT ",\"total_price\":", order_id,
                     request->user_id);
    money_append(&body, basket->total);
    appendStringInfoString(&body, ",\"status\":\"" ORDER_PENDING "\"},\"order_items\":[");
    for (int i = 0; i < basket->lines.count; i++) {
        const StockLine *line = &basket->lines.line[i];

        appendStringInfo(&body,
                         "%s{\"id\":" INT64_FORMAT ",\"order_id\":" INT64_FORMAT ",\"product_id\":" INT64_FORMAT
                         ",\"qty\":%d,\"price\":",
                         i == 0 ? "" : ",", line->order_item_id, order_id, line->product_id, line->qty);
        money_append(&body, line->price);
        appendStringInfoChar(&body, '}');
    }
    appendStringInfoString(&body, "]}");
    response = success(201, &body);
    response.order_id = order_id;
    return response;
}

/* check_out_cart does the work of a request whose key is new. */
static Response check_out_cart(Tables *tables, const CheckoutRequest *request) {
    Response refusal;
    Basket basket = {0};
    Row *cart = lock_cart(tables, request, &refusal);
    int64 order_id;

    if (cart == NULL)
        return refusal;
    read_lines(tables, request, &basket);
    if (basket.lines.count == 0)
        return problem(PROBLEM_CART_EMPTY, request->context.request_id, "Cart is empty");
    inventory_lock(tables, &request->context, &basket.lines);
    tables_look_again(tables);
    if (refuse_short_stock(request, &basket, &refusal))
        return refusal;
    read_prices(tables, request, &basket);
    if (refuse_total(request, &basket, &refusal))
        return refusal;

    order_id = place_order(tables, request, &basket);
    inventory_move(tables, &request->context, STOCK_RESERVE, order_id, &basket.lines);
    inventory_write(&basket.lines);
    close_cart(cart);
    return created(request, &basket, order_id);
}

/* checkout answers a replay, or does the work and keeps the answer. */
static Response checkout(const CheckoutRequest *request, const IdempotencyKey *key) {
    Response response;
    Tables *tables;

    if (!idempotency_lock(key, &response))
        return response;
    tables = tables_begin("shop.checkout");
    if (!idempotency_replay(tables, key, &response)) {
        response = check_out_cart(tables, request);
        if (response.status < 300)
            idempotency_store(tables, key, &response);
    }
    tables_end(tables);
    return response;
}

/* meaning is the canonical text of the fields that change the result: the same again is the same request. */
static const char *meaning(const CheckoutRequest *request) {
    return psprintf("cart=" INT64_FORMAT " expectedTotal=%s", request->cart_id,
                    request->has_expected_total ? psprintf(INT64_FORMAT, request->expected_total) : "");
}

/* read_request takes the arguments, in the contract's order of refusals; false with the refusal otherwise. */
static bool read_request(FunctionCallInfo fcinfo, CheckoutRequest *request, Response *refusal) {
    const char *request_id = request->context.request_id;

    request->known_actor = !PG_ARGISNULL(1);
    request->user_id = argument_int64(fcinfo, 2, 0);
    request->cart_id = argument_int64(fcinfo, 3, 0);
    request->has_expected_total = !PG_ARGISNULL(5);
    if (request->user_id <= 0)
        *refusal = problem(PROBLEM_INVALID_FIELD, request_id, "userId must be a positive integer");
    else if (request->cart_id <= 0)
        *refusal = problem(PROBLEM_INVALID_FIELD, request_id, "cartId must be a positive integer");
    else if (request->has_expected_total && !money_parse(PG_GETARG_DATUM(5), &request->expected_total))
        *refusal = problem(PROBLEM_INVALID_FIELD, request_id,
                           "expectedTotal must be a non-negative number with at most two decimals");
    else if (!may_act_for(fcinfo, 1, request->user_id))
        *refusal = problem(PROBLEM_FORBIDDEN, request_id, "The token does not allow acting for this user");
    else
        return true;
    return false;
}

PG_FUNCTION_INFO_V1(shop_checkout);

/* shop.checkout(store_id, actor_id, user_id, cart_id, idempotency_key, expected_total, request_id, traceparent) */
Datum shop_checkout(PG_FUNCTION_ARGS) {
    CheckoutRequest request = {
        .context = {.store_id = argument_store_id(fcinfo, 0),
                    .request_id = argument_text(fcinfo, 6),
                    .traceparent = argument_text(fcinfo, 7)},
    };
    char *normalised_key;
    IdempotencyKey key;
    Response response;

    normalised_key = idempotency_parse(argument_text(fcinfo, 4), &request.context, &response);
    if (normalised_key == NULL || !read_request(fcinfo, &request, &response))
        return response_datum(fcinfo, &response);
    request.context.actor = psprintf("user:" INT64_FORMAT, request.user_id);
    idempotency_init(&key, &request.context, request.user_id, "checkout", normalised_key, meaning(&request));
    response = checkout(&request, &key);
    return response_datum(fcinfo, &response);
}
