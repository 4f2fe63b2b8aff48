/*
 * The lock on an intake order's id: whoever accepts or processes the order holds it, and who acts on an order that is
 * not processed yet takes it first, because processing gives the order its lines.
 */
#ifndef SHOP_INTAKE_LOCK_H
#define SHOP_INTAKE_LOCK_H

#include "postgres.h"

#include "arguments.h"
#include "response.h"

/* intake_lock waits up to shop.idempotency_wait; false with the 409 in *response. Comes before any other lock. */
extern bool intake_lock(const RequestContext *context, const char *external_id, Response *response);

/* intake_try_lock is intake_lock that does not wait, for an order among others. Returns false when somebody else has
 * it. */
extern bool intake_try_lock(const RequestContext *context, const char *external_id);

#endif
