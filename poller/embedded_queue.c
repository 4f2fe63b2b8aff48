#include "embedded_queue.h"

#include <stdlib.h>
#include <string.h>

#include "claim_pace.h"
#include "clock.h"
#include "log.h"
#include "database_calls.h"
#include "allocation.h"
#include "message_content.h"
#include "metrics.h"

/* What a row whose last try may still take effect waits at least; its cancelled call has ended by then. */
#define UNDECIDED_DELAY_MS 5000

struct held_row {
    struct list_place place;
    struct embedded_queue *queue;
    struct outbox_row row;
    struct message_content content;
    int64_t lease_end_ms;
    struct handling *handling; /* at most one of these two is under way */
    struct dead_letter_move *move;
};

struct embedded_queue {
    struct embedded_queue_settings settings;
    struct claim_pace pace;
    struct loop_timer claim_timer;
    struct list held;
    size_t bytes;       /* of the bodies in hand */
    size_t claim_limit; /* of the claim under way */
    bool claiming, stopping;
};

static void take_rows(void *context, struct outbox_row *rows, size_t count, const char *error);
static void take_outcome(void *context, const struct handling_answer *answer);
static void move_to_dead_letters(struct held_row *held, const char *reason, const char *error);
static void take_move(void *context, const struct dead_letter_answer *answer);

struct embedded_queue *embedded_queue_create(const struct embedded_queue_settings *settings) {
    struct embedded_queue *queue = memory_allocate(sizeof(*queue));

    queue->settings = *settings;
    return queue;
}

static void let_go(struct held_row *held) {
    list_remove(&held->place);
    held->queue->bytes -= held->row.body_bytes;
    message_content_clear(&held->content);
    outbox_row_clear(&held->row);
    free(held);
}

static void cancel_work(struct held_row *held) {
    if (held->handling != NULL) {
        handling_cancel(held->handling);
    }
    if (held->move != NULL) {
        dead_letter_cancel(held->move);
    }
}

void embedded_queue_destroy(struct embedded_queue *queue) {
    if (queue == NULL) {
        return;
    }
    while (!list_is_empty(&queue->held)) {
        struct held_row *held = list_first(&queue->held);

        cancel_work(held);
        let_go(held);
    }
    loop_disarm(&queue->claim_timer);
    free(queue);
}

size_t embedded_queue_in_hand(const struct embedded_queue *queue) {
    return queue->held.count;
}

size_t embedded_queue_bytes(const struct embedded_queue *queue) {
    return queue->bytes;
}

bool embedded_queue_is_idle(const struct embedded_queue *queue) {
    return list_is_empty(&queue->held) && !queue->claiming;
}

/* ---- claiming ---- */

/* wake_up only makes the loop run a round, at whose end the queue advances. */
static void wake_up(void *context) {
    (void)context;
}

void embedded_queue_advance(struct embedded_queue *queue) {
    const struct embedded_queue_settings *settings = &queue->settings;
    int64_t wait_ms = claim_pace_wait_ms(&queue->pace, clock_monotonic_ms());
    int room = settings->capacity - (int)queue->held.count;

    if (queue->stopping || queue->claiming || !settings->claims || room < (settings->capacity + 1) / 2 ||
        queue->bytes >= OUTBOX_BYTES_IN_HAND) {
        return; /* an event that changes this also runs another round of the loop */
    }
    if (wait_ms > 0) {
        if (!loop_timer_is_armed(&queue->claim_timer)) {
            loop_arm(settings->loop, &queue->claim_timer, wait_ms, wake_up, NULL);
        }
    } else if (database_pool_connected(settings->pool)) {
        queue->claiming = true;
        queue->claim_limit = (size_t)room;
        outbox_claim(settings->outbox, room, settings->lease_ms, take_rows, queue);
    }
}

/* rest postpones the next claim after a failure of the database. */
static int64_t rest(struct embedded_queue *queue) {
    loop_disarm(&queue->claim_timer);
    return claim_pace_note_failure(&queue->pace, clock_monotonic_ms());
}

static void take_rows(void *context, struct outbox_row *rows, size_t count, const char *error) {
    struct embedded_queue *queue = context;
    int64_t now = clock_monotonic_ms(), lease_end_ms = now + queue->settings.lease_ms;
    size_t i;

    queue->claiming = false;
    loop_disarm(&queue->claim_timer);
    if (error != NULL) {
        int64_t pause_ms = rest(queue);

        metrics_count(METRIC_POLLS_FAILED);
        log_event(LOG_ERROR, "poll_failed",
                  json_pack("{s:s,s:o,s:I}", "action", "claim_outbox", "error", log_text(error), "retryInMs",
                            (json_int_t)pause_ms));
        return;
    }
    metrics_note_poll();
    claim_pace_note_claim(&queue->pace, now, count, queue->claim_limit);
    for (i = 0; i < count; i++) {
        if (queue->stopping) {
            outbox_release(queue->settings.outbox, &rows[i], NULL, false, 0, lease_end_ms);
            outbox_row_clear(&rows[i]);
        } else {
            embedded_queue_take(queue, &rows[i], lease_end_ms);
        }
    }
}

