/*
 * Payments and refunds as payment providers describe them in JSON, in answers to the poller and in webhooks to the
 * gateway alike: Stripe's objects, and those of our own contract (docs/payments.md).
 */
#ifndef SHOP_COMMON_PAYMENT_OBJECT_H
#define SHOP_COMMON_PAYMENT_OBJECT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* What is known of a payment or refund. */
enum payment_outcome {
    PAYMENT_CAPTURED,
    PAYMENT_AUTHORIZED,    /* promised, not taken: to be captured or voided */
    PAYMENT_DECLINED,      /* a definite refusal */
    PAYMENT_VOIDED,        /* given up before anything was taken */
    PAYMENT_REFUNDED,      /* a refund is done */
    PAYMENT_REFUND_FAILED, /* a refund is definitely not done, and will not be */
    PAYMENT_PENDING,       /* the provider is still at it: to be asked again */
    PAYMENT_UNKNOWN,       /* no definite answer: to be asked again, never to be taken for a refusal */
    PAYMENT_NOT_SENT,      /* the provider did definitely nothing: to be asked the same again */
    PAYMENT_NOT_FOUND,     /* the provider knows no such payment */
    PAYMENT_REJECTED,      /* the provider does not take the request as it is; no repetition will mend it */
};

/* Size of a key with its closing NUL: "payment-2147483647-9223372036854775807". */
#define PAYMENT_KEY_SIZE 48

/* Size of an amount's text with its closing NUL. */
#define PAYMENT_AMOUNT_SIZE 24

/* What an object tells. Texts are borrowed from the object or static; NULL where it does not tell. */
struct payment_object {
    enum payment_outcome outcome;
    bool is_refund;
    int64_t store_id, attempt_id, refund_id; /* from our key; 0 where the object names none of ours */
    const char *reference;                   /* the provider's number of the payment or refund */
    const char *reason;
    const char *currency;
    int64_t amount_cents; /* what was captured, authorized or refunded; -1 where the object does not tell */
};

/* payment_key writes our key of an attempt or refund: kind, "-", store, "-", id. kind: "payment" or "refund". */
void payment_key(char out[PAYMENT_KEY_SIZE], const char *kind, int64_t store_id, int64_t id);

/* payment_key_read reads such a key back; false when it is none of ours, or of another kind. text may be NULL. */
bool payment_key_read(const char *text, const char *kind, int64_t *store_id, int64_t *id);

/* payment_amount_text writes cents as a decimal with two places, "19.99". */
void payment_amount_text(char out[PAYMENT_AMOUNT_SIZE], int64_t cents);

/* payment_amount_read reads such a text, digits with at most two decimals; false for any other, and for NULL. */
bool payment_amount_read(const char *text, int64_t *cents);

/*
 * payment_currency_is_valid tells whether a text is the code of a currency in capitals (ISO 4217), and none with no or
 * three decimals: all amounts of the shop have two.
 */
bool payment_currency_is_valid(const char *code);

/*
 * payment_object_read_stripe reads a PaymentIntent or a Refund of Stripe's API (docs.stripe.com/api). Returns false
 * when it is neither.
 */
bool payment_object_read_stripe(const json_t *object, struct payment_object *out);

/*
 * payment_object_read_http reads a payment, or with is_refund a refund, of docs/payments.md. Returns false when it is
 * none: what must be there is missing or has the wrong form.
 */
bool payment_object_read_http(const json_t *object, bool is_refund, struct payment_object *out);

/*
 * payment_object_expect holds back an outcome that is in another currency than the shop's: nothing follows from it, and
 * the reason says so. currency: ISO 4217, any case.
 */
void payment_object_expect(struct payment_object *object, const char *currency);

#endif
