/*
 * Payment attempts: shop.begin_payment, apply_payment, accept_payment, receive_payment_event, settle_payment. An
 * attempt's outcome may be told several times, late and out of order; states are ranked, and older news never moves an
 * attempt back. Whoever tells it, apply() is what changes attempt and order.
 *
 * Money captured is captured, whatever the amount. Another amount than was asked for does not confirm the order: the
 * captured attempt of an order that is still pending is held until a person accepts the amount or cancels the order.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "arguments.h"
#include "errors.h"
#include "fault_point.h"
#include "money.h"
#include "order_state.h"
#include "outbox.h"
#include "payment.h"
#include "plans.h"
#include "response.h"
#include "tables.h"

/* The states of an attempt with their ranks: news of a lower or equal rank is old. */
static const struct {
    const char *name;
    int rank;
    bool open; /* the outcome is not final */
} attempt_states[] = {
    {"requested", 0, true}, {"unknown", 1, true}, {"authorized", 2, true},
    {"declined", 3, false}, {"voided", 3, false}, {"captured", 4, false},
};

#define STATE_REQUESTED  "requested"
#define STATE_AUTHORIZED "authorized"
#define STATE_DECLINED   "declined"
#define STATE_VOIDED     "voided"
#define STATE_CAPTURED   "captured"

/* What is told of an attempt. Texts may be NULL where unknown. */
typedef struct Outcome {
    RequestContext context;
    const char *state;
    const char *provider_reference;
    const char *reason;
    int64 amount;    /* cents; -1: the amount asked for */
    int64 outbox_id; /* the message to finish in the same commit once the outcome is final; 0: none */
} Outcome;

/* state_index finds an attempt's state by its name; -1 for any other word. */
static int state_index(const char *name) {
    for (int i = 0; i < (int)lengthof(attempt_states); i++)
        if (strcmp(attempt_states[i].name, name) == 0)
            return i;
    return -1;
}

static bool is_open(const char *state) {
    int index = state_index(state);

    return index >= 0 && attempt_states[index].open;
}

Row *attempt_lock(Tables *tables, const RequestContext *context, int64 attempt_id) {
    Row *attempt =
        row_lock(tables, ATTEMPTS_BY_ID, ROW_KEY(Int32GetDatum(context->store_id), Int64GetDatum(attempt_id)));

    if (attempt == NULL)
        raise_invariant_lost("A payment attempt that is referred to does not exist.");
    return attempt;
}

/* find_attempt locks the first attempt of the order that fits; NULL when none does. */
static Row *find_attempt(Tables *tables, const RequestContext *context, int64 order_id, bool (*fits)(const char *)) {
    RowScan *scan =
        row_scan_begin(tables, ATTEMPTS_BY_ORDER, ROW_KEY(Int32GetDatum(context->store_id), Int64GetDatum(order_id)));
    int64 found = 0;
    Row *row;

    while (found == 0 && (row = row_scan_next(scan)) != NULL)
        if (fits(row_text(row, ATTEMPT_STATUS)))
            found = row_int64(row, ATTEMPT_ID);
    row_scan_end(scan);
    return found == 0 ? NULL : attempt_lock(tables, context, found);
}

static bool is_captured(const char *state) {
    return strcmp(state, STATE_CAPTURED) == 0;
}

static bool is_any(const char *state) {
    return true;
}

bool attempt_is_open(const Row *attempt) {
    return is_open(row_text(attempt, ATTEMPT_STATUS));
}

Row *captured_attempt(Tables *tables, const RequestContext *context, int64 order_id) {
    return find_attempt(tables, context, order_id, is_captured);
}

Row *open_attempt(Tables *tables, const RequestContext *context, int64 order_id) {
    return find_attempt(tables, context, order_id, is_open);
}