/* ---- rows in hand ---- */

/* give_back releases a row, with an error (the attempt counts) or without (it does not), and lets go of it. */
static void give_back(struct held_row *held, const char *error, int64_t retry_after_ms) {
    outbox_release(held->queue->settings.outbox, &held->row, error, error != NULL, retry_after_ms, held->lease_end_ms);
    let_go(held);
}

/* give_back_untried releases a row that the database could not serve, and postpones the next claim, whoever makes it.
 */
static void give_back_untried(struct held_row *held) {
    int64_t pause_ms = rest(held->queue);

    give_back(held, NULL, held->queue->settings.claims ? 0 : pause_ms);
}

static struct held_row *hold_row(struct embedded_queue *queue, const struct outbox_row *row, int64_t lease_end_ms) {
    struct held_row *held = memory_allocate(sizeof(*held));

    held->queue = queue;
    held->row = *row;
    held->lease_end_ms = lease_end_ms;
    queue->bytes += row->body_bytes;
    list_append(&queue->held, &held->place);
    return held;
}

/* maximum_tries tells how often such a row is tried. */
static int maximum_tries(const struct held_row *held) {
    return handling_maximum_tries(held->queue->settings.handlings, held->content.kind);
}

/* log_row writes a line about the row; fields is taken over, and what every line has is put before it. */
static void log_row(const struct held_row *held, enum log_level level, const char *event, json_t *fields) {
    json_t *line =
        json_pack("{s:s,s:o,s:o,s:I,s:i}", "worker", message_content_worker(&held->content), "requestId",
                  log_text(held->row.request_id), "orderId", message_content_order(&held->content, held->row.order_id),
                  "outboxId", (json_int_t)held->row.id, "receiveCount", held->row.attempts);

    json_object_update(line, fields);
    json_decref(fields);
    log_event(level, event, line);
}

static void log_failed(const struct held_row *held, enum log_level level, const char *error) {
    metrics_count(METRIC_TRIES_FAILED);
    log_row(held, level, "order_process_failed", json_pack("{s:o}", "error", log_text(error)));
}

static void handle(struct held_row *held) {
    struct handling_request request = {.content = &held->content,
                                       .body = held->row.body,
                                       .request_id = held->row.request_id,
                                       .traceparent = held->row.traceparent,
                                       .outbox_id = held->row.id};

    held->handling = handling_start(held->queue->settings.handlings, &request, take_outcome, held);
}

/*
 * is_worn_out tells whether a row was claimed more often than any kind may be tried. Its body is not looked at: reading
 * that may be what takes the process down each time, before its end can be noted.
 */
static bool is_worn_out(const struct held_row *held) {
    const struct handling_services *handlings = held->queue->settings.handlings;

    return held->row.attempts > handling_maximum_tries(handlings, MESSAGE_PAYMENT) &&
           held->row.attempts > handling_maximum_tries(handlings, MESSAGE_INTAKE);
}

/* give_up ends the work on a row that had all its tries before this claim. */
static void give_up(struct held_row *held) {
    move_to_dead_letters(held, DEAD_LETTER_MAX_RETRIES, "claimed more often than it may be tried");
}

void embedded_queue_take(struct embedded_queue *queue, const struct outbox_row *row, int64_t lease_end_ms) {
    struct held_row *held = hold_row(queue, row, lease_end_ms);
    const char *error = "the row has no body";

    if (is_worn_out(held)) {
        held->content.kind = strcmp(row->topic, OUTBOX_TOPIC_INTAKE) == 0 ? MESSAGE_INTAKE : MESSAGE_PAYMENT;
        give_up(held);
    } else if (held->row.body == NULL || !message_content_read(held->row.body, &held->content, &error)) {
        metrics_count(METRIC_INVALID_MESSAGES);
        log_row(held, LOG_WARN, "invalid_message_body", json_pack("{s:s}", "error", error));
        move_to_dead_letters(held, DEAD_LETTER_INVALID_BODY, error);
    } else if (held->row.attempts > maximum_tries(held)) {
        give_up(held);
    } else {
        handle(held);
    }
}

