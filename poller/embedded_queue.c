#include "embedded_queue.h"

#include <stdlib.h>
#include <string.h>

#include "claim_pace.h"
#include "clock.h"
#include "log.h"
#include "database_calls.h"
#include "allocation.h"
#include "order_message.h"

/* How long a row rests whose topic this program does not know: a newer poller may be on its way. */
#define UNKNOWN_TOPIC_REST_MS 60000

struct held_row {
    struct list_place place;
    struct embedded_queue *queue;
    struct outbox_row row;
    int64_t order_id; /* 0 until the body is read */
    int64_t lease_end_ms;
    const char *reason;            /* of the dead letter */
    struct settlement *settlement; /* at most one of these two is under way */
    struct dead_letter_move *move;
};

struct embedded_queue {
    struct embedded_queue_settings settings;
    struct claim_pace pace;
    struct loop_timer claim_timer;
    struct list held;
    bool claiming, stopping;
};

static void take_rows(void *context, struct outbox_row *rows, size_t count, const char *error);
static void start_work(struct embedded_queue *queue, struct outbox_row *row, int64_t lease_end_ms);
static void take_settlement(void *context, const struct settlement_answer *answer);
static void move_to_dead_letters(struct held_row *held, const char *reason, const char *error);
static void take_move(void *context, const struct dead_letter_answer *answer);

struct embedded_queue *embedded_queue_create(const struct embedded_queue_settings *settings) {
    struct embedded_queue *queue = memory_allocate(sizeof(*queue));

    queue->settings = *settings;
    return queue;
}

static void let_go(struct held_row *held) {
    list_remove(&held->place);
    outbox_row_clear(&held->row);
    free(held);
}