/* new_attempt begins the row of an attempt to pay the order's total. */
static Row *new_attempt(Tables *tables, const RequestContext *context, const Row *order, const char *provider) {
    Datum now = TimestampTzGetDatum(GetCurrentTimestamp());
    Row *row = row_new(tables, PAYMENT_ATTEMPTS);

    row_set_int32(row, ATTEMPT_STORE_ID, context->store_id);
    row_set_int64(row, ATTEMPT_ID, row_next_id(tables, PAYMENT_ATTEMPTS));
    row_set_int64(row, ATTEMPT_ORDER_ID, row_int64(order, ORDER_ID));
    row_set_text(row, ATTEMPT_PROVIDER, provider);
    row_set_text(row, ATTEMPT_STATUS, STATE_REQUESTED);
    row_set_datum(row, ATTEMPT_AMOUNT, row_datum(order, ORDER_TOTAL_PRICE));
    row_set_datum(row, ATTEMPT_CAPTURED_AMOUNT, money_numeric(0));
    row_set_datum(row, ATTEMPT_REFUNDED_AMOUNT, money_numeric(0));
    row_set_text(row, ATTEMPT_REQUEST_ID, context->request_id);
    row_set_datum(row, ATTEMPT_CREATED_AT, now);
    row_set_datum(row, ATTEMPT_UPDATED_AT, now);
    return row;
}

static int64 asked_cents(const Row *attempt) {
    return money_cents(row_datum(attempt, ATTEMPT_AMOUNT));
}

static int64 captured_cents(const Row *attempt) {
    return money_cents(row_datum(attempt, ATTEMPT_CAPTURED_AMOUNT));
}

static bool is_pending(const Row *order) {
    return strcmp(row_text(order, ORDER_STATUS), ORDER_PENDING) == 0;
}

/* is_held tells whether the attempt's money waits for a person: it was captured and does not confirm the order. */
static bool is_held(const Row *order, const Row *attempt) {
    return is_captured(row_text(attempt, ATTEMPT_STATUS)) && is_pending(order);
}

/* set_captured fills in how much the provider holds, with the reason where that is not what was asked for. */
static void set_captured(Row *attempt, const Outcome *outcome) {
    int64 captured = outcome->amount >= 0 ? outcome->amount : asked_cents(attempt);
    const char *reason = outcome->reason;

    if (captured != asked_cents(attempt))
        reason = psprintf("amount_mismatch: captured " INT64_FORMAT ".%02d", captured / 100, (int)(captured % 100));
    row_set_datum(attempt, ATTEMPT_CAPTURED_AMOUNT, money_numeric(captured));
    row_set_text(attempt, ATTEMPT_REASON, reason);
}

/* set_state fills in what the outcome tells of the attempt. */
static void set_state(Row *attempt, const Outcome *outcome) {
    row_set_text(attempt, ATTEMPT_STATUS, outcome->state);
    if (outcome->provider_reference != NULL)
        row_set_text(attempt, ATTEMPT_PROVIDER_REFERENCE, outcome->provider_reference);
    if (is_captured(outcome->state))
        set_captured(attempt, outcome);
    else if (outcome->reason != NULL)
        row_set_text(attempt, ATTEMPT_REASON, outcome->reason);
    row_set_datum(attempt, ATTEMPT_UPDATED_AT, TimestampTzGetDatum(GetCurrentTimestamp()));
}

/*
 * give_back asks for money that has no order to pay: the order was cancelled meanwhile, or is paid already.
 * attempt: stored in its new state. amount: cents.
 */
static const char *give_back(Tables *tables, const Outcome *outcome, const Row *attempt, const char *kind,
                             int64 amount) {
    bool is_void = strcmp(kind, REFUND_KIND_VOID) == 0;

    tables_look_again(tables);
    if (is_void || amount > 0)
        refund_request(tables, &outcome->context,
                       attempt_lock(tables, &outcome->context, row_int64(attempt, ATTEMPT_ID)), kind, amount,
                       "the order did not need this payment any more");
    return is_void ? "void_requested" : "refund_requested";
}

/*
 * take_capture lets captured money pay the order, holds it where the amount is wrong, or gives it back where the order
 * cannot take it. more: cents that were not known to be captured before.
 */
static const char *take_capture(Tables *tables, const Outcome *outcome, const LockedOrders *orders, Row *order,
                                const Row *attempt, int64 more) {
    ChangeResult change;

    if (is_pending(order) && captured_cents(attempt) != asked_cents(attempt))
        return "amount_mismatch";
    change = order_change(tables, &outcome->context, orders, order, ORDER_PAYMENT_CAPTURED, outcome->reason);
    return change == CHANGE_APPLIED ? "settled" : give_back(tables, outcome, attempt, REFUND_KIND_REFUND, more);
}

