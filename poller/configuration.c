#include "configuration.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "payment_object.h"
#include "sqs_protocol.h"

#define FIELD(name) offsetof(struct poller_configuration, name)

/* What SQS allows at most for one receive; larger settings count as this. */
#define MESSAGES_MAXIMUM SQS_BATCH_ENTRIES

/* What the default of SQS_POLL_TIMEOUT_MS adds to the wait of the long poll. */
#define POLL_TIMEOUT_MARGIN_MS 5000

/* The longest time that the provider has where PAYMENT_TIMEOUT_MS is unset. */
#define PAYMENT_TIMEOUT_DEFAULT_MS 8000

static const struct setting settings[] = {
    SHARED_SETTING_ROWS(FIELD(shared)),
    {"SQS_QUEUE_URL", "QUEUE_URL", SETTING_STRING, NULL, 1, 1024, NULL, false, FIELD(queue_url),
     "URL of the queue; unset: the embedded queue, straight from the outbox"},
    {"SQS_DLQ_URL", NULL, SETTING_STRING, NULL, 1, 1024, NULL, false, FIELD(dlq_url),
     "URL of the dead-letter queue, together with SQS_QUEUE_URL; unset: dead letters are rows only"},
    {"AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL", SETTING_STRING, NULL, 1, 1024, NULL, false, FIELD(endpoint_url),
     "where to reach SQS; unset: the region's public endpoint"},
    {"SQS_SEND_MAX_RETRIES", NULL, SETTING_INTEGER, "2", 0, 20, NULL, false, FIELD(send_maximum_retries),
     "repeats of a send before its messages rest in the outbox"},
    {"SQS_SEND_RETRY_DELAY_MS", NULL, SETTING_INTEGER, "100", 0, 60000, NULL, false, FIELD(send_retry_delay_ms),
     "base of the growing delay between them, milliseconds"},
    {"PAYMENT_PROVIDER", NULL, SETTING_CHOICE, "simulation", 0, 0, "simulation|http|stripe", false,
     FIELD(payment_provider), "who says whether an order is paid"},
    {"PAYMENT_SIMULATION_MODE", NULL, SETTING_CHOICE, "random", 0, 0, "random|rule_based", false,
     FIELD(payment_simulation_mode), "random, or rule_based (even order ids are paid, odd ones are not)"},
    {"PAYMENT_SUCCESS_RATE", NULL, SETTING_DECIMAL, "0.7", 0, 1, NULL, false, FIELD(payment_success_rate),
     "share of orders that the random simulation pays"},
    {"PAYMENT_PROVIDER_URL", NULL, SETTING_STRING, NULL, 1, 1024, NULL, false, FIELD(payment_provider_url),
     "base URL of the provider http, required for it; for stripe unset: https://api.stripe.com"},
    {"PAYMENT_PROVIDER_TOKEN", NULL, SETTING_STRING, NULL, 1, 1024, NULL, true, FIELD(payment_provider_token),
     "Bearer token for the provider http, required for it"},
    {"STRIPE_API_KEY", NULL, SETTING_STRING, NULL, 1, 1024, NULL, true, FIELD(stripe_api_key),
     "secret or restricted key of the Stripe account, required for stripe"},
    {"STRIPE_PAYMENT_METHOD", NULL, SETTING_STRING, NULL, 1, 255, NULL, false, FIELD(stripe_payment_method),
     "payment method that Stripe charges, such as pm_card_visa in test mode, required for stripe"},
    {"PAYMENT_CURRENCY", NULL, SETTING_STRING, "EUR", 3, 3, NULL, false, FIELD(payment_currency),
     "currency of all amounts, ISO 4217, one with two decimals"},
    {"PAYMENT_CAPTURE", NULL, SETTING_CHOICE, "at_once", 0, 0, "at_once|later", false, FIELD(payment_capture),
     "later: the money is promised first, and taken once the order is known to want it"},
    {"PAYMENT_TIMEOUT_MS", NULL, SETTING_INTEGER, NULL, 1, 3600000, NULL, false, FIELD(payment_timeout_ms),
     "how long the provider may take for an answer, milliseconds; less than SQS_PROCESS_TIMEOUT_MS; unset: half of "
     "it, at most 8000"},
    {"PAYMENT_CIRCUIT_FAILURES", NULL, SETTING_INTEGER, "5", 1, 1000, NULL, false, FIELD(payment_circuit_failures),
     "failures of the provider in a row after which nobody asks it for a while"},
    {"PAYMENT_CIRCUIT_PAUSE_MS", NULL, SETTING_INTEGER, "10000", 100, 3600000, NULL, false,
     FIELD(payment_circuit_pause_ms), "how long that while is, milliseconds; then one request tries"},
    {"SQS_POLL_WAIT_SECONDS", NULL, SETTING_INTEGER, "20", 0, SQS_WAIT_SECONDS_MAXIMUM, NULL, false,
     FIELD(poll_wait_seconds), "how long a receive waits for messages, seconds"},
    {"SQS_POLL_MAX_MESSAGES", NULL, SETTING_INTEGER, "10", 1, 1000000, NULL, false, FIELD(poll_maximum_messages),
     "messages of one receive; more than 10 count as 10, which is what SQS allows"},
    {"SQS_VISIBILITY_TIMEOUT_SECONDS", NULL, SETTING_INTEGER, "30", 1, SQS_VISIBILITY_MAXIMUM, NULL, false,
     FIELD(visibility_timeout_seconds),
     "how long a received message is hidden, extended while it is worked on, seconds"},
    {"SQS_POLL_IDLE_DELAY_MS", NULL, SETTING_INTEGER, "1000", 0, 3600000, NULL, false, FIELD(poll_idle_delay_ms),
     "least time between the starts of two receives when nothing came meanwhile, milliseconds"},
    {"SQS_WORKER_MAX_RECEIVE_COUNT", NULL, SETTING_INTEGER, "5", 1, 1000, NULL, false, FIELD(maximum_receive_count),
     "how many times a payment message is tried before it becomes a dead letter"},
    {"INTAKE_MAX_RECEIVE_COUNT", NULL, SETTING_INTEGER, "3", 1, 1000, NULL, false, FIELD(intake_maximum_receive_count),
     "how many times an intake message is tried before it becomes a dead letter"},
    {"SQS_PROCESS_TIMEOUT_MS", NULL, SETTING_INTEGER, "15000", 1, 3600000, NULL, false, FIELD(process_timeout_ms),
     "how long one try may take before it is cancelled, milliseconds"},
    {"SQS_POLL_TIMEOUT_MS", NULL, SETTING_INTEGER, NULL, 1, 3600000, NULL, false, FIELD(poll_timeout_ms),
     "when a receive without an answer is given up, milliseconds; unset: the wait and 5000 more"},
    {"MAINTENANCE_INTERVAL_SECONDS", NULL, SETTING_INTEGER, "60", 0, 86400, NULL, false,
     FIELD(maintenance_interval_seconds),
     "how often the poller calls shop.maintain(), seconds; 0: never, because pg_cron does"},
    {"POLLER_PORT", NULL, SETTING_INTEGER, NULL, 1, 65535, NULL, false, FIELD(monitor_port),
     "port of /healthz and /metrics; unset: none"},
    {"BIND_ADDRESS", NULL, SETTING_STRING, NULL, 0, 0, NULL, false, FIELD(bind_address),
     "address of that port; unset: all interfaces"},
    {"SQS_SHUTDOWN_GRACE_MS", NULL, SETTING_INTEGER, "10000", 0, 3600000, NULL, false, FIELD(shutdown_grace_ms),
     "how long stopping may take, milliseconds; an open receive ends by itself only if this is longer than its wait"},
};

