#include "aws_configuration.h"

#include <stdio.h>
#include <string.h>

#include "aws_endpoint.h"

struct credential_settings aws_configuration_credentials(const struct aws_configuration *configuration) {
    return (struct credential_settings){
        .access_key_id = configuration->access_key_id,
        .secret_access_key = configuration->secret_access_key,
        .session_token = configuration->session_token,
        .region = configuration->region,
        .profile = configuration->profile,
        .web_identity_token_file = configuration->web_identity_token_file,
        .role_arn = configuration->role_arn,
        .role_session_name = configuration->role_session_name,
        .sts_endpoint_url = configuration->sts_endpoint_url,
        .config_file = configuration->config_file,
        .container_relative_uri = configuration->container_relative_uri,
        .container_full_uri = configuration->container_full_uri,
        .container_endpoint = configuration->container_endpoint,
        .container_token = configuration->container_token,
        .container_token_file = configuration->container_token_file,
        .metadata_disabled = configuration->metadata_disabled,
        .metadata_endpoint = configuration->metadata_endpoint,
        .shared_credentials_file = configuration->shared_credentials_file,
        .home_folder = configuration->home_folder,
    };
}

static bool is_endpoint(const char *variable, const char *url, const struct aws_configuration *configuration,
                        char *error, size_t error_size) {
    struct aws_endpoint endpoint;
    char reason[128];

    if (url == NULL) {
        return true;
    }
    if (!aws_endpoint_set(&endpoint, url, "", configuration->region, reason, sizeof(reason))) {
        snprintf(error, error_size, "%s (or AWS_ENDPOINT_URL) %s", variable, reason);
        return false;
    }
    aws_endpoint_clear(&endpoint);
    return true;
}

bool aws_configuration_valid(const struct aws_configuration *configuration, char *error, size_t error_size) {
    const char *region = configuration->region;

    if (region[strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-")] != '\0' || strlen(region) > 64) {
        snprintf(error, error_size, "AWS_REGION must be a region's name such as us-east-1");
        return false;
    }
    return is_endpoint("AWS_ENDPOINT_URL_SECRETS_MANAGER", configuration->secrets_endpoint_url, configuration, error,
                       error_size) &&
           is_endpoint("AWS_ENDPOINT_URL_STS", configuration->sts_endpoint_url, configuration, error, error_size);
}
