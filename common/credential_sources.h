/*
 * Where AWS credentials come from. Looking for them reads files, runs programs and waits for services, so it blocks: it
 * is for the start of the program and for a thread of its own (credentials.h).
 */
#ifndef SHOP_COMMON_CREDENTIAL_SOURCES_H
#define SHOP_COMMON_CREDENTIAL_SOURCES_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

/* The environment variables that name sources; NULL where unset. Only texts, all of them in this order copied as one.
 */
struct credential_settings {
    const char *access_key_id, *secret_access_key, *session_token; /* AWS_ACCESS_KEY_ID, … */
    const char *web_identity_token_file, *role_arn, *role_session_name;
    const char *sts_endpoint_url; /* AWS_ENDPOINT_URL_STS; NULL: the region's */
    const char *region;
    const char *profile;                 /* AWS_PROFILE; NULL: "default" */
    const char *shared_credentials_file; /* NULL: .aws/credentials in the home folder */
    const char *config_file;             /* AWS_CONFIG_FILE; NULL: .aws/config in the home folder */
    const char *home_folder;             /* HOME */
    const char *container_relative_uri;  /* AWS_CONTAINER_CREDENTIALS_RELATIVE_URI */
    const char *container_full_uri;      /* AWS_CONTAINER_CREDENTIALS_FULL_URI */
    const char *container_endpoint;      /* what the relative URI is relative to; NULL: the service of ECS */
    const char *container_token, *container_token_file;
    const char *metadata_disabled; /* AWS_EC2_METADATA_DISABLED: "true" leaves the last source out */
    const char *metadata_endpoint; /* AWS_EC2_METADATA_SERVICE_ENDPOINT; NULL: the service of EC2 */
};

struct aws_credentials {
    char *access_key_id, *secret_access_key;
    char *session_token; /* NULL with long-term keys */
    time_t expires_at;   /* 0: never */
};

enum credential_search {
    CREDENTIALS_FOUND,
    CREDENTIALS_ABSENT, /* this source is not set up: look at the next one */
    CREDENTIALS_BROKEN, /* it is, and does not work: the search ends, so that no other keys than meant are used */
};

/*
 * credential_sources_search looks for credentials; the first source that has some wins (order of the AWS SDKs): the
 * environment, web identity, the profile in the shared files (a role, its keys, credential_process or web identity),
 * the container's service (ECS, EKS), the metadata service of EC2 (version 2 only).
 * Returns false, with a message in error that says where was looked and holds no secret, when there are none.
 */
bool credential_sources_search(const struct credential_settings *settings, struct aws_credentials *found, char *error,
                               size_t error_size);

/* aws_credentials_wipe overwrites and frees the texts. */
void aws_credentials_wipe(struct aws_credentials *credentials);

/* aws_credentials_usable tells whether both keys are there and all texts can stand in an HTTP header. */
bool aws_credentials_usable(const struct aws_credentials *credentials);

/* credential_text_read reads a small file whole, without blanks and line ends at its end. The caller frees it; NULL,
 * with errno set, when it cannot be read. */
char *credential_text_read(const char *path);

/*
 * credential_json_read takes credentials out of a JSON object: AccessKeyId, SecretAccessKey, the token under the name
 * given, Expiration (ISO 8601, may be absent). Returns false when they are not there or not usable.
 */
bool credential_json_read(const char *text, const char *token_name, struct aws_credentials *found);

/* A role to assume, as a profile describes it. */
struct credential_role {
    const char *arn;
    const char *session_name, *external_id, *duration_seconds; /* NULL where not given */
};

/* The sources that ask STS, in credential_sts.c. The second one gets the role's credentials by those of source. */
enum credential_search credential_web_identity(const struct credential_settings *settings,
                                               struct aws_credentials *found, char *error, size_t error_size);
enum credential_search credential_assumed_role(const struct credential_settings *settings,
                                               const struct credential_role *role, const struct aws_credentials *source,
                                               struct aws_credentials *found, char *error, size_t error_size);

/* The sources that are services of the machine, in credential_services.c. */
enum credential_search credential_container(const struct credential_settings *settings, struct aws_credentials *found,
                                            char *error, size_t error_size);
enum credential_search credential_metadata(const struct credential_settings *settings, struct aws_credentials *found,
                                           char *error, size_t error_size);

/* The source that is a program, in credential_process.c: its output is JSON of Version 1 ("Process credential provider"
 * in the AWS SDKs Reference Guide). */
enum credential_search credential_process(const char *command, struct aws_credentials *found, char *error,
                                          size_t error_size);

#endif
