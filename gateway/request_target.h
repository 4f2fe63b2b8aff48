/*
 * The request target (RFC 9112 section 3.2): path segments and query parameters, decoded exactly once.
 *
 * The library's own decoding is not used: it turns %2F into a separator before routing and cuts the path at %00.
 */
#ifndef SHOP_GATEWAY_REQUEST_TARGET_H
#define SHOP_GATEWAY_REQUEST_TARGET_H

#include <stdbool.h>
#include <stddef.h>

#define TARGET_MAXIMUM_SEGMENTS   16
#define TARGET_MAXIMUM_PARAMETERS 64

struct query_parameter {
    const char *name;
    const char *value;
};

struct request_target {
    char *path;    /* as sent, without the query: for the log */
    void *decoded; /* owns segments, parameters and their texts: a request is held a thousand times over */
    const char **segments;
    size_t segment_count;
    bool too_many_segments; /* no route can match */
    struct query_parameter *parameters;
    size_t parameter_count;
};

/*
 * request_target_parse reads a target as it stands in the request line: origin form, absolute form (scheme and
 * authority are skipped) or "*". Returns NULL when it is well-formed, else what is wrong with it, for the client: bad
 * percent escapes, NUL, control characters, text that is no UTF-8, too many parameters. *target can be freed either
 * way.
 */
const char *request_target_parse(const char *text, struct request_target *target);

/* request_target_free frees the texts. */
void request_target_free(struct request_target *target);

/*
 * request_target_parameter finds a query parameter. *value is NULL when there is none; *repeated tells that it is given
 * more than once, so that no single value exists.
 */
void request_target_parameter(const struct request_target *target, const char *name, const char **value,
                              bool *repeated);

#endif
