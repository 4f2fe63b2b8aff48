/*
 * The settings that lead to AWS: region and credentials. A part of the shared settings (config.h).
 */
#ifndef SHOP_COMMON_AWS_CONFIGURATION_H
#define SHOP_COMMON_AWS_CONFIGURATION_H

#include <stdbool.h>
#include <stddef.h>

#include "credential_sources.h"

struct aws_configuration {
    char *region;
    char *secrets_endpoint_url; /* AWS_ENDPOINT_URL_SECRETS_MANAGER; NULL: the region's */
    char *access_key_id, *secret_access_key, *session_token;
    char *profile, *shared_credentials_file, *config_file, *home_folder;
    char *web_identity_token_file, *role_arn, *role_session_name, *sts_endpoint_url;
    char *container_relative_uri, *container_full_uri, *container_endpoint, *container_token, *container_token_file;
    char *metadata_disabled, *metadata_endpoint;
};

#define AWS_TEXT_ROW(variable, alias, default_text, secret, field, help)                                               \
    { variable, alias, SETTING_STRING, default_text, 1, 4096, NULL, secret, field, help }

/* The rows of these settings; base is the offset of the struct aws_configuration in the program's struct. */
#define AWS_SETTING_ROWS(base)                                                                                         \
    AWS_TEXT_ROW("AWS_REGION", "AWS_DEFAULT_REGION", "us-east-1", false,                                               \
                 (base) + offsetof(struct aws_configuration, region), "AWS region"),                                   \
        AWS_TEXT_ROW("AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ENDPOINT_URL", NULL, false,                              \
                     (base) + offsetof(struct aws_configuration, secrets_endpoint_url),                                \
                     "where to reach Secrets Manager; unset: the region's public endpoint"),                           \
        AWS_TEXT_ROW("AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL", NULL, false,                                          \
                     (base) + offsetof(struct aws_configuration, sts_endpoint_url),                                    \
                     "where to reach STS; unset: the region's public endpoint"),                                       \
        AWS_TEXT_ROW("AWS_ACCESS_KEY_ID", NULL, NULL, true,                                                            \
                     (base) + offsetof(struct aws_configuration, access_key_id), "AWS access key id"),                 \
        AWS_TEXT_ROW("AWS_SECRET_ACCESS_KEY", NULL, NULL, true,                                                        \
                     (base) + offsetof(struct aws_configuration, secret_access_key), "AWS secret access key"),         \
        {"AWS_SESSION_TOKEN",                                                                                          \
         NULL,                                                                                                         \
         SETTING_STRING,                                                                                               \
         NULL,                                                                                                         \
         0,                                                                                                            \
         0,                                                                                                            \
         NULL,                                                                                                         \
         true,                                                                                                         \
         (base) + offsetof(struct aws_configuration, session_token),                                                   \
         "AWS session token, with temporary keys"},                                                                    \
        AWS_TEXT_ROW("AWS_PROFILE", NULL, NULL, false, (base) + offsetof(struct aws_configuration, profile),           \
                     "profile in the shared files; unset: default"),                                                   \
        AWS_TEXT_ROW("AWS_SHARED_CREDENTIALS_FILE", NULL, NULL, false,                                                 \
                     (base) + offsetof(struct aws_configuration, shared_credentials_file),                             \
                     "shared credentials file; unset: .aws/credentials in the home folder"),                           \
        AWS_TEXT_ROW("AWS_CONFIG_FILE", NULL, NULL, false, (base) + offsetof(struct aws_configuration, config_file),   \
                     "shared config file; unset: .aws/config in the home folder"),                                     \
        AWS_TEXT_ROW("HOME", NULL, NULL, false, (base) + offsetof(struct aws_configuration, home_folder),              \
                     "home folder"),                                                                                   \
        AWS_TEXT_ROW("AWS_WEB_IDENTITY_TOKEN_FILE", NULL, NULL, false,                                                 \
                     (base) + offsetof(struct aws_configuration, web_identity_token_file),                             \
                     "file with the web identity token to get a role's credentials from STS with"),                    \
        AWS_TEXT_ROW("AWS_ROLE_ARN", NULL, NULL, false, (base) + offsetof(struct aws_configuration, role_arn),         \
                     "that role"),                                                                                     \
        AWS_TEXT_ROW("AWS_ROLE_SESSION_NAME", NULL, NULL, false,                                                       \
                     (base) + offsetof(struct aws_configuration, role_session_name),                                   \
                     "name of the session with that role; unset: pg-shop"),                                            \
        AWS_TEXT_ROW("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", NULL, NULL, false,                                      \
                     (base) + offsetof(struct aws_configuration, container_relative_uri),                              \
                     "path of the credentials on the service of ECS"),                                                 \
        AWS_TEXT_ROW("AWS_CONTAINER_CREDENTIALS_FULL_URI", NULL, NULL, false,                                          \
                     (base) + offsetof(struct aws_configuration, container_full_uri),                                  \
                     "URL of the credentials on another service of the container (EKS Pod Identity)"),                 \
        AWS_TEXT_ROW("AWS_CONTAINER_CREDENTIALS_ENDPOINT", NULL, NULL, false,                                          \
                     (base) + offsetof(struct aws_configuration, container_endpoint),                                  \
                     "what the relative URI is relative to; unset: http://169.254.170.2"),                             \
        AWS_TEXT_ROW("AWS_CONTAINER_AUTHORIZATION_TOKEN", NULL, NULL, true,                                            \
                     (base) + offsetof(struct aws_configuration, container_token), "token for that service"),          \
        AWS_TEXT_ROW("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", NULL, NULL, false,                                      \
                     (base) + offsetof(struct aws_configuration, container_token_file),                                \
                     "file with the token for that service"),                                                          \
        AWS_TEXT_ROW("AWS_EC2_METADATA_DISABLED", NULL, NULL, false,                                                   \
                     (base) + offsetof(struct aws_configuration, metadata_disabled),                                   \
                     "true: do not ask the metadata service of EC2 for credentials"),                                  \
        AWS_TEXT_ROW("AWS_EC2_METADATA_SERVICE_ENDPOINT", NULL, NULL, false,                                           \
                     (base) + offsetof(struct aws_configuration, metadata_endpoint),                                   \
                     "where to reach it; unset: http://169.254.169.254")

/* aws_configuration_credentials gives the settings for credential_store_open; they point into configuration. */
struct credential_settings aws_configuration_credentials(const struct aws_configuration *configuration);

/* aws_configuration_valid checks what will become part of a host name. Returns false with a message in error that names
 * the variable. */
bool aws_configuration_valid(const struct aws_configuration *configuration, char *error, size_t error_size);

#endif
