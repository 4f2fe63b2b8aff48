/*
 * Reading orders: shop.get_order, list_orders, order_events. Orders are written by checkout.c, intake.c, payment.c,
 * refund.c and order_action.c.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/json.h"

#include "arguments.h"
#include "money.h"
#include "order.h"
#include "paging.h"
#include "plans.h"
#include "response.h"

/* ISO 8601 in UTC with milliseconds and Z, as the contract has all times. */
#define ISO_TIME(column) "pg_catalog.to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"

/* The columns that append_order prints, in its order. */
#define ORDER_COLUMNS                                                                                                  \
    "id::pg_catalog.int8, user_id::pg_catalog.int8, status::pg_catalog.text, "                                         \
    "total_price::pg_catalog.numeric, " ISO_TIME("created_at") ", " ISO_TIME("updated_at")

static KeptPlan order_by_id = {
    .name = "order_by_id",
    .sql = "SELECT " ORDER_COLUMNS " FROM shop.orders WHERE store_id = $1 AND id = $2",
    .expected = SPI_OK_SELECT,
    .argument_count = 2,
    .argument_types = {INT4OID, INT8OID},
};

static KeptPlan orders_of_user = {
    .name = "orders_of_user",
    .sql = "SELECT " ORDER_COLUMNS " FROM shop.orders WHERE store_id = $1 AND user_id = $2 AND id < $3"
           " ORDER BY id DESC LIMIT $4",
    .expected = SPI_OK_SELECT,
    .argument_count = 4,
    .argument_types = {INT4OID, INT8OID, INT8OID, INT8OID},
};

static KeptPlan items_of_order = {
    .name = "items_of_order",
    .sql = "SELECT id::pg_catalog.int8, order_id::pg_catalog.int8, product_id::pg_catalog.int8, qty::pg_catalog.int4,"
           " price::pg_catalog.numeric FROM shop.order_items WHERE store_id = $1 AND order_id = $2 ORDER BY id",
    .expected = SPI_OK_SELECT,
    .argument_count = 2,
    .argument_types = {INT4OID, INT8OID},
};

static KeptPlan events_of_order = {
    .name = "events_of_order",
    .sql = "SELECT seq::pg_catalog.int4, from_status::pg_catalog.text, to_status::pg_catalog.text,"
           " event::pg_catalog.text, actor::pg_catalog.text, reason::pg_catalog.text, "
           "request_id::pg_catalog.text, " ISO_TIME(
               "at") " FROM shop.order_events WHERE store_id = $1 AND order_id = $2 ORDER BY seq",
    .expected = SPI_OK_SELECT,
    .argument_count = 2,
    .argument_types = {INT4OID, INT8OID},
};

/* append_int64_or_null prints an integer column, or null. */
static void append_int64_or_null(StringInfo out, int64 row, int column) {
    if (plan_is_null(row, column))
        appendStringInfoString(out, "null");
    else
        appendStringInfo(out, INT64_FORMAT, plan_int64(row, column));
}

/* append_order prints the members of an order, without the closing brace so that items may follow. */
static void append_order(StringInfo out, int64 row) {
    appendStringInfo(out, "{\"id\":" INT64_FORMAT ",\"user_id\":", plan_int64(row, 1));
    append_int64_or_null(out, row, 2);
    appendStringInfo(out, ",\"status\":\"%s\",\"total_price\":", plan_text(row, 3));
    money_append(out, money_cents(plan_datum(row, 4)));
    appendStringInfo(out, ",\"created_at\":\"%s\",\"updated_at\":\"%s\"", plan_text(row, 5), plan_text(row, 6));
}

/* append_items prints the array of an order's lines. */
static void append_items(StringInfo out, Datum *key) {
    int64 count = plan_run(&items_of_order, key, NULL);

    appendStringInfoChar(out, '[');
    for (int64 row = 0; row < count; row++) {
        appendStringInfo(out, "%s{\"id\":" INT64_FORMAT ",\"order_id\":" INT64_FORMAT ",\"product_id\":",
                         row == 0 ? "" : ",", plan_int64(row, 1), plan_int64(row, 2));
        append_int64_or_null(out, row, 3);
        appendStringInfo(out, ",\"qty\":%d,\"price\":", plan_int32(row, 4));
        money_append(out, money_cents(plan_datum(row, 5)));
        appendStringInfoChar(out, '}');
    }
    appendStringInfoChar(out, ']');
}

/* append_text_member prints ,"name":"value" or null. */
static void append_text_member(StringInfo out, const char *name, int64 row, int column) {
    appendStringInfo(out, ",\"%s\":", name);
    if (plan_is_null(row, column))
        appendStringInfoString(out, "null");
    else
        escape_json(out, plan_text(row, column));
}

