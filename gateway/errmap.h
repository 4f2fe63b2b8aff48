/*
 * What the database says when a call fails, and what the client is told: data, one row per SQLSTATE.
 */
#ifndef SHOP_GATEWAY_ERRMAP_H
#define SHOP_GATEWAY_ERRMAP_H

#include <stdbool.h>
#include <stddef.h>

#include "database.h"

/* retry_after of answers that the client should not repeat as they are. */
#define NO_RETRY (-1)

/* What a client is told while the gateway stops. */
#define SHUTTING_DOWN_MESSAGE "The service is shutting down"

struct error_mapping {
    const char *sqlstate; /* five characters, or two for a class */
    unsigned status;
    const char *code;    /* of the problem */
    const char *message; /* for the client: never what the server said */
    int retry_after;     /* seconds, or NO_RETRY */
};

/* errmap_of_sqlstate gives the row of a SQLSTATE: the exact one, else that of its class, else 500. */
const struct error_mapping *errmap_of_sqlstate(const char *sqlstate);

/*
 * errmap_of_answer gives the row of a failed call, whatever its outcome (not DATABASE_OK). repeatable: the call does no
 * harm when it is made again; where it is not and its effect is unknown, the client is told so.
 */
const struct error_mapping *errmap_of_answer(const struct database_answer *answer, bool repeatable);

/* errmap_all gives the table of SQLSTATEs, for tests and documents. */
const struct error_mapping *errmap_all(size_t *count);

#endif
