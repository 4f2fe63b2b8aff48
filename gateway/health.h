/*
 * GET /health: is this process alive. GET /ready: can it serve.
 */
#ifndef SHOP_GATEWAY_HEALTH_H
#define SHOP_GATEWAY_HEALTH_H

struct request;

/* health_handle answers {status:"ok", timestamp}; it touches nothing else. */
void health_handle(struct request *request);

/* ready_handle answers 200 {status:"ready"} when the database answers within 1 s, its extension has this gateway's
 * version and the demo accounts are stored; else 503 {status:"not_ready", reason}. */
void ready_handle(struct request *request);

#endif
