/*
 * Payment attempts and refunds: intents that are committed before the provider is called, and outcomes that are applied
 * exactly once. The id of an attempt or refund is the provider's idempotency key, so that asking again does no harm.
 */
#ifndef SHOP_PAYMENT_H
#define SHOP_PAYMENT_H

#include "postgres.h"

#include "fmgr.h"

#include "arguments.h"
#include "order_state.h"
#include "tables.h"

/* Who changes orders by the outcome of a payment, in their history. */
#define PAYMENT_ACTOR "payment"

/* Money that should not be there, or should go back: a refund of what was captured, a void of what was authorized. */
#define REFUND_KIND_REFUND "refund"
#define REFUND_KIND_VOID   "void"

/* What an outcome did. */
typedef struct SettlementResult {
    const char *result;
    const char *order_status; /* NULL: there is no such order */
    bool message_done;        /* the message that asked for the payment needs no further work */
} SettlementResult;

/*
 * payment_settle_locked applies the final outcome of a simulated payment to a locked order, whose attempt is made where
 * there is none yet. order: one of orders; NULL: there is no such order. reason may be NULL.
 * The changed stock levels are stored by inventory_write, the message is finished by outbox_mark_delivered: the
 * caller's.
 */
extern SettlementResult payment_settle_locked(Tables *tables, const RequestContext *context, const LockedOrders *orders,
                                              Row *order, bool paid, const char *reason);

/* attempt_lock locks an attempt that is known to exist. Raises SH003 where it does not. */
extern Row *attempt_lock(Tables *tables, const RequestContext *context, int64 attempt_id);

/* captured_attempt locks the attempt of a locked order that holds the money; NULL when none does. */
extern Row *captured_attempt(Tables *tables, const RequestContext *context, int64 order_id);

/* open_attempt locks the attempt of a locked order whose outcome is not final yet; NULL when there is none. */
extern Row *open_attempt(Tables *tables, const RequestContext *context, int64 order_id);

/* attempt_is_open tells whether the outcome of an attempt is not final yet. */
extern bool attempt_is_open(const Row *attempt);

/* refund_is_under_way tells whether a refund or void of a locked order was asked for and has no final outcome yet. */
extern bool refund_is_under_way(Tables *tables, const RequestContext *context, int64 order_id);

/* attempt_refundable gives the captured cents of an attempt that no refund asks for yet. */
extern int64 attempt_refundable(const Row *attempt);

/*
 * refund_request writes the intent to give money back and the message that makes the poller do it.
 * attempt: locked; its refunded amount is raised and stored. amount: cents. reason may be NULL.
 * Returns the id of the refund.
 */
extern int64 refund_request(Tables *tables, const RequestContext *context, Row *attempt, const char *kind, int64 amount,
                            const char *reason);

/* refund_outcome_is_known tells whether a word is an outcome of a refund: completed, failed or unknown. */
extern bool refund_outcome_is_known(const char *outcome);

/*
 * refund_settle finds the refund, locks its order and it, and applies the outcome once. provider_reference and reason
 * may be NULL. Its result is settled, recorded (the outcome is unknown), already_settled or refund_not_found.
 */
extern SettlementResult refund_settle(Tables *tables, const RequestContext *context, int64 refund_id,
                                      const char *outcome, const char *provider_reference, const char *reason);

/* settlement_datum makes the row (result, order_status) that the function called by fcinfo returns. */
extern Datum settlement_datum(FunctionCallInfo fcinfo, const SettlementResult *result);

#endif
