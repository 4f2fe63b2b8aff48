/*
 * One signed request to an AWS service at a time, for a thread that may wait for it.
 */
#ifndef SHOP_COMMON_AWS_REQUEST_H
#define SHOP_COMMON_AWS_REQUEST_H

#include "aws_endpoint.h"
#include "blocking_http.h"
#include "credential_sources.h"

struct aws_request {
    const struct aws_credentials *credentials;
    const char *endpoint_url;     /* NULL: the service's public endpoint in the region */
    const char *service, *region; /* for example "sts" and "us-east-1" */
    const char *content_type;
    const char *target; /* X-Amz-Target; NULL: none */
    const char *body;
    long timeout_ms; /* of each try */
    int tries;       /* while there is no answer or one of 5xx */
};

/*
 * aws_request_send posts the request. Where the service refuses it and its clock differs from ours by more than a
 * minute, it is signed and sent once more by the service's clock. Returns true with an answer of whatever status, or
 * false with a message in error and nothing to free. No message holds a secret.
 */
bool aws_request_send(const struct aws_request *request, struct blocking_answer *answer, char *error,
                      size_t error_size);

#endif
