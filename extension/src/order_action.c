/*
 * What customers and administrators do to an order: shop.cancel_order, fulfil_order, refund_order, return_to_stock.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "arguments.h"
#include "fault_point.h"
#include "idempotency.h"
#include "money.h"
#include "order.h"
#include "order_state.h"
#include "payment.h"
#include "response.h"
#include "tables.h"

typedef struct OrderRequest {
    RequestContext context;
    int64 order_id;
    const int64 *actor_id; /* the user that the caller proved to be; NULL: may act for anyone */
    bool is_admin;
    const char *reason;
} OrderRequest;

/* A change of one locked order: returns true with nothing in *refusal, or false with the refusal. */
typedef bool OrderStep(Tables *tables, const OrderRequest *request, const LockedOrders *orders, Row *order,
                       void *argument, Response *refusal);

/* illegal_transition is the 409 for an event that does not fit the order's status, which it names beside the message
 * (contract, section 2). */
static Response illegal_transition(const OrderRequest *request, const Row *order) {
    return problem_with(PROBLEM_ILLEGAL_TRANSITION, request->context.request_id,
                        psprintf(",\"orderStatus\":\"%s\"", row_text(order, ORDER_STATUS)), "illegal transition");
}

/* is_own tells whether the order may be seen by the caller. */
static bool is_own(const OrderRequest *request, const Row *order) {
    return request->actor_id == NULL ||
           (!row_is_null(order, ORDER_USER_ID) && row_int64(order, ORDER_USER_ID) == *request->actor_id);
}

/* run_step locks the order with its stock, applies the step and stores the stock; true when it was done. */
static bool run_step(Tables *tables, const OrderRequest *request, OrderStep *step, void *argument, Response *refusal) {
    LockedOrders orders;

    orders_lock(tables, &request->context, &request->order_id, 1, false, &orders);
    if (orders.row[0] == NULL || !is_own(request, orders.row[0])) {
        *refusal = problem(PROBLEM_ORDER_NOT_FOUND, request->context.request_id, "Order not found");
        return false;
    }
    if (!step(tables, request, &orders, orders.row[0], argument, refusal))
        return false;
    inventory_write(&orders.lines);
    return true;
}

/* act runs a step that needs no idempotency key: the same again changes nothing. */
static Response act(const OrderRequest *request, const char *purpose, OrderStep *step, void *argument) {
    Response response;
    Tables *tables;
    bool done;

    if (request->order_id <= 0)
        return problem(PROBLEM_INVALID_FIELD, request->context.request_id, "id must be a positive integer");
    tables = tables_begin(purpose);
    done = run_step(tables, request, step, argument, &response);
    tables_end(tables);
    if (done)
        response = order_as_it_is(request->context.store_id, request->order_id);
    response.order_id = request->order_id;
    return response;
}

/* void_authorization asks for the release of what an open attempt has authorized; false when there is no such attempt.
 */
static bool void_authorization(Tables *tables, const OrderRequest *request, const char *reason) {
    Row *attempt = open_attempt(tables, &request->context, request->order_id);

    if (attempt == NULL || strcmp(row_text(attempt, ATTEMPT_STATUS), "authorized") != 0)
        return false;
    refund_request(tables, &request->context, attempt, REFUND_KIND_VOID,
                   money_cents(row_datum(attempt, ATTEMPT_AMOUNT)), reason);
    return true;
}

/* give_money_back asks for the refund or void that a cancelled order needs. */
static void give_money_back(Tables *tables, const OrderRequest *request) {
    const char *reason = "the order was cancelled";
    Row *attempt = captured_attempt(tables, &request->context, request->order_id);

    if (attempt != NULL && attempt_refundable(attempt) > 0)
        refund_request(tables, &request->context, attempt, REFUND_KIND_REFUND, attempt_refundable(attempt), reason);
    else
        void_authorization(tables, request, reason);
}

