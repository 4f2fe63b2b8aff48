/*
 * From a request to the parameters of a SQL function: where each value comes from and how it is converted. The rules of
 * the business are in the functions; here a value only becomes a text that fits its SQL type.
 */
#ifndef SHOP_GATEWAY_ARGUMENTS_H
#define SHOP_GATEWAY_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "json_body.h"
#include "request_target.h"

#define ARGUMENTS_MAXIMUM    10
#define PATH_VALUES_MAXIMUM  4
#define ARGUMENT_MONEY_LIMIT 40 /* longest literal of an amount */

enum argument_source {
    FROM_PATH,          /* a ":name" segment */
    FROM_QUERY,         /* a query parameter */
    FROM_BODY,          /* a member of the body */
    FROM_QUERY_OR_BODY, /* the query parameter where given, else the member */
    FROM_WHOLE_BODY,    /* the text of the body, as it was sent */
    FROM_KEY,           /* the Idempotency-Key header */
    FROM_STORE,         /* the shop that this process serves */
    FROM_ACTOR_ID,      /* on whose behalf: the customer's id, NULL for admins and open routes */
    FROM_ADMIN_ID,      /* the admin's own id */
    FROM_IS_ADMIN,      /* whether an admin asks */
    FROM_ACTOR,         /* the name for the history */
    FROM_REQUEST_ID,
    FROM_TRACEPARENT,
};

enum argument_type {
    INTEGER_4,
    INTEGER_8,
    LENIENT_INTEGER_8, /* what is no integer counts as absent, what is out of range becomes the nearest that fits */
    MONEY,
    BOOLEAN,
    TEXT,
};

struct argument {
    enum argument_source source;
    enum argument_type type;
    const char *name; /* of the path value, parameter or member; NULL for the other sources */
    bool optional;    /* absent becomes NULL and an unusable integer -1; else both become NULL */
};

struct path_value {
    const char *name; /* not NUL-terminated: it stands in the route's pattern */
    size_t name_length;
    const char *value;
};

/* What a request offers. Texts are borrowed; NULL where there is none. */
struct argument_sources {
    const struct request_target *target;
    struct path_value path_values[PATH_VALUES_MAXIMUM];
    size_t path_value_count;
    const struct json_body *body;
    const char *body_text;
    const char *store_id;
    const char *idempotency_key;
    const char *actor_id;
    const char *admin_id; /* NULL: the caller is no admin */
    const char *actor;
    const char *request_id;
    const char *traceparent;
};

struct argument_values {
    const char *values[ARGUMENTS_MAXIMUM]; /* for the database; NULL is SQL NULL */
    char *owned[ARGUMENTS_MAXIMUM];        /* those of them that were made */
};

/*
 * arguments_collect fills one value per row of the table. Returns NULL, or the row whose value had to be a string or a
 * boolean and is not (TEXT and BOOLEAN only: all other refusals are the SQL function's). Free the values by
 * arguments_free.
 */
const struct argument *arguments_collect(const struct argument *table, size_t count,
                                         const struct argument_sources *sources, struct argument_values *values);

/* arguments_free frees the texts that arguments_collect made. */
void arguments_free(struct argument_values *values);

#endif
