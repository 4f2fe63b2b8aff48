#include "statements.h"

/*
 * CALL selects from a function whose first argument is the store; the others follow in their order. The casts pin the
 * types, so that no search path decides which function is called.
 */
#define CALL(function, arguments) "SELECT " RESPONSE_COLUMNS " FROM shop." function "($1::pg_catalog.int4" arguments ")"
#define INT4(number)              ",$" #number "::pg_catalog.int4"
#define INT8(number)              ",$" #number "::pg_catalog.int8"
#define AMOUNT(number)            ",$" #number "::pg_catalog.numeric"
#define STRING(number)            ",$" #number "::pg_catalog.text"
#define TRUTH(number)             ",$" #number "::pg_catalog.bool"

const struct database_statement list_products_statement = {"list_products",
                                                           CALL("list_products", INT8(2) INT4(3) STRING(4)), 4, true};

const struct database_statement get_product_statement = {"get_product", CALL("get_product", INT8(2) STRING(3)), 3,
                                                         true};

const struct database_statement create_product_statement = {
    "create_product", CALL("create_product", STRING(2) STRING(3) AMOUNT(4) STRING(5) STRING(6)), 6, false};

const struct database_statement update_product_statement = {
    "update_product", CALL("update_product", INT8(2) STRING(3) STRING(4) AMOUNT(5) STRING(6) STRING(7)), 7, false};

#define RESTOCK CALL("restock", INT8(2) INT8(3) INT4(4) STRING(5) STRING(6) STRING(7))
const struct database_statement restock_statement = {"restock", RESTOCK, 7, false};
const struct database_statement restock_keyed_statement = {"restock_keyed", RESTOCK, 7, true};

const struct database_statement adjust_stock_statement = {
    "adjust_stock", CALL("adjust_stock", INT8(2) INT4(3) INT4(4) STRING(5) STRING(6)), 6, false};

const struct database_statement get_inventory_statement = {"get_inventory", CALL("get_inventory", INT8(2) STRING(3)), 3,
                                                           true};

const struct database_statement get_cart_statement = {"get_cart", CALL("get_cart", INT8(2) INT8(3) STRING(4)), 4, true};

const struct database_statement add_cart_item_statement = {
    "add_cart_item", CALL("add_cart_item", INT8(2) INT8(3) INT8(4) INT4(5) STRING(6)), 6, false};

const struct database_statement remove_cart_item_statement = {
    "remove_cart_item", CALL("remove_cart_item", INT8(2) INT8(3) INT8(4) STRING(5)), 5, false};

const struct database_statement checkout_statement = {
    "checkout", CALL("checkout", INT8(2) INT8(3) INT8(4) STRING(5) AMOUNT(6) STRING(7) STRING(8)), 8, true};

const struct database_statement get_order_statement = {"get_order", CALL("get_order", INT8(2) INT8(3) STRING(4)), 4,
                                                       true};

const struct database_statement list_orders_statement = {
    "list_orders", CALL("list_orders", INT8(2) INT8(3) INT8(4) INT4(5) STRING(6)), 6, true};

const struct database_statement order_events_statement = {"order_events",
                                                          CALL("order_events", INT8(2) INT8(3) STRING(4)), 4, true};

/* Repeatable: an order that is cancelled already is a success. */
const struct database_statement cancel_order_statement = {
    "cancel_order", CALL("cancel_order", INT8(2) TRUTH(3) INT8(4) STRING(5) STRING(6) STRING(7)), 7, true};

const struct database_statement fulfil_order_statement = {"fulfil_order",
                                                          CALL("fulfil_order", INT8(2) STRING(3) STRING(4)), 4, false};

#define REFUND CALL("refund_order", INT8(2) INT8(3) AMOUNT(4) TRUTH(5) STRING(6) STRING(7) STRING(8) STRING(9))
const struct database_statement refund_order_statement = {"refund_order", REFUND, 9, false};
const struct database_statement refund_order_keyed_statement = {"refund_order_keyed", REFUND, 9, true};

const struct database_statement list_all_orders_statement = {
    "list_all_orders", CALL("list_all_orders", STRING(2) INT8(3) INT4(4) STRING(5)), 5, true};

