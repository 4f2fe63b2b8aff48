/*
 * Payment providers: who takes the money and gives it back. One small interface for all of them; which one is used is
 * PAYMENT_PROVIDER's business and nobody else's.
 *
 * Every operation may be asked again: the key (our id of the attempt or refund) makes the provider do it once.
 */
#ifndef SHOP_POLLER_PAYMENT_H
#define SHOP_POLLER_PAYMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "http_client.h"
#include "payment_object.h"

enum payment_operation {
    PAYMENT_CHARGE,        /* take the money, or only promise it where the provider is set up so */
    PAYMENT_CAPTURE,       /* take what is promised */
    PAYMENT_STATUS,        /* what became of a charge; takes no money that was not asked for before */
    PAYMENT_VOID,          /* give up what is promised */
    PAYMENT_REFUND,        /* give back what was taken */
    PAYMENT_REFUND_STATUS, /* what became of a refund */
};

/* What a provider is asked. Only start reads it. */
struct payment_request {
    enum payment_operation operation;
    int64_t store_id, order_id, attempt_id;
    int64_t refund_id;            /* of voids and refunds */
    int64_t amount_cents;         /* of the payment, or of the refund */
    int64_t age_seconds;          /* since the attempt or refund began: providers forget keys */
    const char *reference;        /* the provider's number of the payment; NULL where unknown */
    const char *refund_reference; /* likewise of the refund */
    const char *request_id;       /* for the provider's log; NULL where unknown */
    int timeout_ms;
};

/* Texts are valid during the callback. */
struct payment_answer {
    enum payment_outcome outcome;
    const char *reason;     /* why, for the order's history or the log; never NULL */
    const char *reference;  /* the provider's number of the payment or refund; NULL where it gave none */
    int64_t amount_cents;   /* what was captured; -1 where the provider does not say */
    bool provider_failed;   /* the provider as such did not work: counts for the circuit breaker */
    int64_t retry_after_ms; /* the provider asks to be left alone so long; 0: it does not */
};

/* Called exactly once for each request that is not cancelled; possibly before start returns. */
typedef void payment_callback(void *context, const struct payment_answer *answer);

struct payment_provider {
    const char *name;
    bool immediate; /* answers inside start and keeps nothing: a charge needs no intent before it */
    void (*start)(struct payment_provider *provider, const struct payment_request *request, payment_callback *callback,
                  void *context);
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

/* What the providers that are asked over HTTP need; has to outlive them. */
struct payment_service_settings {
    struct http_client *http;
    const char *url;            /* base URL, without a slash at its end */
    const char *token;          /* secret: the API key */
    const char *currency;       /* ISO 4217, two decimals */
    const char *payment_method; /* Stripe: the payment method to confirm with */
    bool capture_later; /* a charge only promises the money; it is captured once the order is known to want it */
};

/* payment_http_create makes a provider that speaks the contract of docs/payments.md. */
struct payment_provider *payment_http_create(const struct payment_service_settings *settings);

/* payment_stripe_create makes a provider that speaks Stripe's API (PaymentIntents and Refunds). */
struct payment_provider *payment_stripe_create(const struct payment_service_settings *settings);

#endif
