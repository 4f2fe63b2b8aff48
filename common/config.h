/*
 * Settings from environment variables, described by one table per program. The same table is read, checked, printed by
 * --help and printed with secrets masked by --dump-config, so the four cannot disagree.
 */
#ifndef SHOP_COMMON_CONFIG_H
#define SHOP_COMMON_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "aws_configuration.h"

enum setting_type {
    SETTING_STRING,  /* char *       */
    SETTING_INTEGER, /* long         */
    SETTING_DECIMAL, /* double, for rates only, never for money */
    SETTING_CHOICE,  /* char *, one of .choices */
};

struct setting {
    const char *variable;     /* environment variable, for example "PORT" */
    const char *alias;        /* second name that is read when the first is unset, or NULL */
    enum setting_type type;   /* how the text is read */
    const char *default_text; /* read as if it had been given; NULL: the field stays NULL (strings) or 0 */
    double minimum,
        maximum; /* inclusive bounds of INTEGER and DECIMAL; for STRING the bounds of its length when maximum > 0 */
    const char *choices; /* CHOICE: the words, separated by '|' */
    bool secret;         /* masked in --dump-config and never logged */
    size_t offset;       /* offsetof the field in the program's configuration struct */
    const char *help;    /* one line for --help */
};

/*
 * config_load reads every setting of the table from the environment into *configuration.
 * An empty value counts as unset. NAME_FILE is read when NAME is unset and the setting is a secret (one trailing
 * newline is dropped). Strings are owned by the configuration and freed by config_free. Returns true, or false with a
 * message in error that names the variable and says what is allowed.
 */
bool config_load(const struct setting *table, size_t count, void *configuration, char *error, size_t error_size);

/* config_free releases the strings that config_load made. */
void config_free(const struct setting *table, size_t count, void *configuration);

/* config_print_help prints the table: variable, default, meaning. */
void config_print_help(FILE *out, const struct setting *table, size_t count);

/* config_dump prints NAME=value lines of the loaded configuration, secrets as ****. */
void config_dump(FILE *out, const struct setting *table, size_t count, const void *configuration);

/*
 * The settings that both programs share. A program's configuration struct holds one of these, and its table begins with
 * the rows of SHARED_SETTINGS(struct, member).
 */
struct shared_configuration {
    char *database_url;
    char *db_host, *db_port, *db_name, *db_user, *db_password;
    char *db_secret_arn;
    struct aws_configuration aws;
    long db_pool_max;
    long store_id;
    char *app_env, *node_env;
    char *log_level;
};

