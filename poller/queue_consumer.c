#include "queue_consumer.h"

#include <stdlib.h>
#include <string.h>

#include "backoff.h"
#include "clock.h"
#include "log.h"
#include "metrics.h"
#include "excused_receives.h"
#include "allocation.h"
#include "database_calls.h"
#include "receipt_batcher.h"

/* Receives under way at once while each of them comes back full. */
#define RECEIVES_MAXIMUM 4

/* Waits after receives that failed, in milliseconds; the longer one where only an operator can help. */
#define RECEIVE_PAUSE_LEAST_MS    50
#define RECEIVE_PAUSE_BASE_MS     500
#define RECEIVE_PAUSE_MAXIMUM_MS  10000
#define OPERATOR_PAUSE_MAXIMUM_MS 30000

/* While there is room for only a few messages, receives are at least this far apart, so that they do not become many
 * small ones. */
#define SMALL_RECEIVE_DELAY_MS 20

/* How long deletes and visibility changes wait for company. */
#define DELETE_DELAY_MS     100
#define VISIBILITY_DELAY_MS 20
#define DELETES_PARALLEL    4

/* Deletes that may be pending before receiving pauses. */
#define DELETES_PENDING_MAXIMUM 200

/* Waits after the database turned out to be away although it is connected. */
#define DATABASE_PAUSE_BASE_MS    500
#define DATABASE_PAUSE_MAXIMUM_MS 10000

#define DATABASE_QUESTION_TIMEOUT_MS 5000

/*
 * What a message whose last try may still take effect waits at least. Its cancelled call has ended by then, also where
 * another poller gets the message, which does not know that this receive did not count.
 */
#define UNDECIDED_DELAY_MS 5000

struct receive_call {
    struct list_place place;
    struct queue_consumer *consumer;
    struct sqs_call *call;
    int asked;
    int64_t started_ms;
    uint64_t deliveries; /* of the consumer, when it started */
};

struct held_message {
    struct list_place place;
    struct queue_consumer *consumer;
    struct sqs_received_message message;
    struct message_work *work; /* NULL while an earlier message of its group is worked on */
    int tries;
    int64_t visible_since_ms; /* when its visibility was last set */
};

struct queue_consumer {
    struct queue_consumer_settings settings;
    struct list receives;
    int receives_wanted, asked;
    struct list held;
    struct receipt_batcher *deletes, *visibility;
    struct excused_receives *excused;
    int receive_failures, database_failures; /* in a row */
    bool database_in_doubt, asking_database; /* it could not serve; it is being asked whether it can again */
    int64_t next_receive_ms;                 /* not before, after one that failed */
    int64_t idle_until_ms;                   /* not before, after one that found the queue idle */
    int64_t last_answer_ms;
    uint64_t deliveries; /* receives that brought messages */
    struct loop_timer receive_timer, heartbeat_timer;
    bool stopping;
    bool fifo;
};

static void start_receive(struct queue_consumer *consumer, int count);
static void take_receive_answer(void *context, const struct sqs_answer *answer);
static void take_database_answer(void *context, const struct database_answer *answer);
static void hold_message(struct queue_consumer *consumer, struct sqs_received_message *message);
static void take_work_result(void *context, const struct sqs_received_message *message,
                             enum message_work_result result);
static void beat(void *context);

static struct receipt_batcher *create_batcher(const struct queue_consumer_settings *settings,
                                              enum receipt_action action, int delay_ms, int parallel_limit) {
    struct receipt_batcher_settings batcher = {
        .loop = settings->loop,
        .sqs = settings->sqs,
        .queue_url = settings->queue_url,
        .action = action,
        .delay_ms = delay_ms,
        .parallel_limit = parallel_limit,
    };

    return receipt_batcher_create(&batcher);
}

struct queue_consumer *queue_consumer_create(const struct queue_consumer_settings *settings) {
    struct queue_consumer *consumer = memory_allocate(sizeof(*consumer));

