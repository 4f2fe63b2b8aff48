#include "configuration.h"

#include <ctype.h>
#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#include "cors.h"
#include "docs.h"
#include "payment_object.h"

#define SHORTEST_SECRET        32 /* bytes; RFC 7518 section 3.2: an HS256 key has at least 256 bits */
#define FEWEST_SECRET_LETTERS  8
#define SHORTEST_METRICS_TOKEN 16

/* Shortest key of webhooks, in bytes. */
#define SHORTEST_WEBHOOK_SECRET 16

#define ROW(variable, type, default_text, minimum, maximum, choices, secret, field, help)                              \
    {                                                                                                                  \
        variable, NULL, type, default_text, minimum, maximum, choices, secret, offsetof(struct configuration, field),  \
            help                                                                                                       \
    }

const struct setting configuration_table[] = {
    SHARED_SETTING_ROWS(offsetof(struct configuration, shared)),
    ROW("DATABASE_READ_URL", SETTING_STRING, NULL, 0, 0, NULL, true, database_read_url,
        "a replica for reads that may be a moment behind (catalogue, lists of orders, statistics), as DATABASE_URL; "
        "while it is away, the primary answers them"),
    ROW("PORT", SETTING_INTEGER, "3000", 0, 65535, NULL, false, port, "TCP port; 0 picks a free one, see the log"),
    ROW("BIND_ADDRESS", SETTING_STRING, NULL, 0, 0, NULL, false, bind_address,
        "address to listen on; unset: all interfaces, IPv6 and IPv4"),
    ROW("JWT_SECRET", SETTING_STRING, NULL, 0, 0, NULL, true, jwt_secret,
        "key of the tokens (HS256), required; in production at least 32 bytes and no placeholder"),
    ROW("JWT_EXPIRES_IN_SECONDS", SETTING_INTEGER, "3600", 1, 31536000, NULL, false, jwt_expires_in_seconds,
        "life of the tokens that login gives"),
    ROW("JWT_ISSUER", SETTING_STRING, NULL, 0, 0, NULL, false, jwt_issuer, "iss that tokens carry and must have"),
    ROW("JWT_AUDIENCE", SETTING_STRING, NULL, 0, 0, NULL, false, jwt_audience, "aud that tokens carry and must have"),
    ROW("DEMO_ADMIN_PASSWORD", SETTING_STRING, NULL, 1, 512, NULL, true, demo_admin_password,
        "password of the demo account admin; unset: " DEMO_ADMIN_PASSWORD_DEFAULT ", in production no such account"),
    ROW("DEMO_USER_PASSWORD", SETTING_STRING, NULL, 1, 512, NULL, true, demo_user_password,
        "password of the demo account user; unset: " DEMO_USER_PASSWORD_DEFAULT ", in production no such account"),
    ROW("CUSTOMER_AUTH", SETTING_CHOICE, "off", 0, 0, "off|jwt", false, customer_auth,
        "jwt: customers act for themselves only; off: the userId is taken as given"),
    ROW("ALLOW_OPEN_CUSTOMER_ROUTES", SETTING_CHOICE, "no", 0, 0, "yes|no", false, allow_open_customer_routes,
        "yes: CUSTOMER_AUTH=off is allowed in production"),
    ROW("CORS_ORIGINS", SETTING_STRING, "*", 0, 0, NULL, false, cors_origins,
        "origins of browser pages that may call, separated by commas, or *"),
    ROW("DOCS_DIR", SETTING_STRING, PG_SHOP_DOCS_DIR, 1, 0, NULL, false, docs_dir,
        "folder with the files of Swagger UI for /docs; without them /docs is a plain list"),
    ROW("TLS_CERT_FILE", SETTING_STRING, NULL, 0, 0, NULL, false, tls_cert_file,
        "certificate chain (PEM), for HTTPS on PORT instead of HTTP; read anew on SIGHUP"),
    ROW("TLS_KEY_FILE", SETTING_STRING, NULL, 0, 0, NULL, false, tls_key_file, "its private key (PEM)"),
    ROW("METRICS_TOKEN", SETTING_STRING, NULL, 1, 512, NULL, true, metrics_token,
        "Bearer token that GET /metrics asks for, in production of 16 characters or more; unset: no metrics on PORT"),
    ROW("METRICS_PORT", SETTING_INTEGER, NULL, 1, 65535, NULL, false, metrics_port,
        "a port that serves GET /metrics and nothing else; unset: none"),
    ROW("PAYMENT_WEBHOOK_SECRET", SETTING_STRING, NULL, 16, 1024, NULL, true, payment_webhook_secret,
        "key of the signatures of events of the provider http, or several separated by commas; unset: none are taken"),
    ROW("STRIPE_WEBHOOK_SECRET", SETTING_STRING, NULL, 16, 1024, NULL, true, stripe_webhook_secret,
        "signing secret of the Stripe endpoint (whsec_…), or several separated by commas; unset: none are taken"),
    ROW("PAYMENT_CURRENCY", SETTING_STRING, "EUR", 3, 3, NULL, false, payment_currency,
        "currency of all amounts, as the poller has it; events in another one have no effect"),
    ROW("HTTP_REQUEST_TIMEOUT_MS", SETTING_INTEGER, "15000", 1, 3600000, NULL, false, http_request_timeout_ms,
        "a request must have arrived whole within this time"),
    ROW("HTTP_HEADERS_TIMEOUT_MS", SETTING_INTEGER, NULL, 1, 3600000, NULL, false, http_headers_timeout_ms,
        "its head must have arrived within this time; unset: HTTP_KEEP_ALIVE_TIMEOUT_MS + 1000"),
    ROW("HTTP_KEEP_ALIVE_TIMEOUT_MS", SETTING_INTEGER, "5000", 1, 3600000, NULL, false, http_keep_alive_timeout_ms,
        "an idle connection is closed after this time"),
    ROW("HTTP_SHUTDOWN_GRACE_MS", SETTING_INTEGER, "10000", 0, 600000, NULL, false, http_shutdown_grace_ms,
        "time for requests in flight after SIGTERM"),
};