/* The rows of the shared settings; base is the offset of the struct shared_configuration in the program's struct. */
#define SHARED_SETTING_ROWS(base)                                                                                      \
    {"DATABASE_URL",                                                                                                   \
     NULL,                                                                                                             \
     SETTING_STRING,                                                                                                   \
     NULL,                                                                                                             \
     0,                                                                                                                \
     0,                                                                                                                \
     NULL,                                                                                                             \
     true,                                                                                                             \
     (base) + offsetof(struct shared_configuration, database_url),                                                     \
     "PostgreSQL, any libpq URI or key=value string"},                                                                 \
        {"DB_HOST",                                                                                                    \
         NULL,                                                                                                         \
         SETTING_STRING,                                                                                               \
         NULL,                                                                                                         \
         0,                                                                                                            \
         0,                                                                                                            \
         NULL,                                                                                                         \
         false,                                                                                                        \
         (base) + offsetof(struct shared_configuration, db_host),                                                      \
         "host or socket folder, where DATABASE_URL is unset"},                                                        \
        {"DB_PORT",                                                                                                    \
         NULL,                                                                                                         \
         SETTING_STRING,                                                                                               \
         NULL,                                                                                                         \
         0,                                                                                                            \
         0,                                                                                                            \
         NULL,                                                                                                         \
         false,                                                                                                        \
         (base) + offsetof(struct shared_configuration, db_port),                                                      \
         "port, where DATABASE_URL is unset"},                                                                         \
        {"DB_NAME",                                                                                                    \
         NULL,                                                                                                         \
         SETTING_STRING,                                                                                               \
         NULL,                                                                                                         \
         0,                                                                                                            \
         0,                                                                                                            \
         NULL,                                                                                                         \
         false,                                                                                                        \
         (base) + offsetof(struct shared_configuration, db_name),                                                      \
         "database, where DATABASE_URL is unset"},                                                                     \
        {"DB_USER",                                                                                                    \
         NULL,                                                                                                         \
         SETTING_STRING,                                                                                               \
         NULL,                                                                                                         \
         0,                                                                                                            \
         0,                                                                                                            \
         NULL,                                                                                                         \
         false,                                                                                                        \
         (base) + offsetof(struct shared_configuration, db_user),                                                      \
         "role, where DATABASE_URL is unset"},                                                                         \
        {"DB_PASSWORD",                                                                                                \
         NULL,                                                                                                         \
         SETTING_STRING,                                                                                               \
         NULL,                                                                                                         \
         0,                                                                                                            \
         0,                                                                                                            \
         NULL,                                                                                                         \
         true,                                                                                                         \
         (base) + offsetof(struct shared_configuration, db_password),                                                  \
         "password, where DATABASE_URL is unset"},                                                                     \
        {"DB_SECRET_ARN",                                                                                              \
         NULL,                                                                                                         \
         SETTING_STRING,                                                                                               \
         NULL,                                                                                                         \
         1,                                                                                                            \
         2048,                                                                                                         \
         NULL,                                                                                                         \
         false,                                                                                                        \
         (base) + offsetof(struct shared_configuration, db_secret_arn),                                                \
         "secret of AWS Secrets Manager (JSON: username, password, host, port, dbname), read again when a login "      \
         "fails; what it does not say comes from the settings above"},                                                 \
        AWS_SETTING_ROWS((base) + offsetof(struct shared_configuration, aws)),                                         \
        {"DB_POOL_MAX",                                                                                                \
         NULL,                                                                                                         \
         SETTING_INTEGER,                                                                                              \
         "20",                                                                                                         \
         1,                                                                                                            \
         1000,                                                                                                         \
         NULL,                                                                                                         \
         false,                                                                                                        \
         (base) + offsetof(struct shared_configuration, db_pool_max),                                                  \
         "most connections to the database"},                                                                          \
        {"STORE_ID",                                                                                                   \
         NULL,                                                                                                         \
         SETTING_INTEGER,                                                                                              \
         "1",                                                                                                          \
         1,                                                                                                            \
         2147483647,                                                                                                   \
         NULL,                                                                                                         \
         false,                                                                                                        \
         (base) + offsetof(struct shared_configuration, store_id),                                                     \
         "the shop that this process serves"},                                                                         \
        {"APP_ENV",                                                                                                    \
         NULL,                                                                                                         \
         SETTING_STRING,                                                                                               \
         NULL,                                                                                                         \
         0,                                                                                                            \
         0,                                                                                                            \
         NULL,                                                                                                         \
         false,                                                                                                        \
         (base) + offsetof(struct shared_configuration, app_env),                                                      \
         "production turns the start-up guards on"},                                                                   \
        {"NODE_ENV",                                                                                                   \
         NULL,                                                                                                         \
         SETTING_STRING,                                                                                               \
         NULL,                                                                                                         \
         0,                                                                                                            \
         0,                                                                                                            \
         NULL,                                                                                                         \
         false,                                                                                                        \
         (base) + offsetof(struct shared_configuration, node_env),                                                     \
         "the same, as the predecessors named it"},                                                                    \
    {                                                                                                                  \
        "LOG_LEVEL", NULL, SETTING_CHOICE, "info", 0, 0, "debug|info|warn|error", false,                               \
            (base) + offsetof(struct shared_configuration, log_level), "least level that is written"                   \
    }

/* configuration_is_production tells whether APP_ENV or NODE_ENV is "production". */
bool configuration_is_production(const struct shared_configuration *configuration);

/* configuration_add_parameter appends " keyword='value'" to a connection string, quoted as libpq asks; nothing for
 * NULL. */
void configuration_add_parameter(FILE *out, const char *keyword, const char *value);

/*
 * configuration_conninfo gives the libpq connection string: DATABASE_URL, or one built from the DB_* settings (values
 * quoted as libpq asks); DB_SECRET_ARN is not asked, but may bring what the others lack. Returns a malloc'd string the
 * caller frees, or NULL with a message in error when neither is set or libpq's own parser (PQconninfoParse) refuses it.
 * The message never holds a password.
 */
char *configuration_conninfo(const struct shared_configuration *configuration, char *error, size_t error_size);

#endif
