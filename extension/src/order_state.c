#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "errors.h"
#include "intake_lock.h"
#include "order_state.h"

static const char *const event_names[] = {
    [ORDER_PLACED] = "placed",
    [ORDER_ACCEPTED] = "accepted",
    [ORDER_PROCESSED] = "processed",
    [ORDER_FAILED] = "failed",
    [ORDER_PAYMENT_CAPTURED] = "payment_captured",
    [ORDER_PAYMENT_DECLINED] = "payment_declined",
    [ORDER_CANCEL] = "cancelled",
    [ORDER_EXPIRE] = "expired",
    [ORDER_FULFIL] = "fulfilled",
    [ORDER_REFUND] = "refunded",
};

typedef struct Transition {
    const char *from; /* NULL: the order does not exist yet */
    OrderEvent event;
    const char *to;
    bool moves_stock;
    StockMovement movement;
} Transition;

/* Every transition there is. What is not here is illegal. */
static const Transition transitions[] = {
    {NULL, ORDER_PLACED, ORDER_PENDING, true, STOCK_RESERVE},
    {NULL, ORDER_ACCEPTED, ORDER_QUEUED, false, 0},
    {ORDER_QUEUED, ORDER_PROCESSED, ORDER_CONFIRMED, true, STOCK_SELL},
    {ORDER_QUEUED, ORDER_FAILED, ORDER_CANCELLED, false, 0},
    {ORDER_PENDING, ORDER_PAYMENT_CAPTURED, ORDER_CONFIRMED, true, STOCK_COMMIT},
    {ORDER_PENDING, ORDER_PAYMENT_DECLINED, ORDER_CANCELLED, true, STOCK_RELEASE},
    {ORDER_PENDING, ORDER_CANCEL, ORDER_CANCELLED, true, STOCK_RELEASE},
    {ORDER_PENDING, ORDER_EXPIRE, ORDER_CANCELLED, true, STOCK_RELEASE},
    {ORDER_CONFIRMED, ORDER_CANCEL, ORDER_CANCELLED, true, STOCK_RETURN},
    {ORDER_CONFIRMED, ORDER_FULFIL, ORDER_FULFILLED, false, 0},
    {ORDER_CONFIRMED, ORDER_REFUND, ORDER_REFUNDED, false, 0},
    {ORDER_FULFILLED, ORDER_REFUND, ORDER_REFUNDED, false, 0},
};

/* find_transition looks the event up for a status (NULL: no order yet); NULL when it is illegal. */
static const Transition *find_transition(const char *status, OrderEvent event) {
    for (int i = 0; i < (int)lengthof(transitions); i++) {
        const Transition *transition = &transitions[i];

        if (transition->event != event || (transition->from == NULL) != (status == NULL))
            continue;
        if (status == NULL || strcmp(transition->from, status) == 0)
            return transition;
    }
    return NULL;
}

/* leads_to tells whether the event ends in this status from anywhere. */
static bool leads_to(OrderEvent event, const char *status) {
    for (int i = 0; i < (int)lengthof(transitions); i++)
        if (transitions[i].event == event && strcmp(transitions[i].to, status) == 0)
            return true;
    return false;
}

/* write_event adds a transition to the order's history. */
static void write_event(Tables *tables, const RequestContext *context, const Row *order, const Transition *transition,
                        const char *reason, TimestampTz now) {
    Row *row = row_new(tables, ORDER_EVENTS);

    row_set_int32(row, EVENT_STORE_ID, context->store_id);
    row_set_int64(row, EVENT_ORDER_ID, row_int64(order, ORDER_ID));
    row_set_int32(row, EVENT_SEQ, row_int32(order, ORDER_LAST_EVENT));
    row_set_text(row, EVENT_FROM_STATUS, transition->from);
    row_set_text(row, EVENT_TO_STATUS, transition->to);
    row_set_text(row, EVENT_EVENT, event_names[transition->event]);
    row_set_text(row, EVENT_ACTOR, context->actor);
    row_set_text(row, EVENT_REASON, reason);
    row_set_text(row, EVENT_REQUEST_ID, context->request_id);
    row_set_datum(row, EVENT_AT, TimestampTzGetDatum(now));
    row_insert(row);
}

