#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "idempotency.h"
#include "intake_order.h"
#include "money.h"
#include "order_state.h"

const char *intake_meaning(const IntakeDocument *document) {
    StringInfoData text;

    initStringInfo(&text);
    escape_json(&text, document->customer_id);
    appendStringInfoString(&text, document->items_json);
    return text.data;
}

Row *intake_find(Tables *tables, const RequestContext *context, const char *external_id) {
    return row_find(tables, INTAKE_BY_EXTERNAL_ID,
                    ROW_KEY(Int32GetDatum(context->store_id), CStringGetTextDatum(external_id)));
}

bool intake_is_same(const Row *intake, const uint8 *fingerprint) {
    bytea *stored = DatumGetByteaPP(row_datum(intake, INTAKE_FINGERPRINT));

    return VARSIZE_ANY_EXHDR(stored) == FINGERPRINT_SIZE &&
           memcmp(VARDATA_ANY(stored), fingerprint, FINGERPRINT_SIZE) == 0;
}

Row *intake_write(Tables *tables, const RequestContext *context, const IntakeDocument *document,
                  const uint8 *fingerprint, const char *source) {
    bytea *stored = palloc(VARHDRSZ + FINGERPRINT_SIZE);
    Row *order = row_new(tables, ORDERS);
    Row *intake = row_new(tables, INTAKE_ORDERS);
    int64 order_id = row_next_id(tables, ORDERS);

    row_set_int32(order, ORDER_STORE_ID, context->store_id);
    row_set_int64(order, ORDER_ID, order_id);
    row_set_datum(order, ORDER_TOTAL_PRICE, money_numeric(document->total));
    order_start(tables, context, order, ORDER_ACCEPTED);

    SET_VARSIZE(stored, VARHDRSZ + FINGERPRINT_SIZE);
    memcpy(VARDATA(stored), fingerprint, FINGERPRINT_SIZE);
    row_set_int32(intake, INTAKE_STORE_ID, context->store_id);
    row_set_int64(intake, INTAKE_ORDER_ID, order_id);
    row_set_text(intake, INTAKE_EXTERNAL_ID, document->order_id);
    row_set_text(intake, INTAKE_CUSTOMER_ID, document->customer_id);
    row_set_text(intake, INTAKE_ITEMS, document->items_json);
    row_set_datum(intake, INTAKE_FINGERPRINT, PointerGetDatum(stored));
    row_set_text(intake, INTAKE_SOURCE, source);
    row_set_datum(intake, INTAKE_CREATED_AT, TimestampTzGetDatum(GetCurrentTimestamp()));
    row_insert(intake);
    return order;
}