/* fail ends a try that failed through the row's own fault. */
static void fail(struct held_row *held, const struct handling_answer *answer) {
    int64_t delay_ms = settlement_retry_delay_ms(held->row.attempts);

    if (held->row.attempts < maximum_tries(held)) {
        log_failed(held, LOG_WARN, answer->error);
        give_back(held, answer->error, delay_ms);
    } else if (answer->inconclusive) {
        /* It could be settled as well: it is asked again, and this was not the last try. */
        log_failed(held, LOG_ERROR, answer->error);
        give_back(held, NULL, UNDECIDED_DELAY_MS + delay_ms);
    } else {
        log_failed(held, LOG_ERROR, answer->error);
        move_to_dead_letters(held, DEAD_LETTER_MAX_RETRIES, answer->error);
    }
}

/* finish_done ends the work on a row that has its effect. */
static void finish_done(struct held_row *held, const char *order_status, const char *result) {
    metrics_count(held->content.kind == MESSAGE_INTAKE ? METRIC_INTAKE_PROCESSED : METRIC_PAYMENTS_PROCESSED);
    log_row(held, LOG_INFO, "order_processed",
            json_pack("{s:o,s:o}", "status", log_text(order_status), "result", log_text(result)));
    claim_pace_note_success(&held->queue->pace);
    let_go(held);
}

static void take_outcome(void *context, const struct handling_answer *answer) {
    struct held_row *held = context;

    held->handling = NULL;
    switch (answer->result) {
    case HANDLING_DONE:
        finish_done(held, answer->order_status, answer->result_text);
        break;
    case HANDLING_FAILED:
        fail(held, answer);
        break;
    case HANDLING_BUSY:
        log_failed(held, LOG_WARN, answer->error);
        give_back(held, NULL, settlement_retry_delay_ms(held->row.attempts));
        break;
    case HANDLING_DEFERRED:
        log_row(
            held, LOG_WARN, "payment_deferred",
            json_pack("{s:o,s:I}", "error", log_text(answer->error), "retryInMs", (json_int_t)answer->retry_after_ms));
        let_go(held);
        break;
    case HANDLING_HOPELESS:
        if (strcmp(answer->reason, DEAD_LETTER_INVALID_BODY) == 0) {
            metrics_count(METRIC_INVALID_MESSAGES);
            log_row(held, LOG_WARN, "invalid_message_body", json_pack("{s:o}", "error", log_text(answer->error)));
        } else {
            log_failed(held, LOG_ERROR, answer->error);
        }
        move_to_dead_letters(held, answer->reason, answer->error);
        break;
    case HANDLING_DATABASE_AWAY:
        log_failed(held, LOG_WARN, answer->error);
        give_back_untried(held);
        break;
    }
}

/* ---- dead letters ---- */

static void move_to_dead_letters(struct held_row *held, const char *reason, const char *error) {
    char key[NUMBER_TEXT_SIZE];
    json_t *attributes = outbox_row_attributes(&held->row, &held->content);
    struct dead_letter letter = {
        .source = DEAD_LETTER_SOURCE_OUTBOX,
        .message_key = number_text(held->row.id, key),
        .body = held->row.body != NULL ? held->row.body : "",
        .attributes = attributes,
        .reason = reason,
        .error = error,
        .receive_count = held->row.attempts,
        .order_id = held->content.order_id > 0 ? held->content.order_id : held->row.order_id,
        .request_id = held->row.request_id,
        .outbox_id = held->row.id,
    };

    held->move = dead_letter_start(held->queue->settings.dead_letters, &letter, take_move, held);
    json_decref(attributes);
}

static void take_move(void *context, const struct dead_letter_answer *answer) {
    struct held_row *held = context;
    json_t *fields = json_pack("{s:i,s:o,s:s}", "maxReceiveCount", maximum_tries(held), "dlqUrl",
                               log_text(held->queue->settings.dead_letters->dlq_url), "reason", answer->reason);

    held->move = NULL;
    if (answer->needless) {
        json_decref(fields);
        finish_done(held, NULL, "already_settled");
        return;
    }
    if (answer->error == NULL) {
        metrics_count(METRIC_DEAD_LETTERS);
        log_row(held, LOG_WARN, "message_moved_to_dlq", fields);
        let_go(held);
        return;
    }
    json_object_set_new(fields, "step", json_string(answer->failed_step));
    json_object_set_new(fields, "error", log_text(answer->error));
    metrics_count(METRIC_DEAD_LETTER_MOVES_FAILED);
    log_row(held, LOG_ERROR, "dlq_move_failed", fields);
    if (answer->not_begun) {
        give_back_untried(held);
    } else {
        give_back(held, answer->error, settlement_retry_delay_ms(held->row.attempts));
    }
}

/* ---- stopping ---- */

void embedded_queue_stop(struct embedded_queue *queue) {
    queue->stopping = true;
    loop_disarm(&queue->claim_timer);
}

void embedded_queue_abandon(struct embedded_queue *queue) {
    embedded_queue_stop(queue);
    while (!list_is_empty(&queue->held)) {
        struct held_row *held = list_first(&queue->held);

        cancel_work(held);
        give_back(held, NULL, 0);
    }
}
