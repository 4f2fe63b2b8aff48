/*
 * AWS Signature Version 4 ("Signing AWS API requests" in the IAM User Guide): the value of the Authorization header as
 * a function of the request, the key and the time, and of nothing else.
 */
#ifndef SHOP_COMMON_SIGV4_H
#define SHOP_COMMON_SIGV4_H

#include <stddef.h>
#include <time.h>

/* Size of the text that sigv4_timestamp writes, with its closing NUL: "20150830T123600Z". */
#define SIGV4_TIMESTAMP_SIZE 17

/* Most headers that one request may sign. */
#define SIGV4_MAXIMUM_HEADERS 16

struct sigv4_header {
    const char *name;  /* in any case, no name twice */
    const char *value; /* as it is sent */
};

struct sigv4_request {
    const char *access_key_id, *secret_access_key;
    const char *region, *service; /* for example "us-east-1" and "sqs" */
    const char *timestamp;        /* as sigv4_timestamp writes it; the x-amz-date header has to carry the same text */
    const char *method;           /* "POST" */
    const char *path;             /* canonical: percent-encoded as the service reads it, "/" at least */
    const char *query;            /* canonical: encoded and sorted, "" where there is none */
    const struct sigv4_header *headers; /* all are signed, in any order; host has to be among them */
    size_t header_count;                /* 1 to SIGV4_MAXIMUM_HEADERS */
    const void *body;
    size_t body_length; /* bytes */
};

/* sigv4_timestamp writes a time as the signature wants it. */
void sigv4_timestamp(time_t now, char out[SIGV4_TIMESTAMP_SIZE]);

/*
 * sigv4_authorization signs a request. Returns the value of the Authorization header, which the caller frees, or NULL
 * when the request breaks a rule of struct sigv4_request or libcrypto fails. Derived keys are wiped before it returns.
 */
char *sigv4_authorization(const struct sigv4_request *request);

#endif
