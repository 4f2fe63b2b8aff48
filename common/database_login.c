#include "database_login.h"

#include <curl/curl.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocation.h"
#include "clock.h"
#include "credentials.h"
#include "database_secret.h"
#include "log.h"

/* The secret is read at most so often: a database that is away is no reason to ask all the time. */
#define READ_AGAIN_MS 1000

#define ERROR_SIZE 1280

struct database_login {
    pthread_mutex_t lock; /* of what changes, but the two below */
    atomic_int users;
    atomic_uint refused; /* newest version that did not work */

    char *base; /* the settings' string, to which the secret adds */
    char *secret_id, *region, *endpoint_url;
    struct credential_settings credentials;

    char *conninfo; /* NULL: the secret has not been read yet */
    unsigned version;
    int64_t read_ms;
};

struct database_login *database_login_fixed(const char *conninfo) {
    struct database_login *login = memory_allocate(sizeof(*login));

    pthread_mutex_init(&login->lock, NULL);
    atomic_init(&login->users, 1);
    atomic_init(&login->refused, 0);
    login->conninfo = memory_duplicate(conninfo);
    login->version = 1;
    return login;
}

struct database_login *database_login_create(const struct shared_configuration *configuration, char *error,
                                             size_t error_size) {
    char *conninfo = aws_configuration_valid(&configuration->aws, error, error_size)
                         ? configuration_conninfo(configuration, error, error_size)
                         : NULL;
    struct credential_settings credentials;
    struct database_login *login;

    if (conninfo == NULL) {
        return NULL;
    }
    login = database_login_fixed(conninfo);
    if (configuration->db_secret_arn != NULL) {
        if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
            abort(); /* only for want of memory */
        }
        credentials = aws_configuration_credentials(&configuration->aws);
        login->base = login->conninfo;
        login->conninfo = NULL;
        login->secret_id = memory_duplicate(configuration->db_secret_arn);
        login->region = memory_duplicate(configuration->aws.region);
        login->endpoint_url = memory_duplicate(configuration->aws.secrets_endpoint_url);
        login->credentials = credential_settings_copy(&credentials);
    }
    memory_wipe(conninfo);
    return login;
}

struct database_login *database_login_share(struct database_login *login) {
    atomic_fetch_add(&login->users, 1);
    return login;
}

void database_login_release(struct database_login *login) {
    if (login == NULL || atomic_fetch_sub(&login->users, 1) > 1) {
        return;
    }
    pthread_mutex_destroy(&login->lock);
    credential_settings_free(&login->credentials);
    memory_wipe(login->base);
    memory_wipe(login->conninfo);
    free(login->secret_id);
    free(login->region);
    free(login->endpoint_url);
    free(login);
}

/* said_by gives what the secret says about a keyword of libpq, or NULL. */
static const char *said_by(const struct database_secret *secret, const char *keyword) {
    const struct {
        const char *keyword, *value;
    } sayings[] = {{"user", secret->username},
                   {"password", secret->password},
                   {"host", secret->host},
                   {"port", secret->port},
                   {"dbname", secret->dbname}};
    size_t i;

    for (i = 0; i < sizeof(sayings) / sizeof(sayings[0]); i++) {
        if (strcmp(keyword, sayings[i].keyword) == 0) {
            return sayings[i].value;
        }
    }
    return NULL;
}

/* join makes one connection string of the settings' and the secret's; what the secret says wins. */
static char *join(const char *base, const struct database_secret *secret) {
    PQconninfoOption *options = PQconninfoParse(base, NULL), *option;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    if (options == NULL || out == NULL) {
        abort(); /* configuration_conninfo has parsed it before: only memory can be missing */
    }
    for (option = options; option->keyword != NULL; option++) {
        const char *value = said_by(secret, option->keyword);

        configuration_add_parameter(out, option->keyword, value != NULL ? value : option->val);
    }
    PQconninfoFree(options);
    if (fclose(out) != 0) {
        abort();
    }
    return text;
}

/* read_secret replaces the connection string; the old one stays when that fails. Called with the lock held. */
static void read_secret(struct database_login *login, char *error, size_t error_size) {
    struct database_secret_settings settings = {.secret_id = login->secret_id,
                                                .region = login->region,
                                                .endpoint_url = login->endpoint_url,
                                                .credentials = &login->credentials};
    struct database_secret secret;

    login->read_ms = clock_monotonic_ms();
    if (!database_secret_read(&settings, &secret, error, error_size)) {
        log_event(LOG_WARN, "db_secret_read_failed", json_pack("{s:o}", "error", log_text(error)));
        return;
    }
    memory_wipe(login->conninfo);
    login->conninfo = join(login->base, &secret);
    login->version++;
    database_secret_wipe(&secret);
    log_event(LOG_INFO, "db_secret_read", json_pack("{s:o}", "secret", log_text(login->secret_id)));
}

static bool is_due(struct database_login *login) {
    if (login->secret_id == NULL) {
        return false;
    }
    if (login->conninfo != NULL && atomic_load(&login->refused) != login->version) {
        return false;
    }
    return login->read_ms == 0 || clock_monotonic_ms() - login->read_ms >= READ_AGAIN_MS;
}

char *database_login_conninfo(struct database_login *login, unsigned *version, char *error, size_t error_size) {
    char reason[ERROR_SIZE] = "the secret could not be read a moment ago", *conninfo;

    pthread_mutex_lock(&login->lock);
    if (is_due(login)) {
        read_secret(login, reason, sizeof(reason));
    }
    conninfo = memory_duplicate(login->conninfo);
    *version = login->version;
    pthread_mutex_unlock(&login->lock);
    if (conninfo == NULL) {
        snprintf(error, error_size, "DB_SECRET_ARN: %s", reason);
    }
    return conninfo;
}

void database_login_refused(struct database_login *login, unsigned version) {
    atomic_store(&login->refused, version);
}