static bool cancel(Tables *tables, const OrderRequest *request, const LockedOrders *orders, Row *order, void *argument,
                   Response *refusal) {
    if (strcmp(row_text(order, ORDER_STATUS), ORDER_CONFIRMED) == 0 && !request->is_admin) {
        *refusal = problem(PROBLEM_ADMIN_REQUIRED, request->context.request_id, "Requires admin role");
        return false;
    }
    FAULT_POINT("cancel.order_locked");
    switch (order_change(tables, &request->context, orders, order, ORDER_CANCEL, request->reason)) {
    case CHANGE_ILLEGAL:
        *refusal = illegal_transition(request, order);
        return false;
    case CHANGE_APPLIED:
        give_money_back(tables, request);
        FAULT_POINT("cancel.order_changed");
        return true;
    case CHANGE_ALREADY:
        return true;
    }
    return true;
}

static bool fulfil(Tables *tables, const OrderRequest *request, const LockedOrders *orders, Row *order, void *argument,
                   Response *refusal) {
    if (order_change(tables, &request->context, orders, order, ORDER_FULFIL, request->reason) != CHANGE_ILLEGAL)
        return true;
    *refusal = illegal_transition(request, order);
    return false;
}

PG_FUNCTION_INFO_V1(shop_cancel_order);

/* shop.cancel_order(store_id, actor_id, is_admin, order_id, reason, actor, request_id) */
Datum shop_cancel_order(PG_FUNCTION_ARGS) {
    int64 actor_id = argument_int64(fcinfo, 1, 0);
    OrderRequest request = {
        .context = {.store_id = argument_store_id(fcinfo, 0),
                    .actor = argument_text(fcinfo, 5),
                    .request_id = argument_text(fcinfo, 6)},
        .actor_id = PG_ARGISNULL(1) ? NULL : &actor_id,
        .is_admin = !PG_ARGISNULL(2) && PG_GETARG_BOOL(2),
        .order_id = argument_int64(fcinfo, 3, 0),
        .reason = argument_text(fcinfo, 4),
    };
    Response response = act(&request, "shop.cancel_order", cancel, NULL);

    return response_datum(fcinfo, &response);
}

PG_FUNCTION_INFO_V1(shop_fulfil_order);

/* shop.fulfil_order(store_id, order_id, actor, request_id) */
Datum shop_fulfil_order(PG_FUNCTION_ARGS) {
    OrderRequest request = {
        .context = {.store_id = argument_store_id(fcinfo, 0),
                    .actor = argument_text(fcinfo, 2),
                    .request_id = argument_text(fcinfo, 3)},
        .is_admin = true,
        .order_id = argument_int64(fcinfo, 1, 0),
    };
    Response response = act(&request, "shop.fulfil_order", fulfil, NULL);

    return response_datum(fcinfo, &response);
}

typedef struct RefundArguments {
    bool has_amount;
    int64 amount; /* cents */
    bool restock;
} RefundArguments;

/* refund_captured asks for captured money, never for more than is left of it. */
static bool refund_captured(Tables *tables, const OrderRequest *request, Row *attempt, const RefundArguments *arguments,
                            Response *refusal) {
    int64 refundable = attempt == NULL ? 0 : attempt_refundable(attempt);
    int64 amount = arguments->has_amount ? arguments->amount : refundable;

    if (refundable == 0) {
        *refusal = problem(PROBLEM_NOTHING_TO_REFUND, request->context.request_id, "Nothing to refund");
        return false;
    }
    if (amount > refundable) {
        *refusal = problem(PROBLEM_REFUND_TOO_LARGE, request->context.request_id,
                           "amount is over what can still be refunded: " INT64_FORMAT ".%02d", refundable / 100,
                           (int)(refundable % 100));
        return false;
    }
    refund_request(tables, &request->context, attempt, REFUND_KIND_REFUND, amount, request->reason);
    return true;
}