    consumer->settings = *settings;
    consumer->fifo = sqs_is_fifo(settings->queue_url);
    consumer->receives_wanted = 1;
    consumer->excused = excused_receives_create();
    consumer->deletes = create_batcher(settings, RECEIPT_DELETE, DELETE_DELAY_MS, DELETES_PARALLEL);
    /* One at a time: a message that is given back must not be held again by an older heartbeat. */
    consumer->visibility = create_batcher(settings, RECEIPT_CHANGE_VISIBILITY, VISIBILITY_DELAY_MS, 1);
    return consumer;
}

static void free_receive(struct receive_call *receive) {
    struct queue_consumer *consumer = receive->consumer;

    list_remove(&receive->place);
    consumer->asked -= receive->asked;
    free(receive);
}

static void let_go(struct held_message *held) {
    list_remove(&held->place);
    sqs_received_message_clear(&held->message);
    free(held);
}

static void cancel_work(struct held_message *held) {
    if (held->work != NULL) {
        message_work_cancel(held->work);
        held->work = NULL;
    }
}

void queue_consumer_destroy(struct queue_consumer *consumer) {
    if (consumer == NULL) {
        return;
    }
    database_pool_cancel_context(consumer->settings.pool, consumer);
    queue_consumer_abort_receives(consumer);
    while (!list_is_empty(&consumer->held)) {
        struct held_message *held = list_first(&consumer->held);

        cancel_work(held);
        let_go(held);
    }
    receipt_batcher_destroy(consumer->deletes);
    receipt_batcher_destroy(consumer->visibility);
    excused_receives_destroy(consumer->excused);
    loop_disarm(&consumer->receive_timer);
    loop_disarm(&consumer->heartbeat_timer);
    free(consumer);
}

size_t queue_consumer_in_hand(const struct queue_consumer *consumer) {
    return consumer->held.count;
}

bool queue_consumer_is_receiving(const struct queue_consumer *consumer) {
    return !list_is_empty(&consumer->receives);
}

bool queue_consumer_is_idle(const struct queue_consumer *consumer) {
    return list_is_empty(&consumer->receives) && list_is_empty(&consumer->held) &&
           receipt_batcher_pending(consumer->deletes) == 0 && receipt_batcher_pending(consumer->visibility) == 0;
}

/* ---- receiving ---- */

/* wake_up only makes the loop run a round, at whose end the consumer advances. */
static void wake_up(void *context) {
    (void)context;
}

/* is_time tells whether a receive may start now, and otherwise sees to it that the question comes up in time. */
static bool is_time(struct queue_consumer *consumer, int room) {
    const struct queue_consumer_settings *settings = &consumer->settings;
    int64_t now = clock_monotonic_ms();
    int64_t due =
        consumer->next_receive_ms > consumer->idle_until_ms ? consumer->next_receive_ms : consumer->idle_until_ms;

    if (room < settings->maximum_messages / 2 && consumer->last_answer_ms + SMALL_RECEIVE_DELAY_MS > due) {
        due = consumer->last_answer_ms + SMALL_RECEIVE_DELAY_MS;
    }
    if (due <= now) {
        loop_disarm(&consumer->receive_timer);
        return true;
    }
    loop_arm(settings->loop, &consumer->receive_timer, due - now, wake_up, NULL);
    return false;
}

/*
 * capacity gives how many messages may be in hand: one, as a probe, after the database could not serve one. Every
 * receive counts against its message, and whoever receives it next does not know that it had no try.
 */
static int capacity(const struct queue_consumer *consumer) {
    return consumer->database_failures > 0 ? 1 : consumer->settings.capacity;
}

/*
 * ask_database asks whether the database can serve, before a message is received to find out. That shows a missing or
 * half upgraded installation; a full disk or a server that is read-only is left to the probe.
 */
static void ask_database(struct queue_consumer *consumer) {
    if (!consumer->asking_database) {
        consumer->asking_database = true;
        database_pool_submit(consumer->settings.pool, &version_statement, NULL, DATABASE_QUESTION_TIMEOUT_MS,
                             take_database_answer, consumer);
    }
}

