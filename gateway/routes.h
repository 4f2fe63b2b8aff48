/*
 * The route table: everything that tells one route from another is data here. It drives dispatch, 404, 405 with Allow,
 * HEAD, the level of authorisation, the body rule and the arguments of the SQL function.
 */
#ifndef SHOP_GATEWAY_ROUTES_H
#define SHOP_GATEWAY_ROUTES_H

#include "arguments.h"
#include "database.h"

enum route_access {
    ACCESS_OPEN,              /* nobody is asked */
    ACCESS_CUSTOMER,          /* a valid token where CUSTOMER_AUTH=jwt */
    ACCESS_CUSTOMER_OR_ADMIN, /* the same, but a token that is sent is always read: an admin may do more */
    ACCESS_ADMIN,             /* a valid token with the role admin */
};

enum route_body {
    BODY_NONE,     /* a body is read and ignored */
    BODY_OPTIONAL, /* an empty body is fine, any other must be a JSON object */
    BODY_REQUIRED, /* a JSON object */
    BODY_RAW,      /* kept as it comes; the handler reads it */
};

/* Which batcher of the gateway takes the route's calls. */
enum batch_kind { NOT_BATCHED, BATCHED_CART_ITEMS, BATCHED_CHECKOUTS };

struct reading_statements;
struct request;

/* A route that is not a single SQL call. It answers the request, at once or later. */
typedef void route_handler(struct request *request);

struct route {
    const char *method;
    const char *path; /* segments; ":name" stands for any one */
    enum route_access access;
    enum route_body body;
    bool while_stopping;                              /* served as usual during the shutdown */
    route_handler *handler;                           /* NULL: the SQL function below, with the arguments below */
    const struct database_statement *statement;       /* answers with a shop.response */
    const struct database_statement *keyed_statement; /* instead, where an Idempotency-Key makes the call repeatable */
    const struct reading_statements *reading;         /* instead of statement: a read that may be a moment behind */
    enum batch_kind batched;                          /* instead of statement: several go as one call */
    int timeout_ms;                                   /* of the call; 0: DATABASE_CALL_TIMEOUT_MS */
    const char *log_event;                            /* written when the call succeeds, or NULL */
    struct argument arguments[ARGUMENTS_MAXIMUM];
};

/* Size of the text that routes_allowed_methods writes. */
#define ALLOWED_METHODS_SIZE 64

/*
 * routes_find finds the route of a method (HEAD counts as GET) and a path, and fills the path's values into sources.
 * Returns NULL when there is none; *path_known then tells whether the path has other methods.
 */
const struct route *routes_find(const char *method, const struct request_target *target,
                                struct argument_sources *sources, bool *path_known);

/* routes_allowed_methods writes the methods of a path as the Allow header wants them ("GET, HEAD, OPTIONS"). */
void routes_allowed_methods(const struct request_target *target, char out[ALLOWED_METHODS_SIZE]);

/* routes_all gives the whole table, for tests and tools that compare it with other descriptions. */
const struct route *routes_all(size_t *count);

#endif
