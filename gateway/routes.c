#include "routes.h"

#include <stdio.h>
#include <string.h>

#include "console.h"
#include "docs.h"
#include "health.h"
#include "login.h"
#include "metrics_endpoint.h"
#include "openapi.h"
#include "queue_health.h"
#include "service_index.h"
#include "statements.h"
#include "webhooks.h"

/* The arguments that many functions share. */
/* clang-format off */
#define STORE               {FROM_STORE, INTEGER_4, NULL, false}
#define ACTOR_ID            {FROM_ACTOR_ID, INTEGER_8, NULL, false}
#define ADMIN_ID            {FROM_ADMIN_ID, INTEGER_8, NULL, false}
#define IS_ADMIN            {FROM_IS_ADMIN, BOOLEAN, NULL, false}
#define ACTOR               {FROM_ACTOR, TEXT, NULL, false}
#define KEY                 {FROM_KEY, TEXT, NULL, false}
#define REQUEST_ID          {FROM_REQUEST_ID, TEXT, NULL, false}
#define TRACEPARENT         {FROM_TRACEPARENT, TEXT, NULL, false}
#define PATH_ID(name)       {FROM_PATH, INTEGER_8, name, false}
#define PATH_TEXT(name)     {FROM_PATH, TEXT, name, false}
#define QUERY_ID(name)      {FROM_QUERY, INTEGER_8, name, false}
#define QUERY_TEXT(name)    {FROM_QUERY, TEXT, name, false}
#define QUERY_LENIENT(name) {FROM_QUERY, LENIENT_INTEGER_8, name, true}
#define PAGE_START(name)    {FROM_QUERY, INTEGER_8, name, true}
#define PAGE_LENGTH         {FROM_QUERY, INTEGER_4, "limit", true}
#define QUERY_OR_BODY(name) {FROM_QUERY_OR_BODY, INTEGER_8, name, false}
#define WHOLE_BODY          {FROM_WHOLE_BODY, TEXT, NULL, false}
#define BODY_ID(name)       {FROM_BODY, INTEGER_8, name, false}
#define BODY_QUANTITY(name) {FROM_BODY, INTEGER_4, name, false}
#define BODY_TEXT(name)     {FROM_BODY, TEXT, name, false}
#define BODY_MONEY(name)    {FROM_BODY, MONEY, name, true}
#define BODY_BOOLEAN(name)  {FROM_BODY, BOOLEAN, name, true}

