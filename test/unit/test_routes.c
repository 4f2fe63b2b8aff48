/* The route table: which route answers what, and that its rows fit together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "routes.h"

/* find gives the route of a request; path values are checked by the caller through sources. */
static const struct route *find(const char *method, const char *uri, struct request_target *target,
                                struct argument_sources *sources, bool *path_known) {
    assert_null(request_target_parse(uri, target));
    memset(sources, 0, sizeof(*sources));
    return routes_find(method, target, sources, path_known);
}

static void expect_route(const char *method, const char *uri, const char *path) {
    struct request_target target;
    struct argument_sources sources;
    bool path_known;
    const struct route *route = find(method, uri, &target, &sources, &path_known);

    if (path == NULL) {
        assert_null(route);
    } else {
        assert_non_null(route);
        assert_string_equal(route->path, path);
    }
    request_target_free(&target);
}

static void finds_routes(void **state) {
    (void)state;
    expect_route("GET", "/health", "/health");
    expect_route("HEAD", "/health", "/health");
    expect_route("GET", "/products", "/products");
    expect_route("GET", "/products/", "/products");
    expect_route("GET", "/products/7?x=1", "/products/:id");
    expect_route("GET", "/orders/7", "/orders/:id");
    expect_route("GET", "/orders/7/events", "/orders/:id/events");
    expect_route("POST", "/admin/inventory/restock", "/admin/inventory/restock");
    expect_route("GET", "/admin/inventory/restock", "/admin/inventory/:productId");
    expect_route("DELETE", "/cart/items/3", "/cart/items/:productId");
    expect_route("GET", "/", "/");
    expect_route("GET", "/?x=1", "/");
    expect_route("GET", "*", NULL);
    expect_route("GET", "//", NULL);
    expect_route("POST", "/orders/7/cancel", "/orders/:id/cancel");
    expect_route("GET", "/api/orders/ORD-1", "/api/orders/:orderId");
    expect_route("GET", "/api/health", "/api/health");
    expect_route("GET", "/admin/dead-letters/3", "/admin/dead-letters/:id");
    expect_route("GET", "/console", "/console");
    expect_route("GET", "/console/", "/console");
    expect_route("GET", "/console/app.js", "/console/:file");
    expect_route("GET", "/console/vendor/preact.js", NULL);
    expect_route("GET", "/Products", NULL);
    expect_route("GET", "/products/7/8", NULL);
    expect_route("GET", "//products", NULL);
    expect_route("GET", "/products//", NULL);
    expect_route("GET", "/orders/7/nothing", NULL);
    expect_route("get", "/products", NULL);
    expect_route("HEAD", "/checkout", NULL);
}

static void gives_path_values(void **state) {
    struct request_target target;
    struct argument_sources sources;
    bool path_known;

    (void)state;
    assert_non_null(find("GET", "/orders/%34%32/events", &target, &sources, &path_known));
    assert_int_equal(sources.path_value_count, 1);
    assert_int_equal(sources.path_values[0].name_length, 2);
    assert_memory_equal(sources.path_values[0].name, "id", 2);
    assert_string_equal(sources.path_values[0].value, "42");
    request_target_free(&target);
}

static void expect_allowed(const char *uri, const char *expected) {
    struct request_target target;
    struct argument_sources sources;
    char allowed[ALLOWED_METHODS_SIZE];
    bool path_known;

    assert_null(find("PUT", uri, &target, &sources, &path_known));
    assert_true(path_known);
    routes_allowed_methods(&target, allowed);
    assert_string_equal(allowed, expected);
    request_target_free(&target);
}

static void names_the_allowed_methods(void **state) {
    struct request_target target;
    struct argument_sources sources;
    bool path_known;

    (void)state;
    expect_allowed("/products", "GET, HEAD, OPTIONS");
    expect_allowed("/checkout", "POST, OPTIONS");
    expect_allowed("/admin/inventory/restock", "POST, GET, HEAD, OPTIONS");
    expect_allowed("/cart/items/1", "DELETE, OPTIONS");
    expect_allowed("/api/orders", "POST, GET, HEAD, OPTIONS");
    expect_allowed("/", "GET, HEAD, OPTIONS");
    assert_null(find("GET", "/nothing", &target, &sources, &path_known));
    assert_false(path_known);
    request_target_free(&target);
}