#define SETTING_COUNT (sizeof(settings) / sizeof(settings[0]))

/* is_queue_url tells whether a text can be a queue's URL. It is only passed on as text, so its shape is all that is
 * checked. */
static bool is_queue_url(const char *text) {
    size_t scheme = strncmp(text, "https://", 8) == 0 ? 8 : strncmp(text, "http://", 7) == 0 ? 7 : 0;
    const char *letter, *path;

    for (letter = text; *letter != '\0'; letter++) {
        if (*letter <= ' ' || *letter > '~') {
            return false;
        }
    }
    path = strchr(text + scheme, '/');
    return scheme > 0 && path != NULL && path > text + scheme;
}

static bool check_queues(struct poller_configuration *configuration, char *error, size_t error_size) {
    char reason[128];

    if (configuration->queue_url != NULL && !is_queue_url(configuration->queue_url)) {
        snprintf(error, error_size, "SQS_QUEUE_URL must be the http or https URL of a queue");
        return false;
    }
    if (configuration->dlq_url != NULL && !is_queue_url(configuration->dlq_url)) {
        snprintf(error, error_size, "SQS_DLQ_URL must be the http or https URL of a queue");
        return false;
    }
    if (configuration->queue_url != NULL && configuration->dlq_url != NULL &&
        strcmp(configuration->queue_url, configuration->dlq_url) == 0) {
        snprintf(error, error_size, "SQS_DLQ_URL must not be the queue of SQS_QUEUE_URL");
        return false;
    }
    if (!aws_endpoint_set(&configuration->endpoint, configuration->endpoint_url, "sqs",
                          configuration->shared.aws.region, reason, sizeof(reason))) {
        snprintf(error, error_size, "AWS_ENDPOINT_URL_SQS (or AWS_ENDPOINT_URL) %s", reason);
        return false;
    }
    return true;
}

static bool check_times(struct poller_configuration *configuration, char *error, size_t error_size) {
    long wait_ms = configuration->poll_wait_seconds * 1000;

    if (configuration->poll_maximum_messages > MESSAGES_MAXIMUM) {
        configuration->poll_maximum_messages = MESSAGES_MAXIMUM;
    }
    if (configuration->poll_timeout_ms == 0) {
        configuration->poll_timeout_ms = wait_ms + POLL_TIMEOUT_MARGIN_MS;
    }
    if (configuration->poll_timeout_ms <= wait_ms) {
        snprintf(error, error_size, "SQS_POLL_TIMEOUT_MS must be more than SQS_POLL_WAIT_SECONDS, that is %ld",
                 wait_ms);
        return false;
    }
    return true;
}

