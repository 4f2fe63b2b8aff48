/* The poller's settings and where SQS is reached. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "configuration.h"

static char error[512];

/* clean_environment leaves only what every test needs, and what cmocka reads. */
static int clean_environment(void **state) {
    const char *output = getenv("CMOCKA_MESSAGE_OUTPUT");
    char *kept = output != NULL ? strdup(output) : NULL;

    (void)state;
    clearenv();
    if (kept != NULL) {
        setenv("CMOCKA_MESSAGE_OUTPUT", kept, 1);
        free(kept);
    }
    return setenv("DATABASE_URL", "postgresql://shop@localhost/shop", 1);
}

static struct poller_configuration load(void) {
    struct poller_configuration configuration;

    if (!configuration_load(&configuration, error, sizeof(error))) {
        fail_msg("%s", error);
    }
    return configuration;
}

/* assert_refused expects a message that names the variable. */
static void assert_refused(const char *variable, const char *value) {
    struct poller_configuration configuration;

    setenv(variable, value, 1);
    if (configuration_load(&configuration, error, sizeof(error))) {
        fail_msg("%s=%s was accepted", variable, value);
    }
    if (strstr(error, variable) == NULL) {
        fail_msg("the message about %s=%s does not name it: %s", variable, value, error);
    }
    unsetenv(variable);
}

static void has_the_documented_defaults(void **state) {
    struct poller_configuration configuration = load();

    (void)state;
    assert_null(configuration.queue_url);
    assert_null(configuration.dlq_url);
    assert_string_equal(configuration.shared.aws.region, "us-east-1");
    assert_string_equal(configuration.endpoint.url, "https://sqs.us-east-1.amazonaws.com");
    assert_string_equal(configuration.endpoint.host, "sqs.us-east-1.amazonaws.com");
    assert_string_equal(configuration.endpoint.path, "/");
    assert_int_equal(configuration.send_maximum_retries, 2);
    assert_int_equal(configuration.send_retry_delay_ms, 100);
    assert_string_equal(configuration.payment_provider, "simulation");
    assert_string_equal(configuration.payment_simulation_mode, "random");
    assert_true(configuration.payment_success_rate > 0.69 && configuration.payment_success_rate < 0.71);
    assert_int_equal(configuration.poll_wait_seconds, 20);
    assert_int_equal(configuration.poll_maximum_messages, 10);
    assert_int_equal(configuration.visibility_timeout_seconds, 30);
    assert_int_equal(configuration.poll_idle_delay_ms, 1000);
    assert_int_equal(configuration.maximum_receive_count, 5);
    assert_int_equal(configuration.process_timeout_ms, 15000);
    assert_int_equal(configuration.poll_timeout_ms, 25000);
    assert_int_equal(configuration.shutdown_grace_ms, 10000);
    assert_int_equal(configuration.shared.db_pool_max, 20);
    configuration_free(&configuration);
}

static void takes_both_names_of_the_queue(void **state) {
    struct poller_configuration configuration;

    (void)state;
    setenv("QUEUE_URL", "http://sqs.us-east-1.localhost:4566/000000000000/second", 1);
    configuration = load();
    assert_string_equal(configuration.queue_url, "http://sqs.us-east-1.localhost:4566/000000000000/second");
    configuration_free(&configuration);
    setenv("SQS_QUEUE_URL", "http://sqs.us-east-1.localhost:4566/000000000000/first", 1);
    configuration = load();
    assert_string_equal(configuration.queue_url, "http://sqs.us-east-1.localhost:4566/000000000000/first");
    configuration_free(&configuration);
}

static void derives_what_depends_on_others(void **state) {
    struct poller_configuration configuration;

    (void)state;
    setenv("SQS_POLL_WAIT_SECONDS", "3", 1);
    setenv("SQS_POLL_MAX_MESSAGES", "50", 1);
    configuration = load();
    assert_int_equal(configuration.poll_timeout_ms, 8000);
    assert_int_equal(configuration.poll_maximum_messages, 10);
    configuration_free(&configuration);
    assert_refused("SQS_POLL_TIMEOUT_MS", "3000");
    setenv("SQS_QUEUE_URL", "http://localhost:4566/000000000000/one", 1);
    assert_refused("SQS_DLQ_URL", "http://localhost:4566/000000000000/one");
}

