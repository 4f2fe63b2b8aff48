#include "routes.h"

#include <stdio.h>
#include <string.h>

#include "health.h"
#include "login.h"

/* One prepared statement per function. The casts pin the types, so that no search path decides which function it is. */
#define RESPONSE_OF(function) "SELECT status, body, replayed, order_id, retry_after FROM shop." function
#define INT4(number)          "$" number "::pg_catalog.int4"
#define INT8(number)          "$" number "::pg_catalog.int8"
#define NUMERIC(number)       "$" number "::pg_catalog.numeric"
#define STRING(number)        "$" number "::pg_catalog.text"

static const struct database_statement list_products = {
    "list_products", RESPONSE_OF("list_products(" INT4("1") "," INT8("2") "," INT4("3") "," STRING("4") ")"), 4, true};
static const struct database_statement get_product = {
    "get_product", RESPONSE_OF("get_product(" INT4("1") "," INT8("2") "," STRING("3") ")"), 3, true};
static const struct database_statement create_product = {
    "create_product",
    RESPONSE_OF("create_product(" INT4("1") "," STRING("2") "," STRING("3") "," NUMERIC("4") "," STRING("5") "," STRING(
        "6") ")"),
    6, false};
static const struct database_statement update_product = {
    "update_product",
    RESPONSE_OF("update_product(" INT4("1") "," INT8("2") "," STRING("3") "," STRING("4") "," NUMERIC("5") "," STRING(
        "6") "," STRING("7") ")"),
    7, false};
#define RESTOCK                                                                                                        \
    RESPONSE_OF("restock(" INT4("1") "," INT8("2") "," INT8("3") "," INT4("4") "," STRING("5") "," STRING(             \
        "6") "," STRING("7") ")")
static const struct database_statement restock = {"restock", RESTOCK, 7, false};
static const struct database_statement restock_keyed = {"restock_keyed", RESTOCK, 7, true};
static const struct database_statement get_inventory = {
    "get_inventory", RESPONSE_OF("get_inventory(" INT4("1") "," INT8("2") "," STRING("3") ")"), 3, true};
static const struct database_statement get_cart = {
    "get_cart", RESPONSE_OF("get_cart(" INT4("1") "," INT8("2") "," INT8("3") "," STRING("4") ")"), 4, true};
static const struct database_statement add_cart_item = {
    "add_cart_item",
    RESPONSE_OF("add_cart_item(" INT4("1") "," INT8("2") "," INT8("3") "," INT8("4") "," INT4("5") "," STRING("6") ")"),
    6, false};
static const struct database_statement remove_cart_item = {
    "remove_cart_item",
    RESPONSE_OF("remove_cart_item(" INT4("1") "," INT8("2") "," INT8("3") "," INT8("4") "," STRING("5") ")"), 5, false};
static const struct database_statement checkout = {
    "checkout",
    RESPONSE_OF("checkout(" INT4("1") "," INT8("2") "," INT8("3") "," INT8("4") "," STRING("5") "," NUMERIC(
        "6") "," STRING("7") "," STRING("8") ")"),
    8, true};
static const struct database_statement get_order = {
    "get_order", RESPONSE_OF("get_order(" INT4("1") "," INT8("2") "," INT8("3") "," STRING("4") ")"), 4, true};
static const struct database_statement list_orders = {
    "list_orders",
    RESPONSE_OF("list_orders(" INT4("1") "," INT8("2") "," INT8("3") "," INT8("4") "," INT4("5") "," STRING("6") ")"),
    6, true};
static const struct database_statement order_events = {
    "order_events", RESPONSE_OF("order_events(" INT4("1") "," INT8("2") "," INT8("3") "," STRING("4") ")"), 4, true};

/* The arguments that many functions share. */
#define STORE                                                                                                          \
    { FROM_STORE, INTEGER_4, NULL, false }
#define ACTOR_ID                                                                                                       \
    { FROM_ACTOR_ID, INTEGER_8, NULL, false }
#define ADMIN_ID                                                                                                       \
    { FROM_ADMIN_ID, INTEGER_8, NULL, false }