#define ACCEPT_ORDER CALL("accept_order", STRING(2) STRING(3) STRING(4) STRING(5))
const struct database_statement accept_order_statement = {"accept_order", ACCEPT_ORDER, 5, false};
const struct database_statement accept_order_keyed_statement = {"accept_order_keyed", ACCEPT_ORDER, 5, true};

const struct database_statement list_intake_orders_statement = {
    "list_intake_orders", CALL("list_intake_orders", INT8(2) INT8(3) STRING(4) STRING(5)), 5, true};

const struct database_statement get_intake_order_statement = {"get_intake_order",
                                                              CALL("get_intake_order", STRING(2) STRING(3)), 3, true};

const struct database_statement order_statistics_statement = {"order_statistics", CALL("order_statistics", STRING(2)),
                                                              2, true};

const struct database_statement list_dead_letters_statement = {
    "list_dead_letters", CALL("list_dead_letters", STRING(2) INT8(3) INT4(4) STRING(5)), 5, true};

const struct database_statement get_dead_letter_statement = {"get_dead_letter",
                                                             CALL("get_dead_letter", INT8(2) STRING(3)), 3, true};

/* Repeatable: the second time nothing is done. */
const struct database_statement redrive_statement = {"redrive", CALL("redrive", INT8(2) STRING(3) STRING(4)), 4, true};

const struct database_statement discard_statement = {"discard", CALL("discard", INT8(2) STRING(3) STRING(4) STRING(5)),
                                                     5, true};

/* Repeatable: the same event has its effect once. */
const struct database_statement receive_payment_event_statement = {"receive_payment_event",
                                                                   CALL("receive_payment_event",
                                                                        STRING(2) STRING(3) INT8(4) INT8(5) STRING(6)
                                                                            STRING(7) AMOUNT(8) STRING(9) STRING(10)),
                                                                   10, true};

const struct database_statement verify_statement = {
    "verify",
    "SELECT 200, coalesce(pg_catalog.json_agg(pg_catalog.json_build_object("
    "'check', check_name, 'subject', subject, 'detail', detail)), '[]')::pg_catalog.text,"
    " false, NULL::pg_catalog.int8, NULL::pg_catalog.int4, NULL::pg_catalog.text"
    " FROM shop.verify($1::pg_catalog.int4)",
    1, true};

/* BATCH selects from a function that answers an array of requests, a row for each in their order. Not repeatable as a
 * whole: after a loss each request is repeated alone, where that does no harm. */
#define BATCH(function, type)                                                                                          \
    "SELECT " RESPONSE_COLUMNS " FROM shop." function "($1::pg_catalog.int4, $2::shop." type "[])"

static const struct database_statement add_cart_items_statement = {
    "add_cart_items", BATCH("add_cart_items", "cart_item_request"), 2, false};
static const struct database_statement checkout_batch_statement = {
    "checkout_batch", BATCH("checkout_batch", "checkout_request"), 2, false};

const struct batched_statements add_cart_item_batch = {&add_cart_item_statement, &add_cart_items_statement};
const struct batched_statements checkout_batch = {&checkout_statement, &checkout_batch_statement};

/* MANY selects from a function once for each element of a JSON array, in the array's order; ELEMENT is a value of it.
 */
#define MANY(function, arguments)                                                                                      \
    "SELECT answer.status, answer.body, answer.replayed, answer.order_id, answer.retry_after, answer.location"         \
    " FROM pg_catalog.json_array_elements($2::pg_catalog.json) WITH ORDINALITY AS call (given, place),"                \
    " LATERAL shop." function "($1::pg_catalog.int4" arguments ") AS answer ORDER BY call.place"
#define ELEMENT(place, type) ",pg_catalog.json_array_element_text(call.given, " #place ")::pg_catalog." type

static const struct database_statement get_product_many_statement = {
    "get_product_many", MANY("get_product", ELEMENT(0, "int8") ELEMENT(1, "text")), 2, true};

const struct reading_statements list_products_reading = {&list_products_statement, NULL};
const struct reading_statements get_product_reading = {&get_product_statement, &get_product_many_statement};
const struct reading_statements list_all_orders_reading = {&list_all_orders_statement, NULL};
const struct reading_statements list_intake_orders_reading = {&list_intake_orders_statement, NULL};
const struct reading_statements order_statistics_reading = {&order_statistics_statement, NULL};
