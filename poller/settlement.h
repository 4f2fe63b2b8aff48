/*
 * Settlement of one payment or refund, the step that both transports share: write the intent, ask the payment provider
 * outside any transaction, write the outcome. Harmless to repeat at any point: the provider does each key once, and the
 * first final outcome that is committed stays.
 */
#ifndef SHOP_POLLER_SETTLEMENT_H
#define SHOP_POLLER_SETTLEMENT_H

#include <stdint.h>

#include "call_batcher.h"
#include "circuit_breaker.h"
#include "database.h"
#include "loop.h"
#include "payment.h"

/* What every settlement needs; made once, has to outlive them. */
struct settlement_services {
    struct database_pool *pool;
    struct call_batcher *batcher; /* of settle_payment */
    struct payment_provider *provider;
    struct circuit_breaker *breaker; /* of that provider */
    long store_id;
    int timeout_ms;          /* for provider and database together; a database call is cancelled when it passes */
    int provider_timeout_ms; /* for one answer of the provider */
};

struct settlement_request {
    int64_t order_id;
    int64_t refund_id;      /* 0: the order's payment is to be settled, else this refund */
    const char *request_id; /* NULL where unknown; copied */
    int64_t outbox_id;      /* the outbox row to mark delivered in the same commit; 0: it came over the queue */
    /* The message, for when it is put off; both have to stay until the callback or settlement_cancel. */
    const char *body, *traceparent; /* traceparent: NULL where unknown */
};

enum settlement_result {
    SETTLEMENT_SETTLED,
    SETTLEMENT_ALREADY_SETTLED,
    SETTLEMENT_ORDER_NOT_FOUND,
    SETTLEMENT_REFUND_NOT_FOUND,
    SETTLEMENT_DEFERRED,      /* waits for the provider: the message is in the outbox, due later */
    SETTLEMENT_FAILED,        /* this one failed */
    SETTLEMENT_DATABASE_AWAY, /* nothing can be settled just now; it is no fault of this one */
};

struct settlement_answer {
    enum settlement_result result;
    bool inconclusive;        /* FAILED: the call may still take effect, or another one holds the order */
    const char *result_text;  /* as the database said it: "settled"; NULL when it said nothing */
    const char *order_status; /* "CONFIRMED"; NULL where unknown */
    const char *error;        /* why it failed or waits; NULL when it did not */
    int64_t retry_after_ms;   /* DEFERRED: when it is due */
};

/* Called exactly once for each settlement that is not cancelled, never inside settlement_start. */
typedef void settlement_callback(void *context, const struct settlement_answer *answer);

struct settlement;

struct settlement *settlement_start(const struct settlement_services *services,
                                    const struct settlement_request *request, settlement_callback *callback,
                                    void *context);

/* settlement_retry_delay_ms tells how long to wait before the next try of a message that has failed tries times:
 * growing, with jitter. */
int64_t settlement_retry_delay_ms(int tries);

/* settlement_cancel drops a settlement without calling back; its database call may still be committed, and the provider
 * may have acted. */
void settlement_cancel(struct settlement *settlement);

#endif
