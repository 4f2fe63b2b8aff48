#include "credential_sources.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocation.h"
#include "profile_file.h"

#define REASON_SIZE 512

/* Longest file of a token; those of Kubernetes have about a kilobyte. */
#define TEXT_FILE_LIMIT 65536

void aws_credentials_wipe(struct aws_credentials *credentials) {
    memory_wipe(credentials->access_key_id);
    memory_wipe(credentials->secret_access_key);
    memory_wipe(credentials->session_token);
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
        memory_wipe(text);
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
    KEY_SOURCE_PROFILE,
    KEY_CREDENTIAL_SOURCE,
    KEY_EXTERNAL_ID,
    KEY_DURATION,
    KEY_MFA,
    KEY_COUNT,
};

/* Most roles in a row: a profile whose source_profile has a source_profile and so on. */
#define ROLES_MAXIMUM 5

/* Both files, and what they say about the profiles that are followed. */
struct profile_search {
    const struct credential_settings *settings;
    char *credentials_path, *config_path;                      /* NULL where the home folder is not known */
    struct profile_value values[ROLES_MAXIMUM + 1][KEY_COUNT]; /* of the profile asked for, its source, … */
    size_t roles;                                              /* how many of them are roles to assume */
};

/* file_path gives the path of a shared file, or NULL when there is no way to tell. */
static char *file_path(const struct credential_settings *settings, const char *given, const char *name) {
    if (given != NULL) {
        return memory_duplicate(given);
    }
    return settings->home_folder != NULL ? memory_format("%s/.aws/%s", settings->home_folder, name) : NULL;
}

/* read_profile reads a profile from both files; what the credentials file says wins. Only that one's absence is worth a
 * word, for the other may well not be there. */
static void read_profile(const struct profile_search *search, const char *profile, struct profile_value *values,
                         char *error, size_t error_size) {
    static const char *const names[KEY_COUNT] = {
        [KEY_ID] = "aws_access_key_id",
        [KEY_SECRET] = "aws_secret_access_key",
        [KEY_TOKEN] = "aws_session_token",
        [KEY_PROCESS] = "credential_process",
        [KEY_WEB_TOKEN_FILE] = "web_identity_token_file",
        [KEY_ROLE] = "role_arn",
        [KEY_ROLE_SESSION] = "role_session_name",
        [KEY_SOURCE_PROFILE] = "source_profile",
        [KEY_CREDENTIAL_SOURCE] = "credential_source",
        [KEY_EXTERNAL_ID] = "external_id",
        [KEY_DURATION] = "duration_seconds",
        [KEY_MFA] = "mfa_serial",
    };
    char *section = strcmp(profile, "default") == 0 ? memory_duplicate(profile) : memory_format("profile %s", profile);
    size_t i;

    for (i = 0; i < KEY_COUNT; i++) {
        values[i].name = names[i];
    }
    snprintf(error, error_size, "the home folder is not known");
    if (search->config_path != NULL) {
        profile_file_read(search->config_path, section, values, KEY_COUNT);
    }
    if (search->credentials_path != NULL) {
        if (profile_file_read(search->credentials_path, profile, values, KEY_COUNT)) {
            snprintf(error, error_size, "%s has no complete, usable keys for profile %s", search->credentials_path,
                     profile);
        } else {
            snprintf(error, error_size, "cannot read %s: %s", search->credentials_path, strerror(errno));
        }
    }
    free(section);
}

static bool has_keys(const struct profile_value *values) {
    return values[KEY_ID].value != NULL || values[KEY_SECRET].value != NULL;
}

