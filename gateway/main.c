/*
 * shop-gateway: HTTP in front of the functions of the extension pg_shop.
 */
#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "request_batcher.h"
#include "certificate.h"
#include "clock.h"
#include "demo_accounts.h"
#include "event_loop.h"
#include "gateway.h"
#include "http_server.h"
#include "listener.h"
#include "log.h"
#include "metrics.h"
#include "reading.h"
#include "ready_probe.h"
#include "routes.h"
#include "statements.h"
#include "token_cache.h"
#include "version.h"

#define EXIT_CONFIGURATION 2

/* Calls that may wait for a connection, and for how long: more is answered 503, which keeps the waiting time bounded.
 */
#define DATABASE_QUEUE_LIMIT   128
#define DATABASE_WAIT_LIMIT_MS 2000
#define REPLICA_WAIT_LIMIT_MS  250

#define FLUSH_LIMIT_MS 500

static void print_help(void) {
    puts("shop-gateway: HTTP gateway of pg_shop\n"
         "\n"
         "usage: shop-gateway [option]\n"
         "  (none)          serve until SIGTERM or SIGINT\n"
         "  --check-config  check the settings and exit\n"
         "  --dump-config   print the settings in force, secrets masked, and exit\n"
         "  --ready         ask the gateway on this machine's PORT whether it is ready\n"
         "  --print-routes  print method, path and authorisation of every route, and exit\n"
         "  --version       print the version, and those of the libraries, and exit\n"
         "  --help          print this and exit\n"
         "\n"
         "exit codes: 0 done (with --ready: ready), 1 failed (with --ready: not ready), 2 wrong usage or settings\n"
         "\n"
         "settings (environment variables; an empty value counts as unset):");
    config_print_help(stdout, configuration_table, configuration_table_size);
}

/* print_version names the libraries too, as they are at run time. */
static void print_version(void) {
    int libpq = PQlibVersion();

    printf("shop-gateway %s\nlibmicrohttpd %s, libpq %d.%d, GnuTLS %s, jansson %s\n", PG_SHOP_VERSION,
           MHD_get_version(), libpq / 10000, libpq % 10000, gnutls_check_version(NULL), jansson_version_str());
}

/* print_routes writes the route table, for tools that compare it with other descriptions. */
static void print_routes(void) {
    static const char *const access_names[] = {
        [ACCESS_OPEN] = "open",
        [ACCESS_CUSTOMER] = "customer",
        [ACCESS_CUSTOMER_OR_ADMIN] = "customer",
        [ACCESS_ADMIN] = "admin",
    };
    size_t count, i;
    const struct route *routes = routes_all(&count);

    for (i = 0; i < count; i++) {
        printf("%s %s %s\n", routes[i].method, routes[i].path, access_names[routes[i].access]);
    }
}

static int fail(const char *event, const char *message, int code) {
    log_event(LOG_ERROR, event, json_pack("{s:o}", "error", log_text(message)));
    return code;
}

/* start_metrics opens the metrics' own port where one is wanted. Returns NULL, or what failed. */
static const char *start_metrics(struct gateway *gateway, char *error, size_t error_size) {
    const struct configuration *configuration = &gateway->configuration;
    int listener;

    if (configuration->metrics_port == 0) {
        return NULL;
    }
    listener =
        listener_open(configuration->bind_address, "METRICS_PORT", configuration->metrics_port, error, error_size);
    if (listener < 0) {
        return error;
    }
    gateway->metrics_server = http_server_start(gateway, listener, HTTP_FOR_METRICS);
    if (gateway->metrics_server == NULL) {
        close(listener);
        return "the server of the metrics could not be started";
    }
    return NULL;
}

/* replica_pool makes the pool of DATABASE_READ_URL, whose calls hardly wait: the primary is there for them. */
static struct database_pool *replica_pool(const struct configuration *configuration) {
    struct database_pool_settings settings = {
        .conninfo = configuration->database_read_url,
        .application_name = "shop-gateway-read",
        .maximum_connections = (int)configuration->shared.db_pool_max,
        .queue_limit = DATABASE_QUEUE_LIMIT,
        .wait_limit_ms = REPLICA_WAIT_LIMIT_MS,
    };

