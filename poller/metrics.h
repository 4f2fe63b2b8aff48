/*
 * Counters of this process, for /metrics and the report to the database. There is one set, because there is one worker
 * in a process, and it is counted from all over the program.
 */
#ifndef SHOP_POLLER_METRICS_H
#define SHOP_POLLER_METRICS_H

#include <stddef.h>
#include <stdint.h>

enum metric {
    METRIC_PAYMENTS_PROCESSED, /* payment and refund messages whose effect is committed */
    METRIC_INTAKE_PROCESSED,   /* intake messages, likewise */
    METRIC_TRIES_FAILED,       /* tries that failed, of any message */
    METRIC_INVALID_MESSAGES,   /* messages whose body no retry will mend */
    METRIC_DEAD_LETTERS,       /* messages moved to the dead letters */
    METRIC_DEAD_LETTER_MOVES_FAILED,
    METRIC_POLLS,        /* polls that were answered: receives, or claims of the embedded queue */
    METRIC_POLLS_FAILED, /* polls that failed */
    METRIC_MESSAGES_PUBLISHED,
    METRIC_PUBLISHES_FAILED,
    METRIC_PAYMENT_CAPTURED, /* answers of the payment provider, by what they say; see payment_object.h */
    METRIC_PAYMENT_AUTHORIZED,
    METRIC_PAYMENT_DECLINED,
    METRIC_PAYMENT_VOIDED,
    METRIC_PAYMENT_REFUNDED,
    METRIC_PAYMENT_REFUND_FAILED,
    METRIC_PAYMENT_PENDING,
    METRIC_PAYMENT_UNKNOWN,
    METRIC_PAYMENT_NOT_SENT,
    METRIC_PAYMENT_NOT_FOUND,
    METRIC_PAYMENT_REJECTED,
    METRIC_PAYMENT_DEFERRED,       /* messages that were put off because they wait for the provider */
    METRIC_PAYMENT_CIRCUIT_OPENED, /* times that the provider was given up for a while */
    METRIC_COUNT,
};

/* Numbers that are asked for when they are shown. */
struct metrics_gauges {
    int64_t in_hand;                    /* messages being worked on */
    int64_t queue_depth, dlq_depth;     /* as last seen; -1 where unknown */
    int64_t outbox_age_seconds;         /* of the oldest pending message there, as last seen; -1 where unknown */
    int64_t connections, calls_waiting; /* of the database pool */
    int64_t payment_circuit;            /* 0 closed, 1 half open, 2 open */
};

/* metrics_count adds one to a counter. */
void metrics_count(enum metric metric);

/* metrics_note_poll takes notice of a poll that was answered, now. */
void metrics_note_poll(void);

/* metrics_last_poll gives the time of the last such poll as ISO 8601 text, or NULL when there was none. */
const char *metrics_last_poll(void);

/* metrics_last_poll_age_ms gives how long ago that was, or since the start of the process when there was none. */
int64_t metrics_last_poll_age_ms(void);

/* metrics_start begins to count time; to be called once, before anything else of this file. */
void metrics_start(void);

/* metrics_text gives all numbers in the Prometheus text format 0.0.4. The caller frees it. */
char *metrics_text(const struct metrics_gauges *gauges);

#endif
