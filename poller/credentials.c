#include "credentials.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocation.h"
#include "profile_file.h"

struct credential_store {
    struct aws_credentials current;
    char *file, *profile; /* where current came from; NULL: the environment, which does not change */
};

/* wipe frees a secret text after overwriting it. */
static void wipe(char *secret) {
    if (secret != NULL) {
        OPENSSL_cleanse(secret, strlen(secret));
        free(secret);
    }
}

static void wipe_credentials(struct aws_credentials *credentials) {
    wipe(credentials->access_key_id);
    wipe(credentials->secret_access_key);
    wipe(credentials->session_token);
    *credentials = (struct aws_credentials){0};
}

/* is_header_text tells whether a key can stand in an HTTP header: printable ASCII without blanks. */
static bool is_header_text(const char *text) {
    for (; text != NULL && *text != '\0'; text++) {
        if (*text <= ' ' || *text > '~') {
            return false;
        }
    }
    return true;
}

static bool are_usable(const struct aws_credentials *credentials) {
    return is_header_text(credentials->access_key_id) && is_header_text(credentials->secret_access_key) &&
           is_header_text(credentials->session_token);
}

/*
 * take_environment copies the keys of the environment. Returns false with a message when only one half is set: going
 * on to the files would then use other keys than the operator meant.
 */
static bool take_environment(const struct credential_settings *settings, struct aws_credentials *found, char *error,
                             size_t error_size) {
    if ((settings->access_key_id == NULL) != (settings->secret_access_key == NULL)) {
        snprintf(error, error_size, "%s is set, but %s is not",
                 settings->access_key_id != NULL ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY",
                 settings->access_key_id != NULL ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
        return false;
    }
    found->access_key_id = memory_duplicate(settings->access_key_id);
    found->secret_access_key = memory_duplicate(settings->secret_access_key);
    if (settings->access_key_id != NULL) {
        found->session_token = memory_duplicate(settings->session_token);
    }
    if (!are_usable(found)) {
        snprintf(error, error_size,
                 "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY or AWS_SESSION_TOKEN holds a blank or control character");
        return false;
    }
    return true;
}

/* credentials_file_path gives the path of the shared file, or NULL when there is no way to tell. */
static char *credentials_file_path(const struct credential_settings *settings) {
    if (settings->shared_credentials_file != NULL) {
        return memory_duplicate(settings->shared_credentials_file);
    }
    if (settings->home_folder == NULL) {
        return NULL;
    }
    return memory_format("%s/.aws/credentials", settings->home_folder);
}

/* take_file reads the profile's keys from the shared file. Returns false with a message when they are not there. */
static bool take_file(const char *path, const char *profile, struct aws_credentials *found, char *error,
                      size_t error_size) {
    struct profile_value wanted[] = {
        {"aws_access_key_id", NULL}, {"aws_secret_access_key", NULL}, {"aws_session_token", NULL}};

    if (!profile_file_read(path, profile, wanted, sizeof(wanted) / sizeof(wanted[0]))) {
        snprintf(error, error_size, "cannot read %s: %s", path, strerror(errno));
        return false;
    }
    found->access_key_id = wanted[0].value;
    found->secret_access_key = wanted[1].value;
    found->session_token = wanted[2].value;
    if (found->access_key_id == NULL || found->secret_access_key == NULL || !are_usable(found)) {
        wipe_credentials(found);
        snprintf(error, error_size, "%s has no complete, usable keys for profile %s", path, profile);
        return false;
    }
    return true;
}

struct credential_store *credential_store_open(const struct credential_settings *settings, char *error,
                                               size_t error_size) {
    struct credential_store *store = memory_allocate(sizeof(*store));
    char file_error[512] = "the home folder is not known";

    if (!take_environment(settings, &store->current, error, error_size)) {
        credential_store_close(store);
        return NULL;
    }
    if (store->current.access_key_id != NULL) {
        return store;
    }
    store->file = credentials_file_path(settings);
    store->profile = memory_duplicate(settings->profile != NULL ? settings->profile : "default");
    if (store->file == NULL ||
        !take_file(store->file, store->profile, &store->current, file_error, sizeof(file_error))) {
        snprintf(error, error_size, "no AWS credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are unset, and %s",
                 file_error);
        credential_store_close(store);
        return NULL;
    }
    return store;
}

const struct aws_credentials *credential_store_current(const struct credential_store *store) {
    return &store->current;
}

static bool same_text(const char *a, const char *b) {
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool credential_store_renew(struct credential_store *store) {
    struct aws_credentials found = {0};
    char error[512];

    if (store->file == NULL || !take_file(store->file, store->profile, &found, error, sizeof(error))) {
        return false;
    }
    if (same_text(found.access_key_id, store->current.access_key_id) &&
        same_text(found.secret_access_key, store->current.secret_access_key) &&
        same_text(found.session_token, store->current.session_token)) {
        wipe_credentials(&found);
        return false;
    }
    wipe_credentials(&store->current);
    store->current = found;
    return true;
}

void credential_store_close(struct credential_store *store) {
    if (store == NULL) {
        return;
    }
    wipe_credentials(&store->current);
    free(store->file);
    free(store->profile);
    free(store);
}
