/*
 * Carts: shop.get_cart, add_cart_item, remove_cart_item. A user has at most one open cart. Who changes a cart's items
 * holds the lock on the cart row, so an item added while the cart is checked out goes to the next cart.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/timestamp.h"

#include "arguments.h"
#include "cart.h"
#include "money.h"
#include "plans.h"
#include "response.h"
#include "tables.h"

/* How often the search for the open cart starts anew because others made or closed one meanwhile. */
#define OPEN_CART_TRIES 100

static KeptPlan insert_cart = {
    .name = "insert_cart",
    .sql = "INSERT INTO shop.carts (store_id, user_id) VALUES ($1, $2)"
           " ON CONFLICT (store_id, user_id) WHERE status = 'open' DO NOTHING",
    .expected = SPI_OK_INSERT,
    .argument_count = 2,
    .argument_types = {INT4OID, INT8OID},
};

static KeptPlan open_cart_of_user = {
    .name = "open_cart_of_user",
    .sql = "SELECT id::pg_catalog.int8, status::pg_catalog.text FROM shop.carts"
           " WHERE store_id = $1 AND user_id = $2 AND status = 'open'",
    .expected = SPI_OK_SELECT,
    .argument_count = 2,
    .argument_types = {INT4OID, INT8OID},
};

static KeptPlan items_of_cart = {
    .name = "items_of_cart",
    .sql = "SELECT item.id::pg_catalog.int8, item.cart_id::pg_catalog.int8, item.product_id::pg_catalog.int8,"
           " item.qty::pg_catalog.int4, product.price::pg_catalog.numeric FROM shop.cart_items item"
           " JOIN shop.products product ON product.store_id = item.store_id AND product.id = item.product_id"
           " WHERE item.store_id = $1 AND item.cart_id = $2 ORDER BY item.id",
    .expected = SPI_OK_SELECT,
    .argument_count = 2,
    .argument_types = {INT4OID, INT8OID},
};

typedef struct ItemRequest {
    RequestContext context;
    int64 user_id;
    int64 product_id;
    int32 qty;
} ItemRequest;

/* refuse_item_request checks what adding and removing have in common. */
static bool refuse_item_request(FunctionCallInfo fcinfo, const ItemRequest *request, Response *refusal) {
    const char *request_id = request->context.request_id;

    if (request->user_id <= 0)
        *refusal = problem(PROBLEM_INVALID_FIELD, request_id, "userId must be a positive integer");
    else if (request->product_id <= 0)
        *refusal = problem(PROBLEM_INVALID_FIELD, request_id, "productId must be a positive integer");
    else if (!may_act_for(fcinfo, 1, request->user_id))
        *refusal = problem(PROBLEM_FORBIDDEN, request_id, "The token does not allow acting for this user");
    else
        return false;
    return true;
}

/* lock_open_cart locks the user's open cart; NULL when there is none. *changed: it was closed while we waited. */
static Row *lock_open_cart(Tables *tables, const ItemRequest *request, bool *changed) {
    Row *cart = row_lock(tables, OPEN_CARTS_BY_USER,
                         ROW_KEY(Int32GetDatum(request->context.store_id), Int64GetDatum(request->user_id)));

    tables_look_again(tables);
    *changed = cart != NULL && strcmp(row_text(cart, CART_STATUS), CART_OPEN) != 0;
    return *changed ? NULL : cart;
}

/* lock_or_make_cart locks the user's open cart and makes one where there is none. */
static Row *lock_or_make_cart(Tables *tables, const ItemRequest *request) {
    for (int i = 0; i < OPEN_CART_TRIES; i++) {
        bool changed;
        Row *cart = lock_open_cart(tables, request, &changed);

        if (cart != NULL)
            return cart;
        if (changed)
            continue;
        plans_begin(PLANS_WRITE);
        plan_run(&insert_cart, (Datum[]){Int32GetDatum(request->context.store_id), Int64GetDatum(request->user_id)},
                 NULL);
        plans_end();
        tables_look_again(tables);
    }
    ereport(ERROR, (errcode(ERRCODE_LOCK_NOT_AVAILABLE), errmsg("the user's cart changes too often to be locked")));
}

/* lock_item locks the line of the product in the locked cart; NULL when there is none. */
static Row *lock_item(Tables *tables, const ItemRequest *request, int64 cart_id) {
    return row_lock(
        tables, CART_ITEMS_BY_CART,
        ROW_KEY(Int32GetDatum(request->context.store_id), Int64GetDatum(cart_id), Int64GetDatum(request->product_id)));
}