static const struct route table[] = {
    /* The service itself. */
    {.method = "GET", .path = "/", .handler = service_index_handle},
    {.method = "GET", .path = "/health", .while_stopping = true, .handler = health_handle},
    {.method = "GET", .path = "/ready", .while_stopping = true, .handler = ready_handle},
    {.method = "GET", .path = "/api/health", .while_stopping = true, .handler = queue_health_handle},
    {.method = "GET", .path = "/openapi.json", .handler = openapi_handle},
    {.method = "GET", .path = "/docs", .handler = docs_handle},
    {.method = "GET", .path = "/docs/:file", .handler = docs_file_handle},
    {.method = "GET", .path = "/console", .handler = console_handle},
    {.method = "GET", .path = "/console/:file", .handler = console_file_handle},
    {.method = "GET", .path = "/metrics", .while_stopping = true, .handler = metrics_handle},
    {.method = "POST", .path = "/auth/login", .body = BODY_REQUIRED, .handler = login_handle},

    /* Catalogue. */
    {.method = "GET", .path = "/products", .statement = &list_products_statement, .reading = &list_products_reading,
     .arguments = {STORE, PAGE_START("after"), PAGE_LENGTH, REQUEST_ID}},
    {.method = "GET", .path = "/products/:id", .statement = &get_product_statement, .reading = &get_product_reading,
     .arguments = {STORE, PATH_ID("id"), REQUEST_ID}},
    {.method = "POST", .path = "/admin/products", .access = ACCESS_ADMIN, .body = BODY_REQUIRED,
     .statement = &create_product_statement,
     .arguments = {STORE, BODY_TEXT("sku"), BODY_TEXT("name"), BODY_MONEY("price"), ACTOR, REQUEST_ID}},
    {.method = "PATCH", .path = "/admin/products/:id", .access = ACCESS_ADMIN, .body = BODY_REQUIRED,
     .statement = &update_product_statement,
     .arguments = {STORE, PATH_ID("id"), BODY_TEXT("sku"), BODY_TEXT("name"), BODY_MONEY("price"), ACTOR, REQUEST_ID}},

    /* Stock. */
    {.method = "POST", .path = "/admin/inventory/restock", .access = ACCESS_ADMIN, .body = BODY_REQUIRED,
     .statement = &restock_statement, .keyed_statement = &restock_keyed_statement,
     .arguments = {STORE, ADMIN_ID, BODY_ID("productId"), BODY_QUANTITY("qty"), KEY, ACTOR, REQUEST_ID}},
    {.method = "POST", .path = "/admin/inventory/adjust", .access = ACCESS_ADMIN, .body = BODY_REQUIRED,
     .statement = &adjust_stock_statement,
     .arguments = {STORE, BODY_ID("productId"), BODY_QUANTITY("expectedOnHand"), BODY_QUANTITY("counted"), ACTOR,
                   REQUEST_ID}},
    {.method = "GET", .path = "/admin/inventory/:productId", .access = ACCESS_ADMIN,
     .statement = &get_inventory_statement,
     .arguments = {STORE, PATH_ID("productId"), REQUEST_ID}},

    /* Cart and checkout. */
    {.method = "GET", .path = "/cart", .access = ACCESS_CUSTOMER, .statement = &get_cart_statement,
     .arguments = {STORE, ACTOR_ID, QUERY_ID("userId"), REQUEST_ID}},
    {.method = "POST", .path = "/cart/items", .access = ACCESS_CUSTOMER, .body = BODY_REQUIRED,
     .statement = &add_cart_item_statement, .batched = BATCHED_CART_ITEMS,
     .arguments = {STORE, ACTOR_ID, BODY_ID("userId"), BODY_ID("productId"), BODY_QUANTITY("qty"), REQUEST_ID}},
    {.method = "DELETE", .path = "/cart/items/:productId", .access = ACCESS_CUSTOMER, .body = BODY_OPTIONAL,
     .statement = &remove_cart_item_statement,
     .arguments = {STORE, ACTOR_ID, QUERY_OR_BODY("userId"), PATH_ID("productId"), REQUEST_ID}},
    {.method = "POST", .path = "/checkout", .access = ACCESS_CUSTOMER, .body = BODY_REQUIRED,
     .statement = &checkout_statement, .batched = BATCHED_CHECKOUTS, .log_event = "checkout_created",
     .arguments = {STORE, ACTOR_ID, BODY_ID("userId"), BODY_ID("cartId"), KEY, BODY_MONEY("expectedTotal"), REQUEST_ID,
                   TRACEPARENT}},

    /* Orders. */
    {.method = "GET", .path = "/orders", .access = ACCESS_CUSTOMER, .statement = &list_orders_statement,
     .arguments = {STORE, ACTOR_ID, QUERY_ID("userId"), PAGE_START("before"), PAGE_LENGTH, REQUEST_ID}},
    {.method = "GET", .path = "/orders/:id", .access = ACCESS_CUSTOMER, .statement = &get_order_statement,
     .arguments = {STORE, ACTOR_ID, PATH_ID("id"), REQUEST_ID}},
    {.method = "GET", .path = "/orders/:id/events", .access = ACCESS_CUSTOMER, .statement = &order_events_statement,
     .arguments = {STORE, ACTOR_ID, PATH_ID("id"), REQUEST_ID}},
    {.method = "POST", .path = "/orders/:id/cancel", .access = ACCESS_CUSTOMER_OR_ADMIN, .body = BODY_OPTIONAL,
     .statement = &cancel_order_statement,
     .arguments = {STORE, ACTOR_ID, IS_ADMIN, PATH_ID("id"), BODY_TEXT("reason"), ACTOR, REQUEST_ID}},
    {.method = "GET", .path = "/admin/orders", .access = ACCESS_ADMIN, .statement = &list_all_orders_statement, .reading = &list_all_orders_reading,
     .arguments = {STORE, QUERY_TEXT("status"), PAGE_START("before"), PAGE_LENGTH, REQUEST_ID}},
    {.method = "POST", .path = "/admin/orders/:id/fulfil", .access = ACCESS_ADMIN, .body = BODY_OPTIONAL,
     .statement = &fulfil_order_statement,
     .arguments = {STORE, PATH_ID("id"), ACTOR, REQUEST_ID}},
    {.method = "POST", .path = "/admin/orders/:id/refund", .access = ACCESS_ADMIN, .body = BODY_OPTIONAL,
     .statement = &refund_order_statement, .keyed_statement = &refund_order_keyed_statement,
     .arguments = {STORE, ADMIN_ID, PATH_ID("id"), BODY_MONEY("amount"), BODY_BOOLEAN("restock"), BODY_TEXT("reason"),
                   KEY, ACTOR, REQUEST_ID}},

    /* Intake. */
    {.method = "POST", .path = "/api/orders", .body = BODY_REQUIRED,
     .statement = &accept_order_statement, .keyed_statement = &accept_order_keyed_statement,
     .arguments = {STORE, WHOLE_BODY, KEY, REQUEST_ID, TRACEPARENT}},
    {.method = "GET", .path = "/api/orders", .statement = &list_intake_orders_statement, .reading = &list_intake_orders_reading,
     .arguments = {STORE, QUERY_LENIENT("page"), QUERY_LENIENT("limit"), QUERY_TEXT("after"), REQUEST_ID}},
    {.method = "GET", .path = "/api/orders/:orderId", .statement = &get_intake_order_statement,
     .arguments = {STORE, PATH_TEXT("orderId"), REQUEST_ID}},
    {.method = "GET", .path = "/api/stats", .statement = &order_statistics_statement, .reading = &order_statistics_reading,
     .arguments = {STORE, REQUEST_ID}},

    /* Operations. */
    {.method = "GET", .path = "/admin/dead-letters", .access = ACCESS_ADMIN, .statement = &list_dead_letters_statement,
     .arguments = {STORE, QUERY_TEXT("status"), PAGE_START("before"), PAGE_LENGTH, REQUEST_ID}},
    {.method = "GET", .path = "/admin/dead-letters/:id", .access = ACCESS_ADMIN,
     .statement = &get_dead_letter_statement,
     .arguments = {STORE, PATH_ID("id"), REQUEST_ID}},
    {.method = "POST", .path = "/admin/dead-letters/:id/redrive", .access = ACCESS_ADMIN, .body = BODY_OPTIONAL,
     .statement = &redrive_statement,
     .arguments = {STORE, PATH_ID("id"), ACTOR, REQUEST_ID}},
    {.method = "POST", .path = "/admin/dead-letters/:id/discard", .access = ACCESS_ADMIN, .body = BODY_REQUIRED,
     .statement = &discard_statement,
     .arguments = {STORE, PATH_ID("id"), BODY_TEXT("reason"), ACTOR, REQUEST_ID}},
    {.method = "POST", .path = "/webhooks/payments/:provider", .body = BODY_RAW,
     .statement = &receive_payment_event_statement,
     .handler = webhook_handle},
    {.method = "GET", .path = "/admin/verify", .access = ACCESS_ADMIN, .statement = &verify_statement,
     .timeout_ms = 60000,
     .arguments = {STORE}},
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

    if (target->segment_count == 0) {
        return strcmp(pattern, target->path) == 0; /* "/"; but "*" is no path */
    }
    for (i = 0; i < target->segment_count; i++) {
        size_t length;

        if (*pattern != '/' || target->segments[i][0] == '\0') {
            return false;
        }
        pattern++;
        length = strcspn(pattern, "/");
        if (*pattern == ':') {
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
