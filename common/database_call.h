/*
 * One submitted call of the database pool, and lists of them. Private to the pool.
 */
#ifndef SHOP_COMMON_DATABASE_CALL_H
#define SHOP_COMMON_DATABASE_CALL_H

#include <stdint.h>

#include "database.h"

#define DATABASE_MESSAGE_SIZE 512

struct database_call {
    struct database_call *next;
    const struct database_statement *statement;
    database_callback *callback; /* NULL: nobody wants the answer any more */
    void *context;
    int64_t deadline;      /* clock_monotonic_ms: the call's own timeout */
    int64_t wait_deadline; /* until when it may wait for a connection */
    int64_t not_before;    /* a call to be repeated rests until then */
    int conflicts;         /* how often it was repeated after 40001 or 40P01 */
    bool prepared_again;   /* its statement was prepared anew because the server did not know it */
    bool resent;           /* it was in flight on a connection that broke */
    enum database_outcome outcome;
    PGresult *result;
    char sqlstate[6];
    char message[DATABASE_MESSAGE_SIZE];
    const char *values[]; /* parameter_count entries, followed by the texts themselves */
};

struct database_call_list {
    struct database_call *first;
    struct database_call *last;
    int count;
};

/* database_call_create copies the values. The caller owns the call; NULL when memory is short. */
struct database_call *database_call_create(const struct database_statement *statement, const char *const *values);

/* database_call_free frees the call and its result. */
void database_call_free(struct database_call *call);

/* database_call_set_message copies text for the log: first line break to space, trailing blanks dropped, cut to size.
 */
void database_call_set_message(char out[DATABASE_MESSAGE_SIZE], const char *text);

/* database_call_clear_result forgets what an earlier try of the call brought. */
void database_call_clear_result(struct database_call *call);

void database_call_list_append(struct database_call_list *list, struct database_call *call);
void database_call_list_prepend(struct database_call_list *list, struct database_call *call);

/* database_call_list_remove takes the call out of the list, where it must be. */
void database_call_list_remove(struct database_call_list *list, struct database_call *call);

#endif
