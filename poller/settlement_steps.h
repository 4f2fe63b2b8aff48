/*
 * What the settlements of payments and of refunds are made of: a database call, a question to the provider, an end.
 * Private to settlement*.c. Exactly one step is under way at any time.
 */
#ifndef SHOP_POLLER_SETTLEMENT_STEPS_H
#define SHOP_POLLER_SETTLEMENT_STEPS_H

#include "database_calls.h"
#include "settlement.h"

/* How long providers surely remember a key (Stripe: 24 hours at least), in seconds, with a margin: 20 hours. */
#define SETTLEMENT_KEY_LIFE_SECONDS INT64_C(72000)

/* Why a message is put off while the circuit breaker keeps the provider alone. */
#define SETTLEMENT_CIRCUIT_OPEN "the payment provider does not work: its circuit is open"

/* Takes the provider's answer, and goes on with the next step. */
typedef void settlement_take(struct settlement *settlement, const struct payment_answer *answer);

struct settlement {
    const struct settlement_services *services;
    struct settlement_request message; /* request_id is owned */
    settlement_callback *callback;
    void *context;
    int64_t deadline_ms;

    struct payment_request request; /* to the provider, as far as the database has told it; its texts are owned */
    char *status;                   /* of the attempt or refund when it was read; owned */
    bool order_pending;             /* payments: the order still waits for its payment */
    bool is_promised;               /* payments: the provider has just authorized it */
    bool is_void;                   /* refunds: nothing was captured yet */
    char *open_reason;              /* why the outcome is open; owned */
    int64_t pause_ms;               /* what the provider asks for then */
    settlement_take *take;          /* NULL: the provider is not being asked */
    char *waits_for;                /* why it is put off; owned */
    int64_t waits_ms;               /* for how long */
};

/* settlement_remaining_ms gives the time that is left, for one call to database or provider. */
int settlement_remaining_ms(const struct settlement *settlement);

/* settlement_query calls the database within the time that is left. */
void settlement_query(struct settlement *settlement, const struct database_statement *statement,
                      const char *const *values, database_callback *callback);

/* settlement_ask asks the provider, or puts the message off while the circuit is open. */
void settlement_ask(struct settlement *settlement, enum payment_operation operation, settlement_take *take);

/*
 * settlement_read_target keeps what the provider has to be told, from the columns that shop.begin_payment and
 * shop.begin_refund share. Returns false, and has finished the settlement, when it is another provider's business.
 */
bool settlement_read_target(struct settlement *settlement, const PGresult *rows, int provider_column,
                            int reference_column, int age_column);

/* settlement_defer puts the message off: due again after delay_ms, without a try being counted. */
void settlement_defer(struct settlement *settlement, const char *reason, int64_t delay_ms);

/* settlement_wait puts it off for a time that grows with the age of the attempt or refund, and at least least_ms. */
void settlement_wait(struct settlement *settlement, const char *reason, int64_t least_ms);

/* settlement_note_open keeps why an answer leaves the outcome open, for settlement_wait. */
void settlement_note_open(struct settlement *settlement, const struct payment_answer *answer);

/* settlement_fail ends it: this try failed. error is copied where needed before the callback returns. */
void settlement_fail(struct settlement *settlement, const char *error);

/* settlement_finish calls back and frees the settlement. */
void settlement_finish(struct settlement *settlement, const struct settlement_answer *answer);

/* settlement_database_failed ends it after a database call that did not succeed. */
void settlement_database_failed(struct settlement *settlement, const struct database_answer *database_answer);

/* settlement_outbox_id writes the outbox row's id for a statement, or gives NULL where there is none. */
const char *settlement_outbox_id(const struct settlement *settlement, char out[NUMBER_TEXT_SIZE]);

/* settlement_pay settles a payment, settlement_refund a refund: their first steps. */
void settlement_pay(struct settlement *settlement);
void settlement_refund(struct settlement *settlement);

#endif