#define ACTOR                                                                                                          \
    { FROM_ACTOR, TEXT, NULL, false }
#define KEY                                                                                                            \
    { FROM_KEY, TEXT, NULL, false }
#define REQUEST_ID                                                                                                     \
    { FROM_REQUEST_ID, TEXT, NULL, false }
#define TRACEPARENT                                                                                                    \
    { FROM_TRACEPARENT, TEXT, NULL, false }
#define PATH(name)                                                                                                     \
    { FROM_PATH, INTEGER_8, name, false }
#define QUERY(name)                                                                                                    \
    { FROM_QUERY, INTEGER_8, name, false }
#define QUERY_OR_BODY(name)                                                                                            \
    { FROM_QUERY_OR_BODY, INTEGER_8, name, false }
#define PAGE_START(name)                                                                                               \
    { FROM_QUERY, INTEGER_8, name, true }
#define PAGE_LENGTH                                                                                                    \
    { FROM_QUERY, INTEGER_4, "limit", true }
#define BODY_ID(name)                                                                                                  \
    { FROM_BODY, INTEGER_8, name, false }
#define BODY_QUANTITY                                                                                                  \
    { FROM_BODY, INTEGER_4, "qty", false }
#define BODY_TEXT(name)                                                                                                \
    { FROM_BODY, TEXT, name, false }
#define BODY_MONEY(name)                                                                                               \
    { FROM_BODY, MONEY, name, true }

/* clang-format off */
static const struct route table[] = {
    {.method = "GET", .path = "/health", .while_stopping = true, .handler = health_handle},
    {.method = "GET", .path = "/ready", .while_stopping = true, .handler = ready_handle},
    {.method = "POST", .path = "/auth/login", .body = BODY_REQUIRED, .handler = login_handle},

    {.method = "GET", .path = "/products", .statement = &list_products,
     .arguments = {STORE, PAGE_START("after"), PAGE_LENGTH, REQUEST_ID}},
    {.method = "GET", .path = "/products/:id", .statement = &get_product,
     .arguments = {STORE, PATH("id"), REQUEST_ID}},

    {.method = "POST", .path = "/admin/products", .access = ACCESS_ADMIN, .body = BODY_REQUIRED,
     .statement = &create_product,
     .arguments = {STORE, BODY_TEXT("sku"), BODY_TEXT("name"), BODY_MONEY("price"), ACTOR, REQUEST_ID}},
    {.method = "PATCH", .path = "/admin/products/:id", .access = ACCESS_ADMIN, .body = BODY_REQUIRED,
     .statement = &update_product,
     .arguments = {STORE, PATH("id"), BODY_TEXT("sku"), BODY_TEXT("name"), BODY_MONEY("price"), ACTOR, REQUEST_ID}},
    {.method = "POST", .path = "/admin/inventory/restock", .access = ACCESS_ADMIN, .body = BODY_REQUIRED,
     .statement = &restock, .keyed_statement = &restock_keyed,
     .arguments = {STORE, ADMIN_ID, BODY_ID("productId"), BODY_QUANTITY, KEY, ACTOR, REQUEST_ID}},
    {.method = "GET", .path = "/admin/inventory/:productId", .access = ACCESS_ADMIN, .statement = &get_inventory,
     .arguments = {STORE, PATH("productId"), REQUEST_ID}},

    {.method = "GET", .path = "/cart", .access = ACCESS_CUSTOMER, .statement = &get_cart,
     .arguments = {STORE, ACTOR_ID, QUERY("userId"), REQUEST_ID}},
    {.method = "POST", .path = "/cart/items", .access = ACCESS_CUSTOMER, .body = BODY_REQUIRED,
     .statement = &add_cart_item,
     .arguments = {STORE, ACTOR_ID, BODY_ID("userId"), BODY_ID("productId"), BODY_QUANTITY, REQUEST_ID}},
    {.method = "DELETE", .path = "/cart/items/:productId", .access = ACCESS_CUSTOMER, .body = BODY_OPTIONAL,
     .statement = &remove_cart_item,
     .arguments = {STORE, ACTOR_ID, QUERY_OR_BODY("userId"), PATH("productId"), REQUEST_ID}},
    {.method = "POST", .path = "/checkout", .access = ACCESS_CUSTOMER, .body = BODY_REQUIRED,
     .statement = &checkout, .log_event = "checkout_created",
     .arguments = {STORE, ACTOR_ID, BODY_ID("userId"), BODY_ID("cartId"), KEY, BODY_MONEY("expectedTotal"), REQUEST_ID,
                   TRACEPARENT}},

    {.method = "GET", .path = "/orders", .access = ACCESS_CUSTOMER, .statement = &list_orders,
     .arguments = {STORE, ACTOR_ID, QUERY("userId"), PAGE_START("before"), PAGE_LENGTH, REQUEST_ID}},
    {.method = "GET", .path = "/orders/:id", .access = ACCESS_CUSTOMER, .statement = &get_order,
     .arguments = {STORE, ACTOR_ID, PATH("id"), REQUEST_ID}},
    {.method = "GET", .path = "/orders/:id/events", .access = ACCESS_CUSTOMER, .statement = &order_events,
     .arguments = {STORE, ACTOR_ID, PATH("id"), REQUEST_ID}},
};
/* clang-format on */

