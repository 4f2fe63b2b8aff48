#include "postgres.h"

#include "utils/timestamp.h"

#include "array_arguments.h"
#include "fault_point.h"
#include "outbox.h"

#define OUTBOX_PENDING   "pending"
#define OUTBOX_DELIVERED "delivered"

void outbox_put(Tables *tables, const RequestContext *context, const char *topic, int64 order_id, const char *body) {
    Row *row = row_new(tables, OUTBOX);
    Datum now = TimestampTzGetDatum(GetCurrentTimestamp());

    if (PLANTED_BUG == BUG_NO_OUTBOX_MESSAGE)
        return;
    row_set_int32(row, OUTBOX_STORE_ID, context->store_id);
    row_set_int64(row, OUTBOX_ID, row_next_id(tables, OUTBOX));
    row_set_text(row, OUTBOX_TOPIC, topic);
    row_set_int64(row, OUTBOX_ORDER_ID, order_id);
    row_set_text(row, OUTBOX_BODY, body);
    row_set_text(row, OUTBOX_REQUEST_ID, context->request_id);
    row_set_text(row, OUTBOX_TRACEPARENT, context->traceparent);
    row_set_text(row, OUTBOX_STATUS, OUTBOX_PENDING);
    row_set_int32(row, OUTBOX_ATTEMPTS, 0);
    row_set_datum(row, OUTBOX_NEXT_ATTEMPT_AT, now);
    row_set_datum(row, OUTBOX_CREATED_AT, now);
    row_insert(row);
}

void outbox_mark_delivered(Tables *tables, const RequestContext *context, int64 id) {
    Row *row = row_lock(tables, OUTBOX_BY_ID, ROW_KEY(Int32GetDatum(context->store_id), Int64GetDatum(id)));

    if (row == NULL || strcmp(row_text(row, OUTBOX_STATUS), OUTBOX_PENDING) != 0)
        return;
    row_set_text(row, OUTBOX_STATUS, OUTBOX_DELIVERED);
    row_set_datum(row, OUTBOX_FINISHED_AT, TimestampTzGetDatum(GetCurrentTimestamp()));
    row_update(row);
}

void outbox_mark_all_delivered(Tables *tables, const RequestContext *context, int64 *ids, int count) {
    count = ids_sort(ids, count);
    for (int i = 0; i < count; i++)
        outbox_mark_delivered(tables, context, ids[i]);
}
