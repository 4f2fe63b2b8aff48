/* The gateway's settings: defaults, and what keeps it from starting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "configuration.h"

#define GOOD_SECRET "k8Jf0-2mVq9_xTz4LrWb7Yc1NdHs6PgEo3Ua"

static int minimal_environment(void **state) {
    size_t i;

    (void)state;
    for (i = 0; i < configuration_table_size; i++) {
        unsetenv(configuration_table[i].variable);
    }
    setenv("JWT_SECRET", GOOD_SECRET, 1);
    setenv("DATABASE_URL", "postgresql:///shop", 1);
    return 0;
}

static void accepts(struct configuration *configuration) {
    char error[256] = "";

    if (!configuration_read(configuration, error, sizeof(error))) {
        fail_msg("%s", error);
    }
}

/* refuses expects a message that names the variable and does not tell the secret. */
static void refuses(const char *variable) {
    struct configuration configuration;
    char error[256];

    assert_false(configuration_read(&configuration, error, sizeof(error)));
    assert_non_null(strstr(error, variable));
    assert_null(strstr(error, GOOD_SECRET));
}

static void knows_defaults(void **state) {
    struct configuration configuration;
    char error[256], *conninfo;
    unsigned version;

    (void)state;
    accepts(&configuration);
    assert_int_equal(configuration.port, 3000);
    assert_null(configuration.bind_address);
    assert_int_equal(configuration.jwt_expires_in_seconds, 3600);
    assert_string_equal(configuration.demo_admin_password, "admin123");
    assert_string_equal(configuration.demo_user_password, "user123");
    assert_false(configuration_customer_needs_token(&configuration));
    assert_string_equal(configuration.cors_origins, "*");
    assert_int_equal(configuration.http_request_timeout_ms, 15000);
    assert_int_equal(configuration.http_headers_timeout_ms, 6000);
    assert_int_equal(configuration.http_keep_alive_timeout_ms, 5000);
    assert_int_equal(configuration.http_shutdown_grace_ms, 10000);
    conninfo = database_login_conninfo(configuration.login, &version, error, sizeof(error));
    assert_string_equal(conninfo, "postgresql:///shop");
    free(conninfo);
    configuration_release(&configuration);
}

static void derives_the_time_for_heads(void **state) {
    struct configuration configuration;

    (void)state;
    setenv("HTTP_KEEP_ALIVE_TIMEOUT_MS", "2000", 1);
    accepts(&configuration);
    assert_int_equal(configuration.http_headers_timeout_ms, 3000);
    configuration_release(&configuration);
    setenv("HTTP_HEADERS_TIMEOUT_MS", "700", 1);
    accepts(&configuration);
    assert_int_equal(configuration.http_headers_timeout_ms, 700);
    configuration_release(&configuration);
}

static void needs_a_secret_and_a_database(void **state) {
    (void)state;
    unsetenv("JWT_SECRET");
    refuses("JWT_SECRET");
    setenv("JWT_SECRET", "", 1);
    refuses("JWT_SECRET");
    setenv("JWT_SECRET", GOOD_SECRET, 1);
    unsetenv("DATABASE_URL");
    refuses("DATABASE_URL");
    setenv("DATABASE_URL", "postgresql:///shop", 1);
    setenv("PAYMENT_CURRENCY", "JPY", 1);
    refuses("PAYMENT_CURRENCY");
    unsetenv("PAYMENT_CURRENCY");
    setenv("CORS_ORIGINS", "example.org", 1);
    refuses("CORS_ORIGINS");
}

static void reads_where_metrics_go(void **state) {
    struct configuration configuration;

    (void)state;
    accepts(&configuration);
    assert_null(configuration.metrics_token);
    assert_int_equal(configuration.metrics_port, 0);
    configuration_release(&configuration);
    setenv("METRICS_TOKEN", "a-token-of-sixteen", 1);
    setenv("METRICS_PORT", "9100", 1);
    accepts(&configuration);
    assert_string_equal(configuration.metrics_token, "a-token-of-sixteen");
    assert_int_equal(configuration.metrics_port, 9100);
    configuration_release(&configuration);
    setenv("METRICS_PORT", "65536", 1);
    refuses("METRICS_PORT");
    setenv("METRICS_PORT", "9100", 1);
    setenv("METRICS_TOKEN", "short", 1);
    accepts(&configuration);
    configuration_release(&configuration);
    unsetenv("METRICS_TOKEN");
    unsetenv("METRICS_PORT");
}

static void guards_production(void **state) {
    static const char *const weak[] = {
        "short",
        "0123456789abcdef0123456789abcde",
        "change-me-change-me-change-me-change-me",
        "changemechangemechangemechangeme",
        "my-super-secret-key-for-the-shop-0123456",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "abcabcabcabcabcabcabcabcabcabcabcabcabc",
        "12345678901234567890123456789012",
    };
    struct configuration configuration;
    size_t i;

    (void)state;
    setenv("NODE_ENV", "production", 1);
    refuses("CUSTOMER_AUTH");
    setenv("ALLOW_OPEN_CUSTOMER_ROUTES", "yes", 1);
    accepts(&configuration);
    configuration_release(&configuration);
    setenv("CUSTOMER_AUTH", "jwt", 1);
    setenv("ALLOW_OPEN_CUSTOMER_ROUTES", "no", 1);
    accepts(&configuration);
    assert_null(configuration.demo_admin_password);
    assert_null(configuration.demo_user_password);
    configuration_release(&configuration);
    for (i = 0; i < sizeof(weak) / sizeof(weak[0]); i++) {
        setenv("JWT_SECRET", weak[i], 1);
        refuses("JWT_SECRET");
    }
    setenv("JWT_SECRET", "0123456789abcdef0123456789abcdef", 1);
    accepts(&configuration);
    configuration_release(&configuration);
    setenv("METRICS_TOKEN", "fifteen-letters", 1);
    refuses("METRICS_TOKEN");
    unsetenv("METRICS_TOKEN");
}

static void guards_demo_passwords(void **state) {
    struct configuration configuration;

    (void)state;
    setenv("APP_ENV", "production", 1);
    setenv("CUSTOMER_AUTH", "jwt", 1);
    setenv("DEMO_ADMIN_PASSWORD", "admin123", 1);
    refuses("DEMO_ADMIN_PASSWORD");
    setenv("DEMO_ADMIN_PASSWORD", "something private", 1);
    setenv("DEMO_USER_PASSWORD", "user123", 1);
    refuses("DEMO_USER_PASSWORD");
    unsetenv("DEMO_USER_PASSWORD");
    accepts(&configuration);
    assert_string_equal(configuration.demo_admin_password, "something private");
    configuration_release(&configuration);
}

static void lets_development_be_weak(void **state) {
    struct configuration configuration;

    (void)state;
    setenv("JWT_SECRET", "secret", 1);
    setenv("DEMO_ADMIN_PASSWORD", "admin123", 1);
    accepts(&configuration);
    configuration_release(&configuration);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(knows_defaults, minimal_environment),
        cmocka_unit_test_setup(derives_the_time_for_heads, minimal_environment),
        cmocka_unit_test_setup(needs_a_secret_and_a_database, minimal_environment),
        cmocka_unit_test_setup(reads_where_metrics_go, minimal_environment),
        cmocka_unit_test_setup(guards_production, minimal_environment),
        cmocka_unit_test_setup(guards_demo_passwords, minimal_environment),
        cmocka_unit_test_setup(lets_development_be_weak, minimal_environment),
    };

    return cmocka_run_group_tests_name("gateway_configuration", tests, NULL, NULL);
}