/* change_order lets news that is not of captured money change the order, or gives back what the order cannot take. */
static const char *change_order(Tables *tables, const Outcome *outcome, const LockedOrders *orders, Row *order,
                                const Row *attempt) {
    ChangeResult change;

    if (strcmp(outcome->state, STATE_AUTHORIZED) == 0 && !is_pending(order))
        return give_back(tables, outcome, attempt, REFUND_KIND_VOID, asked_cents(attempt));
    if (is_open(outcome->state))
        return "recorded";
    change = order_change(tables, &outcome->context, orders, order, ORDER_PAYMENT_DECLINED, outcome->reason);
    return change == CHANGE_APPLIED ? "settled" : "already_settled";
}

/* note_reference keeps the provider's number of an attempt whose state does not change, where it was not known yet. */
static void note_reference(Row *attempt, const Outcome *outcome) {
    if (outcome->provider_reference == NULL || !row_is_null(attempt, ATTEMPT_PROVIDER_REFERENCE))
        return;
    row_set_text(attempt, ATTEMPT_PROVIDER_REFERENCE, outcome->provider_reference);
    row_update(attempt);
}

/*
 * is_old tells whether the news adds nothing to what is known. What a provider has captured can only grow, so of two
 * amounts the larger one is the newer, in whatever order they come.
 */
static bool is_old(const Row *attempt, const Outcome *outcome) {
    const char *known = row_text(attempt, ATTEMPT_STATUS);

    if (is_captured(known) && is_captured(outcome->state))
        return outcome->amount <= captured_cents(attempt);
    return attempt_states[state_index(outcome->state)].rank <= attempt_states[state_index(known)].rank;
}

/* apply brings the news to the attempt (locked, or new) and the locked order. */
static const char *apply(Tables *tables, const Outcome *outcome, const LockedOrders *orders, Row *order, Row *attempt,
                         bool is_new) {
    int64 before = captured_cents(attempt);

    if (!is_new && is_old(attempt, outcome)) {
        note_reference(attempt, outcome);
        if (is_held(order, attempt))
            return "amount_mismatch";
        return attempt_is_open(attempt) ? "recorded" : "already_settled";
    }
    set_state(attempt, outcome);
    if (is_new)
        row_insert(attempt);
    else
        row_update(attempt);
    FAULT_POINT("settle.attempt_written");
    if (is_captured(outcome->state))
        return take_capture(tables, outcome, orders, order, attempt, captured_cents(attempt) - before);
    return change_order(tables, outcome, orders, order, attempt);
}

/* finish_message finishes the outbox message when there is nothing more to ask the provider. */
static void finish_message(Tables *tables, const Outcome *outcome, const char *result) {
    /* Whatever this news is: the outcome is known, or waits for a person. */
    bool known = strcmp(result, "already_settled") == 0 || strcmp(result, "amount_mismatch") == 0;

    if (outcome->outbox_id != 0 && (known || !is_open(outcome->state)))
        outbox_mark_delivered(tables, &outcome->context, outcome->outbox_id);
}

/* settle_locked applies the outcome to the locked order's attempt, which is made where there is none yet. */
static SettlementResult settle_locked(Tables *tables, const Outcome *outcome, const LockedOrders *orders, Row *order,
                                      const char *provider) {
    SettlementResult result = {.result = "already_settled", .message_done = true};
    Row *attempt;

    if (order == NULL)
        return (SettlementResult){.result = "order_not_found"};
    FAULT_POINT("settle.order_locked");
    attempt = PLANTED_BUG == BUG_NO_SETTLE_CHECK
                  ? NULL
                  : find_attempt(tables, &outcome->context, row_int64(order, ORDER_ID), is_any);
    if (attempt != NULL && attempt_is_open(attempt) && strcmp(row_text(attempt, ATTEMPT_PROVIDER), provider) != 0)
        return (SettlementResult){.result = "other_provider", .order_status = row_text(order, ORDER_STATUS)};
    if (attempt != NULL && attempt_is_open(attempt))
        result.result = apply(tables, outcome, orders, order, attempt, false);
    else if (attempt == NULL && (PLANTED_BUG == BUG_NO_SETTLE_CHECK || is_pending(order)))
        result.result =
            apply(tables, outcome, orders, order, new_attempt(tables, &outcome->context, order, provider), true);
    FAULT_POINT("settle.order_changed");
    result.order_status = row_text(order, ORDER_STATUS);
    return result;
}