void queue_consumer_advance(struct queue_consumer *consumer) {
    const struct queue_consumer_settings *settings = &consumer->settings;

    while (!consumer->stopping && (int)consumer->receives.count < consumer->receives_wanted &&
           receipt_batcher_pending(consumer->deletes) < DELETES_PENDING_MAXIMUM &&
           database_pool_connected(settings->pool)) {
        int room = capacity(consumer) - (int)consumer->held.count - consumer->asked;

        if (room <= 0 || !is_time(consumer, room)) {
            return;
        }
        if (consumer->database_in_doubt) {
            ask_database(consumer);
            return;
        }
        start_receive(consumer, room < settings->maximum_messages ? room : settings->maximum_messages);
    }
}

static void start_receive(struct queue_consumer *consumer, int count) {
    const struct queue_consumer_settings *settings = &consumer->settings;
    struct receive_call *receive = memory_allocate(sizeof(*receive));

    receive->consumer = consumer;
    receive->asked = count;
    receive->started_ms = clock_monotonic_ms();
    receive->deliveries = consumer->deliveries;
    list_append(&consumer->receives, &receive->place);
    consumer->asked += count;
    receive->call = sqs_client_call(
        settings->sqs, "ReceiveMessage",
        sqs_encode_receive(settings->queue_url, count, settings->wait_seconds, settings->visibility_seconds),
        settings->poll_timeout_ms, take_receive_answer, receive);
}

static void note_failure(struct queue_consumer *consumer, const struct sqs_error *error) {
    int64_t maximum_ms = error->class == SQS_ERROR_TRANSIENT ? RECEIVE_PAUSE_MAXIMUM_MS : OPERATOR_PAUSE_MAXIMUM_MS;
    int64_t pause_ms;
    char *text = sqs_error_text(error);

    metrics_count(METRIC_POLLS_FAILED);
    consumer->receive_failures++;
    consumer->receives_wanted = 1;
    pause_ms = RECEIVE_PAUSE_LEAST_MS + backoff_delay_ms(RECEIVE_PAUSE_BASE_MS, maximum_ms, consumer->receive_failures);
    consumer->next_receive_ms = clock_monotonic_ms() + pause_ms;
    log_event(LOG_ERROR, "poll_failed",
              json_pack("{s:s,s:o,s:i,s:I}", "action", "ReceiveMessage", "error", log_text(text), "failures",
                        consumer->receive_failures, "retryInMs", (json_int_t)pause_ms));
    free(text);
}

/*
 * note_success adapts how many receives run side by side, and keeps empty ones apart even when they come back early.
 * One that comes back empty because another one got the messages for which both were waiting does not mean an idle
 * queue, whichever of the two answers comes first.
 */
static void note_success(struct queue_consumer *consumer, const struct receive_call *receive, int received) {
    metrics_note_poll();
    consumer->receive_failures = 0;
    if (received > 0) {
        consumer->deliveries++;
        consumer->idle_until_ms = 0;
    } else if (consumer->deliveries == receive->deliveries) {
        consumer->idle_until_ms = receive->started_ms + consumer->settings.idle_delay_ms;
    }
    if (received < receive->asked) {
        consumer->receives_wanted = 1;
    } else if (consumer->receives_wanted < RECEIVES_MAXIMUM) {
        consumer->receives_wanted++;
    }
}

static void take_messages(struct queue_consumer *consumer, struct sqs_received_message *messages, size_t count) {
    size_t i;

    for (i = 0; i < count; i++) {
        if (consumer->stopping) {
            receipt_batcher_add(consumer->visibility, messages[i].receipt_handle, 0);
            sqs_received_message_clear(&messages[i]);
        } else {
            hold_message(consumer, &messages[i]);
        }
    }
}

static void take_receive_answer(void *context, const struct sqs_answer *answer) {
    struct receive_call *receive = context;
    struct queue_consumer *consumer = receive->consumer;
    struct sqs_received_message messages[SQS_BATCH_ENTRIES];
    struct sqs_error error = answer->error;
    size_t count = 0;

    consumer->last_answer_ms = clock_monotonic_ms();
    if (error.class == SQS_NO_ERROR && !sqs_decode_receive(answer->body, answer->body_length, messages, &count)) {
        sqs_error_set(&error, SQS_ERROR_TRANSIENT, "BadAnswer", "the answer is not what ReceiveMessage gives");
    }
    if (error.class != SQS_NO_ERROR) {
        note_failure(consumer, &error);
    } else {
        note_success(consumer, receive, (int)count);
    }
    free_receive(receive);
    take_messages(consumer, messages, count);
}

