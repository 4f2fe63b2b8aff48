#include "postgres.h"

#include "utils/timestamp.h"

#include "errors.h"
#include "order_state.h"

static const struct {
    const char *from; /* NULL: the order does not exist yet */
    const char *event;
    const char *to;
} transitions[] = {
    [ORDER_PLACED] = {NULL, "placed", ORDER_PENDING},
    [ORDER_PAYMENT_CAPTURED] = {ORDER_PENDING, "payment_captured", ORDER_CONFIRMED},
    [ORDER_PAYMENT_DECLINED] = {ORDER_PENDING, "payment_declined", ORDER_CANCELLED},
};

bool order_may(const Row *order, OrderEvent event) {
    if (row_is_null(order, ORDER_STATUS))
        return transitions[event].from == NULL;
    return transitions[event].from != NULL && strcmp(row_text(order, ORDER_STATUS), transitions[event].from) == 0;
}

/* write_event adds the transition to the order's history, numbered from 1. */
static void write_event(Tables *tables, const RequestContext *context, const Row *order, OrderEvent event,
                        const char *reason, TimestampTz now) {
    Row *row = row_new(tables, ORDER_EVENTS);

    row_set_int32(row, EVENT_STORE_ID, context->store_id);
    row_set_int64(row, EVENT_ORDER_ID, row_int64(order, ORDER_ID));
    row_set_int32(row, EVENT_SEQ, row_int32(order, ORDER_LAST_EVENT));
    row_set_text(row, EVENT_FROM_STATUS, transitions[event].from);
    row_set_text(row, EVENT_TO_STATUS, transitions[event].to);
    row_set_text(row, EVENT_EVENT, transitions[event].event);
    row_set_text(row, EVENT_ACTOR, context->actor);
    row_set_text(row, EVENT_REASON, reason);
    row_set_text(row, EVENT_REQUEST_ID, context->request_id);
    row_set_datum(row, EVENT_AT, TimestampTzGetDatum(now));
    row_insert(row);
}

void order_transition(Tables *tables, const RequestContext *context, Row *order, OrderEvent event, const char *reason) {
    TimestampTz now = GetCurrentTimestamp();
    bool is_new = transitions[event].from == NULL;

    if (!order_may(order, event))
        raise_invariant_lost("An order was asked to make a transition that its status does not allow.");
    row_set_text(order, ORDER_STATUS, transitions[event].to);
    row_set_int32(order, ORDER_LAST_EVENT, is_new ? 1 : row_int32(order, ORDER_LAST_EVENT) + 1);
    row_set_datum(order, ORDER_UPDATED_AT, TimestampTzGetDatum(now));
    if (is_new) {
        row_set_datum(order, ORDER_CREATED_AT, TimestampTzGetDatum(now));
        row_insert(order);
    } else {
        row_update(order);
    }
    write_event(tables, context, order, event, reason, now);
}
