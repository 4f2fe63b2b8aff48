/*
 * The one try of a message, whichever way it came: a payment is settled, a refund is settled, an intake order is
 * processed. What follows from the outcome (deleting, giving back, dead letters) is the caller's.
 */
#ifndef SHOP_POLLER_HANDLING_H
#define SHOP_POLLER_HANDLING_H

#include <stdbool.h>
#include <stdint.h>

#include "message_content.h"
#include "settlement.h"

/* What every try needs; has to outlive them. */
struct handling_services {
    const struct settlement_services *settlements;
    struct call_batcher *ingest_batcher; /* of ingest_order */
    int payment_tries, intake_tries;     /* how often a message of that kind is tried; refunds count as payments */
};

/* A message to be handled. content and body have to stay until the callback or handling_cancel. */
struct handling_request {
    const struct message_content *content;
    const char *body;
    const char *request_id;  /* NULL where unknown */
    const char *traceparent; /* NULL where unknown */
    int64_t outbox_id;       /* the outbox row to mark delivered in the same commit; 0: none */
};

enum handling_result {
    HANDLING_DONE,          /* its effect is committed, now or earlier */
    HANDLING_FAILED,        /* this try failed */
    HANDLING_BUSY,          /* somebody else is at it just now: try again, this was no try */
    HANDLING_DEFERRED,      /* it waits for the payment provider: put off in the outbox, no more is to be done here */
    HANDLING_HOPELESS,      /* no retry will mend it */
    HANDLING_DATABASE_AWAY, /* nothing can be handled just now; it is no fault of this message */
};

struct handling_answer {
    enum handling_result result;
    /*
     * FAILED: the call may still take effect, or one from an earlier try holds the order. Such a message must not
     * become a dead letter, because it could be settled as well.
     */
    bool inconclusive;
    const char *result_text;  /* as the database said it: "settled", "processed"; NULL when it said nothing */
    const char *order_status; /* "CONFIRMED"; NULL where unknown */
    const char *reason;       /* HOPELESS: the reason of the dead letter */
    const char *error;        /* why it was not done; NULL when it was */
    int64_t retry_after_ms;   /* DEFERRED: when it is due */
};

/* Called exactly once for each try that is not cancelled, never inside handling_start. */
typedef void handling_callback(void *context, const struct handling_answer *answer);

struct handling;

struct handling *handling_start(const struct handling_services *services, const struct handling_request *request,
                                handling_callback *callback, void *context);

/* handling_cancel drops a try without calling back; its database call may still be committed. */
void handling_cancel(struct handling *handling);

/* handling_maximum_tries tells how often a message of this kind is tried before it becomes a dead letter. */
int handling_maximum_tries(const struct handling_services *services, enum message_kind kind);

#endif