/* ---- messages in hand ---- */

/*
 * replace_duplicate handles a message that is in hand already because its visibility ran out: only the newest receipt
 * handle can delete it.
 */
static bool replace_duplicate(struct queue_consumer *consumer, struct sqs_received_message *message) {
    struct held_message *held;

    for (held = list_first(&consumer->held); held != NULL; held = list_next(held)) {
        if (strcmp(held->message.message_id, message->message_id) == 0) {
            free(held->message.receipt_handle);
            held->message.receipt_handle = message->receipt_handle;
            message->receipt_handle = NULL;
            held->visible_since_ms = clock_monotonic_ms();
            sqs_received_message_clear(message);
            return true;
        }
    }
    return false;
}

/* beat_interval_ms gives how often the visibility of held messages is looked at. */
static int64_t beat_interval_ms(const struct queue_consumer *consumer) {
    int64_t interval_ms = (int64_t)consumer->settings.visibility_seconds * 1000 / 8;

    return interval_ms < 5000 ? interval_ms : 5000;
}

/* is_same_group tells whether two messages have to be worked on in their order. */
static bool is_same_group(const struct held_message *one, const struct held_message *other) {
    const char *group = one->message.group_id, *other_group = other->message.group_id;

    return one->consumer->fifo && group != NULL && other_group != NULL && strcmp(group, other_group) == 0;
}

/* next_of_group gives the first message after that one (NULL: from the beginning) of the same group as held. */
static struct held_message *next_of_group(const struct held_message *held, struct held_message *after) {
    struct held_message *other = after != NULL ? list_next(after) : list_first(&held->consumer->held);

    while (other != NULL && !is_same_group(held, other)) {
        other = list_next(other);
    }
    return other;
}

static void start_work(struct held_message *held) {
    held->work = message_work_start(held->consumer->settings.work, &held->message, held->tries, take_work_result, held);
}

static void hold_message(struct queue_consumer *consumer, struct sqs_received_message *message) {
    struct held_message *held;

    if (replace_duplicate(consumer, message)) {
        return;
    }
    held = memory_allocate(sizeof(*held));
    held->consumer = consumer;
    held->message = *message;
    held->tries = message->receive_count - excused_receives_count(consumer->excused, message->message_id);
    held->tries = held->tries > 1 ? held->tries : 1;
    held->visible_since_ms = clock_monotonic_ms();
    list_append(&consumer->held, &held->place);
    if (!consumer->fifo || held->message.group_id == NULL || next_of_group(held, NULL) == held) {
        start_work(held);
    }
    if (!loop_timer_is_armed(&consumer->heartbeat_timer)) {
        loop_arm(consumer->settings.loop, &consumer->heartbeat_timer, beat_interval_ms(consumer), beat, consumer);
    }
}

/* give_back makes the message visible again after a delay, in whole seconds as SQS counts and at least one. */
static void give_back(struct queue_consumer *consumer, const struct sqs_received_message *message, int64_t delay_ms) {
    receipt_batcher_add(consumer->visibility, message->receipt_handle, (int)(delay_ms / 1000) + 1);
}

/* pause_for_database waits before the database is asked again, and gives how long. */
static int64_t pause_for_database(struct queue_consumer *consumer) {
    int64_t now = clock_monotonic_ms(), pause_ms;

    if (consumer->next_receive_ms <= now) {
        consumer->database_failures++; /* messages that fail together count once */
    }
    pause_ms = RECEIVE_PAUSE_LEAST_MS +
               backoff_delay_ms(DATABASE_PAUSE_BASE_MS, DATABASE_PAUSE_MAXIMUM_MS, consumer->database_failures);
    if (now + pause_ms > consumer->next_receive_ms) {
        consumer->next_receive_ms = now + pause_ms;
    }
    consumer->database_in_doubt = true;
    return pause_ms;
}

