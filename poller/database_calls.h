/*
 * The extension's functions that the poller calls, and what the outcome of a call means for the work at hand.
 */
#ifndef SHOP_POLLER_DATABASE_CALLS_H
#define SHOP_POLLER_DATABASE_CALLS_H

#include <stdint.h>

#include "database.h"

/* Size of the text of an int64, with its closing NUL. */
#define NUMBER_TEXT_SIZE 21

extern const struct database_statement version_statement;
extern const struct database_statement claim_outbox_statement;
extern const struct database_statement settle_payment_statement;
extern const struct database_statement settle_payments_statement;
extern const struct database_statement begin_payment_statement;
extern const struct database_statement apply_payment_statement;
extern const struct database_statement begin_refund_statement;
extern const struct database_statement defer_message_statement;
extern const struct database_statement settle_refund_statement;
extern const struct database_statement ingest_order_statement;
extern const struct database_statement ingest_orders_statement;
extern const struct database_statement report_poller_statement;
extern const struct database_statement queue_status_statement;
extern const struct database_statement maintain_statement;
extern const struct database_statement mark_outbox_delivered_statement;
extern const struct database_statement release_outbox_statement;
extern const struct database_statement extend_outbox_statement;
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

/*
 * database_work_verdict is database_verdict_of for work on one message: where the whole server went away under the
 * call, that is not the call's fault.
 */
enum database_verdict database_work_verdict(const struct database_pool *pool, const struct database_answer *answer);

/*
 * database_answer_is_inconclusive tells whether, after a call that failed, this call or an earlier one on the same row
 * may still commit: it was cancelled or lost without an answer, or somebody else holds the row.
 */
bool database_answer_is_inconclusive(const struct database_answer *answer);

/* database_row_text gives a field of the first row, or NULL when it is SQL NULL or not there. */
const char *database_row_text(const PGresult *rows, int column);

/* database_failure_text describes an answer that is not DATABASE_OK for the log; the caller frees it. */
char *database_failure_text(const struct database_answer *answer);

/* number_text writes a number in decimal and gives out back. */
const char *number_text(int64_t number, char out[NUMBER_TEXT_SIZE]);

#endif