/* may_refund tells whether the order's status lets money go back: once it is refunded, only what came after that. */
static bool may_refund(const char *status, const Row *attempt) {
    if (strcmp(status, ORDER_REFUNDED) == 0)
        return attempt != NULL && attempt_refundable(attempt) > 0;
    return strcmp(status, ORDER_CANCELLED) == 0 || strcmp(status, ORDER_CONFIRMED) == 0 ||
           strcmp(status, ORDER_FULFILLED) == 0;
}

/*
 * refund asks for the money of an order. The cancelling of a paid order has asked for all of it; where the provider did
 * not pay that back, this asks again for what is still owed, or for the release of an authorization. Its goods came
 * back then.
 */
static bool refund(Tables *tables, const OrderRequest *request, const LockedOrders *orders, Row *order, void *argument,
                   Response *refusal) {
    const RefundArguments *arguments = argument;
    const char *status = row_text(order, ORDER_STATUS);
    bool is_cancelled = strcmp(status, ORDER_CANCELLED) == 0;
    Row *attempt = captured_attempt(tables, &request->context, request->order_id);

    if (!may_refund(status, attempt)) {
        *refusal = illegal_transition(request, order);
        return false;
    }
    if (is_cancelled && attempt == NULL && !arguments->has_amount &&
        !refund_is_under_way(tables, &request->context, request->order_id) &&
        void_authorization(tables, request, request->reason))
        return true;
    if (!refund_captured(tables, request, attempt, arguments, refusal))
        return false;
    if (arguments->restock && !is_cancelled)
        order_return_all(tables, &request->context, orders, request->order_id);
    return true;
}

/* refund_once answers a replay, or refunds and keeps the answer. */
static Response refund_once(const OrderRequest *request, const IdempotencyKey *key, RefundArguments *arguments) {
    Response response;
    Tables *tables;
    bool done;

    if (!idempotency_lock(key, &response))
        return response;
    tables = tables_begin("shop.refund_order");
    if (idempotency_replay(tables, key, &response)) {
        tables_end(tables);
        return response;
    }
    done = run_step(tables, request, refund, arguments, &response);
    if (done) {
        tables_look_again(tables);
        response = order_as_it_is(request->context.store_id, request->order_id);
        idempotency_store(tables, key, &response);
    }
    tables_end(tables);
    response.order_id = request->order_id;
    return response;
}

/* refuse_refund checks the arguments of a refund. */
static bool refuse_refund(FunctionCallInfo fcinfo, const OrderRequest *request, RefundArguments *arguments,
                          Response *refusal) {
    arguments->has_amount = !PG_ARGISNULL(3);
    arguments->restock = !PG_ARGISNULL(4) && PG_GETARG_BOOL(4);
    if (request->order_id <= 0)
        *refusal = problem(PROBLEM_INVALID_FIELD, request->context.request_id, "id must be a positive integer");
    else if (arguments->has_amount && (!money_parse(PG_GETARG_DATUM(3), &arguments->amount) || arguments->amount == 0))
        *refusal = problem(PROBLEM_INVALID_FIELD, request->context.request_id,
                           "amount must be a number greater than 0 with at most two decimals");
    else
        return false;
    return true;
}

PG_FUNCTION_INFO_V1(shop_refund_order);

/* shop.refund_order(store_id, actor_id, order_id, amount, restock, reason, idempotency_key, actor, request_id) */
Datum shop_refund_order(PG_FUNCTION_ARGS) {
    OrderRequest request = {
        .context = {.store_id = argument_store_id(fcinfo, 0),
                    .actor = argument_text(fcinfo, 7),
                    .request_id = argument_text(fcinfo, 8)},
        .is_admin = true,
        .order_id = argument_int64(fcinfo, 2, 0),
        .reason = argument_text(fcinfo, 5),
    };
    const char *header = argument_text(fcinfo, 6);
    char *normalised_key = NULL;
    RefundArguments arguments;
    IdempotencyKey key;
    Response response;

    if (header != NULL && (normalised_key = idempotency_parse(header, &request.context, &response)) == NULL)
        return response_datum(fcinfo, &response);
    if (!refuse_refund(fcinfo, &request, &arguments, &response)) {
        idempotency_init(&key, &request.context, argument_int64(fcinfo, 1, 0), "refund", normalised_key,
                         psprintf("order=" INT64_FORMAT " amount=%s restock=%d", request.order_id,
                                  arguments.has_amount ? psprintf(INT64_FORMAT, arguments.amount) : "",
                                  arguments.restock));
        response = refund_once(&request, &key, &arguments);
    }
    return response_datum(fcinfo, &response);
}