    return database_pool_create(&settings);
}

/* start opens what serving needs, in the order of its dependencies. Returns NULL, or what failed. */
static const char *start(struct gateway *gateway, char *error, size_t error_size) {
    const struct configuration *configuration = &gateway->configuration;
    struct database_pool_settings settings = {
        .login = configuration->login,
        .application_name = "shop-gateway",
        .maximum_connections = (int)configuration->shared.db_pool_max,
        .queue_limit = DATABASE_QUEUE_LIMIT,
        .wait_limit_ms = DATABASE_WAIT_LIMIT_MS,
    };
    int listener = listener_open(configuration->bind_address, "PORT", configuration->port, error, error_size);
    const char *failure;
    int port;

    if (listener < 0) {
        return error;
    }
    port = listener_port(listener);
    gateway->started_us = clock_monotonic_us();
    gateway->token_cache = token_cache_create();
    gateway->metrics = metrics_create();
    gateway->database = database_pool_create(&settings);
    if (configuration->database_read_url != NULL) {
        gateway->replica = replica_pool(configuration);
    }
    gateway->cart_items = request_batcher_create(&gateway->lanes, gateway->database, &add_cart_item_batch);
    gateway->checkouts = request_batcher_create(&gateway->lanes, gateway->database, &checkout_batch);
    gateway->readings = reading_lanes_create(gateway);
    gateway->hashing = hash_thread_start();
    gateway->demo_accounts = demo_accounts_create(gateway);
    gateway->server = http_server_start(gateway, listener, HTTP_FOR_SHOP);
    if (gateway->server == NULL) {
        close(listener);
    }
    if (gateway->token_cache == NULL || gateway->metrics == NULL || gateway->database == NULL ||
        gateway->cart_items == NULL || gateway->checkouts == NULL || gateway->readings == NULL ||
        gateway->hashing == NULL || gateway->demo_accounts == NULL || gateway->server == NULL ||
        (gateway->replica == NULL && configuration->database_read_url != NULL)) {
        return "the server could not be started";
    }
    failure = start_metrics(gateway, error, error_size);
    if (failure != NULL) {
        return failure;
    }
    log_event(LOG_INFO, "gateway_started",
              json_pack("{s:i,s:b,s:s,s:s,s:i}", "port", port, "tls", gateway->certificate != NULL, "version",
                        PG_SHOP_VERSION, "customerAuth", configuration->customer_auth, "pid", (int)getpid()));
    return NULL;
}

/* load_certificate reads the files of TLS where they are given. Returns NULL, or what failed. */
static const char *load_certificate(struct gateway *gateway, char *error, size_t error_size) {
    const struct configuration *configuration = &gateway->configuration;

    if (configuration->tls_cert_file == NULL) {
        return NULL;
    }
    gateway->certificate =
        certificate_load(configuration->tls_cert_file, configuration->tls_key_file, error, error_size);
    return gateway->certificate != NULL ? NULL : error;
}

/* stop ends what start began. What still waits for a hash or the database is answered 503 and given a moment to leave.
 */
static void stop(struct gateway *gateway) {
    gateway->closing = true;
    http_server_stop(gateway->metrics_server);
    hash_thread_stop(gateway->hashing);
    call_lanes_end(&gateway->lanes);
    database_pool_destroy(gateway->replica); /* what it leaves unanswered goes to the primary's pool */
    database_pool_destroy(gateway->database);
    if (gateway->server != NULL) {
        event_loop_flush(gateway, FLUSH_LIMIT_MS);
        http_server_stop(gateway->server);
    }
    request_batcher_free(gateway->cart_items);
    request_batcher_free(gateway->checkouts);
    reading_lanes_free(gateway->readings);
    hash_thread_free(gateway->hashing);
    demo_accounts_free(gateway->demo_accounts);
    metrics_free(gateway->metrics);
    token_cache_free(gateway->token_cache);
}

