#include "database_calls.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "allocation.h"

const struct database_statement version_statement = {"version", "SELECT shop.version()", 0, true};

/*
 * Every call that can be repeated without harm is marked so, and the pool repeats it when its connection breaks.
 * claim_outbox is not: a second claim would take other rows and leave the first ones leased.
 */
const struct database_statement claim_outbox_statement = {
    "claim_outbox",
    "SELECT id::pg_catalog.int8, topic::pg_catalog.text, order_id::pg_catalog.int8, body::pg_catalog.text,"
    " request_id::pg_catalog.text, traceparent::pg_catalog.text, attempts::pg_catalog.int4"
    " FROM shop.claim_outbox($1::pg_catalog.int4, $2::pg_catalog.int4, $3::pg_catalog.int4)",
    3, false};

const struct database_statement settle_payment_statement = {
    "settle_payment",
    "SELECT result::pg_catalog.text, order_status::pg_catalog.text"
    " FROM shop.settle_payment($1::pg_catalog.int4, $2::pg_catalog.int8, $3::pg_catalog.bool, $4::pg_catalog.text,"
    " $5::pg_catalog.text, $6::pg_catalog.int8)",
    6, true};

const struct database_statement settle_payments_statement = {
    "settle_payments",
    "SELECT result::pg_catalog.text, order_status::pg_catalog.text"
    " FROM shop.settle_payments($1::pg_catalog.int4, $2::pg_catalog.int8[], $3::pg_catalog.bool[],"
    " $4::pg_catalog.text[], $5::pg_catalog.text[], $6::pg_catalog.int8[])",
    6, true};

/* Repeatable: the attempt that it makes is the one that it finds the next time. */
const struct database_statement begin_payment_statement = {
    "begin_payment",
    "SELECT attempt_id::pg_catalog.int8, amount::pg_catalog.text, attempt_status::pg_catalog.text,"
    " order_status::pg_catalog.text, attempt_provider::pg_catalog.text, provider_reference::pg_catalog.text,"
    " age_seconds::pg_catalog.int8"
    " FROM shop.begin_payment($1::pg_catalog.int4, $2::pg_catalog.int8, $3::pg_catalog.text, $4::pg_catalog.text,"
    " $5::pg_catalog.int8)",
    5, true};

const struct database_statement apply_payment_statement = {
    "apply_payment",
    "SELECT result::pg_catalog.text, order_status::pg_catalog.text"
    " FROM shop.apply_payment($1::pg_catalog.int4, $2::pg_catalog.int8, $3::pg_catalog.text, $4::pg_catalog.text,"
    " $5::pg_catalog.numeric, $6::pg_catalog.text, NULL, NULL, $7::pg_catalog.text, $8::pg_catalog.int8)",
    8, true};

const struct database_statement begin_refund_statement = {
    "begin_refund",
    "SELECT refund_status::pg_catalog.text, kind::pg_catalog.text, amount::pg_catalog.text,"
    " refund_reference::pg_catalog.text, order_id::pg_catalog.int8, attempt_id::pg_catalog.int8,"
    " attempt_provider::pg_catalog.text, provider_reference::pg_catalog.text, age_seconds::pg_catalog.int8,"
    " order_status::pg_catalog.text"
    " FROM shop.begin_refund($1::pg_catalog.int4, $2::pg_catalog.int8, $3::pg_catalog.int8)",
    3, true};

/* Not repeatable: a message that came over the queue would be put into the outbox twice. */
const struct database_statement defer_message_statement = {
    "defer_message",
    "SELECT shop.defer_message($1::pg_catalog.int4, $2::pg_catalog.int8, $3::pg_catalog.text, $4::pg_catalog.int8,"
    " $5::pg_catalog.text, $6::pg_catalog.text, $7::pg_catalog.text, $8::pg_catalog.text, $9::pg_catalog.int4)",
    9, false};

const struct database_statement settle_refund_statement = {
    "settle_refund",
    "SELECT result::pg_catalog.text, order_status::pg_catalog.text"
    " FROM shop.settle_refund($1::pg_catalog.int4, $2::pg_catalog.int8, $3::pg_catalog.text, $4::pg_catalog.text,"
    " $5::pg_catalog.text, $6::pg_catalog.text, $7::pg_catalog.int8)",
    7, true};

const struct database_statement ingest_order_statement = {
    "ingest_order",
    "SELECT result::pg_catalog.text, order_status::pg_catalog.text, detail::pg_catalog.text"
    " FROM shop.ingest_order($1::pg_catalog.int4, $2::pg_catalog.text, $3::pg_catalog.text, $4::pg_catalog.int8)",
    4, true};

const struct database_statement ingest_orders_statement = {
    "ingest_orders",
    "SELECT result::pg_catalog.text, order_status::pg_catalog.text, detail::pg_catalog.text"
    " FROM shop.ingest_orders($1::pg_catalog.int4, $2::pg_catalog.text[], $3::pg_catalog.text[],"
    " $4::pg_catalog.int8[])",
    4, true};

const struct database_statement report_poller_statement = {
    "report_poller",
    "SELECT shop.report_poller($1::pg_catalog.int4, $2::pg_catalog.text, $3::pg_catalog.text, $4::pg_catalog.int8,"
    " $5::pg_catalog.int8, $6::pg_catalog.int8, $7::pg_catalog.timestamptz)",
    7, true};

