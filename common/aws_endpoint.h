/*
 * Where requests to an AWS service go: the configured endpoint, or the region's public one. (For SQS never the host of
 * a queue URL, which only names the queue.)
 */
#ifndef SHOP_COMMON_AWS_ENDPOINT_H
#define SHOP_COMMON_AWS_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>

struct aws_endpoint {
    char *url;  /* what is connected to */
    char *host; /* value of the Host header: name, and port where it is not the scheme's own */
    char *path; /* path of the URL, "/" at least */
};

/*
 * aws_endpoint_set finds the endpoint. configured: an http or https URL without user, query or fragment, or NULL for
 * the service's endpoint in the region. service: "sqs", "sts", … as in host names. Returns false, with a message in
 * error, when configured is no such URL.
 */
bool aws_endpoint_set(struct aws_endpoint *endpoint, const char *configured, const char *service, const char *region,
                      char *error, size_t error_size);

/* aws_endpoint_clear frees the texts. */
void aws_endpoint_clear(struct aws_endpoint *endpoint);

#endif