/* own_credentials uses what a profile says of itself, whatever role it may lead to. */
static enum credential_search own_credentials(const struct credential_settings *settings,
                                              const struct profile_value *values, struct aws_credentials *found,
                                              char *error, size_t error_size) {
    struct credential_settings web = *settings;

    if (has_keys(values)) {
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

/* named_source asks the source that credential_source names. */
static enum credential_search named_source(const struct credential_settings *settings, const char *name,
                                           struct aws_credentials *found, char *error, size_t error_size) {
    if (strcmp(name, "Environment") == 0) {
        return search_environment(settings, found, error, error_size);
    }
    if (strcmp(name, "EcsContainer") == 0) {
        return credential_container(settings, found, error, error_size);
    }
    if (strcmp(name, "Ec2InstanceMetadata") == 0) {
        return credential_metadata(settings, found, error, error_size);
    }
    snprintf(error, error_size, "credential_source must be Environment, EcsContainer or Ec2InstanceMetadata");
    return CREDENTIALS_BROKEN;
}

/*
 * follow_sources reads the profile and, as long as one is a role with a source_profile, that one too. Returns false
 * with a message when the row does not end. A profile that names itself as its source has the keys for its role.
 */
static bool follow_sources(struct profile_search *search, const char *profile, char *error, size_t error_size) {
    for (;;) {
        struct profile_value *values = search->values[search->roles];
        const char *source;

        read_profile(search, profile, values, error, error_size);
        source = values[KEY_SOURCE_PROFILE].value;
        if (values[KEY_ROLE].value == NULL || values[KEY_WEB_TOKEN_FILE].value != NULL ||
            (source == NULL && values[KEY_CREDENTIAL_SOURCE].value == NULL)) {
            return true;
        }
        if (values[KEY_MFA].value != NULL) {
            snprintf(error, error_size, "profile %s asks for a one-time password, which nobody can type here", profile);
            return false;
        }
        if (search->roles == ROLES_MAXIMUM) {
            snprintf(error, error_size, "the source_profile of profile %s leads on and on", profile);
            return false;
        }
        search->roles++;
        if (source == NULL || strcmp(source, profile) == 0) {
            return true;
        }
        profile = source;
    }
}

/* base_credentials gives the credentials at the end of the row of roles. */
static enum credential_search base_credentials(const struct profile_search *search, struct aws_credentials *found,
                                               char *error, size_t error_size) {
    const struct profile_value *last = search->values[search->roles];
    const struct profile_value *role = search->roles > 0 ? search->values[search->roles - 1] : NULL;
    enum credential_search result;

    if (role != NULL && last[KEY_ID].name == NULL) { /* nothing was read after the last role */
        const char *source = role[KEY_CREDENTIAL_SOURCE].value;

        result = source != NULL && role[KEY_SOURCE_PROFILE].value == NULL
                     ? named_source(search->settings, source, found, error, error_size)
                     : own_credentials(search->settings, role, found, error, error_size);
    } else {
        result = own_credentials(search->settings, last, found, error, error_size);
    }
    if (role == NULL || result != CREDENTIALS_ABSENT) {
        return result;
    }
    /* Who names a role means it: no other credentials will do. */
    snprintf(error, error_size, "there are no credentials to get role %s with: see its source_profile",
             role[KEY_ROLE].value);
    return CREDENTIALS_BROKEN;
}

/* assume_roles exchanges credentials for those of each role of the row, the profile asked for last. */
static enum credential_search assume_roles(const struct profile_search *search, struct aws_credentials *found,
                                           char *error, size_t error_size) {
    enum credential_search result = CREDENTIALS_FOUND;
    size_t i;

    for (i = search->roles; result == CREDENTIALS_FOUND && i > 0; i--) {
        const struct profile_value *values = search->values[i - 1];
        struct credential_role role = {values[KEY_ROLE].value, values[KEY_ROLE_SESSION].value,
                                       values[KEY_EXTERNAL_ID].value, values[KEY_DURATION].value};
        struct aws_credentials source = *found;

        *found = (struct aws_credentials){0};
        result = credential_assumed_role(search->settings, &role, &source, found, error, error_size);
        aws_credentials_wipe(&source);
    }
    return result;
}

static void end_profile_search(struct profile_search *search) {
    size_t i, key;

    for (i = 0; i <= ROLES_MAXIMUM; i++) {
        for (key = 0; key < KEY_COUNT; key++) {
            memory_wipe(search->values[i][key].value);
        }
    }
    free(search->credentials_path);
    free(search->config_path);
}

static enum credential_search search_files(const struct credential_settings *settings, struct aws_credentials *found,
                                           char *error, size_t error_size) {
    struct profile_search search = {
        .settings = settings,
        .credentials_path = file_path(settings, settings->shared_credentials_file, "credentials"),
        .config_path = file_path(settings, settings->config_file, "config"),
    };
    enum credential_search result = CREDENTIALS_BROKEN;

    if (follow_sources(&search, settings->profile != NULL ? settings->profile : "default", error, error_size)) {
        result = base_credentials(&search, found, error, error_size);
    }
    if (result == CREDENTIALS_FOUND) {
        result = assume_roles(&search, found, error, error_size);
    }
    end_profile_search(&search);
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
