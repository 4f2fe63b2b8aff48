/*
 * Payment providers: who says whether an order is paid. One small interface, so that a provider that asks over HTTP
 * fits in beside the simulation.
 */
#ifndef SHOP_POLLER_PAYMENT_H
#define SHOP_POLLER_PAYMENT_H

#include <stdint.h>

enum payment_outcome {
    PAYMENT_PAID,
    PAYMENT_DECLINED, /* a definite refusal */
    PAYMENT_UNKNOWN,  /* no definite answer: to be asked again, never to be taken for a refusal */
};

struct payment_answer {
    enum payment_outcome outcome;
    const char *reason; /* why, for the order's history or the log; valid during the callback */
};

/* Called exactly once for each payment that is not cancelled; possibly before start returns. */
typedef void payment_callback(void *context, const struct payment_answer *answer);

struct payment_provider {
    const char *name;
    /*
     * start asks for the payment of an order. The order id is the stable key of the payment: asking again for the same
     * order must not take money twice.
     */
    void (*start)(struct payment_provider *provider, int64_t order_id, payment_callback *callback, void *context);
    /* cancel makes sure that callbacks with this context do not come any more. */
    void (*cancel)(struct payment_provider *provider, const void *context);
    void (*destroy)(struct payment_provider *provider);
};

/*
 * payment_simulation_create makes a provider without a payment service behind it.
 * mode: "random" (paid with probability success_rate, 0 to 1) or "rule_based" (even order ids are paid, odd ones
 * declined).
 */
struct payment_provider *payment_simulation_create(const char *mode, double success_rate);

#endif