#define TABLE_SIZE (sizeof(table) / sizeof(table[0]))

/*
 * path_matches compares a pattern with the decoded segments; where sources is given, the values of ":name" segments go
 * there.
 */
static bool path_matches(const char *pattern, const struct request_target *target, struct argument_sources *sources) {
    size_t found = 0;
    size_t i;

    for (i = 0; i < target->segment_count; i++) {
        size_t length;

        if (*pattern != '/') {
            return false;
        }
        pattern++;
        length = strcspn(pattern, "/");
        if (*pattern == ':' && target->segments[i][0] != '\0') {
            if (sources != NULL && found < PATH_VALUES_MAXIMUM) {
                sources->path_values[found++] = (struct path_value){pattern + 1, length - 1, target->segments[i]};
            }
        } else if (strlen(target->segments[i]) != length || strncmp(pattern, target->segments[i], length) != 0) {
            return false;
        }
        pattern += length;
    }
    if (sources != NULL) {
        sources->path_value_count = found;
    }
    return *pattern == '\0' && !target->too_many_segments;
}

/* routed_method maps HEAD to GET: whoever answers GET answers HEAD, and the library leaves the body out. */
static const char *routed_method(const char *method) {
    return strcmp(method, "HEAD") == 0 ? "GET" : method;
}

const struct route *routes_find(const char *method, const struct request_target *target,
                                struct argument_sources *sources, bool *path_known) {
    size_t i;

    *path_known = false;
    method = routed_method(method);
    for (i = 0; i < TABLE_SIZE; i++) {
        if (!path_matches(table[i].path, target, NULL)) {
            continue;
        }
        *path_known = true;
        if (strcmp(table[i].method, method) == 0) {
            path_matches(table[i].path, target, sources);
            return &table[i];
        }
    }
    return NULL;
}

/* add_method appends a method to the list, separated by a comma. */
static void add_method(char out[ALLOWED_METHODS_SIZE], const char *method) {
    size_t length = strlen(out);

    snprintf(out + length, ALLOWED_METHODS_SIZE - length, "%s%s", length > 0 ? ", " : "", method);
}

void routes_allowed_methods(const struct request_target *target, char out[ALLOWED_METHODS_SIZE]) {
    size_t i;

    out[0] = '\0';
    for (i = 0; i < TABLE_SIZE; i++) {
        if (!path_matches(table[i].path, target, NULL)) {
            continue;
        }
        add_method(out, table[i].method);
        if (strcmp(table[i].method, "GET") == 0) {
            add_method(out, "HEAD");
        }
    }
    add_method(out, "OPTIONS");
}

const struct route *routes_all(size_t *count) {
    *count = TABLE_SIZE;
    return table;
}