/* is_base_url tells whether a text can be the base URL of a provider; in production the money goes over TLS only. */
static bool is_base_url(const char *text, bool production) {
    size_t scheme = strncmp(text, "https://", 8) == 0 ? 8 : !production && strncmp(text, "http://", 7) == 0 ? 7 : 0;
    const char *letter;

    for (letter = text; *letter != '\0'; letter++) {
        if (*letter <= ' ' || *letter > '~' || strchr("?#@", *letter) != NULL) {
            return false;
        }
    }
    return scheme > 0 && text[scheme] != '\0' && text[scheme] != '/';
}

/* is_visible tells whether a text can be part of a header or form as it is. */
static bool is_visible(const char *text) {
    for (; *text != '\0'; text++) {
        if (*text <= ' ' || *text > '~' || strchr("&=+%", *text) != NULL) {
            return false;
        }
    }
    return true;
}

/* payment_fault gives what is wrong with the settings of the provider that is chosen, or NULL. */
static const char *payment_fault(const struct poller_configuration *configuration) {
    bool stripe = strcmp(configuration->payment_provider, "stripe") == 0;
    const char *token = stripe ? configuration->stripe_api_key : configuration->payment_provider_token;

    if (!payment_currency_is_valid(configuration->payment_currency)) {
        return "PAYMENT_CURRENCY must be the code of a currency with two decimals, such as EUR";
    }
    if (strcmp(configuration->payment_provider, "simulation") == 0) {
        return NULL;
    }
    if (configuration->payment_provider_url == NULL ||
        !is_base_url(configuration->payment_provider_url, configuration_is_production(&configuration->shared))) {
        return "PAYMENT_PROVIDER_URL must be the base URL of the payment provider, in production an https one";
    }
    if (token == NULL || !is_visible(token)) {
        return stripe ? "STRIPE_API_KEY must be set to a key of Stripe"
                      : "PAYMENT_PROVIDER_TOKEN must be set to the provider's token, visible ASCII without & = + %";
    }
    if (stripe && (configuration->stripe_payment_method == NULL || !is_visible(configuration->stripe_payment_method))) {
        return "STRIPE_PAYMENT_METHOD must be set to the number of a payment method";
    }
    if (configuration->payment_timeout_ms >= configuration->process_timeout_ms) {
        return "PAYMENT_TIMEOUT_MS must be less than SQS_PROCESS_TIMEOUT_MS";
    }
    return NULL;
}

/* payment_timeout_default_ms leaves some time of a try to the database. */
static long payment_timeout_default_ms(long process_timeout_ms) {
    long half_ms = process_timeout_ms / 2;

    return half_ms < 1 ? 1 : half_ms < PAYMENT_TIMEOUT_DEFAULT_MS ? half_ms : PAYMENT_TIMEOUT_DEFAULT_MS;
}

/* check_payments fills in the time limit and the provider's well-known URL, drops the slash at its end, and checks. */
static bool check_payments(struct poller_configuration *configuration, char *error, size_t error_size) {
    char **url = &configuration->payment_provider_url;
    const char *fault;

    if (*url == NULL && strcmp(configuration->payment_provider, "stripe") == 0) {
        *url = strdup("https://api.stripe.com");
    }
    while (*url != NULL && **url != '\0' && (*url)[strlen(*url) - 1] == '/') {
        (*url)[strlen(*url) - 1] = '\0';
    }
    if (configuration->payment_timeout_ms == 0) {
        configuration->payment_timeout_ms = payment_timeout_default_ms(configuration->process_timeout_ms);
    }
    fault = payment_fault(configuration);
    if (fault != NULL) {
        snprintf(error, error_size, "%s", fault);
    }
    return fault == NULL;
}

bool configuration_load(struct poller_configuration *configuration, char *error, size_t error_size) {
    *configuration = (struct poller_configuration){0};
    if (!config_load(settings, SETTING_COUNT, configuration, error, error_size)) {
        return false;
    }
    configuration->login = database_login_create(&configuration->shared, error, error_size);
    if (configuration->login == NULL || !check_queues(configuration, error, error_size) ||
        !check_times(configuration, error, error_size) || !check_payments(configuration, error, error_size)) {
        configuration_free(configuration);
        return false;
    }
    return true;
}

void configuration_free(struct poller_configuration *configuration) {
    database_login_release(configuration->login);
    configuration->login = NULL;
    aws_endpoint_clear(&configuration->endpoint);
    config_free(settings, SETTING_COUNT, configuration);
}

void configuration_print_help(FILE *out) {
    config_print_help(out, settings, SETTING_COUNT);
}

void configuration_dump(FILE *out, const struct poller_configuration *configuration) {
    config_dump(out, settings, SETTING_COUNT, configuration);
}