static void refuses_bad_values_by_name(void **state) {
    static const char *const bad[][2] = {
        {"SQS_QUEUE_URL", "not a url"},
        {"SQS_QUEUE_URL", "http://host-only"},
        {"SQS_QUEUE_URL", "ftp://host/queue"},
        {"SQS_DLQ_URL", "queue"},
        {"AWS_REGION", "us-east-1.evil.example/"},
        {"AWS_ENDPOINT_URL_SQS", "localhost:4566"},
        {"AWS_ENDPOINT_URL", "http://user:secret@host/"},
        {"AWS_ENDPOINT_URL", "http://host/?a=b"},
        {"AWS_ENDPOINT_URL", "file:///etc/passwd"},
        {"SQS_SEND_MAX_RETRIES", "-1"},
        {"SQS_SEND_RETRY_DELAY_MS", "1.5"},
        {"PAYMENT_PROVIDER", "paypal"},
        {"PAYMENT_CURRENCY", "JPY"},
        {"PAYMENT_CURRENCY", "eur"},
        {"PAYMENT_CAPTURE", "never"},
        {"PAYMENT_CIRCUIT_FAILURES", "0"},
        {"PAYMENT_CIRCUIT_PAUSE_MS", "99"},
        {"PAYMENT_SIMULATION_MODE", "sometimes"},
        {"PAYMENT_SUCCESS_RATE", "1.1"},
        {"PAYMENT_SUCCESS_RATE", "-0.1"},
        {"SQS_POLL_WAIT_SECONDS", "21"},
        {"SQS_POLL_MAX_MESSAGES", "0"},
        {"SQS_VISIBILITY_TIMEOUT_SECONDS", "43201"},
        {"SQS_VISIBILITY_TIMEOUT_SECONDS", "0"},
        {"SQS_POLL_IDLE_DELAY_MS", "x"},
        {"SQS_WORKER_MAX_RECEIVE_COUNT", "0"},
        {"SQS_PROCESS_TIMEOUT_MS", "0"},
        {"SQS_POLL_TIMEOUT_MS", "0"},
        {"SQS_SHUTDOWN_GRACE_MS", "-1"},
        {"LOG_LEVEL", "loud"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_refused(bad[i][0], bad[i][1]);
    }
    assert_null(strstr(error, "secret"));
}

static void a_provider_needs_its_settings(void **state) {
    struct poller_configuration configuration;

    (void)state;
    setenv("PAYMENT_PROVIDER", "http", 1);
    setenv("PAYMENT_PROVIDER_TOKEN", "a-token-of-the-tests", 1);
    assert_refused("PAYMENT_PROVIDER_URL", "ftp://pay.example");
    assert_refused("PAYMENT_PROVIDER_URL", "http://user@pay.example");
    assert_refused("PAYMENT_PROVIDER_URL", "http://");
    setenv("PAYMENT_PROVIDER_URL", "http://pay.example/v1/", 1);
    assert_refused("PAYMENT_PROVIDER_TOKEN", "two words");
    assert_null(strstr(error, "two words"));
    setenv("PAYMENT_PROVIDER_TOKEN", "a-token-of-the-tests", 1);
    assert_refused("PAYMENT_TIMEOUT_MS", "15000");
    configuration = load();
    assert_string_equal(configuration.payment_provider_url, "http://pay.example/v1");
    assert_int_equal(configuration.payment_timeout_ms, 7500);
    configuration_free(&configuration);
    setenv("SQS_PROCESS_TIMEOUT_MS", "16001", 1);
    configuration = load();
    assert_int_equal(configuration.payment_timeout_ms, 8000);
    configuration_free(&configuration);
    setenv("SQS_PROCESS_TIMEOUT_MS", "3000", 1);
    configuration = load();
    assert_int_equal(configuration.payment_timeout_ms, 1500);
    configuration_free(&configuration);
    setenv("APP_ENV", "production", 1);
    assert_refused("PAYMENT_PROVIDER_URL", "http://pay.example/v1");
}

static void stripe_needs_its_settings(void **state) {
    struct poller_configuration configuration;

    (void)state;
    setenv("PAYMENT_PROVIDER", "stripe", 1);
    setenv("STRIPE_PAYMENT_METHOD", "pm_card_visa", 1);
    assert_refused("STRIPE_API_KEY", "sk test");
    setenv("STRIPE_API_KEY", "sk_test_1", 1);
    assert_refused("STRIPE_PAYMENT_METHOD", "a&b=c");
    setenv("STRIPE_PAYMENT_METHOD", "pm_card_visa", 1);
    configuration = load();
    assert_string_equal(configuration.payment_provider_url, "https://api.stripe.com");
    configuration_free(&configuration);
}

static void finds_the_endpoint(void **state) {
    static const char *const endpoints[][3] = {
        {"http://127.0.0.1:4566", "127.0.0.1:4566", "/"},
        {"https://sqs.example.com:443/base", "sqs.example.com", "/base"},
        {"http://localhost:80/", "localhost", "/"},
        {"http://[::1]:4566/", "[::1]:4566", "/"},
        {"https://sqs.example.com:80", "sqs.example.com:80", "/"},
    };
    struct aws_endpoint endpoint;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(endpoints) / sizeof(endpoints[0]); i++) {
        assert_true(aws_endpoint_set(&endpoint, endpoints[i][0], "sqs", "us-east-1", error, sizeof(error)));
        assert_string_equal(endpoint.url, endpoints[i][0]);
        assert_string_equal(endpoint.host, endpoints[i][1]);
        assert_string_equal(endpoint.path, endpoints[i][2]);
        aws_endpoint_clear(&endpoint);
    }
    assert_true(aws_endpoint_set(&endpoint, NULL, "sqs", "cn-north-1", error, sizeof(error)));
    assert_string_equal(endpoint.url, "https://sqs.cn-north-1.amazonaws.com.cn");
    aws_endpoint_clear(&endpoint);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(has_the_documented_defaults, clean_environment),
        cmocka_unit_test_setup(takes_both_names_of_the_queue, clean_environment),
        cmocka_unit_test_setup(derives_what_depends_on_others, clean_environment),
        cmocka_unit_test_setup(refuses_bad_values_by_name, clean_environment),
        cmocka_unit_test_setup(a_provider_needs_its_settings, clean_environment),
        cmocka_unit_test_setup(stripe_needs_its_settings, clean_environment),
        cmocka_unit_test_setup(finds_the_endpoint, clean_environment),
    };

    return cmocka_run_group_tests_name("poller_configuration", tests, NULL, NULL);
}