const size_t configuration_table_size = sizeof(configuration_table) / sizeof(configuration_table[0]);

/* default_to sets an unset text. */
static bool default_to(char **field, const char *text) {
    if (*field == NULL) {
        *field = strdup(text);
    }
    return *field != NULL;
}

/* fill_defaults sets the defaults that depend on other settings. */
static bool fill_defaults(struct configuration *configuration) {
    if (configuration->http_headers_timeout_ms == 0) {
        configuration->http_headers_timeout_ms = configuration->http_keep_alive_timeout_ms + 1000;
    }
    if (configuration_is_production(&configuration->shared)) {
        return true;
    }
    return default_to(&configuration->demo_admin_password, DEMO_ADMIN_PASSWORD_DEFAULT) &&
           default_to(&configuration->demo_user_password, DEMO_USER_PASSWORD_DEFAULT);
}

/* looks_like_placeholder tells whether a secret is a text that people put into examples, has hardly any variety or is a
 * number. */
static bool looks_like_placeholder(const char *secret) {
    static const char *const words[] = {
        "changeme",   "change-me",   "change_me",    "change-this",  "change_this", "replaceme",
        "replace-me", "replace_me",  "replace-",     "placeholder",  "your-",       "your_",
        "example",    "dev-secret",  "dev_secret",   "devsecret",    "test-only",   "insecure",
        "do-not-use", "supersecret", "super-secret", "super_secret", "password",
    };
    bool seen[256] = {false};
    int letters = 0;
    size_t i;

    for (i = 0; secret[i] != '\0'; i++) {
        letters += seen[(unsigned char)secret[i]] ? 0 : 1;
        seen[(unsigned char)secret[i]] = true;
    }
    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcasestr(secret, words[i]) != NULL) {
            return true;
        }
    }
    return letters < FEWEST_SECRET_LETTERS || secret[strspn(secret, "0123456789")] == '\0';
}

static bool is_text(const char *value, const char *expected) {
    return value != NULL && strcmp(value, expected) == 0;
}

/* has_short_key tells whether a list of keys separated by commas has one that is too short to be a secret. */
static bool has_short_key(const char *keys) {
    while (keys != NULL) {
        size_t length = strcspn(keys, ",");

        if (length < SHORTEST_WEBHOOK_SECRET) {
            return true;
        }
        keys = keys[length] == ',' ? keys + length + 1 : NULL;
    }
    return false;
}