void order_start(Tables *tables, const RequestContext *context, Row *order, OrderEvent event) {
    const Transition *transition = find_transition(NULL, event);
    TimestampTz now = GetCurrentTimestamp();

    if (transition == NULL)
        raise_invariant_lost("An order was to begin with an event that no order begins with.");
    row_set_text(order, ORDER_STATUS, transition->to);
    row_set_int32(order, ORDER_LAST_EVENT, 1);
    row_set_datum(order, ORDER_CREATED_AT, TimestampTzGetDatum(now));
    row_set_datum(order, ORDER_UPDATED_AT, TimestampTzGetDatum(now));
    row_insert(order);
    write_event(tables, context, order, transition, NULL, now);
}

void orders_count(Tables *tables, const RequestContext *context, int count) {
    Row *row;

    if (count == 0)
        return;
    row = row_new(tables, ORDER_COUNT_DELTAS);
    row_set_int32(row, DELTA_STORE_ID, context->store_id);
    row_set_datum(row, DELTA_AT, TimestampTzGetDatum(GetCurrentTimestamp()));
    row_set_int32(row, DELTA_ORDERS, count);
    row_insert(row);
}

Row *order_item_lock(Tables *tables, const RequestContext *context, const StockLine *line) {
    Row *item = row_lock(
        tables, ORDER_ITEMS_BY_ORDER,
        ROW_KEY(Int32GetDatum(context->store_id), Int64GetDatum(line->order_id), Int64GetDatum(line->order_item_id)));

    if (item == NULL)
        raise_invariant_lost("A line of a locked order does not exist any more.");
    return item;
}

void order_return_all(Tables *tables, const RequestContext *context, const LockedOrders *orders, int64 order_id) {
    for (int i = 0; i < orders->lines.count; i++) {
        StockLine *line = &orders->lines.line[i];
        Row *item;

        if (line->order_id != order_id)
            continue;
        item = order_item_lock(tables, context, line);
        line->qty = row_int32(item, ORDER_ITEM_QTY) - row_int32(item, ORDER_ITEM_RETURNED);
        row_set_int32(item, ORDER_ITEM_RETURNED, row_int32(item, ORDER_ITEM_QTY));
        row_update(item);
    }
    inventory_move(tables, context, STOCK_RETURN, order_id, &orders->lines);
}

ChangeResult order_change(Tables *tables, const RequestContext *context, const LockedOrders *orders, Row *order,
                          OrderEvent event, const char *reason) {
    const char *status = row_text(order, ORDER_STATUS);
    const Transition *transition = find_transition(status, event);
    TimestampTz now = GetCurrentTimestamp();
    int64 order_id = row_int64(order, ORDER_ID);

    if (transition == NULL)
        return leads_to(event, status) ? CHANGE_ALREADY : CHANGE_ILLEGAL;
    row_set_text(order, ORDER_STATUS, transition->to);
    row_set_int32(order, ORDER_LAST_EVENT, row_int32(order, ORDER_LAST_EVENT) + 1);
    row_set_datum(order, ORDER_UPDATED_AT, TimestampTzGetDatum(now));
    row_update(order);
    write_event(tables, context, order, transition, reason, now);
    if (transition->moves_stock && transition->movement == STOCK_RETURN)
        order_return_all(tables, context, orders, order_id);
    else if (transition->moves_stock)
        inventory_move(tables, context, transition->movement, order_id, &orders->lines);
    return CHANGE_APPLIED;
}

/* read_lines adds the lines of an order that have a product. */
static void read_lines(Tables *tables, const RequestContext *context, int64 order_id, StockLines *lines) {
    RowScan *scan = row_scan_begin(tables, ORDER_ITEMS_BY_ORDER,
                                   ROW_KEY(Int32GetDatum(context->store_id), Int64GetDatum(order_id)));
    Row *row;

    while ((row = row_scan_next(scan)) != NULL) {
        if (row_is_null(row, ORDER_ITEM_PRODUCT_ID))
            continue;
        stock_lines_add(lines, (StockLine){
                                   .order_id = order_id,
                                   .order_item_id = row_int64(row, ORDER_ITEM_ID),
                                   .product_id = row_int64(row, ORDER_ITEM_PRODUCT_ID),
                                   .qty = row_int32(row, ORDER_ITEM_QTY),
                               });
    }
    row_scan_end(scan);
}

