/*
 * shop-poller: relays the outbox to SQS and settles payments, over SQS or straight from the outbox.
 */
#include <errno.h>
#include <curl/curl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "configuration.h"
#include "credentials.h"
#include "log.h"
#include "worker.h"

#define EXIT_FAILED        1
#define EXIT_CONFIGURATION 2

static void print_help(void) {
    puts("usage: shop-poller [--help | --version | --check-config | --dump-config]\n"
         "\n"
         "Relays the shop's outbox to SQS and settles payments. Without options it works until SIGTERM or SIGINT.\n"
         "  --check-config   check the settings and leave: 0 when they are good, 2 when not\n"
         "  --dump-config    print the settings, secrets masked, and leave\n"
         "\n"
         "Settings are environment variables:");
    configuration_print_help(stdout);
}

/* fail_configuration reports what is wrong with the settings. */
static int fail_configuration(const char *error) {
    log_event(LOG_ERROR, "worker_start_failed", json_pack("{s:o}", "error", log_text(error)));
    return EXIT_CONFIGURATION;
}

/* open_credentials looks for credentials where they are needed; false with a message when there are none. */
static bool open_credentials(const struct poller_configuration *configuration, struct credential_store **store,
                             char *error, size_t error_size) {
    struct credential_settings settings = configuration_credential_settings(configuration);
    char reason[512];

    *store = NULL;
    if (configuration->queue_url == NULL) {
        return true;
    }
    *store = credential_store_open(&settings, reason, sizeof(reason));
    if (*store == NULL) {
        snprintf(error, error_size, "SQS_QUEUE_URL is set, but: %s", reason);
    }
    return *store != NULL;
}

static int run_worker(const struct poller_configuration *configuration, struct credential_store *credentials) {
    struct worker *worker;
    int exit_code;

    signal(SIGPIPE, SIG_IGN); /* libcurl and libpq report a closed connection as an error */
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        log_event(LOG_ERROR, "worker_start_failed", json_pack("{s:s}", "error", "libcurl cannot be initialised"));
        return EXIT_FAILED;
    }
    worker = worker_create(configuration, credentials);
    if (worker == NULL) {
        log_event(LOG_ERROR, "worker_start_failed", json_pack("{s:o}", "error", log_text(strerror(errno))));
        exit_code = EXIT_FAILED;
    } else {
        exit_code = worker_run(worker);
    }
    worker_destroy(worker);
    curl_global_cleanup();
    return exit_code;
}

/* run reads the settings and does what the option, NULL for none, asks with them. */
static int run(const char *option) {
    struct poller_configuration configuration;
    struct credential_store *credentials;
    char error[768];
    int exit_code = 0;

    if (!configuration_load(&configuration, error, sizeof(error))) {
        return fail_configuration(error);
    }
    log_set_level(configuration.shared.log_level);
    if (option != NULL && strcmp(option, "--dump-config") == 0) {
        configuration_dump(stdout, &configuration);
    } else if (!open_credentials(&configuration, &credentials, error, sizeof(error))) {
        exit_code = fail_configuration(error);
    } else {
        if (option != NULL) {
            puts("the settings are good");
        } else {
            exit_code = run_worker(&configuration, credentials);
        }
        credential_store_close(credentials);
    }
    configuration_free(&configuration);
    return exit_code;
}

int main(int argc, char **argv) {
    const char *option = argc > 1 ? argv[1] : NULL;
    int exit_code;

    if (argc > 2 || (option != NULL && strcmp(option, "--help") != 0 && strcmp(option, "--version") != 0 &&
                     strcmp(option, "--check-config") != 0 && strcmp(option, "--dump-config") != 0)) {
        fputs("usage: shop-poller [--help | --version | --check-config | --dump-config]\n", stderr);
        return EXIT_CONFIGURATION;
    }
    if (option != NULL && strcmp(option, "--help") == 0) {
        print_help();
        return 0;
    }
    if (option != NULL && strcmp(option, "--version") == 0) {
        puts("shop-poller " SHOP_VERSION);
        return 0;
    }
    log_set_common_fields(json_pack("{s:s}", "worker", "payment"));
    exit_code = run(option);
    log_set_common_fields(NULL);
    return exit_code;
}