const struct database_statement queue_status_statement = {
    "queue_status",
    "SELECT depth::pg_catalog.int8, oldest_message_age_seconds::pg_catalog.int8"
    " FROM shop.queue_status($1::pg_catalog.int4)",
    1, true};

const struct database_statement maintain_statement = {
    "maintain", "SELECT task::pg_catalog.text, rows::pg_catalog.text FROM shop.maintain($1::pg_catalog.int4)", 1, true};

const struct database_statement mark_outbox_delivered_statement = {
    "mark_outbox_delivered", "SELECT shop.mark_outbox_delivered($1::pg_catalog.int4, $2::pg_catalog.int8[])", 2, true};

const struct database_statement release_outbox_statement = {
    "release_outbox",
    "SELECT shop.release_outbox($1::pg_catalog.int4, $2::pg_catalog.int8[], $3::pg_catalog.text,"
    " $4::pg_catalog.int4, $5::pg_catalog.bool)",
    5, true};

const struct database_statement extend_outbox_statement = {
    "extend_outbox", "SELECT shop.extend_outbox($1::pg_catalog.int4, $2::pg_catalog.int8[], $3::pg_catalog.int4)", 3,
    true};

const struct database_statement record_dead_letter_statement = {
    "record_dead_letter",
    "SELECT id::pg_catalog.int8, moved::pg_catalog.bool, first_reason::pg_catalog.text, first_error::pg_catalog.text"
    " FROM shop.record_dead_letter($1::pg_catalog.int4, $2::pg_catalog.text, $3::pg_catalog.text,"
    " $4::pg_catalog.text, $5::pg_catalog.text, $6::pg_catalog.text, $7::pg_catalog.text, $8::pg_catalog.int4,"
    " $9::pg_catalog.int8, $10::pg_catalog.text, $11::pg_catalog.int8)",
    11, true};

const struct database_statement mark_dead_letter_moved_statement = {
    "mark_dead_letter_moved",
    "SELECT shop.mark_dead_letter_moved($1::pg_catalog.int4, $2::pg_catalog.int8, $3::pg_catalog.text)", 3, true};

/* Beginnings of SQLSTATEs that speak of the server's state (PostgreSQL manual, appendix "Error Codes"). */
static const char *const away_states[] = {
    "08",    /* connection exceptions */
    "25006", /* read-only transaction: a standby, or a failover under way */
    "28",    /* login refused */
    "3D000", /* no such database */
    "3F000", /* no such schema: the extension is not there */
    "53",    /* out of memory, disk or connections */
    "57P",   /* shutting down, starting up, crashed */
    "58",    /* system errors */
    "SH001", /* not migrated */
    "SH002", /* library and catalog of different versions */
};

enum database_verdict database_verdict_of(const struct database_answer *answer) {
    size_t i;

    switch (answer->outcome) {
    case DATABASE_OK:
        return DATABASE_DONE;
    case DATABASE_UNAVAILABLE:
    case DATABASE_OVERLOADED:
        return DATABASE_AWAY;
    case DATABASE_TIMEOUT:
    case DATABASE_LOST:
        return DATABASE_REFUSED;
    case DATABASE_ERROR:
        break;
    }
    for (i = 0; i < sizeof(away_states) / sizeof(away_states[0]); i++) {
        if (strncmp(answer->sqlstate, away_states[i], strlen(away_states[i])) == 0) {
            return DATABASE_AWAY;
        }
    }
    return DATABASE_REFUSED;
}

enum database_verdict database_work_verdict(const struct database_pool *pool, const struct database_answer *answer) {
    if (answer->outcome == DATABASE_LOST && !database_pool_connected(pool)) {
        return DATABASE_AWAY;
    }
    return database_verdict_of(answer);
}

bool database_answer_is_inconclusive(const struct database_answer *answer) {
    switch (answer->outcome) {
    case DATABASE_TIMEOUT:
    case DATABASE_LOST:
        return true;
    case DATABASE_ERROR:
        return strcmp(answer->sqlstate, "55P03") == 0; /* lock_not_available */
    default:
        return false;
    }
}

const char *database_row_text(const PGresult *rows, int column) {
    return PQntuples(rows) > 0 && PQnfields(rows) > column && !PQgetisnull(rows, 0, column)
               ? PQgetvalue(rows, 0, column)
               : NULL;
}

char *database_failure_text(const struct database_answer *answer) {
    static const char *const outcomes[] = {
        [DATABASE_OK] = "ok",
        [DATABASE_ERROR] = "database error",
        [DATABASE_UNAVAILABLE] = "database unavailable",
        [DATABASE_OVERLOADED] = "no database connection free in time",
        [DATABASE_TIMEOUT] = "timed out and cancelled",
        [DATABASE_LOST] = "database connection lost",
    };

    return memory_format("%s%s%s%s%s", outcomes[answer->outcome], answer->sqlstate[0] != '\0' ? " " : "",
                         answer->sqlstate, answer->message[0] != '\0' ? ": " : "", answer->message);
}

const char *number_text(int64_t number, char out[NUMBER_TEXT_SIZE]) {
    snprintf(out, NUMBER_TEXT_SIZE, "%" PRId64, number);
    return out;
}
