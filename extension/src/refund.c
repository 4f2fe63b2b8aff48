/*
 * Refunds and voids: an intent row and a message now, the provider's answer later (shop.settle_refund).
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "arguments.h"
#include "errors.h"
#include "money.h"
#include "order_state.h"
#include "outbox.h"
#include "payment.h"
#include "tables.h"

#define REFUND_REQUESTED "requested"
#define REFUND_UNKNOWN   "unknown"
#define REFUND_COMPLETED "completed"
#define REFUND_FAILED    "failed"

int64 attempt_refundable(const Row *attempt) {
    return money_cents(row_datum(attempt, ATTEMPT_CAPTURED_AMOUNT)) -
           money_cents(row_datum(attempt, ATTEMPT_REFUNDED_AMOUNT));
}

/* add_refunded raises or lowers what refunds ask of an attempt. */
static void add_refunded(Row *attempt, int64 cents) {
    row_set_datum(attempt, ATTEMPT_REFUNDED_AMOUNT,
                  money_numeric(money_cents(row_datum(attempt, ATTEMPT_REFUNDED_AMOUNT)) + cents));
    row_set_datum(attempt, ATTEMPT_UPDATED_AT, TimestampTzGetDatum(GetCurrentTimestamp()));
    row_update(attempt);
}

int64 refund_request(Tables *tables, const RequestContext *context, Row *attempt, const char *kind, int64 amount,
                     const char *reason) {
    Datum now = TimestampTzGetDatum(GetCurrentTimestamp());
    int64 refund_id = row_next_id(tables, REFUNDS);
    int64 order_id = row_int64(attempt, ATTEMPT_ORDER_ID);
    Row *refund = row_new(tables, REFUNDS);

    row_set_int32(refund, REFUND_STORE_ID, context->store_id);
    row_set_int64(refund, REFUND_ID, refund_id);
    row_set_int64(refund, REFUND_ORDER_ID, order_id);
    row_set_int64(refund, REFUND_ATTEMPT_ID, row_int64(attempt, ATTEMPT_ID));
    row_set_text(refund, REFUND_KIND, kind);
    row_set_datum(refund, REFUND_AMOUNT, money_numeric(amount));
    row_set_text(refund, REFUND_STATUS, REFUND_REQUESTED);
    row_set_text(refund, REFUND_REASON, reason);
    row_set_text(refund, REFUND_ACTOR, context->actor);
    row_set_text(refund, REFUND_REQUEST_ID, context->request_id);
    row_set_datum(refund, REFUND_CREATED_AT, now);
    row_set_datum(refund, REFUND_UPDATED_AT, now);
    row_insert(refund);
    if (strcmp(kind, REFUND_KIND_REFUND) == 0)
        add_refunded(attempt, amount);
    outbox_put(tables, context, OUTBOX_TOPIC_REFUND, order_id,
               psprintf("{\"refundId\": " INT64_FORMAT ", \"orderId\": " INT64_FORMAT "}", refund_id, order_id));
    return refund_id;
}

bool refund_is_under_way(Tables *tables, const RequestContext *context, int64 order_id) {
    RowScan *scan =
        row_scan_begin(tables, REFUNDS_BY_ORDER, ROW_KEY(Int32GetDatum(context->store_id), Int64GetDatum(order_id)));
    bool open = false;
    Row *row;

    while ((row = row_scan_next(scan)) != NULL) {
        const char *status = row_text(row, REFUND_STATUS);

        open = open || strcmp(status, REFUND_REQUESTED) == 0 || strcmp(status, REFUND_UNKNOWN) == 0;
    }
    row_scan_end(scan);
    return open;
}

/* all_money_went_back tells whether the attempt's money is refunded in full and no refund is still on its way. */
static bool all_money_went_back(Tables *tables, const RequestContext *context, const Row *attempt) {
    return attempt_refundable(attempt) == 0 &&
           !refund_is_under_way(tables, context, row_int64(attempt, ATTEMPT_ORDER_ID));
}

