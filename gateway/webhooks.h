/*
 * POST /webhooks/payments/:provider: events of payment providers. Signature first, over the bytes as they came; then
 * one SQL call; an answer that makes the provider repeat only what a repetition can mend.
 */
#ifndef SHOP_GATEWAY_WEBHOOKS_H
#define SHOP_GATEWAY_WEBHOOKS_H

struct request;

/* webhook_handle answers an event: 200 taken, known already or none of ours; 400 signature or body; 404 not set up. */
void webhook_handle(struct request *request);

#endif
