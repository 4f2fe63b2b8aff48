#include "postgres.h"

#include "idempotency.h"
#include "intake_lock.h"

/* key_of gives the key that stands for an order's id. */
static IdempotencyKey key_of(const RequestContext *context, const char *external_id) {
    IdempotencyKey id;

    idempotency_init(&id, context, 0, "intake order_id", external_id, "");
    return id;
}

bool intake_lock(const RequestContext *context, const char *external_id, Response *response) {
    IdempotencyKey id = key_of(context, external_id);

    return idempotency_lock(&id, response);
}

bool intake_try_lock(const RequestContext *context, const char *external_id) {
    IdempotencyKey id = key_of(context, external_id);
    Response undecided;

    return idempotency_try_lock(&id, &undecided);
}
