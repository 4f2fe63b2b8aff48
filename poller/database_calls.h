/*
 * The extension's functions that the poller calls, and what the outcome of a call means for the work at hand.
 */
#ifndef SHOP_POLLER_DATABASE_CALLS_H
#define SHOP_POLLER_DATABASE_CALLS_H

#include <stdint.h>

#include "database.h"

/* Size of the text of an int64, with its closing NUL. */
#define NUMBER_TEXT_SIZE 21

extern const struct database_statement claim_outbox_statement;
extern const struct database_statement settle_payment_statement;
extern const struct database_statement mark_outbox_delivered_statement;
extern const struct database_statement release_outbox_statement;
extern const struct database_statement record_dead_letter_statement;
extern const struct database_statement mark_dead_letter_moved_statement;

enum database_verdict {
    DATABASE_DONE,    /* committed; the answer holds the rows */
    DATABASE_AWAY,    /* the database cannot serve anyone just now: no fault of this piece of work */
    DATABASE_REFUSED, /* this piece of work failed: an error of its own, its time was up, or its connection broke
                         twice under it */
};

/*
 * database_verdict_of judges an answer. Errors that say something about the server and not about the call (its classes
 * are listed in the .c file) count as DATABASE_AWAY.
 */
enum database_verdict database_verdict_of(const struct database_answer *answer);

/* database_failure_text describes an answer that is not DATABASE_OK for the log; the caller frees it. */
char *database_failure_text(const struct database_answer *answer);

/* number_text writes a number in decimal and gives out back. */
const char *number_text(int64_t number, char out[NUMBER_TEXT_SIZE]);

#endif