static int serve(struct gateway *gateway) {
    char error[256];
    const char *failure;
    int signal_fd = event_loop_block_signals(gateway->certificate != NULL);

    if (signal_fd < 0) {
        return fail("gateway_start_failed", "signals cannot be read", EXIT_FAILURE);
    }
    failure = start(gateway, error, sizeof(error));
    if (failure == NULL) {
        event_loop_run(gateway, signal_fd);
    }
    stop(gateway);
    close(signal_fd);
    if (failure != NULL) {
        return fail("gateway_start_failed", failure, EXIT_FAILURE);
    }
    log_event(LOG_INFO, "gateway_stopped", NULL);
    return EXIT_SUCCESS;
}

/* probe reads the settings without the checks that only serving needs. */
static int probe(void) {
    struct configuration configuration;
    char error[256];
    bool ready;

    if (!config_load(configuration_table, configuration_table_size, &configuration, error, sizeof(error))) {
        return fail("invalid_configuration", error, EXIT_CONFIGURATION);
    }
    ready = ready_probe(configuration.bind_address, configuration.port, configuration.tls_cert_file != NULL);
    config_free(configuration_table, configuration_table_size, &configuration);
    return ready ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* run_option does what the option (NULL: serve) asks, with the settings read. */
static int run_option(struct gateway *gateway, const char *option) {
    if (option == NULL) {
        return serve(gateway);
    }
    if (strcmp(option, "--dump-config") == 0) {
        config_dump(stdout, configuration_table, configuration_table_size, &gateway->configuration);
    } else {
        puts("the settings are valid");
    }
    return EXIT_SUCCESS;
}

/* run_with_configuration reads the settings and does what the option (NULL: serve) asks. */
static int run_with_configuration(const char *option) {
    struct gateway gateway = {0};
    char error[512];
    int code;

    if (!configuration_read(&gateway.configuration, error, sizeof(error))) {
        return fail("invalid_configuration", error, EXIT_CONFIGURATION);
    }
    log_set_level(gateway.configuration.shared.log_level);
    gateway.tokens = (struct token_settings){
        .secret = gateway.configuration.jwt_secret,
        .issuer = gateway.configuration.jwt_issuer,
        .audience = gateway.configuration.jwt_audience,
        .lifetime_seconds = gateway.configuration.jwt_expires_in_seconds,
    };
    snprintf(gateway.store_id, sizeof(gateway.store_id), "%ld", gateway.configuration.shared.store_id);
    if (load_certificate(&gateway, error, sizeof(error)) == NULL) {
        code = run_option(&gateway, option);
    } else {
        code = fail("invalid_configuration", error, EXIT_CONFIGURATION);
    }
    certificate_free(gateway.certificate);
    configuration_release(&gateway.configuration);
    return code;
}

int main(int argc, char **argv) {
    const char *option = argc > 1 ? argv[1] : NULL;

    if (argc > 2) {
        fputs("shop-gateway: too many arguments, see --help\n", stderr);
        return EXIT_CONFIGURATION;
    }
    if (option == NULL || strcmp(option, "--check-config") == 0 || strcmp(option, "--dump-config") == 0) {
        return run_with_configuration(option);
    }
    if (strcmp(option, "--help") == 0) {
        print_help();
        return EXIT_SUCCESS;
    }
    if (strcmp(option, "--print-routes") == 0) {
        print_routes();
        return EXIT_SUCCESS;
    }
    if (strcmp(option, "--version") == 0) {
        print_version();
        return EXIT_SUCCESS;
    }
    if (strcmp(option, "--ready") == 0) {
        return probe();
    }
    fprintf(stderr, "shop-gateway: unknown option %s, see --help\n", option);
    return EXIT_CONFIGURATION;
}