typedef struct ReturnArguments {
    int64 product_id;
    int32 qty;
} ReturnArguments;

/* plan_return sets on each line of the product how many units come back; returns how many find no place. */
static int32 plan_return(Tables *tables, const OrderRequest *request, const StockLines *lines, Row **items,
                         const ReturnArguments *arguments) {
    int32 left = arguments->qty;

    for (int i = 0; i < lines->count; i++) {
        StockLine *line = &lines->line[i];
        int32 returnable;

        items[i] = order_item_lock(tables, &request->context, line);
        returnable = row_int32(items[i], ORDER_ITEM_QTY) - row_int32(items[i], ORDER_ITEM_RETURNED);
        line->qty = line->product_id == arguments->product_id ? Min(left, returnable) : 0;
        left -= line->qty;
    }
    return left;
}

/* return_units takes units of one product back, at most as many as were taken and are not back yet. */
static bool return_units(Tables *tables, const OrderRequest *request, const LockedOrders *orders, Row *order,
                         void *argument, Response *refusal) {
    const ReturnArguments *arguments = argument;
    const StockLines *lines = &orders->lines;
    const char *status = row_text(order, ORDER_STATUS);
    Row **items = palloc0(Max(1, lines->count) * sizeof(Row *));
    int32 left;

    if (strcmp(status, ORDER_CONFIRMED) != 0 && strcmp(status, ORDER_FULFILLED) != 0 &&
        strcmp(status, ORDER_REFUNDED) != 0) {
        *refusal = illegal_transition(request, order);
        return false;
    }
    left = plan_return(tables, request, lines, items, arguments);
    if (left > 0) {
        *refusal = problem(PROBLEM_RETURN_TOO_LARGE, request->context.request_id,
                           "qty is over what the order can still return: %d", arguments->qty - left);
        return false;
    }
    for (int i = 0; i < lines->count; i++) {
        if (lines->line[i].qty == 0)
            continue;
        row_set_int32(items[i], ORDER_ITEM_RETURNED, row_int32(items[i], ORDER_ITEM_RETURNED) + lines->line[i].qty);
        row_update(items[i]);
    }
    inventory_move(tables, &request->context, STOCK_RETURN, request->order_id, lines);
    return true;
}

PG_FUNCTION_INFO_V1(shop_return_to_stock);

/* shop.return_to_stock(store_id, order_id, product_id, qty, reason, actor, request_id) */
Datum shop_return_to_stock(PG_FUNCTION_ARGS) {
    OrderRequest request = {
        .context = {.store_id = argument_store_id(fcinfo, 0),
                    .actor = argument_text(fcinfo, 5),
                    .request_id = argument_text(fcinfo, 6)},
        .is_admin = true,
        .order_id = argument_int64(fcinfo, 1, 0),
        .reason = argument_text(fcinfo, 4),
    };
    ReturnArguments arguments = {.product_id = argument_int64(fcinfo, 2, 0), .qty = argument_int32(fcinfo, 3, 0)};
    Response response;

    if (arguments.qty <= 0)
        response = problem(PROBLEM_INVALID_FIELD, request.context.request_id, "qty must be an integer greater than 0");
    else
        response = act(&request, "shop.return_to_stock", return_units, &arguments);
    return response_datum(fcinfo, &response);
}