SettlementResult payment_settle_locked(Tables *tables, const RequestContext *context, const LockedOrders *orders,
                                       Row *order, bool paid, const char *reason) {
    Outcome outcome = {
        .context = *context, .state = paid ? STATE_CAPTURED : STATE_DECLINED, .reason = reason, .amount = -1};

    return settle_locked(tables, &outcome, orders, order, "simulation");
}

/* lock_with_order locks an attempt after its order with the stock; NULL when there is no such attempt. */
static Row *lock_with_order(Tables *tables, const RequestContext *context, int64 attempt_id, LockedOrders *orders) {
    Row *attempt =
        row_find(tables, ATTEMPTS_BY_ID, ROW_KEY(Int32GetDatum(context->store_id), Int64GetDatum(attempt_id)));
    int64 order_id;

    if (attempt == NULL)
        return NULL;
    order_id = row_int64(attempt, ATTEMPT_ORDER_ID);
    orders_lock(tables, context, &order_id, 1, false, orders);
    if (orders->row[0] == NULL)
        raise_invariant_lost("A payment attempt belongs to an order that does not exist.");
    return attempt_lock(tables, context, attempt_id);
}

/* settle_attempt applies the outcome to the attempt that it names. */
static SettlementResult settle_attempt(Tables *tables, const Outcome *outcome, int64 attempt_id) {
    SettlementResult result = {.result = "attempt_not_found"};
    LockedOrders orders;
    Row *attempt = lock_with_order(tables, &outcome->context, attempt_id, &orders);

    if (attempt == NULL)
        return result;
    result.result = apply(tables, outcome, &orders, orders.row[0], attempt, false);
    inventory_write(&orders.lines);
    result.order_status = row_text(orders.row[0], ORDER_STATUS);
    finish_message(tables, outcome, result.result);
    return result;
}

Datum settlement_datum(FunctionCallInfo fcinfo, const SettlementResult *result) {
    Datum values[2] = {CStringGetTextDatum(result->result), (Datum)0};
    bool nulls[2] = {false, result->order_status == NULL};
    TupleDesc descriptor;

    if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
        elog(ERROR, "function must return a row");
    if (!nulls[1])
        values[1] = CStringGetTextDatum(result->order_status);
    return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls));
}

PG_FUNCTION_INFO_V1(shop_settle_payment);

/* shop.settle_payment(store_id, order_id, paid, reason, request_id, outbox_id) */
Datum shop_settle_payment(PG_FUNCTION_ARGS) {
    RequestContext context = {
        .store_id = argument_store_id(fcinfo, 0), .request_id = argument_text(fcinfo, 4), .actor = PAYMENT_ACTOR};
    const char *reason = argument_text(fcinfo, 3);
    int64 order_id = argument_int64(fcinfo, 1, 0);
    int64 outbox_id = argument_int64(fcinfo, 5, 0);
    SettlementResult result;
    LockedOrders orders;
    Tables *tables;

    if (PG_ARGISNULL(2))
        raise_invalid_argument("paid", "It must be true or false.");
    tables = tables_begin("shop.settle_payment");
    FAULT_POINT("settle.begin");
    orders_lock(tables, &context, &order_id, 1, false, &orders);
    result = payment_settle_locked(tables, &context, &orders, orders.row[0], PG_GETARG_BOOL(2), reason);
    inventory_write(&orders.lines);
    if (outbox_id != 0 && result.message_done)
        outbox_mark_delivered(tables, &context, outbox_id);
    FAULT_POINT("settle.message_finished");
    tables_end(tables);
    return settlement_datum(fcinfo, &result);
}

static KeptPlan insert_inbox = {
    .name = "insert_inbox",
    .sql = "INSERT INTO shop.inbox (store_id, source, message_key) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
    .expected = SPI_OK_INSERT,
    .argument_count = 3,
    .argument_types = {INT4OID, TEXTOID, TEXTOID},
};

