/*
 * Settlement of one order, the step that both transports share: ask the payment provider, then write the outcome by one
 * database call. Harmless to repeat: the first outcome that is committed for an order stays.
 */
#ifndef SHOP_POLLER_SETTLEMENT_H
#define SHOP_POLLER_SETTLEMENT_H

#include <stdint.h>

#include "database.h"
#include "loop.h"
#include "payment.h"

/* What every settlement needs; made once, has to outlive them. */
struct settlement_services {
    struct loop *loop;
    struct database_pool *pool;
    struct payment_provider *provider;
    long store_id;
    int timeout_ms; /* for provider and database call together; the database call is cancelled when it passes */
};

struct settlement_request {
    int64_t order_id;
    const char *request_id; /* NULL where unknown; copied */
    int64_t outbox_id;      /* the outbox row to mark delivered in the same commit; 0: none */
};

enum settlement_result {
    SETTLEMENT_SETTLED,
    SETTLEMENT_ALREADY_SETTLED,
    SETTLEMENT_ORDER_NOT_FOUND,
    SETTLEMENT_FAILED,        /* this order failed */
    SETTLEMENT_DATABASE_AWAY, /* nothing can be settled just now; it is no fault of this order */
};

struct settlement_answer {
    enum settlement_result result;
    bool inconclusive;        /* FAILED: the call may still take effect, or another one holds the order */
    const char *result_text;  /* as the database said it: "settled"; NULL when it said nothing */
    const char *order_status; /* "CONFIRMED"; NULL where unknown */
    const char *error;        /* why it failed; NULL when it did not */
};

/* Called exactly once for each settlement that is not cancelled, never inside settlement_start. */
typedef void settlement_callback(void *context, const struct settlement_answer *answer);

struct settlement;

struct settlement *settlement_start(const struct settlement_services *services,
                                    const struct settlement_request *request, settlement_callback *callback,
                                    void *context);

/* settlement_retry_delay_ms tells how long to wait before the next try of an order that has failed tries times:
 * growing, with jitter. */
int64_t settlement_retry_delay_ms(int tries);

/* settlement_cancel drops a settlement without calling back; its database call may still be committed. */
void settlement_cancel(struct settlement *settlement);

#endif
