#include "duties.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "allocation.h"
#include "backoff.h"
#include "database_calls.h"
#include "log.h"
#include "metrics.h"
#include "text.h"

#define REPORT_INTERVAL_MS     10000
#define REPORT_TIMEOUT_MS      5000
#define MAINTENANCE_TIMEOUT_MS 60000

/* Largest host name (Linux: HOST_NAME_MAX) with ':', a process id and the closing NUL. */
#define POLLER_NAME_SIZE 96

struct duties {
    struct duties_settings settings;
    char poller[POLLER_NAME_SIZE]; /* "host:pid" */
    struct loop_timer report_timer, maintenance_timer;
    struct sqs_call *call;                    /* while a queue is asked for its depth */
    bool asking_dlq;                          /* which one */
    bool report_failing;                      /* so that only the first failure in a row is a warning */
    int64_t queue_depth, dlq_depth;           /* of SQS */
    int64_t outbox_depth, outbox_age_seconds; /* of the oldest pending message */
};

static void begin_report(void *context);
static void ask_depth(struct duties *duties, bool dlq);
static void take_depth(void *context, const struct sqs_answer *answer);
static void send_report(struct duties *duties);
static void take_report_answer(void *context, const struct database_answer *answer);
static void take_status(void *context, const struct database_answer *answer);
static void maintain(void *context);
static void take_maintenance_answer(void *context, const struct database_answer *answer);

static void name_poller(struct duties *duties) {
    char host[65] = "";

    gethostname(host, sizeof(host) - 1);
    snprintf(duties->poller, sizeof(duties->poller), "%s:%ld", host, (long)getpid());
}

struct duties *duties_create(const struct duties_settings *settings) {
    struct duties *duties = memory_allocate(sizeof(*duties));
    double interval_ms = (double)settings->maintenance_interval_seconds * 1000;

    duties->settings = *settings;
    duties->queue_depth = duties->dlq_depth = duties->outbox_depth = duties->outbox_age_seconds = -1;
    name_poller(duties);
    loop_arm(settings->loop, &duties->report_timer, 0, begin_report, duties);
    if (settings->maintenance_interval_seconds > 0) {
        loop_arm(settings->loop, &duties->maintenance_timer, (int64_t)(interval_ms * backoff_random_fraction()),
                 maintain, duties);
    }
    return duties;
}

void duties_stop(struct duties *duties) {
    loop_disarm(&duties->report_timer);
    loop_disarm(&duties->maintenance_timer);
    if (duties->call != NULL) {
        sqs_client_abort(duties->call);
        duties->call = NULL;
    }
    database_pool_cancel_context(duties->settings.pool, duties);
}

void duties_destroy(struct duties *duties) {
    if (duties != NULL) {
        duties_stop(duties);
        free(duties);
    }
}

int64_t duties_queue_depth(const struct duties *duties) {
    return duties->settings.sqs != NULL ? duties->queue_depth : duties->outbox_depth;
}

int64_t duties_dlq_depth(const struct duties *duties) {
    return duties->dlq_depth;
}

int64_t duties_outbox_age_seconds(const struct duties *duties) {
    return duties->outbox_age_seconds;
}

/* ---- the report ---- */

static void begin_report(void *context) {
    struct duties *duties = context;

    loop_arm(duties->settings.loop, &duties->report_timer, REPORT_INTERVAL_MS, begin_report, duties);
    if (duties->call != NULL) {
        return; /* the queue has not yet answered to the last time */
    }
    if (duties->settings.sqs != NULL) {
        ask_depth(duties, false);
    } else {
        send_report(duties);
    }
}

static void ask_depth(struct duties *duties, bool dlq) {
    const struct duties_settings *settings = &duties->settings;

    duties->asking_dlq = dlq;
    duties->call = sqs_client_call(settings->sqs, "GetQueueAttributes",
                                   sqs_encode_get_depth(dlq ? settings->dlq_url : settings->queue_url),
                                   REPORT_TIMEOUT_MS, take_depth, duties);
}

static void take_depth(void *context, const struct sqs_answer *answer) {
    struct duties *duties = context;
    int64_t depth = answer->error.class == SQS_NO_ERROR ? sqs_decode_depth(answer->body, answer->body_length) : -1;

    duties->call = NULL;
    if (duties->asking_dlq) {
        duties->dlq_depth = depth;
        send_report(duties);
        return;
    }
    duties->queue_depth = depth;
    if (duties->settings.dlq_url != NULL) {
        ask_depth(duties, true);
    } else {
        send_report(duties);
    }
}

