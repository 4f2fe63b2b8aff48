/*
 * The poller's settings: one table that is read, checked, printed by --help and by --dump-config.
 */
#ifndef SHOP_POLLER_CONFIGURATION_H
#define SHOP_POLLER_CONFIGURATION_H

#include <stdbool.h>
#include <stdio.h>

#include "aws_endpoint.h"
#include "config.h"
#include "database_login.h"

struct poller_configuration {
    struct shared_configuration shared;

    char *queue_url, *dlq_url; /* NULL where unset; without queue_url the embedded queue is used */
    char *endpoint_url;        /* of SQS; NULL: the region's endpoint */

    long send_maximum_retries, send_retry_delay_ms;
    char *payment_provider, *payment_simulation_mode;
    double payment_success_rate;
    char *payment_provider_url; /* without a slash at its end; NULL for the simulation */
    char *payment_provider_token, *stripe_api_key, *stripe_payment_method, *payment_currency, *payment_capture;
    long payment_timeout_ms, payment_circuit_failures, payment_circuit_pause_ms;
    long poll_wait_seconds, poll_maximum_messages, poll_idle_delay_ms, poll_timeout_ms;
    long visibility_timeout_seconds, maximum_receive_count, intake_maximum_receive_count;
    long process_timeout_ms, shutdown_grace_ms, maintenance_interval_seconds;
    char *bind_address; /* NULL: all interfaces */
    long monitor_port;  /* 0: no monitoring */

    struct database_login *login; /* made from the shared settings */
    struct aws_endpoint endpoint; /* made from endpoint_url and region; empty without queue_url */
};

/*
 * configuration_load reads and checks all settings. Returns false with a message in error that names the variable and
 * says what is allowed; then nothing has to be freed.
 */
bool configuration_load(struct poller_configuration *configuration, char *error, size_t error_size);

/* configuration_free releases what configuration_load made. */
void configuration_free(struct poller_configuration *configuration);

/* configuration_print_help prints every variable with its default and meaning. */
void configuration_print_help(FILE *out);

/* configuration_dump prints NAME=value lines, secrets masked. */
void configuration_dump(FILE *out, const struct poller_configuration *configuration);

#endif
