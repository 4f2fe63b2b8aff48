/*
 * shop-poller: relays the outbox to SQS, and settles payments and processes intake orders, over SQS or straight from
 * the outbox.
 */
#include <curl/curl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "configuration.h"
#include "credentials.h"
#include "log.h"
#include "worker.h"

#define EXIT_FAILED        1
#define EXIT_CONFIGURATION 2

#define USAGE                                                                                                          \
    "usage: shop-poller [--help | --version | --check-config | --dump-config | --ready | status | redrive ID |"        \
    " redrive --all]\n"

static void print_help(void) {
    puts(
        USAGE
        "\n"
        "Relays the shop's outbox to SQS, settles payments and refunds and processes intake orders. Without options\n"
        "it works until SIGTERM or SIGINT.\n"
        "  --check-config   check the settings and leave: 0 when they are good, 2 when not\n"
        "  --dump-config    print the settings, secrets masked, and leave\n"
        "  --ready          ask the poller on this machine's POLLER_PORT whether it is well: 0 when it is, 1 when not\n"
        "  status           print the state of the queue as JSON and leave\n"
        "  redrive ID       let a dead letter be tried again and leave; --all: every open one\n"
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
    struct credential_settings settings = aws_configuration_credentials(&configuration->shared.aws);
    char reason[1280];

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
    char error[512];
    int exit_code;

    worker = worker_create(configuration, credentials, error, sizeof(error));
    if (worker == NULL) {
        log_event(LOG_ERROR, "worker_start_failed", json_pack("{s:o}", "error", log_text(error)));
        exit_code = EXIT_FAILED;
    } else {
        exit_code = worker_run(worker);
    }
    worker_destroy(worker);
    return exit_code;
}

/* work checks the credentials and then runs the worker, or only says that all is good. */
static int work(const struct poller_configuration *configuration, bool only_check) {
    struct credential_store *credentials;
    char error[1536];
    int exit_code = 0;

    if (!open_credentials(configuration, &credentials, error, sizeof(error))) {
        return fail_configuration(error);
    }
    if (only_check) {
        puts("the settings are good");
    } else {
        exit_code = run_worker(configuration, credentials);
    }
    credential_store_close(credentials);
    return exit_code;
}

/* run reads the settings and does what the words, NULL where there are none, ask with them. */
static int run(const char *word, const char *argument) {
    struct poller_configuration configuration;
    char error[768];
    int exit_code = 0;

    if (!configuration_load(&configuration, error, sizeof(error))) {
        return fail_configuration(error);
    }
    log_set_level(configuration.shared.log_level);
    if (word != NULL && strcmp(word, "--dump-config") == 0) {
        configuration_dump(stdout, &configuration);
    } else if (word != NULL && strcmp(word, "--ready") == 0) {
        exit_code = command_ready(&configuration);
    } else if (word != NULL && strcmp(word, "status") == 0) {
        exit_code = command_status(&configuration);
    } else if (word != NULL && argument != NULL && strcmp(word, "redrive") == 0) {
        exit_code = command_redrive(&configuration, argument);
    } else {
        exit_code = work(&configuration, word != NULL);
    }
    configuration_free(&configuration);
    return exit_code;
}

/* are_known tells whether the words of the command line are ones that run or main knows. */
static bool are_known(int count, char **words) {
    static const char *const known[] = {"--help", "--version", "--check-config", "--dump-config", "--ready", "status"};
    size_t i;

    for (i = 0; count == 2 && i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(words[1], known[i]) == 0) {
            return true;
        }
    }
    return count == 1 || (count == 3 && strcmp(words[1], "redrive") == 0);
}

int main(int argc, char **argv) {
    const char *word = argc > 1 ? argv[1] : NULL;
    int exit_code;

    if (!are_known(argc, argv)) {
        fputs(USAGE, stderr);
        return EXIT_CONFIGURATION;
    }
    if (word != NULL && strcmp(word, "--help") == 0) {
        print_help();
        return 0;
    }
    if (word != NULL && strcmp(word, "--version") == 0) {
        puts("shop-poller " SHOP_VERSION);
        return 0;
    }
    signal(SIGPIPE, SIG_IGN); /* libcurl and libpq report a closed connection as an error */
    log_set_common_fields(json_pack("{s:s}", "worker", "payment"));
    if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK) {
        exit_code = run(word, argc > 2 ? argv[2] : NULL);
    } else {
        log_event(LOG_ERROR, "worker_start_failed", json_pack("{s:s}", "error", "libcurl cannot be initialised"));
        exit_code = EXIT_FAILED;
    }
    /* Without curl_global_cleanup: a renewal of credentials may still be waiting for its service in a thread. */
    log_set_common_fields(NULL);
    return exit_code;
}