static void cancel_work(struct held_row *held) {
    if (held->settlement != NULL) {
        settlement_cancel(held->settlement);
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

    if (queue->stopping || queue->claiming || room < (settings->capacity + 1) / 2) {
        return; /* an event that changes this also runs another round of the loop */
    }
    if (wait_ms > 0) {
        if (!loop_timer_is_armed(&queue->claim_timer)) {
            loop_arm(settings->loop, &queue->claim_timer, wait_ms, wake_up, NULL);
        }
    } else if (database_pool_connected(settings->pool)) {
        queue->claiming = true;
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

        log_event(LOG_ERROR, "poll_failed",
                  json_pack("{s:s,s:o,s:I}", "action", "claim_outbox", "error", log_text(error), "retryInMs",
                            (json_int_t)pause_ms));
        return;
    }
    claim_pace_note_claim(&queue->pace, now, count > 0);
    for (i = 0; i < count; i++) {
        if (queue->stopping) {
            outbox_release(queue->settings.outbox, &rows[i].id, 1, NULL, 0, lease_end_ms);
            outbox_row_clear(&rows[i]);
        } else {
            start_work(queue, &rows[i], lease_end_ms);
        }
    }
}

/* ---- rows in hand ---- */

/* give_back releases a row, with an error (the attempt counts) or without (it does not), and lets go of it. */
static void give_back(struct held_row *held, const char *error, int64_t retry_after_ms) {
    outbox_release(held->queue->settings.outbox, &held->row.id, 1, error, retry_after_ms, held->lease_end_ms);
    let_go(held);
}

static struct held_row *hold_row(struct embedded_queue *queue, struct outbox_row *row, int64_t lease_end_ms) {
    struct held_row *held = memory_allocate(sizeof(*held));

    held->queue = queue;
    held->row = *row;
    held->lease_end_ms = lease_end_ms;
    list_append(&queue->held, &held->place);
    return held;
}

/* order_of gives the order that the row is about, from its body where that could be read; 0 where unknown. */
static int64_t order_of(const struct held_row *held) {
    return held->order_id > 0 ? held->order_id : held->row.order_id;
}

static json_t *known_order(const struct held_row *held) {
    return order_of(held) > 0 ? json_integer(order_of(held)) : json_null();
}

static void log_failed(const struct held_row *held, enum log_level level, const char *error) {
    log_event(level, "order_process_failed",
              json_pack("{s:o,s:o,s:o,s:i,s:I}", "requestId", log_text(held->row.request_id), "orderId",
                        known_order(held), "error", log_text(error), "receiveCount", held->row.attempts, "outboxId",
                        (json_int_t)held->row.id));
}

static void start_work(struct embedded_queue *queue, struct outbox_row *row, int64_t lease_end_ms) {
    struct held_row *held = hold_row(queue, row, lease_end_ms);
    struct settlement_request request = {.request_id = row->request_id, .outbox_id = row->id};
    const char *error = "the row has no body";

    if (strcmp(held->row.topic, OUTBOX_TOPIC_PAYMENT) != 0) {
        log_failed(held, LOG_ERROR, "the topic is not known to this program");
        give_back(held, "the topic is not known to this program", UNKNOWN_TOPIC_REST_MS);
    } else if (held->row.body == NULL || !order_message_parse(held->row.body, &held->order_id, &error)) {
        log_event(LOG_WARN, "invalid_message_body",
                  json_pack("{s:o,s:I,s:i,s:s}", "requestId", log_text(held->row.request_id), "outboxId",
                            (json_int_t)held->row.id, "receiveCount", held->row.attempts, "error", error));
        move_to_dead_letters(held, DEAD_LETTER_INVALID_BODY, error);
    } else if (held->row.attempts > queue->settings.maximum_tries) {
        /* It had all its tries, or it takes the process down each time before its end can be noted. */
        move_to_dead_letters(held, DEAD_LETTER_MAX_RETRIES, "claimed more often than it may be tried");
    } else {
        request.order_id = held->order_id;
        held->settlement = settlement_start(queue->settings.settlements, &request, take_settlement, held);
    }
}

/* fail ends a try that failed through the row's own fault. */
static void fail(struct held_row *held, const char *error) {
    if (held->row.attempts >= held->queue->settings.maximum_tries) {
        log_failed(held, LOG_ERROR, error);
        move_to_dead_letters(held, DEAD_LETTER_MAX_RETRIES, error);
    } else {
        log_failed(held, LOG_WARN, error);
        give_back(held, error, settlement_retry_delay_ms(held->row.attempts));
    }
}

static void take_settlement(void *context, const struct settlement_answer *answer) {
    struct held_row *held = context;

    held->settlement = NULL;
    switch (answer->result) {
    case SETTLEMENT_SETTLED:
    case SETTLEMENT_ALREADY_SETTLED:
        log_event(LOG_INFO, "order_processed",
                  json_pack("{s:o,s:I,s:o,s:i,s:o}", "requestId", log_text(held->row.request_id), "orderId",
                            (json_int_t)held->order_id, "status", log_text(answer->order_status), "receiveCount",
                            held->row.attempts, "result", log_text(answer->result_text)));
        claim_pace_note_success(&held->queue->pace);
        let_go(held);
        break;
    case SETTLEMENT_ORDER_NOT_FOUND:
        log_failed(held, LOG_ERROR, answer->error);
        move_to_dead_letters(held, DEAD_LETTER_ORDER_NOT_FOUND, answer->error);
        break;
    case SETTLEMENT_FAILED:
        fail(held, answer->error);
        break;
    case SETTLEMENT_DATABASE_AWAY:
        log_failed(held, LOG_WARN, answer->error);
        rest(held->queue);
        give_back(held, NULL, 0);
        break;
    }
}

/* ---- dead letters ---- */

static void move_to_dead_letters(struct held_row *held, const char *reason, const char *error) {
    char key[NUMBER_TEXT_SIZE];
    struct dead_letter letter = {
        .source = DEAD_LETTER_SOURCE_OUTBOX,
        .message_key = number_text(held->row.id, key),
        .body = held->row.body != NULL ? held->row.body : "",
        .reason = reason,
        .error = error,
        .receive_count = held->row.attempts,
        .order_id = order_of(held),
        .request_id = held->row.request_id,
        .outbox_id = held->row.id,
    };

    held->reason = reason;
    held->move = dead_letter_start(held->queue->settings.dead_letters, &letter, take_move, held);
}

static void take_move(void *context, const struct dead_letter_answer *answer) {
    struct held_row *held = context;
    struct embedded_queue *queue = held->queue;
    json_t *fields =
        json_pack("{s:o,s:o,s:I,s:i,s:i,s:s}", "requestId", log_text(held->row.request_id), "orderId",
                  known_order(held), "outboxId", (json_int_t)held->row.id, "receiveCount", held->row.attempts,
                  "maxReceiveCount", queue->settings.maximum_tries, "reason", held->reason);

    held->move = NULL;
    if (answer->error == NULL) {
        log_event(LOG_WARN, "message_moved_to_dlq", fields);
        let_go(held);
        return;
    }
    json_object_set_new(fields, "step", json_string(answer->failed_step));
    json_object_set_new(fields, "error", log_text(answer->error));
    log_event(LOG_ERROR, "dlq_move_failed", fields);
    if (answer->not_begun) {
        rest(queue);
        give_back(held, NULL, 0);
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