/* insert_item makes the first line of a product in the cart; row_keep holds the product. */
static Row *insert_item(Tables *tables, const ItemRequest *request, int64 cart_id) {
    Datum now = TimestampTzGetDatum(GetCurrentTimestamp());
    Row *item = row_new(tables, CART_ITEMS);

    row_set_int32(item, CART_ITEM_STORE_ID, request->context.store_id);
    row_set_int64(item, CART_ITEM_ID, row_next_id(tables, CART_ITEMS));
    row_set_int64(item, CART_ITEM_CART_ID, cart_id);
    row_set_int64(item, CART_ITEM_PRODUCT_ID, request->product_id);
    row_set_int32(item, CART_ITEM_QTY, request->qty);
    row_set_datum(item, CART_ITEM_CREATED_AT, now);
    row_set_datum(item, CART_ITEM_UPDATED_AT, now);
    row_insert_referenced(item);
    return item;
}

/* append_item prints {id,cart_id,product_id,qty}. */
static void append_item(StringInfo out, const Row *item) {
    appendStringInfo(
        out, "{\"id\":" INT64_FORMAT ",\"cart_id\":" INT64_FORMAT ",\"product_id\":" INT64_FORMAT ",\"qty\":%d}",
        row_int64(item, CART_ITEM_ID), row_int64(item, CART_ITEM_CART_ID), row_int64(item, CART_ITEM_PRODUCT_ID),
        row_int32(item, CART_ITEM_QTY));
}

/* add_item adds the quantity to the product's line in the open cart. */
static Response add_item(Tables *tables, const ItemRequest *request) {
    Datum product[] = {Int32GetDatum(request->context.store_id), Int64GetDatum(request->product_id)};
    Row *cart;
    Row *item;
    StringInfoData body;

    if (row_find(tables, PRODUCTS_BY_ID, product, lengthof(product)) == NULL)
        return problem(PROBLEM_PRODUCT_NOT_FOUND, request->context.request_id, "Product not found");
    cart = lock_or_make_cart(tables, request);
    item = lock_item(tables, request, row_int64(cart, CART_ID));
    if (item == NULL) {
        if (!row_keep(tables, PRODUCTS_BY_ID, product, lengthof(product)))
            return problem(PROBLEM_PRODUCT_NOT_FOUND, request->context.request_id, "Product not found");
        item = insert_item(tables, request, row_int64(cart, CART_ID));
    } else {
        if (request->qty > PG_INT32_MAX - row_int32(item, CART_ITEM_QTY))
            return problem(PROBLEM_INVALID_FIELD, request->context.request_id,
                           "qty is too large: a cart holds at most %d units of a product", PG_INT32_MAX);
        row_set_int32(item, CART_ITEM_QTY, row_int32(item, CART_ITEM_QTY) + request->qty);
        row_set_datum(item, CART_ITEM_UPDATED_AT, TimestampTzGetDatum(GetCurrentTimestamp()));
        row_update(item);
    }
    initStringInfo(&body);
    appendStringInfo(&body,
                     "{\"cart\":{\"id\":" INT64_FORMAT ",\"user_id\":" INT64_FORMAT ",\"status\":\"" CART_OPEN
                     "\"},\"item\":",
                     row_int64(cart, CART_ID), request->user_id);
    append_item(&body, item);
    appendStringInfoChar(&body, '}');
    return success(201, &body);
}

PG_FUNCTION_INFO_V1(shop_add_cart_item);

/* shop.add_cart_item(store_id, actor_id, user_id, product_id, qty, request_id) */
Datum shop_add_cart_item(PG_FUNCTION_ARGS) {
    ItemRequest request = {
        .context = {.store_id = argument_store_id(fcinfo, 0), .request_id = argument_text(fcinfo, 5)},
        .user_id = argument_int64(fcinfo, 2, 0),
        .product_id = argument_int64(fcinfo, 3, 0),
        .qty = argument_int32(fcinfo, 4, 0),
    };
    Response response;

    if (!refuse_item_request(fcinfo, &request, &response)) {
        if (request.qty <= 0) {
            response =
                problem(PROBLEM_INVALID_FIELD, request.context.request_id, "qty must be an integer greater than 0");
        } else {
            Tables *tables = tables_begin("shop.add_cart_item");

            response = add_item(tables, &request);
            tables_end(tables);
        }
    }
    return response_datum(fcinfo, &response);
}

