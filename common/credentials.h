/*
 * AWS credentials as the program uses them: found once at the start, renewed in the background before they expire and
 * when the service refuses them. Where they come from is credential_sources.h.
 */
#ifndef SHOP_COMMON_CREDENTIALS_H
#define SHOP_COMMON_CREDENTIALS_H

#include <stdbool.h>
#include <stddef.h>

#include "credential_sources.h"

struct credential_store;

/* credential_settings_copy makes a copy that owns its texts. */
struct credential_settings credential_settings_copy(const struct credential_settings *settings);

/* credential_settings_free wipes and frees what credential_settings_copy made. */
void credential_settings_free(struct credential_settings *settings);

/*
 * credential_store_open looks for credentials, and waits for them. The settings are copied. Returns NULL, with a
 * message in error that says where was looked and never holds a secret, when there are none.
 */
struct credential_store *credential_store_open(const struct credential_settings *settings, char *error,
                                               size_t error_size);

/*
 * credential_store_current gives the credentials to sign with; owned by the store, valid until the next question for
 * them or for a renewal, which may take over others. When they expire soon it begins a renewal; those that are there
 * are used until it succeeds.
 */
const struct aws_credentials *credential_store_current(struct credential_store *store);

/* credential_store_begin_renewal looks for credentials again, in a thread of its own; nothing happens when that is
 * going on already. */
void credential_store_begin_renewal(struct credential_store *store);

/* credential_store_is_renewing tells whether that is going on; once it is over, its outcome is in use. */
bool credential_store_is_renewing(struct credential_store *store);

/* credential_store_generation gives a number that grows with every change of the credentials. */
unsigned credential_store_generation(const struct credential_store *store);

/* credential_store_close wipes the secrets and frees the store. NULL is allowed. */
void credential_store_close(struct credential_store *store);

#endif