/* apply_outcome notes the provider's answer on the refund, its attempt and, when all the money went back, the order. */
static void apply_outcome(Tables *tables, const RequestContext *context, Row *order, Row *refund, const char *outcome) {
    LockedOrders no_stock = {0}; /* a refund moves no goods: those come back by shop.return_to_stock */
    Row *attempt = attempt_lock(tables, context, row_int64(refund, REFUND_ATTEMPT_ID));

    row_set_text(refund, REFUND_STATUS, outcome);
    row_set_datum(refund, REFUND_UPDATED_AT, TimestampTzGetDatum(GetCurrentTimestamp()));
    row_update(refund);
    tables_look_again(tables);
    if (strcmp(row_text(refund, REFUND_KIND), REFUND_KIND_VOID) == 0) {
        /* Captured money cannot be voided any more: its refund was asked for when the news of it came. */
        if (strcmp(outcome, REFUND_COMPLETED) == 0 && attempt_is_open(attempt)) {
            row_set_text(attempt, ATTEMPT_STATUS, "voided");
            row_set_datum(attempt, ATTEMPT_UPDATED_AT, TimestampTzGetDatum(GetCurrentTimestamp()));
            row_update(attempt);
        }
        return;
    }
    if (strcmp(outcome, REFUND_FAILED) == 0)
        add_refunded(attempt, -money_cents(row_datum(refund, REFUND_AMOUNT)));
    else if (strcmp(outcome, REFUND_COMPLETED) == 0 && all_money_went_back(tables, context, attempt))
        order_change(tables, context, &no_stock, order, ORDER_REFUND, NULL);
}

bool refund_outcome_is_known(const char *outcome) {
    return strcmp(outcome, REFUND_COMPLETED) == 0 || strcmp(outcome, REFUND_FAILED) == 0 ||
           strcmp(outcome, REFUND_UNKNOWN) == 0;
}

SettlementResult refund_settle(Tables *tables, const RequestContext *context, int64 refund_id, const char *outcome,
                               const char *provider_reference, const char *reason) {
    Datum key[] = {Int32GetDatum(context->store_id), Int64GetDatum(refund_id)};
    Row *refund = row_find(tables, REFUNDS_BY_ID, key, 2);
    const char *status;
    Row *order;

    if (refund == NULL)
        return (SettlementResult){.result = "refund_not_found"};
    order =
        row_lock(tables, ORDERS_BY_ID, ROW_KEY(Int32GetDatum(context->store_id), row_datum(refund, REFUND_ORDER_ID)));
    if (order == NULL)
        raise_invariant_lost("A refund belongs to an order that does not exist.");
    refund = row_lock(tables, REFUNDS_BY_ID, key, 2);
    if (refund == NULL)
        raise_invariant_lost("A refund went away while its order was waited for.");
    tables_look_again(tables);
    status = row_text(refund, REFUND_STATUS);
    if (strcmp(status, REFUND_COMPLETED) == 0 || strcmp(status, REFUND_FAILED) == 0)
        return (SettlementResult){.result = "already_settled", .order_status = row_text(order, ORDER_STATUS)};
    if (provider_reference != NULL)
        row_set_text(refund, REFUND_PROVIDER_REFERENCE, provider_reference);
    if (reason != NULL)
        row_set_text(refund, REFUND_REASON, reason);
    apply_outcome(tables, context, order, refund, outcome);
    return (SettlementResult){.result = strcmp(outcome, REFUND_UNKNOWN) == 0 ? "recorded" : "settled",
                              .order_status = row_text(order, ORDER_STATUS)};
}

PG_FUNCTION_INFO_V1(shop_settle_refund);

/* shop.settle_refund(store_id, refund_id, outcome, provider_reference, reason, request_id, outbox_id) -> (result,
 * order_status) */
Datum shop_settle_refund(PG_FUNCTION_ARGS) {
    RequestContext context = {
        .store_id = argument_store_id(fcinfo, 0), .request_id = argument_text(fcinfo, 5), .actor = "payment"};
    const char *outcome = argument_text(fcinfo, 2);
    int64 outbox_id = argument_int64(fcinfo, 6, 0);
    SettlementResult result;
    Tables *tables;

    if (outcome == NULL || !refund_outcome_is_known(outcome))
        raise_invalid_argument("outcome", "It must be completed, failed or unknown.");
    tables = tables_begin("shop.settle_refund");
    result = refund_settle(tables, &context, argument_int64(fcinfo, 1, 0), outcome, argument_text(fcinfo, 3),
                           argument_text(fcinfo, 4));
    if (outbox_id != 0 && strcmp(outcome, REFUND_UNKNOWN) != 0)
        outbox_mark_delivered(tables, &context, outbox_id);
    tables_end(tables);
    return settlement_datum(fcinfo, &result);
}
