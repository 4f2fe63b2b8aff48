#include "aws_endpoint.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocation.h"

/* part_of gives one part of the URL as a text of ours, or NULL when the URL does not have it. */
static char *part_of(CURLU *url, CURLUPart part, unsigned flags) {
    char *text = NULL, *copy;

    if (curl_url_get(url, part, &text, flags) != CURLUE_OK) {
        return NULL;
    }
    copy = memory_duplicate(text);
    curl_free(text);
    return copy;
}

static bool has_part(CURLU *url, CURLUPart part) {
    char *text = part_of(url, part, 0);
    bool found = text != NULL;

    free(text);
    return found;
}

/* is_plain_path tells whether a path needs no encoding, so that it is signed exactly as it is sent. */
static bool is_plain_path(const char *path) {
    return path[strspn(path, "/-._~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")] == '\0';
}

static bool is_usable(CURLU *url, const char *text) {
    char *scheme = NULL, *path = NULL;
    bool usable = curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK;

    if (usable) {
        scheme = part_of(url, CURLUPART_SCHEME, 0);
        path = part_of(url, CURLUPART_PATH, 0);
        usable = scheme != NULL && (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0) && path != NULL &&
                 is_plain_path(path) && !has_part(url, CURLUPART_USER) && !has_part(url, CURLUPART_QUERY) &&
                 !has_part(url, CURLUPART_FRAGMENT);
    }
    free(scheme);
    free(path);
    return usable;
}

static void take_parts(struct aws_endpoint *endpoint, CURLU *url) {
    char *name = part_of(url, CURLUPART_HOST, 0);
    char *port = part_of(url, CURLUPART_PORT, CURLU_NO_DEFAULT_PORT);

    endpoint->host = port != NULL ? memory_format("%s:%s", name, port) : memory_duplicate(name);
    endpoint->path = part_of(url, CURLUPART_PATH, 0);
    free(name);
    free(port);
}

/* region_endpoint gives the public endpoint of a service in a region ("AWS service endpoints" in the AWS General
 * Reference). */
static char *region_endpoint(const char *service, const char *region) {
    const char *domain = strncmp(region, "cn-", 3) == 0 ? "amazonaws.com.cn" : "amazonaws.com";

    return memory_format("https://%s.%s.%s", service, region, domain);
}

bool aws_endpoint_set(struct aws_endpoint *endpoint, const char *configured, const char *service, const char *region,
                      char *error, size_t error_size) {
    CURLU *url = curl_url();

    *endpoint = (struct aws_endpoint){0};
    endpoint->url = configured != NULL ? memory_duplicate(configured) : region_endpoint(service, region);
    if (url == NULL || !is_usable(url, endpoint->url)) {
        snprintf(error, error_size, "must be an http or https URL without user, query or fragment");
        curl_url_cleanup(url);
        aws_endpoint_clear(endpoint);
        return false;
    }
    take_parts(endpoint, url);
    curl_url_cleanup(url);
    return true;
}

void aws_endpoint_clear(struct aws_endpoint *endpoint) {
    free(endpoint->url);
    free(endpoint->host);
    free(endpoint->path);
    *endpoint = (struct aws_endpoint){0};
}
