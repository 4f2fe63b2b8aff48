/*
 * Reading carts: shop.get_cart. They are filled by cart_items.c and become orders in checkout.c.
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "arguments.h"
#include "money.h"
#include "plans.h"
#include "response.h"

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
