/*
 * The gateway's settings: one table, read, checked, explained and dumped by common/config.
 */
#ifndef SHOP_GATEWAY_CONFIGURATION_H
#define SHOP_GATEWAY_CONFIGURATION_H

#include "config.h"
#include "database_login.h"

/* Passwords of the demo accounts where none are set, outside production. */
#define DEMO_ADMIN_PASSWORD_DEFAULT "admin123"
#define DEMO_USER_PASSWORD_DEFAULT  "user123"

struct configuration {
    struct shared_configuration shared;
    long port;
    char *bind_address;
    char *jwt_secret, *jwt_issuer, *jwt_audience;
    long jwt_expires_in_seconds;
    char *demo_admin_password, *demo_user_password;
    char *customer_auth;
    char *allow_open_customer_routes;
    char *cors_origins;
    char *metrics_token;
    long metrics_port; /* 0: none */
    char *docs_dir;
    char *payment_webhook_secret, *stripe_webhook_secret; /* NULL: no events are taken from that provider */
    char *payment_currency;
    char *tls_cert_file, *tls_key_file;
    char *database_read_url;
    long http_request_timeout_ms, http_headers_timeout_ms, http_keep_alive_timeout_ms, http_shutdown_grace_ms;
    struct database_login *login; /* made from the shared settings */
};

/* The table, for config_print_help, config_dump and for reading single settings. */
extern const struct setting configuration_table[];
extern const size_t configuration_table_size;

/*
 * configuration_read reads and checks everything, the guards of production included.
 * Returns true, or false with a message that names the variable. The caller frees it by configuration_release.
 */
bool configuration_read(struct configuration *configuration, char *error, size_t error_size);

/* configuration_release frees what configuration_read made. */
void configuration_release(struct configuration *configuration);

/* configuration_customer_needs_token tells whether customer routes ask for a token (CUSTOMER_AUTH=jwt). */
bool configuration_customer_needs_token(const struct configuration *configuration);

#endif
