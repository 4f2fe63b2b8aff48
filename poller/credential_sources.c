#include "credential_sources.h"

#include <errno.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocation.h"
#include "profile_file.h"

#define REASON_SIZE 512

/* Longest file of a token; those of Kubernetes have about a kilobyte. */
#define TEXT_FILE_LIMIT 65536

static void wipe(char *secret) {
    if (secret != NULL) {
        OPENSSL_cleanse(secret, strlen(secret));
        free(secret);
    }
}

void aws_credentials_wipe(struct aws_credentials *credentials) {
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

bool aws_credentials_usable(const struct aws_credentials *credentials) {
    return credentials->access_key_id != NULL && *credentials->access_key_id != '\0' &&
           credentials->secret_access_key != NULL && *credentials->secret_access_key != '\0' &&
           is_header_text(credentials->access_key_id) && is_header_text(credentials->secret_access_key) &&
           is_header_text(credentials->session_token);
}

char *credential_text_read(const char *path) {
    FILE *file = fopen(path, "re");
    char *text;
    size_t length;
    int failure;

    if (file == NULL) {
        return NULL;
    }
    text = memory_allocate(TEXT_FILE_LIMIT + 1);
    length = fread(text, 1, TEXT_FILE_LIMIT, file);
    failure = ferror(file) ? EIO : 0;
    fclose(file);
    if (failure != 0) {
        wipe(text);
        errno = failure;
        return NULL;
    }
    while (length > 0 && strchr(" \t\r\n", text[length - 1]) != NULL) {
        text[--length] = '\0';
    }
    return text;
}

/* ---- the environment ---- */

/* Only one half being set is an error: going on to the files would then use other keys than the operator meant. */
static enum credential_search search_environment(const struct credential_settings *settings,
                                                 struct aws_credentials *found, char *error, size_t error_size) {
    if (settings->access_key_id == NULL && settings->secret_access_key == NULL) {
        return CREDENTIALS_ABSENT;
    }
    if (settings->access_key_id == NULL || settings->secret_access_key == NULL) {
        snprintf(error, error_size, "%s is set, but %s is not",
                 settings->access_key_id != NULL ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY",
                 settings->access_key_id != NULL ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
        return CREDENTIALS_BROKEN;
    }
    found->access_key_id = memory_duplicate(settings->access_key_id);
    found->secret_access_key = memory_duplicate(settings->secret_access_key);
    found->session_token = memory_duplicate(settings->session_token);
    if (!aws_credentials_usable(found)) {
        snprintf(error, error_size,
                 "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY or AWS_SESSION_TOKEN holds a blank or control character");
        return CREDENTIALS_BROKEN;
    }
    return CREDENTIALS_FOUND;
}

/* ---- the shared files ---- */

enum profile_key {
    KEY_ID,
    KEY_SECRET,
    KEY_TOKEN,
    KEY_PROCESS,
    KEY_WEB_TOKEN_FILE,
    KEY_ROLE,
    KEY_ROLE_SESSION,
    KEY_COUNT,
};

static void clear_values(struct profile_value *values) {
    size_t i;

    for (i = 0; i < KEY_COUNT; i++) {
        wipe(values[i].value);
        values[i].value = NULL;
    }
}

/* search_profile uses what a profile says; the values stay the caller's. */
static enum credential_search search_profile(const struct credential_settings *settings,
                                             const struct profile_value *values, struct aws_credentials *found,
                                             char *error, size_t error_size) {
    struct credential_settings web = *settings;

    if (values[KEY_ID].value != NULL || values[KEY_SECRET].value != NULL) {
        found->access_key_id = memory_duplicate(values[KEY_ID].value);
        found->secret_access_key = memory_duplicate(values[KEY_SECRET].value);
        found->session_token = memory_duplicate(values[KEY_TOKEN].value);
        return aws_credentials_usable(found) ? CREDENTIALS_FOUND : CREDENTIALS_BROKEN;
    }
    if (values[KEY_PROCESS].value != NULL) {
        return credential_process(values[KEY_PROCESS].value, found, error, error_size);
    }
    web.web_identity_token_file = values[KEY_WEB_TOKEN_FILE].value;
    web.role_arn = values[KEY_ROLE].value;
    web.role_session_name = values[KEY_ROLE_SESSION].value;
    return web.web_identity_token_file != NULL ? credential_web_identity(&web, found, error, error_size)
                                               : CREDENTIALS_ABSENT;
}

/* search_file looks for the profile in one of the two files. */
static enum credential_search search_file(const struct credential_settings *settings, const char *path,
                                          const char *section, struct aws_credentials *found, char *error,
                                          size_t error_size) {
    struct profile_value values[KEY_COUNT] = {
        [KEY_ID] = {"aws_access_key_id", NULL},
        [KEY_SECRET] = {"aws_secret_access_key", NULL},
        [KEY_TOKEN] = {"aws_session_token", NULL},
        [KEY_PROCESS] = {"credential_process", NULL},
        [KEY_WEB_TOKEN_FILE] = {"web_identity_token_file", NULL},
        [KEY_ROLE] = {"role_arn", NULL},
        [KEY_ROLE_SESSION] = {"role_session_name", NULL},
    };
    enum credential_search result = CREDENTIALS_ABSENT;

    if (!profile_file_read(path, section, values, KEY_COUNT)) {
        snprintf(error, error_size, "cannot read %s: %s", path, strerror(errno));
        return CREDENTIALS_ABSENT;
    }
    snprintf(error, error_size, "%s has no complete, usable keys for profile %s", path, section);
    result = search_profile(settings, values, found, error, error_size);
    clear_values(values);
    return result;
}

/* file_path gives the path of a shared file, or NULL when there is no way to tell. */
static char *file_path(const struct credential_settings *settings, const char *given, const char *name) {
    if (given != NULL) {
        return memory_duplicate(given);
    }
    return settings->home_folder != NULL ? memory_format("%s/.aws/%s", settings->home_folder, name) : NULL;
}

static enum credential_search search_files(const struct credential_settings *settings, struct aws_credentials *found,
                                           char *error, size_t error_size) {
    const char *profile = settings->profile != NULL ? settings->profile : "default";
    char *credentials_path = file_path(settings, settings->shared_credentials_file, "credentials");
    char *config_path = file_path(settings, settings->config_file, "config");
    char *section = strcmp(profile, "default") == 0 ? memory_duplicate(profile) : memory_format("profile %s", profile);
    char config_error[REASON_SIZE];
    enum credential_search result = CREDENTIALS_ABSENT;

    snprintf(error, error_size, "the home folder is not known");
    if (credentials_path != NULL) {
        result = search_file(settings, credentials_path, profile, found, error, error_size);
    }
    if (result == CREDENTIALS_ABSENT && config_path != NULL) {
        result = search_file(settings, config_path, section, found, config_error, sizeof(config_error));
        if (result == CREDENTIALS_BROKEN) {
            snprintf(error, error_size, "%s", config_error);
        }
    }
    free(credentials_path);
    free(config_path);
    free(section);
    return result;
}

/* ---- the chain ---- */

bool credential_sources_search(const struct credential_settings *settings, struct aws_credentials *found, char *error,
                               size_t error_size) {
    typedef enum credential_search source(const struct credential_settings *, struct aws_credentials *, char *, size_t);
    static source *const sources[] = {search_environment, credential_web_identity, search_files, credential_container,
                                      credential_metadata};
    char reasons[5][REASON_SIZE] = {"", "", "", "", ""};
    enum credential_search result = CREDENTIALS_ABSENT;
    size_t i;

    for (i = 0; result == CREDENTIALS_ABSENT && i < sizeof(sources) / sizeof(sources[0]); i++) {
        *found = (struct aws_credentials){0};
        result = sources[i](settings, found, reasons[i], sizeof(reasons[i]));
    }
    if (result == CREDENTIALS_FOUND) {
        return true;
    }
    aws_credentials_wipe(found);
    if (result == CREDENTIALS_BROKEN) {
        snprintf(error, error_size, "%s", reasons[i - 1]);
    } else {
        snprintf(error, error_size,
                 "no AWS credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are unset, no web identity and no "
                 "container service is set up, %s, and %s",
                 reasons[2], reasons[4]);
    }
    return false;
}

/* ---- JSON ---- */

bool credential_json_read(const char *text, const char *token_name, struct aws_credentials *found) {
    json_t *answer = json_loads(text, 0, NULL);
    const char *expiration = json_string_value(json_object_get(answer, "Expiration"));
    struct tm parts = {0};

    found->access_key_id = memory_duplicate(json_string_value(json_object_get(answer, "AccessKeyId")));
    found->secret_access_key = memory_duplicate(json_string_value(json_object_get(answer, "SecretAccessKey")));
    found->session_token = memory_duplicate(json_string_value(json_object_get(answer, token_name)));
    if (expiration != NULL && strptime(expiration, "%Y-%m-%dT%H:%M:%S", &parts) != NULL) {
        found->expires_at = timegm(&parts);
    }
    json_decref(answer);
    return aws_credentials_usable(found);
}
