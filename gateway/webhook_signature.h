/*
 * Signatures of webhooks, as Stripe makes them (docs.stripe.com/webhooks, "Verify webhook signatures manually") and as
 * our own contract does (docs/payments.md): the header holds a time and one or more HMAC-SHA256 of "time.body".
 */
#ifndef SHOP_GATEWAY_WEBHOOK_SIGNATURE_H
#define SHOP_GATEWAY_WEBHOOK_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How far the time in a signature may be from now, in seconds: older ones could be replays. */
#define WEBHOOK_TOLERANCE_SECONDS 300

/*
 * webhook_signature_valid tells whether one of the header's v1 signatures is right for the body.
 * secrets: one key, or several separated by commas while keys are rotated; the empty text is no key. header: such as
 * "t=1700000000,v1=5257a8…,v1=…"; NULL is not valid. now: seconds since 1970. The comparison takes constant time.
 */
bool webhook_signature_valid(const char *secrets, const char *header, const char *body, size_t size, int64_t now);

#endif