/* remove_item takes the product's line out of the open cart. */
static Response remove_item(Tables *tables, const ItemRequest *request) {
    StringInfoData body;
    bool changed;
    Row *cart = lock_open_cart(tables, request, &changed);
    Row *item;

    if (cart == NULL)
        return problem(PROBLEM_CART_NOT_FOUND, request->context.request_id, "Cart not found");
    item = lock_item(tables, request, row_int64(cart, CART_ID));
    if (item == NULL)
        return problem(PROBLEM_CART_ITEM_NOT_FOUND, request->context.request_id, "Cart item not found");
    initStringInfo(&body);
    append_item(&body, item);
    row_delete(item);
    return success(200, &body);
}

PG_FUNCTION_INFO_V1(shop_remove_cart_item);

/* shop.remove_cart_item(store_id, actor_id, user_id, product_id, request_id) */
Datum shop_remove_cart_item(PG_FUNCTION_ARGS) {
    ItemRequest request = {
        .context = {.store_id = argument_store_id(fcinfo, 0), .request_id = argument_text(fcinfo, 4)},
        .user_id = argument_int64(fcinfo, 2, 0),
        .product_id = argument_int64(fcinfo, 3, 0),
    };
    Response response;

    if (!refuse_item_request(fcinfo, &request, &response)) {
        Tables *tables = tables_begin("shop.remove_cart_item");

        response = remove_item(tables, &request);
        tables_end(tables);
    }
    return response_datum(fcinfo, &response);
}

/* append_items prints the lines with the prices of now, and sums them; false when the sum is over the largest amount.
 */
static bool append_items(StringInfo out, int64 count) {
    int64 total = 0;

    appendStringInfoString(out, ",\"items\":[");
    for (int64 row = 0; row < count; row++) {
        int64 price = money_cents(plan_datum(row, 5));

        if (!money_add_line(&total, price, plan_int32(row, 4)))
            return false;
        appendStringInfo(out,
                         "%s{\"id\":" INT64_FORMAT ",\"cart_id\":" INT64_FORMAT ",\"product_id\":" INT64_FORMAT
                         ",\"qty\":%d,\"price\":",
                         row == 0 ? "" : ",", plan_int64(row, 1), plan_int64(row, 2), plan_int64(row, 3),
                         plan_int32(row, 4));
        money_append(out, price);
        appendStringInfoChar(out, '}');
    }
    appendStringInfoString(out, "],\"total_price\":");
    money_append(out, total);
    appendStringInfoChar(out, '}');
    return true;
}

/* read_cart prints the user's open cart. */
static Response read_cart(int32 store_id, int64 user_id, const char *request_id) {
    Datum user_key[] = {Int32GetDatum(store_id), Int64GetDatum(user_id)};
    StringInfoData body;
    int64 cart_id;

    if (plan_run(&open_cart_of_user, user_key, NULL) == 0)
        return problem(PROBLEM_CART_NOT_FOUND, request_id, "Cart not found");
    initStringInfo(&body);
    cart_id = plan_int64(0, 1);
    appendStringInfo(&body, "{\"cart\":{\"id\":" INT64_FORMAT ",\"user_id\":" INT64_FORMAT ",\"status\":\"%s\"}",
                     cart_id, user_id, plan_text(0, 2));
    if (!append_items(&body,
                      plan_run(&items_of_cart, (Datum[]){Int32GetDatum(store_id), Int64GetDatum(cart_id)}, NULL)))
        return problem(PROBLEM_TOTAL_TOO_LARGE, request_id, "The cart's total is over 9999999999.99");
    return success(200, &body);
}

PG_FUNCTION_INFO_V1(shop_get_cart);

/* shop.get_cart(store_id, actor_id, user_id, request_id) */
Datum shop_get_cart(PG_FUNCTION_ARGS) {
    int32 store_id = argument_store_id(fcinfo, 0);
    int64 user_id = argument_int64(fcinfo, 2, 0);
    const char *request_id = argument_text(fcinfo, 3);
    Response response;

    if (user_id <= 0) {
        response = problem(PROBLEM_INVALID_FIELD, request_id, "userId must be a positive integer");
        return response_datum(fcinfo, &response);
    }
    if (!may_act_for(fcinfo, 1, user_id)) {
        response = problem(PROBLEM_FORBIDDEN, request_id, "The token does not allow acting for this user");
        return response_datum(fcinfo, &response);
    }
    plans_begin(PLANS_READ);
    response = read_cart(store_id, user_id, request_id);
    plans_end();
    return response_datum(fcinfo, &response);
}
