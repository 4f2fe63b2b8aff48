#include "metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"

static int64_t counters[METRIC_COUNT];
static int64_t start_ms, last_poll_ms;
static char last_poll_text[CLOCK_ISO_TEXT_SIZE];

/* How each counter is shown; counters of one name stand together. */
static const struct {
    const char *name, *labels, *help;
} descriptions[METRIC_COUNT] = {
    [METRIC_PAYMENTS_PROCESSED] = {"shop_poller_messages_processed_total", "{worker=\"payment\"}",
                                   "Messages whose effect is committed."},
    [METRIC_INTAKE_PROCESSED] = {"shop_poller_messages_processed_total", "{worker=\"intake\"}", NULL},
    [METRIC_TRIES_FAILED] = {"shop_poller_tries_failed_total", "", "Tries of messages that failed."},
    [METRIC_INVALID_MESSAGES] = {"shop_poller_invalid_messages_total", "", "Messages that no retry will mend."},
    [METRIC_DEAD_LETTERS] = {"shop_poller_dead_letters_total", "", "Messages moved to the dead letters."},
    [METRIC_DEAD_LETTER_MOVES_FAILED] = {"shop_poller_dead_letter_moves_failed_total", "",
                                         "Moves to the dead letters that failed; they are repeated."},
    [METRIC_POLLS] = {"shop_poller_polls_total", "", "Polls of the queue that were answered."},
    [METRIC_POLLS_FAILED] = {"shop_poller_polls_failed_total", "", "Polls of the queue that failed."},
    [METRIC_MESSAGES_PUBLISHED] = {"shop_poller_outbox_published_total", "", "Outbox messages that the queue took."},
    [METRIC_PUBLISHES_FAILED] = {"shop_poller_outbox_publish_failed_total", "",
                                 "Outbox messages given back because the queue did not take them."},
    [METRIC_PAYMENT_CAPTURED] = {"shop_poller_payment_answers_total", "{outcome=\"captured\"}",
                                 "Answers of the payment provider, by what they say."},
    [METRIC_PAYMENT_AUTHORIZED] = {"shop_poller_payment_answers_total", "{outcome=\"authorized\"}", NULL},
    [METRIC_PAYMENT_DECLINED] = {"shop_poller_payment_answers_total", "{outcome=\"declined\"}", NULL},
    [METRIC_PAYMENT_VOIDED] = {"shop_poller_payment_answers_total", "{outcome=\"voided\"}", NULL},
    [METRIC_PAYMENT_REFUNDED] = {"shop_poller_payment_answers_total", "{outcome=\"refunded\"}", NULL},
    [METRIC_PAYMENT_REFUND_FAILED] = {"shop_poller_payment_answers_total", "{outcome=\"refund_failed\"}", NULL},
    [METRIC_PAYMENT_PENDING] = {"shop_poller_payment_answers_total", "{outcome=\"pending\"}", NULL},
    [METRIC_PAYMENT_UNKNOWN] = {"shop_poller_payment_answers_total", "{outcome=\"unknown\"}", NULL},
    [METRIC_PAYMENT_NOT_SENT] = {"shop_poller_payment_answers_total", "{outcome=\"not_sent\"}", NULL},
    [METRIC_PAYMENT_NOT_FOUND] = {"shop_poller_payment_answers_total", "{outcome=\"not_found\"}", NULL},
    [METRIC_PAYMENT_REJECTED] = {"shop_poller_payment_answers_total", "{outcome=\"rejected\"}", NULL},
    [METRIC_PAYMENT_DEFERRED] = {"shop_poller_payment_deferred_total", "",
                                 "Messages put off because they wait for the payment provider."},
    [METRIC_PAYMENT_CIRCUIT_OPENED] = {"shop_poller_payment_circuit_opened_total", "",
                                       "Times that the payment provider was given up for a while."},
};

void metrics_count(enum metric metric) {
    counters[metric]++;
}

void metrics_start(void) {
    start_ms = clock_monotonic_ms();
}

void metrics_note_poll(void) {
    metrics_count(METRIC_POLLS);
    last_poll_ms = clock_monotonic_ms();
    clock_iso_text(last_poll_text);
}

const char *metrics_last_poll(void) {
    return last_poll_ms > 0 ? last_poll_text : NULL;
}

int64_t metrics_last_poll_age_ms(void) {
    return clock_monotonic_ms() - (last_poll_ms > 0 ? last_poll_ms : start_ms);
}

/* print_gauge prints a number of now; nothing where it is unknown. */
static void print_gauge(FILE *out, const char *name, const char *help, double value) {
    if (value >= 0) {
        fprintf(out, "# HELP %s %s\n# TYPE %s gauge\n%s %.15g\n", name, help, name, name, value);
    }
}

static void print_gauges(FILE *out, const struct metrics_gauges *gauges) {
    print_gauge(out, "shop_poller_messages_in_hand", "Messages being worked on.", (double)gauges->in_hand);
    print_gauge(out, "shop_poller_queue_depth", "Messages on the queue, in flight included, as last seen.",
                (double)gauges->queue_depth);
    print_gauge(out, "shop_poller_dlq_depth", "Messages on the dead-letter queue, as last seen.",
                (double)gauges->dlq_depth);
    print_gauge(out, "shop_poller_outbox_oldest_age_seconds",
                "Age of the oldest message that waits in the outbox, as last seen; 0 when none does.",
                (double)gauges->outbox_age_seconds);
    print_gauge(out, "shop_poller_database_connections", "Open database connections.", (double)gauges->connections);
    print_gauge(out, "shop_poller_database_calls_waiting", "Calls that wait for a database connection.",
                (double)gauges->calls_waiting);
    print_gauge(out, "shop_poller_payment_circuit_state",
                "Circuit breaker of the payment provider: 0 closed, 1 half open, 2 open.",
                (double)gauges->payment_circuit);
    print_gauge(out, "shop_poller_last_poll_age_seconds", "Time since the last poll that was answered.",
                (double)metrics_last_poll_age_ms() / 1000);
    print_gauge(out, "shop_poller_uptime_seconds", "Time since the start.",
                (double)(clock_monotonic_ms() - start_ms) / 1000);
}

char *metrics_text(const struct metrics_gauges *gauges) {
    char *text = NULL;
    size_t size, i;
    FILE *out = open_memstream(&text, &size);

    if (out == NULL) {
        abort(); /* no memory: see allocation.h */
    }
    for (i = 0; i < METRIC_COUNT; i++) {
        if (descriptions[i].help != NULL) {
            fprintf(out, "# HELP %s %s\n# TYPE %s counter\n", descriptions[i].name, descriptions[i].help,
                    descriptions[i].name);
        }
        fprintf(out, "%s%s %" PRId64 "\n", descriptions[i].name, descriptions[i].labels, counters[i]);
    }
    print_gauges(out, gauges);
    if (fclose(out) != 0 || text == NULL) {
        abort(); /* no memory: see allocation.h */
    }
    return text;
}