static KeptPlan note_inbox = {
    .name = "note_inbox",
    .sql = "UPDATE shop.inbox event SET note = $4"
           " WHERE event.store_id = $1 AND event.source = $2 AND event.message_key = $3",
    .expected = SPI_OK_UPDATE,
    .argument_count = 4,
    .argument_types = {INT4OID, TEXTOID, TEXTOID, TEXTOID},
};

/* is_duplicate_event notes the event and tells whether it was there already; waits for a twin that is being applied. */
static bool is_duplicate_event(int32 store_id, const char *source, const char *event_id) {
    bool duplicate;

    if (source == NULL || event_id == NULL)
        return false;
    plans_begin(PLANS_WRITE);
    duplicate = plan_run(&insert_inbox,
                         (Datum[]){Int32GetDatum(store_id), CStringGetTextDatum(source), CStringGetTextDatum(event_id)},
                         NULL) == 0;
    plans_end();
    return duplicate;
}

/* keep_event keeps what an event told that found nothing to apply to. */
static void keep_event(int32 store_id, const char *source, const char *event_id, const char *note) {
    plans_begin(PLANS_WRITE);
    plan_run(&note_inbox,
             (Datum[]){Int32GetDatum(store_id), CStringGetTextDatum(source), CStringGetTextDatum(event_id),
                       CStringGetTextDatum(note)},
             NULL);
    plans_end();
}

PG_FUNCTION_INFO_V1(shop_apply_payment);

/*
 * shop.apply_payment(store_id, attempt_id, outcome, provider_reference, amount, reason, event_source, event_id,
 * request_id, outbox_id)
 */
Datum shop_apply_payment(PG_FUNCTION_ARGS) {
    Outcome outcome = {
        .context = {.store_id = argument_store_id(fcinfo, 0),
                    .request_id = argument_text(fcinfo, 8),
                    .actor = "payment"},
        .state = argument_text(fcinfo, 2),
        .provider_reference = argument_text(fcinfo, 3),
        .reason = argument_text(fcinfo, 5),
        .amount = -1,
        .outbox_id = argument_int64(fcinfo, 9, 0),
    };
    SettlementResult result = {.result = "duplicate_event"};
    Tables *tables;

    if (outcome.state == NULL || state_index(outcome.state) < 0 || strcmp(outcome.state, STATE_REQUESTED) == 0)
        raise_invalid_argument("outcome", "It must be unknown, authorized, captured, declined or voided.");
    if (!PG_ARGISNULL(4) && !money_parse(PG_GETARG_DATUM(4), &outcome.amount))
        raise_invalid_argument("amount", "It must be a non-negative number with at most two decimals.");
    tables = tables_begin("shop.apply_payment");
    if (!is_duplicate_event(outcome.context.store_id, argument_text(fcinfo, 6), argument_text(fcinfo, 7))) {
        tables_look_again(tables);
        result = settle_attempt(tables, &outcome, argument_int64(fcinfo, 1, 0));
    }
    tables_end(tables);
    return settlement_datum(fcinfo, &result);
}

/* accept_held lets the money that the attempt holds pay its order, though it is another amount than was asked for. */
static SettlementResult accept_held(Tables *tables, const RequestContext *context, int64 attempt_id,
                                    const char *reason) {
    SettlementResult result = {.result = "attempt_not_found"};
    LockedOrders orders;
    Row *attempt = lock_with_order(tables, context, attempt_id, &orders);

    if (attempt == NULL)
        return result;
    result.result = "nothing_to_accept";
    if (is_held(orders.row[0], attempt)) {
        order_change(tables, context, &orders, orders.row[0], ORDER_PAYMENT_CAPTURED, reason);
        inventory_write(&orders.lines);
        result.result = "settled";
    }
    result.order_status = row_text(orders.row[0], ORDER_STATUS);
    return result;
}

PG_FUNCTION_INFO_V1(shop_accept_payment);

