/*
 * Credentials from services of the machine: the container's service, the metadata service of EC2.
 */
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocation.h"
#include "blocking_http.h"
#include "credential_sources.h"

/* Time limits and tries as the AWS SDKs have them. */
#define CONTAINER_TIMEOUT_MS 2000
#define CONTAINER_TRIES      3
#define METADATA_TIMEOUT_MS  1000
#define METADATA_TRIES       1

#define CONTAINER_ENDPOINT "http://169.254.170.2"
#define METADATA_ENDPOINT  "http://169.254.169.254"

/* ---- containers ---- */

/* may_be_asked tells whether the token may be sent to a URL: over https anywhere, over http only to this machine and to
 * the addresses of ECS and EKS. */
static bool may_be_asked(const char *text) {
    static const char *const hosts[] = {"localhost",     "127.0.0.1",      "[::1]",
                                        "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"};
    CURLU *url = curl_url();
    char *scheme = NULL, *host = NULL;
    bool allowed = false;
    size_t i;

    if (url != NULL && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK) {
        allowed = strcmp(scheme, "https") == 0;
        for (i = 0; !allowed && i < sizeof(hosts) / sizeof(hosts[0]); i++) {
            allowed = strcmp(scheme, "http") == 0 && strcmp(host, hosts[i]) == 0;
        }
    }
    curl_free(scheme);
    curl_free(host);
    curl_url_cleanup(url);
    return allowed;
}

/* container_header makes the Authorization line. Returns false with a message when the token cannot be used; *line is
 * NULL when none is set. */
static bool container_header(const struct credential_settings *settings, char **line, char *error, size_t error_size) {
    char *token = memory_duplicate(settings->container_token);

    *line = NULL;
    if (settings->container_token_file != NULL) {
        memory_wipe(token);
        token = credential_text_read(settings->container_token_file); /* each time: it is replaced now and then */
        if (token == NULL) {
            snprintf(error, error_size, "cannot read %s: %s", settings->container_token_file, strerror(errno));
            return false;
        }
    }
    if (token != NULL && strpbrk(token, "\r\n") != NULL) {
        snprintf(error, error_size, "the container's authorization token holds a line break");
        memory_wipe(token);
        return false;
    }
    *line = token != NULL ? memory_format("Authorization: %s", token) : NULL;
    memory_wipe(token);
    return true;
}

static enum credential_search ask_container(const char *url, const char *header, struct aws_credentials *found,
                                            char *error, size_t error_size) {
    struct blocking_request request = {
        .method = "GET", .url = url, .headers = {header}, .timeout_ms = CONTAINER_TIMEOUT_MS, .tries = CONTAINER_TRIES};
    char *answer = blocking_http_text(&request, error, error_size);
    bool usable = answer != NULL && credential_json_read(answer, "Token", found);

    if (answer != NULL && !usable) {
        snprintf(error, error_size, "the answer of %s holds no credentials", url);
    }
    memory_wipe(answer);
    return usable ? CREDENTIALS_FOUND : CREDENTIALS_BROKEN;
}

enum credential_search credential_container(const struct credential_settings *settings, struct aws_credentials *found,
                                            char *error, size_t error_size) {
    const char *endpoint = settings->container_endpoint != NULL ? settings->container_endpoint : CONTAINER_ENDPOINT;
    enum credential_search result = CREDENTIALS_BROKEN;
    char *url, *header;

    if (settings->container_relative_uri != NULL) {
        url = memory_format("%s%s", endpoint, settings->container_relative_uri);
    } else if (settings->container_full_uri != NULL) {
        url = memory_duplicate(settings->container_full_uri);
    } else {
        return CREDENTIALS_ABSENT;
    }
    if (!may_be_asked(url)) {
        snprintf(error, error_size, "AWS_CONTAINER_CREDENTIALS_FULL_URI must be https, or http to this machine");
    } else if (container_header(settings, &header, error, error_size)) {
        result = ask_container(url, header, found, error, error_size);
        memory_wipe(header);
    }
    free(url);
    return result;
}

/* ---- EC2 ---- */

/* metadata_text reads one path of the service, with the session's token. */
static char *metadata_text(const char *endpoint, const char *path, const char *header, char *error, size_t error_size) {
    char *url = memory_format("%s/latest/meta-data/iam/security-credentials/%s", endpoint, path), *answer;
    struct blocking_request request = {
        .method = "GET", .url = url, .headers = {header}, .timeout_ms = METADATA_TIMEOUT_MS, .tries = METADATA_TRIES};

    answer = blocking_http_text(&request, error, error_size);
    free(url);
    return answer;
}

/* metadata_header opens a session of version 2 and makes the header line with its token; NULL when nobody answers. */
static char *metadata_header(const char *endpoint, char *error, size_t error_size) {
    char *url = memory_format("%s/latest/api/token", endpoint), *token, *line = NULL;
    struct blocking_request request = {.method = "PUT",
                                       .url = url,
                                       .headers = {"x-aws-ec2-metadata-token-ttl-seconds: 21600"},
                                       .timeout_ms = METADATA_TIMEOUT_MS,
                                       .tries = METADATA_TRIES};

    token = blocking_http_text(&request, error, error_size);
    if (token != NULL && strpbrk(token, "\r\n") == NULL) {
        line = memory_format("x-aws-ec2-metadata-token: %s", token);
    }
    memory_wipe(token);
    free(url);
    return line;
}

enum credential_search credential_metadata(const struct credential_settings *settings, struct aws_credentials *found,
                                           char *error, size_t error_size) {
    const char *endpoint = settings->metadata_endpoint != NULL ? settings->metadata_endpoint : METADATA_ENDPOINT;
    char *header, *role, *answer = NULL;
    bool usable;

    snprintf(error, error_size, "the metadata service of EC2 is disabled");
    if (settings->metadata_disabled != NULL && strcasecmp(settings->metadata_disabled, "true") == 0) {
        return CREDENTIALS_ABSENT;
    }
    header = metadata_header(endpoint, error, error_size);
    role = header != NULL ? metadata_text(endpoint, "", header, error, error_size) : NULL;
    if (role != NULL) {
        role[strcspn(role, "\r\n")] = '\0';
        answer = metadata_text(endpoint, role, header, error, error_size);
    }
    usable = answer != NULL && credential_json_read(answer, "Token", found);
    if (answer != NULL && !usable) {
        snprintf(error, error_size, "the metadata service of EC2 gives no credentials for role %s", role);
        aws_credentials_wipe(found);
    }
    memory_wipe(answer);
    memory_wipe(header);
    free(role);
    return usable ? CREDENTIALS_FOUND : CREDENTIALS_ABSENT;
}