/* append_events prints the array of an order's transitions. */
static void append_events(StringInfo out, Datum *key) {
    int64 count = plan_run(&events_of_order, key, NULL);

    appendStringInfoChar(out, '[');
    for (int64 row = 0; row < count; row++) {
        appendStringInfo(out, "%s{\"seq\":%d", row == 0 ? "" : ",", plan_int32(row, 1));
        append_text_member(out, "from", row, 2);
        append_text_member(out, "to", row, 3);
        append_text_member(out, "event", row, 4);
        append_text_member(out, "actor", row, 5);
        append_text_member(out, "reason", row, 6);
        append_text_member(out, "request_id", row, 7);
        append_text_member(out, "at", row, 8);
        appendStringInfoChar(out, '}');
    }
    appendStringInfoChar(out, ']');
}

/* append_order_and_items prints the order that order_by_id found, with its lines. */
static void append_order_and_items(StringInfo out, Datum *key) {
    append_order(out, 0);
    appendStringInfoString(out, ",\"items\":");
    append_items(out, key);
    appendStringInfoChar(out, '}');
}

Response order_as_it_is(int32 store_id, int64 order_id) {
    Datum key[] = {Int32GetDatum(store_id), Int64GetDatum(order_id)};
    StringInfoData body;
    Response response;

    initStringInfo(&body);
    plans_begin(PLANS_WRITE);
    if (plan_run(&order_by_id, key, NULL) != 1)
        elog(ERROR, "the order that was just written cannot be read");
    append_order_and_items(&body, key);
    plans_end();
    response = success(200, &body);
    response.order_id = order_id;
    return response;
}

/* is_visible tells whether the order that order_by_id found may be seen: for a known actor only his own. */
static bool is_visible(FunctionCallInfo fcinfo, int actor_number) {
    return PG_ARGISNULL(actor_number) || (!plan_is_null(0, 2) && may_act_for(fcinfo, actor_number, plan_int64(0, 2)));
}

/*
 * order_answer finds the order of the arguments (store_id, actor_id, order_id, request_id), which for a known actor
 * must be his own, and prints it.
 */
static Datum order_answer(FunctionCallInfo fcinfo, void (*print)(StringInfo out, Datum *key)) {
    Datum key[] = {Int32GetDatum(argument_store_id(fcinfo, 0)), PG_GETARG_DATUM(2)};
    int64 order_id = argument_int64(fcinfo, 2, 0);
    const char *request_id = argument_text(fcinfo, 3);
    Response response = problem(PROBLEM_ORDER_NOT_FOUND, request_id, "Order not found");
    StringInfoData body;

    if (order_id <= 0) {
        response = problem(PROBLEM_INVALID_FIELD, request_id, "id must be a positive integer");
        return response_datum(fcinfo, &response);
    }
    initStringInfo(&body);
    plans_begin(PLANS_READ);
    if (plan_run(&order_by_id, key, NULL) == 1 && is_visible(fcinfo, 1)) {
        print(&body, key);
        response = success(200, &body);
    }
    plans_end();
    response.order_id = order_id;
    return response_datum(fcinfo, &response);
}

PG_FUNCTION_INFO_V1(shop_get_order);

/* shop.get_order(store_id, actor_id, order_id, request_id) */
Datum shop_get_order(PG_FUNCTION_ARGS) {
    return order_answer(fcinfo, append_order_and_items);
}

PG_FUNCTION_INFO_V1(shop_order_events);

/* shop.order_events(store_id, actor_id, order_id, request_id) */
Datum shop_order_events(PG_FUNCTION_ARGS) {
    return order_answer(fcinfo, append_events);
}

/* list_answer prints the orders of a user, newest first. */
static Response list_answer(Datum *values, const PageRequest *page) {
    StringInfoData body;
    int64 count;

    initStringInfo(&body);
    appendStringInfoChar(&body, '[');
    plans_begin(PLANS_READ);
    count = plan_run(&orders_of_user, values, page->has_limit ? NULL : "   n");
    for (int64 row = 0; row < count; row++) {
        if (row > 0)
            appendStringInfoChar(&body, ',');
        append_order(&body, row);
        appendStringInfoChar(&body, '}');
    }
    plans_end();
    appendStringInfoChar(&body, ']');
    return success(200, &body);
}

PG_FUNCTION_INFO_V1(shop_list_orders);

/* shop.list_orders(store_id, actor_id, user_id, before_id, row_limit, request_id) */
Datum shop_list_orders(PG_FUNCTION_ARGS) {
    int32 store_id = argument_store_id(fcinfo, 0);
    int64 user_id = argument_int64(fcinfo, 2, 0);
    int64 before = argument_int64(fcinfo, 3, PG_INT64_MAX);
    const char *request_id = argument_text(fcinfo, 5);
    Response response;
    PageRequest page;

    if (user_id <= 0)
        response = problem(PROBLEM_INVALID_FIELD, request_id, "userId must be a positive integer");
    else if (before <= 0)
        response = problem(PROBLEM_INVALID_FIELD, request_id, "before must be a positive integer");
    else if (!may_act_for(fcinfo, 1, user_id))
        response = problem(PROBLEM_FORBIDDEN, request_id, "The token does not allow acting for this user");
    else if (page_read(fcinfo, 4, request_id, &page, &response))
        response = list_answer(
            (Datum[]){Int32GetDatum(store_id), Int64GetDatum(user_id), Int64GetDatum(before), page.limit}, &page);
    return response_datum(fcinfo, &response);
}