static void take_database_answer(void *context, const struct database_answer *answer) {
    struct queue_consumer *consumer = context;

    consumer->asking_database = false;
    if (answer->outcome == DATABASE_OK) {
        consumer->database_in_doubt = false;
    } else {
        pause_for_database(consumer);
    }
}

/* go_on_with_group starts the next message of the group of one that is done. */
static void go_on_with_group(struct held_message *done) {
    struct held_message *next = next_of_group(done, done);

    if (next != NULL) {
        start_work(next);
    }
}

/* give_back_group gives back, untried, the messages that wait behind one that was given back: they must not pass it.
 * SQS holds a group as long as one of it is in flight, so they come again when it does, and in order. */
static void give_back_group(struct held_message *given_back) {
    struct queue_consumer *consumer = given_back->consumer;
    struct held_message *held;

    while ((held = next_of_group(given_back, given_back)) != NULL) {
        excused_receives_add(consumer->excused, held->message.message_id);
        receipt_batcher_add(consumer->visibility, held->message.receipt_handle, 0);
        let_go(held);
    }
}

static void take_work_result(void *context, const struct sqs_received_message *message,
                             enum message_work_result result) {
    struct held_message *held = context;
    struct queue_consumer *consumer = held->consumer;

    held->work = NULL;
    if (result != MESSAGE_DATABASE_AWAY) {
        consumer->database_failures = 0;
    }
    switch (result) {
    case MESSAGE_DONE:
        excused_receives_forget(consumer->excused, message->message_id);
        receipt_batcher_add(consumer->deletes, message->receipt_handle, 0);
        break;
    case MESSAGE_FAILED:
        give_back(consumer, message, settlement_retry_delay_ms(held->tries));
        break;
    case MESSAGE_BUSY:
        excused_receives_add(consumer->excused, message->message_id);
        give_back(consumer, message, settlement_retry_delay_ms(held->tries));
        break;
    case MESSAGE_UNDECIDED:
        excused_receives_add(consumer->excused, message->message_id);
        give_back(consumer, message, UNDECIDED_DELAY_MS + settlement_retry_delay_ms(held->tries));
        break;
    case MESSAGE_DATABASE_AWAY: /* it had no try */
        excused_receives_add(consumer->excused, message->message_id);
        give_back(consumer, message, pause_for_database(consumer));
        break;
    }
    if (result == MESSAGE_DONE) {
        go_on_with_group(held);
    } else {
        give_back_group(held);
    }
    let_go(held);
}

/* beat extends the visibility of every message that has used up half of it. */
static void beat(void *context) {
    struct queue_consumer *consumer = context;
    int64_t now = clock_monotonic_ms(), half_ms = (int64_t)consumer->settings.visibility_seconds * 1000 / 2;
    struct held_message *held;

    for (held = list_first(&consumer->held); held != NULL; held = list_next(held)) {
        if (now - held->visible_since_ms >= half_ms) {
            held->visible_since_ms = now;
            receipt_batcher_add(consumer->visibility, held->message.receipt_handle,
                                consumer->settings.visibility_seconds);
        }
    }
    if (!list_is_empty(&consumer->held)) {
        loop_arm(consumer->settings.loop, &consumer->heartbeat_timer, beat_interval_ms(consumer), beat, consumer);
    }
}

/* ---- stopping ---- */

void queue_consumer_stop(struct queue_consumer *consumer) {
    consumer->stopping = true;
    loop_disarm(&consumer->receive_timer);
    receipt_batcher_flush(consumer->deletes);
    receipt_batcher_flush(consumer->visibility);
}

void queue_consumer_abandon(struct queue_consumer *consumer) {
    queue_consumer_stop(consumer);
    while (!list_is_empty(&consumer->held)) {
        struct held_message *held = list_first(&consumer->held);

        cancel_work(held);
        receipt_batcher_add(consumer->visibility, held->message.receipt_handle, 0);
        let_go(held);
    }
}

void queue_consumer_abort_receives(struct queue_consumer *consumer) {
    while (!list_is_empty(&consumer->receives)) {
        struct receive_call *receive = list_first(&consumer->receives);

        sqs_client_abort(receive->call);
        free_receive(receive);
    }
}