/* is_well_known tells whether a password is one that everybody knows from this program's documentation. */
static bool is_well_known(const char *password) {
    return is_text(password, DEMO_ADMIN_PASSWORD_DEFAULT) || is_text(password, DEMO_USER_PASSWORD_DEFAULT);
}

/* production_fault gives what forbids to start in production, or NULL. */
static const char *production_fault(const struct configuration *configuration) {
    if (strlen(configuration->jwt_secret) < SHORTEST_SECRET) {
        return "JWT_SECRET must have at least 32 bytes in production";
    }
    if (looks_like_placeholder(configuration->jwt_secret)) {
        return "JWT_SECRET looks like a placeholder; production needs a random one";
    }
    if (configuration->metrics_token != NULL && strlen(configuration->metrics_token) < SHORTEST_METRICS_TOKEN) {
        return "METRICS_TOKEN must have at least 16 characters in production";
    }
    if (is_well_known(configuration->demo_admin_password)) {
        return "DEMO_ADMIN_PASSWORD must not be a well-known demo password in production";
    }
    if (is_well_known(configuration->demo_user_password)) {
        return "DEMO_USER_PASSWORD must not be a well-known demo password in production";
    }
    if (!configuration_customer_needs_token(configuration) &&
        !is_text(configuration->allow_open_customer_routes, "yes")) {
        return "CUSTOMER_AUTH=off lets anybody act for any customer: set CUSTOMER_AUTH=jwt, or "
               "ALLOW_OPEN_CUSTOMER_ROUTES=yes if something in front of the gateway protects the routes";
    }
    return NULL;
}

/* understood_by_libpq tells whether libpq's own parser takes a connection string. */
static bool understood_by_libpq(const char *text) {
    PQconninfoOption *options = PQconninfoParse(text, NULL);

    PQconninfoFree(options);
    return options != NULL;
}

/* fault_of gives what is wrong with the values taken together, or NULL. */
static const char *fault_of(const struct configuration *configuration) {
    if (configuration->jwt_secret == NULL) {
        return "JWT_SECRET must be set";
    }
    if (has_short_key(configuration->payment_webhook_secret)) {
        return "PAYMENT_WEBHOOK_SECRET must be a key of at least 16 bytes, or several separated by commas";
    }
    if (has_short_key(configuration->stripe_webhook_secret)) {
        return "STRIPE_WEBHOOK_SECRET must be a key of at least 16 bytes, or several separated by commas";
    }
    if (!payment_currency_is_valid(configuration->payment_currency)) {
        return "PAYMENT_CURRENCY must be the code of a currency with two decimals, such as EUR";
    }
    if ((configuration->tls_cert_file == NULL) != (configuration->tls_key_file == NULL)) {
        return "TLS_CERT_FILE and TLS_KEY_FILE must be set together";
    }
    if (configuration->database_read_url != NULL && !understood_by_libpq(configuration->database_read_url)) {
        return "DATABASE_READ_URL must be a connection string that libpq understands (URI or key=value)";
    }
    if (!cors_origins_valid(configuration->cors_origins)) {
        return "CORS_ORIGINS must be * or a list of origins such as https://shop.example, separated by commas";
    }
    return configuration_is_production(&configuration->shared) ? production_fault(configuration) : NULL;
}

bool configuration_read(struct configuration *configuration, char *error, size_t error_size) {
    const char *fault;

    memset(configuration, 0, sizeof(*configuration));
    if (!config_load(configuration_table, configuration_table_size, configuration, error, error_size)) {
        return false;
    }
    fault = fill_defaults(configuration) ? fault_of(configuration) : "out of memory";
    if (fault != NULL) {
        snprintf(error, error_size, "%s", fault);
    } else {
        configuration->login = database_login_create(&configuration->shared, error, error_size);
    }
    if (configuration->login == NULL) {
        configuration_release(configuration);
        return false;
    }
    return true;
}

void configuration_release(struct configuration *configuration) {
    config_free(configuration_table, configuration_table_size, configuration);
    database_login_release(configuration->login);
    configuration->login = NULL;
}

bool configuration_customer_needs_token(const struct configuration *configuration) {
    return is_text(configuration->customer_auth, "jwt");
}
