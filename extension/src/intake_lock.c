#include "postgres.h"

#include "idempotency.h"
#include "intake_lock.h"

bool intake_lock(const RequestContext *context, const char *external_id, Response *response) {
    IdempotencyKey id;

    idempotency_init(&id, context, 0, "intake order_id", external_id, "");
    return idempotency_lock(&id, response);
}