/* count_arguments counts the used rows of a route's arguments; an unused one looks like a path value without a name. */
static int count_arguments(const struct route *route) {
    int count = 0;

    while (count < ARGUMENTS_MAXIMUM &&
           (route->arguments[count].source != FROM_PATH || route->arguments[count].name != NULL)) {
        count++;
    }
    return count;
}

/* expect_placeholders checks that the statement's text uses exactly $1 to $n. */
static void expect_placeholders(const struct database_statement *statement) {
    char placeholder[32];
    int i;

    for (i = 1; i <= statement->parameter_count; i++) {
        snprintf(placeholder, sizeof(placeholder), "$%d::", i);
        assert_non_null(strstr(statement->sql, placeholder));
    }
    snprintf(placeholder, sizeof(placeholder), "$%d", i);
    assert_null(strstr(statement->sql, placeholder));
}

static const char *cast_of(enum argument_type type) {
    switch (type) {
    case INTEGER_4:
        return "int4";
    case INTEGER_8:
    case LENIENT_INTEGER_8:
        return "int8";
    case BOOLEAN:
        return "bool";
    case MONEY:
        return "numeric";
    default:
        return "text";
    }
}

/* expect_types checks that each argument is cast to the SQL type that it is converted for. */
static void expect_types(const struct route *route) {
    char cast[48];
    int i;

    for (i = 0; i < route->statement->parameter_count; i++) {
        snprintf(cast, sizeof(cast), "$%d::pg_catalog.%s", i + 1, cast_of(route->arguments[i].type));
        assert_non_null(strstr(route->statement->sql, cast));
    }
}

static void fits_together(void **state) {
    size_t count, i;
    const struct route *routes = routes_all(&count);

    (void)state;
    assert_true(count >= 36);
    for (i = 0; i < count; i++) {
        const struct route *route = &routes[i];

        assert_true(route->handler != NULL || route->statement != NULL);
        if (route->handler != NULL) { /* it may call the statement with values of its own making */
            assert_int_equal(count_arguments(route), 0);
            continue;
        }
        assert_int_equal(count_arguments(route), route->statement->parameter_count);
        assert_int_equal(route->arguments[0].source, FROM_STORE);
        expect_placeholders(route->statement);
        expect_types(route);
        if (strcmp(route->method, "GET") == 0) {
            assert_true(route->statement->repeatable);
        }
        if (route->keyed_statement != NULL) {
            assert_string_equal(route->keyed_statement->sql, route->statement->sql);
            assert_string_not_equal(route->keyed_statement->name, route->statement->name);
            assert_true(route->keyed_statement->repeatable);
        }
        if (strncmp(route->path, "/admin/", 7) == 0) {
            assert_int_equal(route->access, ACCESS_ADMIN);
        }
    }
}

static void names_statements_once(void **state) {
    size_t count, i, j;
    const struct route *routes = routes_all(&count);

    (void)state;
    for (i = 0; i < count; i++) {
        for (j = 0; j < i; j++) {
            if (routes[i].statement != NULL && routes[j].statement != NULL) {
                assert_string_not_equal(routes[i].statement->name, routes[j].statement->name);
            }
            assert_false(strcmp(routes[i].method, routes[j].method) == 0 &&
                         strcmp(routes[i].path, routes[j].path) == 0);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_routes),
        cmocka_unit_test(gives_path_values),
        cmocka_unit_test(names_the_allowed_methods),
        cmocka_unit_test(fits_together),
        cmocka_unit_test(names_statements_once),
    };

    return cmocka_run_group_tests_name("routes", tests, NULL, NULL);
}