/* shop.accept_payment(store_id, attempt_id, reason, actor, request_id) -> (result, order_status) */
Datum shop_accept_payment(PG_FUNCTION_ARGS) {
    RequestContext context = {.store_id = argument_store_id(fcinfo, 0),
                              .actor = argument_text(fcinfo, 3),
                              .request_id = argument_text(fcinfo, 4)};
    SettlementResult result;
    Tables *tables;

    if (context.actor == NULL)
        raise_invalid_argument("actor", "It must name the person who accepts the amount.");
    tables = tables_begin("shop.accept_payment");
    result = accept_held(tables, &context, argument_int64(fcinfo, 1, 0), argument_text(fcinfo, 2));
    tables_end(tables);
    return settlement_datum(fcinfo, &result);
}

/* apply_event applies an event of a provider to the refund or the attempt that it names; orders of its own. */
static SettlementResult apply_event(Tables *tables, Outcome *outcome, int64 attempt_id, int64 refund_id) {
    tables_look_again(tables);
    if (refund_id != 0)
        return refund_settle(tables, &outcome->context, refund_id, outcome->state, outcome->provider_reference,
                             outcome->reason);
    return settle_attempt(tables, outcome, attempt_id);
}

/* is_outcome_of tells whether a word is news of an attempt, or of a refund. */
static bool is_outcome_of(const char *outcome, bool refund) {
    if (outcome == NULL)
        return false;
    return refund ? refund_outcome_is_known(outcome)
                  : state_index(outcome) >= 0 && strcmp(outcome, STATE_REQUESTED) != 0;
}

/* event_response tells the provider that its event has come. */
static Datum event_response(FunctionCallInfo fcinfo, const char *result) {
    Response response;
    StringInfoData body;

    initStringInfo(&body);
    appendStringInfo(&body, "{\"received\":true,\"result\":\"%s\"}", result);
    response = success(200, &body);
    return response_datum(fcinfo, &response);
}

PG_FUNCTION_INFO_V1(shop_receive_payment_event);

/*
 * shop.receive_payment_event(store_id, source, event_id, attempt_id, refund_id, outcome, provider_reference, amount,
 * reason, request_id) -> shop.response
 */
Datum shop_receive_payment_event(PG_FUNCTION_ARGS) {
    Outcome outcome = {
        .context = {.store_id = argument_store_id(fcinfo, 0),
                    .request_id = argument_text(fcinfo, 9),
                    .actor = "payment"},
        .state = argument_text(fcinfo, 5),
        .provider_reference = argument_text(fcinfo, 6),
        .reason = argument_text(fcinfo, 8),
        .amount = -1,
    };
    const char *source = argument_text(fcinfo, 1);
    const char *event_id = argument_text(fcinfo, 2);
    int64 attempt_id = argument_int64(fcinfo, 3, 0);
    int64 refund_id = argument_int64(fcinfo, 4, 0);
    SettlementResult result = {.result = "duplicate_event"};
    Tables *tables;

    if (source == NULL || event_id == NULL)
        raise_invalid_argument("event_id", "An event has a source and a number.");
    if (!is_outcome_of(outcome.state, refund_id != 0))
        raise_invalid_argument("outcome", "It must be an outcome of an attempt, or of a refund where one is named.");
    if (!PG_ARGISNULL(7) && !money_parse(PG_GETARG_DATUM(7), &outcome.amount))
        raise_invalid_argument("amount", "It must be a non-negative number with at most two decimals.");
    tables = tables_begin("shop.receive_payment_event");
    if (!is_duplicate_event(outcome.context.store_id, source, event_id)) {
        result = apply_event(tables, &outcome, attempt_id, refund_id);
        if (strcmp(result.result, "attempt_not_found") == 0 || strcmp(result.result, "refund_not_found") == 0)
            keep_event(outcome.context.store_id, source, event_id,
                       psprintf("%s: attempt " INT64_FORMAT ", refund " INT64_FORMAT ", outcome %s, reference %s",
                                result.result, attempt_id, refund_id, outcome.state,
                                outcome.provider_reference != NULL ? outcome.provider_reference : "unknown"));
    }
    tables_end(tables);
    return event_response(fcinfo, result.result);
}

/* seconds_since gives whole seconds since a time that a row holds. */
static int64 seconds_since(Datum time) {
    return (GetCurrentTimestamp() - DatumGetTimestampTz(time)) / USECS_PER_SEC;
}