static void send_report(struct duties *duties) {
    const struct duties_settings *settings = &duties->settings;
    char store_id[NUMBER_TEXT_SIZE], depth[NUMBER_TEXT_SIZE], dlq_depth[NUMBER_TEXT_SIZE];
    const char *values[] = {
        number_text(settings->store_id, store_id),
        duties->poller,
        settings->sqs != NULL ? "sqs" : "embedded",
        duties->queue_depth >= 0 ? number_text(duties->queue_depth, depth) : NULL,
        duties->dlq_depth >= 0 ? number_text(duties->dlq_depth, dlq_depth) : NULL,
        NULL, /* SQS does not tell the age of its oldest message; the database knows that of the outbox */
        metrics_last_poll(),
    };

    database_pool_submit(settings->pool, &report_poller_statement, values, REPORT_TIMEOUT_MS, take_report_answer,
                         duties);
}

static void log_report_failed(const struct duties *duties, const struct database_answer *answer) {
    char *failure = database_failure_text(answer);

    log_event(duties->report_failing ? LOG_DEBUG : LOG_WARN, "report_failed",
              json_pack("{s:o}", "error", log_text(failure)));
    free(failure);
}

/* take_report_answer goes on with the question how it is about the outbox. */
static void take_report_answer(void *context, const struct database_answer *answer) {
    struct duties *duties = context;
    char store_id[NUMBER_TEXT_SIZE];
    const char *values[] = {number_text(duties->settings.store_id, store_id)};

    if (answer->outcome != DATABASE_OK) {
        log_report_failed(duties, answer);
        duties->report_failing = true;
        return;
    }
    duties->report_failing = false;
    database_pool_submit(duties->settings.pool, &queue_status_statement, values, REPORT_TIMEOUT_MS, take_status,
                         duties);
}

/* number_of reads a number of the answer: otherwise where it is NULL, -1 where there is none. */
static int64_t number_of(const struct database_answer *answer, int column, int64_t otherwise) {
    const char *text = answer->outcome == DATABASE_OK ? database_row_text(answer->result, column) : NULL;
    int64_t number = -1;

    if (answer->outcome == DATABASE_OK && text == NULL) {
        return otherwise;
    }
    return text != NULL && text_to_int64(text, 0, INT64_MAX, &number) ? number : -1;
}

static void take_status(void *context, const struct database_answer *answer) {
    struct duties *duties = context;

    duties->outbox_depth = number_of(answer, 0, 0);
    duties->outbox_age_seconds = number_of(answer, 1, 0);
}

/* ---- maintenance ---- */

/* maintain calls one batch, and arms the timer for the next: a tenth of the interval earlier or later, so that pollers
 * that started together do not stay together. */
static void maintain(void *context) {
    struct duties *duties = context;
    const struct duties_settings *settings = &duties->settings;
    double interval_ms = (double)settings->maintenance_interval_seconds * 1000;
    char store_id[NUMBER_TEXT_SIZE];
    const char *values[] = {number_text(settings->store_id, store_id)};

    loop_arm(settings->loop, &duties->maintenance_timer,
             (int64_t)(interval_ms * (0.9 + 0.2 * backoff_random_fraction())), maintain, duties);
    if (database_pool_connected(settings->pool)) {
        database_pool_submit(settings->pool, &maintain_statement, values, MAINTENANCE_TIMEOUT_MS,
                             take_maintenance_answer, duties);
    }
}

/* log_maintenance_done: a task without a number has failed alone; its error is in PostgreSQL's log. */
static void log_maintenance_done(const PGresult *result) {
    json_t *fields = json_object();
    int row;

    for (row = 0; row < PQntuples(result); row++) {
        const char *task = PQgetvalue(result, row, 0);

        if (PQgetisnull(result, row, 1)) {
            log_event(LOG_WARN, "maintenance_failed",
                      json_pack("{s:o,s:s}", "task", log_text(task), "error", "see the warning in PostgreSQL's log"));
        } else {
            json_object_set_new(fields, task, log_text(PQgetvalue(result, row, 1)));
        }
    }
    log_event(LOG_DEBUG, "maintenance_done", json_pack("{s:o}", "rows", fields));
}

static void take_maintenance_answer(void *context, const struct database_answer *answer) {
    char *failure;

    (void)context;
    if (answer->outcome == DATABASE_OK) {
        log_maintenance_done(answer->result);
        return;
    }
    failure = database_failure_text(answer);
    log_event(LOG_WARN, "maintenance_failed", json_pack("{s:o}", "error", log_text(failure)));
    free(failure);
}
