/*
 * AWS credentials: where they come from and how they are renewed.
 *
 * Sources, first match wins (order of the AWS SDKs, "Standardized credential providers"): the environment, then the
 * profile in the shared credentials file.
 */
#ifndef SHOP_POLLER_CREDENTIALS_H
#define SHOP_POLLER_CREDENTIALS_H

#include <stdbool.h>
#include <stddef.h>

struct credential_settings {
    const char *access_key_id, *secret_access_key, *session_token; /* from the environment; NULL where unset */
    const char *profile;                                           /* AWS_PROFILE; NULL: "default" */
    const char *shared_credentials_file; /* AWS_SHARED_CREDENTIALS_FILE; NULL: .aws/credentials in the home folder */
    const char *home_folder;             /* HOME; NULL where unset */
};

struct aws_credentials {
    char *access_key_id, *secret_access_key;
    char *session_token; /* NULL with long-term keys */
};

struct credential_store;

/*
 * credential_store_open looks for credentials. The settings are copied. Returns NULL, with a message in error that says
 * where was looked and never holds a secret, when there are none.
 */
struct credential_store *credential_store_open(const struct credential_settings *settings, char *error,
                                               size_t error_size);

/* credential_store_current gives the credentials to sign with; owned by the store, valid until it is renewed. */
const struct aws_credentials *credential_store_current(const struct credential_store *store);

/*
 * credential_store_renew reads the source again after the service refused the present credentials. Returns true when
 * other credentials were found; on false the present ones are kept.
 */
bool credential_store_renew(struct credential_store *store);

/* credential_store_close wipes the secrets and frees the store. NULL is allowed. */
void credential_store_close(struct credential_store *store);

#endif