/* The columns that shop.begin_payment gives, in their order. */
enum {
    BEGUN_ATTEMPT_ID,
    BEGUN_AMOUNT,
    BEGUN_ATTEMPT_STATUS,
    BEGUN_ORDER_STATUS,
    BEGUN_PROVIDER,
    BEGUN_PROVIDER_REFERENCE,
    BEGUN_AGE_SECONDS,
    BEGUN_COLUMNS
};

/* attempt_columns fills in what is known of an attempt. */
static void attempt_columns(const Row *attempt, Datum *values, bool *nulls) {
    values[BEGUN_ATTEMPT_ID] = Int64GetDatum(row_int64(attempt, ATTEMPT_ID));
    values[BEGUN_AMOUNT] = money_numeric(money_cents(row_datum(attempt, ATTEMPT_AMOUNT)));
    values[BEGUN_ATTEMPT_STATUS] = CStringGetTextDatum(row_text(attempt, ATTEMPT_STATUS));
    values[BEGUN_PROVIDER] = CStringGetTextDatum(row_text(attempt, ATTEMPT_PROVIDER));
    values[BEGUN_AGE_SECONDS] = Int64GetDatum(seconds_since(row_datum(attempt, ATTEMPT_CREATED_AT)));
    for (int i = 0; i < BEGUN_COLUMNS; i++)
        nulls[i] = nulls[i] && i == BEGUN_ORDER_STATUS;
    nulls[BEGUN_PROVIDER_REFERENCE] = row_is_null(attempt, ATTEMPT_PROVIDER_REFERENCE);
    if (!nulls[BEGUN_PROVIDER_REFERENCE])
        values[BEGUN_PROVIDER_REFERENCE] = CStringGetTextDatum(row_text(attempt, ATTEMPT_PROVIDER_REFERENCE));
}

/*
 * begin gives the order's open attempt, a new one where the order is pending and was not paid at all, or NULL: there is
 * nothing to pay, or the wrong amount was captured and a person decides.
 */
static Row *begin(Tables *tables, const RequestContext *context, const Row *order, const char *provider) {
    int64 order_id = row_int64(order, ORDER_ID);
    Row *attempt = open_attempt(tables, context, order_id);

    if (attempt == NULL && is_pending(order) && captured_attempt(tables, context, order_id) == NULL) {
        attempt = new_attempt(tables, context, order, provider);
        row_insert(attempt);
    }
    return attempt;
}

PG_FUNCTION_INFO_V1(shop_begin_payment);

/* shop.begin_payment(store_id, order_id, provider, request_id, outbox_id) -> the columns above */
Datum shop_begin_payment(PG_FUNCTION_ARGS) {
    RequestContext context = {.store_id = argument_store_id(fcinfo, 0), .request_id = argument_text(fcinfo, 3)};
    const char *provider = argument_text(fcinfo, 2);
    int64 outbox_id = argument_int64(fcinfo, 4, 0);
    Datum values[BEGUN_COLUMNS] = {0};
    bool nulls[BEGUN_COLUMNS] = {true, true, true, true, true, true, true};
    TupleDesc descriptor;
    Tables *tables;
    Row *attempt = NULL;
    Row *order;

    if (provider == NULL)
        raise_invalid_argument("provider", "It must name the payment provider.");
    if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
        elog(ERROR, "function must return a row");
    tables = tables_begin("shop.begin_payment");
    order = row_lock(tables, ORDERS_BY_ID,
                     ROW_KEY(Int32GetDatum(context.store_id), Int64GetDatum(argument_int64(fcinfo, 1, 0))));
    tables_look_again(tables);
    if (order != NULL) {
        values[BEGUN_ORDER_STATUS] = CStringGetTextDatum(row_text(order, ORDER_STATUS));
        nulls[BEGUN_ORDER_STATUS] = false;
        attempt = begin(tables, &context, order, provider);
    }
    if (attempt != NULL)
        attempt_columns(attempt, values, nulls);
    else if (order != NULL && outbox_id != 0)
        outbox_mark_delivered(tables, &context, outbox_id);
    tables_end(tables);
    return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls));
}
