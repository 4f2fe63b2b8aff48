/*
 * Where requests to SQS go: the configured endpoint, or the region's public one. Never the host of a queue URL, which
 * only names the queue.
 */
#ifndef SHOP_POLLER_SQS_ENDPOINT_H
#define SHOP_POLLER_SQS_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>

struct sqs_endpoint {
    char *url;  /* what is connected to */
    char *host; /* value of the Host header: name, and port where it is not the scheme's own */
    char *path; /* path of the URL, "/" at least */
};

/*
 * sqs_endpoint_set finds the endpoint. configured: an http or https URL without user, query or fragment, or NULL for
 * the region's endpoint. Returns false, with a message in error, when configured is no such URL.
 */
bool sqs_endpoint_set(struct sqs_endpoint *endpoint, const char *configured, const char *region, char *error,
                      size_t error_size);

/* sqs_endpoint_clear frees the texts. */
void sqs_endpoint_clear(struct sqs_endpoint *endpoint);

#endif