/* wait_for_processing waits for the end of an intake order's processing, which gives the order its lines. */
static void wait_for_processing(Tables *tables, const RequestContext *context, int64 order_id) {
    Datum key[] = {Int32GetDatum(context->store_id), Int64GetDatum(order_id)};
    Row *order = row_find(tables, ORDERS_BY_ID, key, 2);
    Row *intake;
    Response busy;

    if (order == NULL || strcmp(row_text(order, ORDER_STATUS), ORDER_QUEUED) != 0)
        return;
    intake = row_find(tables, INTAKE_BY_ORDER, key, 2);
    if (intake == NULL)
        raise_invariant_lost("A queued order has no intake document.");
    if (!intake_lock(context, row_text(intake, INTAKE_EXTERNAL_ID), &busy))
        ereport(ERROR, (errcode(ERRCODE_LOCK_NOT_AVAILABLE), errmsg("the order is still being processed")));
    tables_look_again(tables);
}

/* has_stock tells whether the levels of all the order's lines are locked. */
static bool has_stock(const StockLines *lines, int64 order_id) {
    for (int i = 0; i < lines->count; i++)
        if (lines->line[i].order_id == order_id && lines->line[i].level->row == NULL)
            return false;
    return true;
}

void orders_lock(Tables *tables, const RequestContext *context, const int64 *ids, int count, bool skip_locked,
                 LockedOrders *orders) {
    memset(orders, 0, sizeof(*orders));
    orders->count = count;
    orders->row = palloc0(count * sizeof(Row *));
    for (int i = 0; i < count; i++) {
        if (!skip_locked)
            wait_for_processing(tables, context, ids[i]);
        read_lines(tables, context, ids[i], &orders->lines);
    }
    if (skip_locked)
        inventory_try_lock(tables, context, &orders->lines);
    else
        inventory_lock(tables, context, &orders->lines);
    for (int i = 0; i < count; i++) {
        Datum key[] = {Int32GetDatum(context->store_id), Int64GetDatum(ids[i])};

        if (!skip_locked)
            orders->row[i] = row_lock(tables, ORDERS_BY_ID, key, 2);
        else if (has_stock(&orders->lines, ids[i]))
            orders->row[i] = row_try_lock(tables, ORDERS_BY_ID, key, 2);
    }
    tables_look_again(tables);
}

void orders_lock_free(Tables *tables, const RequestContext *context, const int64 *ids, int count,
                      LockedOrders *orders) {
    memset(orders, 0, sizeof(*orders));
    orders->count = count;
    orders->row = palloc0(count * sizeof(Row *));
    for (int i = 0; i < count; i++)
        read_lines(tables, context, ids[i], &orders->lines);
    inventory_lock(tables, context, &orders->lines);
    for (int i = 0; i < count; i++)
        orders->row[i] =
            row_try_lock(tables, ORDERS_BY_ID, ROW_KEY(Int32GetDatum(context->store_id), Int64GetDatum(ids[i])));
    tables_look_again(tables);
}

PG_FUNCTION_INFO_V1(shop_list_order_transitions);

/* shop.list_order_transitions(): the table above, for the view shop.order_transitions */
Datum shop_list_order_transitions(PG_FUNCTION_ARGS) {
    ReturnSetInfo *result = (ReturnSetInfo *)fcinfo->resultinfo;

    compat_materialize_result(fcinfo);
    for (int i = 0; i < (int)lengthof(transitions); i++) {
        const Transition *transition = &transitions[i];
        Datum values[] = {transition->from == NULL ? (Datum)0 : CStringGetTextDatum(transition->from),
                          CStringGetTextDatum(event_names[transition->event]), CStringGetTextDatum(transition->to),
                          transition->moves_stock ? CStringGetTextDatum(stock_movement_name(transition->movement))
                                                  : (Datum)0};
        bool nulls[] = {transition->from == NULL, false, false, !transition->moves_stock};

        tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
    }
    return (Datum)0;
}
