/*
 * The database's address and login as a secret of AWS Secrets Manager: a JSON object with username, password, host,
 * port and dbname ("JSON structure of AWS Secrets Manager secrets"). RDS leaves some of them out, so none is required
 * but one.
 */
#ifndef SHOP_COMMON_DATABASE_SECRET_H
#define SHOP_COMMON_DATABASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "credential_sources.h"

struct database_secret_settings {
    const char *secret_id;    /* ARN or name */
    const char *region;       /* where the ARN names none */
    const char *endpoint_url; /* NULL: the region's public endpoint */
    const struct credential_settings *credentials;
};

/* NULL where the secret does not say it. */
struct database_secret {
    char *username, *password, *host, *port, *dbname;
};

/*
 * database_secret_read asks for the secret (GetSecretValue) with credentials that it looks for each time, and waits: it
 * is for a thread of its own. Returns false with a message in error, which holds no secret, when it cannot be had or is
 * no such object. The caller frees the secret by database_secret_wipe.
 */
bool database_secret_read(const struct database_secret_settings *settings, struct database_secret *secret, char *error,
                          size_t error_size);

/* database_secret_wipe overwrites and frees the texts. */
void database_secret_wipe(struct database_secret *secret);

#endif
