#include "outbox_relay.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backoff.h"
#include "claim_pace.h"
#include "clock.h"
#include "log.h"
#include "metrics.h"
#include "allocation.h"

/* What the attributes of a message take at most: its ids are short (contract of POST /api/orders). */
#define ATTRIBUTES_MAXIMUM_BYTES 4096

/* Rows that may be in hand: eight batches under way at once. As many may be handled without the queue. */
#define ROWS_IN_HAND 80

/* Longest wait between two tries of one send. */
#define RETRY_DELAY_MAXIMUM_MS 30000

/* The least time for which rows are claimed: a send takes milliseconds, but the machine may be busy. */
#define LEASE_LEAST_MS 5000

/* What the claim of a row that is handled here lasts beyond the time that one try may take, for the calls to the
 * database around it. */
#define HANDLING_MARGIN_MS 10000

/* Waits before a released row is due again. */
#define RELEASE_BASE_MS             1000
#define RELEASE_MAXIMUM_MS          10000
#define RELEASE_OPERATOR_MAXIMUM_MS 30000

struct send_batch {
    struct list_place place;
    struct outbox_relay *relay;
    struct outbox_row rows[SQS_BATCH_ENTRIES];
    size_t count, bytes;
    int tries;
    int64_t lease_end_ms;
    struct sqs_call *call;   /* NULL while it waits for its next try */
    struct loop_timer timer; /* armed while it waits for its next try */
};

struct outbox_relay {
    struct outbox_relay_settings settings;
    struct claim_pace pace;
    struct loop_timer claim_timer;
    struct list batches;
    size_t rows_in_hand;
    size_t claim_limit; /* of the claim under way */
    int lease_ms;
    int64_t claim_began_ms;
    bool claiming, stopping;
};

static void wake_up(void *context);
static void take_rows(void *context, struct outbox_row *rows, size_t count, const char *error);
static void send_batch_now(void *context);
static void take_send_answer(void *context, const struct sqs_answer *answer);

/*
 * lease_for gives how long a claim lasts: as long as a received message is hidden, so that the rows of a poller that
 * was killed rest no longer than its messages, but no longer than sends that time out may take. A send that outlasts
 * its claim may be done twice, which does no harm.
 */
static int lease_for(const struct outbox_relay_settings *settings) {
    int64_t longest = SQS_CALL_TIMEOUT_MS, lease = (int64_t)settings->visibility_seconds * 1000;
    int i;

    for (i = 1; i <= settings->maximum_retries; i++) {
        longest += SQS_CALL_TIMEOUT_MS + backoff_ceiling_ms(settings->retry_delay_ms, RETRY_DELAY_MAXIMUM_MS, i);
    }
    lease = lease < longest ? lease : longest;
    return (int)(lease > LEASE_LEAST_MS ? lease : LEASE_LEAST_MS);
}

struct outbox_relay *outbox_relay_create(const struct outbox_relay_settings *settings) {
    struct outbox_relay *relay = memory_allocate(sizeof(*relay));

    relay->settings = *settings;
    relay->lease_ms = lease_for(settings);
    return relay;
}

static void free_batch(struct send_batch *batch) {
    struct outbox_relay *relay = batch->relay;
    size_t i;

    list_remove(&batch->place);
    if (batch->call != NULL) {
        sqs_client_abort(batch->call);
    }
    loop_disarm(&batch->timer);
    for (i = 0; i < batch->count; i++) {
        outbox_row_clear(&batch->rows[i]);
    }
    relay->rows_in_hand -= batch->count;
    free(batch);
}

void outbox_relay_destroy(struct outbox_relay *relay) {
    if (relay == NULL) {
        return;
    }
    while (!list_is_empty(&relay->batches)) {
        free_batch(list_first(&relay->batches));
    }
    loop_disarm(&relay->claim_timer);
    free(relay);
}

bool outbox_relay_is_idle(const struct outbox_relay *relay) {
    return !relay->claiming && list_is_empty(&relay->batches);
}

/* ---- claiming ---- */

/* bytes_in_hand tells how many bytes the bodies have that are in hand here or handled without the queue. */
static size_t bytes_in_hand(const struct outbox_relay *relay) {
    size_t bytes = embedded_queue_bytes(relay->settings.own), i;
    const struct send_batch *batch;

    for (batch = list_first(&relay->batches); batch != NULL; batch = list_next(batch)) {
        for (i = 0; i < batch->count; i++) {
            bytes += batch->rows[i].body_bytes;
        }
    }
    return bytes;
}

/* has_room tells whether there is room for what a claim of up to capacity rows may bring. */
static bool has_room(const struct outbox_relay *relay, int capacity) {
    return (int)relay->rows_in_hand <= capacity / 2 && embedded_queue_in_hand(relay->settings.own) < ROWS_IN_HAND &&
           bytes_in_hand(relay) < OUTBOX_BYTES_IN_HAND;
}

void outbox_relay_advance(struct outbox_relay *relay) {
    /* After a failure one batch goes first, so that an outage does not churn through the whole backlog. */
    int capacity = relay->pace.failures > 0 ? SQS_BATCH_ENTRIES : ROWS_IN_HAND;
    int64_t wait_ms = claim_pace_wait_ms(&relay->pace, clock_monotonic_ms());

    if (relay->stopping || relay->claiming || !has_room(relay, capacity)) {
        return; /* an event that changes this also runs another round of the loop */
    }
    if (wait_ms > 0) {
        if (!loop_timer_is_armed(&relay->claim_timer)) {
            loop_arm(relay->settings.loop, &relay->claim_timer, wait_ms, wake_up, relay);
        }
        return;
    }
    if (database_pool_connected(relay->settings.pool)) {
        relay->claiming = true;
        relay->claim_began_ms = clock_monotonic_ms();
        relay->claim_limit = (size_t)capacity - relay->rows_in_hand;
        outbox_claim(relay->settings.outbox, (int)relay->claim_limit, relay->lease_ms, take_rows, relay);
    }
}

/* wake_up only makes the loop run a round, at whose end the relay advances. */
static void wake_up(void *context) {
    (void)context;
}

static void log_failure(const struct outbox_row *row, enum log_level level, const char *error, int64_t retry_after_ms) {
    log_event(level, "outbox_publish_failed",
              json_pack("{s:o,s:o,s:I,s:o,s:I}", "orderId",
                        row->order_id > 0 ? json_integer(row->order_id) : json_null(), "requestId",
                        log_text(row->request_id), "outboxId", (json_int_t)row->id, "error", log_text(error),
                        "retryInMs", (json_int_t)retry_after_ms));
}

/* postpone_row gives one row back with an error and lets go of it. It rests the longer, the more had failed before. */
static void postpone_row(struct outbox_relay *relay, struct outbox_row *row, const char *error, int64_t maximum_ms,
                         const struct send_batch *batch) {
    int64_t retry_after_ms = backoff_delay_ms(RELEASE_BASE_MS, maximum_ms, relay->pace.failures + batch->tries);

    metrics_count(METRIC_PUBLISHES_FAILED);
    log_failure(row, LOG_ERROR, error, retry_after_ms);
    outbox_release(relay->settings.outbox, row, error, false, retry_after_ms, batch->lease_end_ms);
    outbox_row_clear(row);
}

/* handle_here handles a row straight from the outbox, with a longer claim where that is too short for it. */
static void handle_here(struct outbox_relay *relay, const struct outbox_row *row, int64_t lease_end_ms) {
    int lease_ms = relay->settings.handling_ms + HANDLING_MARGIN_MS;

    if (lease_end_ms < clock_monotonic_ms() + lease_ms) {
        outbox_extend(relay->settings.outbox, row, lease_ms);
        lease_end_ms = clock_monotonic_ms() + lease_ms;
    }
    embedded_queue_take(relay->settings.own, row, lease_end_ms);
}

/*
 * handle_refused deals with a row that the queue will never take as it is, though its text looks well: queues differ in
 * the characters and sizes that they take. Like those that are known to be refused it is handled from the outbox.
 */
static void handle_refused(struct outbox_relay *relay, struct outbox_row *row, const char *error,
                           const struct send_batch *batch) {
    if (relay->stopping) {
        postpone_row(relay, row, error, RELEASE_MAXIMUM_MS, batch);
    } else {
        log_failure(row, LOG_WARN, error, 0);
        handle_here(relay, row, batch->lease_end_ms);
    }
}

/* attributes_of reads what the attributes of a row's message tell of its body. Those of a payment tell nothing of it.
 */
static json_t *attributes_of(const struct outbox_row *row) {
    struct message_content content = {0};
    json_t *attributes;
    const char *error;

    if (strcmp(row->topic, OUTBOX_TOPIC_PAYMENT) != 0) {
        message_content_read(row->body, &content, &error);
    }
    attributes = outbox_row_attributes(row, &content);
    message_content_clear(&content);
    return attributes;
}

/* message_bytes gives what a row counts towards the size of a batch: body, and attributes with their names and types.
 */
static size_t message_bytes(const struct outbox_row *row) {
    json_t *attributes = attributes_of(row);
    size_t bytes = strlen(row->body);
    const char *name;
    json_t *attribute;

    json_object_foreach(attributes, name, attribute) {
        bytes += strlen(name) + strlen("String") + strlen(sqs_attribute_text(attributes, name));
    }
    json_decref(attributes);
    return bytes;
}

static struct send_batch *new_batch(struct outbox_relay *relay, int64_t lease_end_ms) {
    struct send_batch *batch = memory_allocate(sizeof(*batch));

    batch->relay = relay;
    batch->lease_end_ms = lease_end_ms;
    list_append(&relay->batches, &batch->place);
    return batch;
}

/* add_row puts a row into the batch, or into a new one when it is full, and gives the batch that took it. */
static struct send_batch *add_row(struct send_batch *batch, struct outbox_relay *relay, const struct outbox_row *row,
                                  int64_t lease_end_ms) {
    size_t bytes = message_bytes(row);

    if (batch == NULL || batch->count == SQS_BATCH_ENTRIES || batch->bytes + bytes > SQS_BATCH_BYTES) {
        if (batch != NULL) {
            send_batch_now(batch);
        }
        batch = new_batch(relay, lease_end_ms);
    }
    batch->rows[batch->count++] = *row;
    batch->bytes += bytes;
    relay->rows_in_hand++;
    return batch;
}

static void give_back_unused(struct outbox_relay *relay, struct outbox_row *rows, size_t count, int64_t lease_end_ms) {
    size_t i;

    for (i = 0; i < count; i++) {
        outbox_release(relay->settings.outbox, &rows[i], NULL, false, 0, lease_end_ms);
        outbox_row_clear(&rows[i]);
    }
}

/* can_be_sent tells whether every queue takes a message with this text: SQS refuses what is larger than a batch, and
 * the two characters of Unicode that XML does not know (SendMessage, "MessageBody"). */
static bool can_be_sent(const struct outbox_row *row) {
    return strlen(row->body) <= SQS_BATCH_BYTES - ATTRIBUTES_MAXIMUM_BYTES &&
           strstr(row->body, "\xEF\xBF\xBE") == NULL && strstr(row->body, "\xEF\xBF\xBF") == NULL;
}

/* is_for_queue tells whether a row goes over the queue. Refunds do not: they are the shop's own business with its
 * payment provider. What the queue would never take is handled from the outbox too. */
static bool is_for_queue(const struct outbox_row *row) {
    return strcmp(row->topic, OUTBOX_TOPIC_REFUND) != 0 && can_be_sent(row);
}

/* send_rows puts the rows on their way. */
static void send_rows(struct outbox_relay *relay, struct outbox_row *rows, size_t count, int64_t lease_end_ms) {
    struct send_batch *batch = NULL;
    size_t i;

    for (i = 0; i < count; i++) {
        if (is_for_queue(&rows[i])) {
            batch = add_row(batch, relay, &rows[i], lease_end_ms);
        } else {
            handle_here(relay, &rows[i], lease_end_ms);
        }
    }
    if (batch != NULL) {
        send_batch_now(batch);
    }
}

/* take_rows gets the outcome of a claim. */
static void take_rows(void *context, struct outbox_row *rows, size_t count, const char *error) {
    struct outbox_relay *relay = context;
    int64_t now = clock_monotonic_ms(), lease_end_ms = relay->claim_began_ms + relay->lease_ms;

    relay->claiming = false;
    loop_disarm(&relay->claim_timer);
    if (error != NULL) {
        int64_t pause_ms = claim_pace_note_failure(&relay->pace, now);

        log_event(LOG_ERROR, "poll_failed",
                  json_pack("{s:s,s:o,s:I}", "action", "claim_outbox", "error", log_text(error), "retryInMs",
                            (json_int_t)pause_ms));
        return;
    }
    claim_pace_note_claim(&relay->pace, now, count, relay->claim_limit);
    if (relay->stopping) {
        give_back_unused(relay, rows, count, lease_end_ms);
    } else {
        send_rows(relay, rows, count, lease_end_ms);
    }
}

/* ---- sending ---- */

/* Size of a MessageGroupId or MessageDeduplicationId of ours, with its closing NUL. */
#define FIFO_ID_SIZE 64

/* What a FIFO queue wants to know of a message. */
struct fifo_ids {
    char group[FIFO_ID_SIZE], deduplication[FIFO_ID_SIZE];
};

/*
 * name_group fills in the ids for a FIFO queue: messages of one order are kept in order, others pass each other; a row
 * that is sent twice, because the answer to the first time was lost, is one message within the five minutes for which
 * SQS remembers ids.
 */
static void name_group(const struct outbox_relay *relay, const struct outbox_row *row, struct fifo_ids *ids,
                       struct sqs_outgoing_message *message) {
    bool known = row->order_id > 0;

    if (!sqs_is_fifo(relay->settings.queue_url)) {
        return;
    }
    snprintf(ids->group, sizeof(ids->group), "%s-%" PRId64, known ? "order" : "outbox",
             known ? row->order_id : row->id);
    snprintf(ids->deduplication, sizeof(ids->deduplication), "outbox-%s-%" PRId64,
             outbox_store_id(relay->settings.outbox), row->id);
    message->group_id = ids->group;
    message->deduplication_id = ids->deduplication;
}

static void send_batch_now(void *context) {
    struct send_batch *batch = context;
    struct outbox_relay *relay = batch->relay;
    struct sqs_outgoing_message messages[SQS_BATCH_ENTRIES] = {0};
    struct fifo_ids ids[SQS_BATCH_ENTRIES];
    char *body;
    size_t i;

    for (i = 0; i < batch->count; i++) {
        messages[i].body = batch->rows[i].body;
        messages[i].attributes = attributes_of(&batch->rows[i]);
        name_group(relay, &batch->rows[i], &ids[i], &messages[i]);
    }
    body = sqs_encode_send_batch(relay->settings.queue_url, messages, batch->count);
    for (i = 0; i < batch->count; i++) {
        json_decref(messages[i].attributes);
    }
    batch->tries++;
    batch->call =
        sqs_client_call(relay->settings.sqs, "SendMessageBatch", body, SQS_CALL_TIMEOUT_MS, take_send_answer, batch);
}

static void log_published(const struct outbox_row *row, const char *message_id, int tries) {
    if (log_enabled(LOG_DEBUG)) {
        log_event(LOG_DEBUG, "outbox_published",
                  json_pack("{s:o,s:o,s:I,s:s,s:i}", "orderId",
                            row->order_id > 0 ? json_integer(row->order_id) : json_null(), "requestId",
                            log_text(row->request_id), "outboxId", (json_int_t)row->id, "messageId", message_id,
                            "tries", tries));
    }
}

/* longest_release_ms tells how long a row may rest after a failure of this kind. */
static int64_t longest_release_ms(enum sqs_error_class class) {
    switch (class) {
    case SQS_ERROR_CREDENTIALS:
    case SQS_ERROR_CLOCK:
    case SQS_ERROR_QUEUE:
    case SQS_ERROR_REQUEST:
        return RELEASE_OPERATOR_MAXIMUM_MS;
    default:
        return RELEASE_MAXIMUM_MS;
    }
}

/* may_retry tells whether a row that failed stays in its batch for another try, which has to begin within the claim. */
static bool may_retry(const struct send_batch *batch, enum sqs_error_class class) {
    const struct outbox_relay_settings *settings = &batch->relay->settings;
    int64_t longest_ms = backoff_ceiling_ms(settings->retry_delay_ms, RETRY_DELAY_MAXIMUM_MS, batch->tries);

    return class == SQS_ERROR_TRANSIENT && batch->tries <= settings->maximum_retries &&
           clock_monotonic_ms() + longest_ms <= batch->lease_end_ms && !batch->relay->stopping;
}

/*
 * sort_outcomes lets go of the rows that were sent and of those that shall not be tried again, and keeps the others in
 * the batch.
 */
static void sort_outcomes(struct send_batch *batch, const struct sqs_entry_outcome *outcomes) {
    struct outbox_relay *relay = batch->relay;
    int64_t delivered[SQS_BATCH_ENTRIES];
    size_t delivered_count = 0, kept = 0, postponed = 0, i;

    for (i = 0; i < batch->count; i++) {
        struct outbox_row *row = &batch->rows[i];
        const struct sqs_error *error = &outcomes[i].error;

        if (error->class == SQS_NO_ERROR) {
            delivered[delivered_count++] = row->id;
            metrics_count(METRIC_MESSAGES_PUBLISHED);
            log_published(row, outcomes[i].message_id, batch->tries);
            outbox_row_clear(row);
        } else if (may_retry(batch, error->class)) {
            batch->rows[kept++] = *row;
        } else {
            char *text = sqs_error_text(error);

            if (error->class == SQS_ERROR_MESSAGE) {
                handle_refused(relay, row, text, batch);
            } else {
                postpone_row(relay, row, text, longest_release_ms(error->class), batch);
                postponed++;
            }
            free(text);
        }
    }
    relay->rows_in_hand -= batch->count - kept;
    batch->count = kept;
    outbox_mark_delivered(relay->settings.outbox, delivered, delivered_count, batch->lease_end_ms);
    if (delivered_count > 0) {
        claim_pace_note_success(&relay->pace);
    } else if (postponed > 0) {
        claim_pace_note_failure(&relay->pace, clock_monotonic_ms());
    }
}

/* send_singly sends each row of a batch that was refused as a whole on its own, so that one bad row holds up none. */
static void send_singly(struct send_batch *batch) {
    struct outbox_relay *relay = batch->relay;
    size_t i;

    for (i = 0; i < batch->count; i++) {
        struct send_batch *single = new_batch(relay, batch->lease_end_ms);

        single->rows[0] = batch->rows[i];
        single->count = 1;
        send_batch_now(single);
    }
    relay->rows_in_hand += batch->count; /* which free_batch takes off again */
    memset(batch->rows, 0, sizeof(batch->rows));
    free_batch(batch);
}

/* is_refusal tells whether a batch may have been refused for one of its messages. */
static bool is_refusal(enum sqs_error_class class) {
    return class == SQS_ERROR_MESSAGE || class == SQS_ERROR_REQUEST;
}

static void take_send_answer(void *context, const struct sqs_answer *answer) {
    struct send_batch *batch = context;
    struct outbox_relay *relay = batch->relay;
    struct sqs_entry_outcome outcomes[SQS_BATCH_ENTRIES];
    size_t i;

    batch->call = NULL;
    if (answer->error.class == SQS_NO_ERROR) {
        sqs_decode_batch(answer->body, answer->body_length, outcomes, batch->count);
    } else if (is_refusal(answer->error.class) && batch->count > 1 && !relay->stopping) {
        send_singly(batch);
        return;
    } else {
        for (i = 0; i < batch->count; i++) {
            outcomes[i].error = answer->error;
        }
        if (answer->error.class != SQS_ERROR_MESSAGE && !may_retry(batch, answer->error.class)) {
            claim_pace_note_failure(&relay->pace, clock_monotonic_ms());
        }
    }
    sort_outcomes(batch, outcomes);
    if (batch->count == 0) {
        free_batch(batch);
        return;
    }
    loop_arm(relay->settings.loop, &batch->timer,
             backoff_delay_ms(relay->settings.retry_delay_ms, RETRY_DELAY_MAXIMUM_MS, batch->tries), send_batch_now,
             batch);
}

/* ---- stopping ---- */

/* give_back_batches gives back the batches that are not being sent; with all true, the others too. */
static void give_back_batches(struct outbox_relay *relay, bool all) {
    struct send_batch *batch, *next;

    for (batch = list_first(&relay->batches); batch != NULL; batch = next) {
        next = list_next(batch);
        if (batch->call == NULL || all) {
            give_back_unused(relay, batch->rows, batch->count, batch->lease_end_ms);
            free_batch(batch);
        }
    }
}

void outbox_relay_stop(struct outbox_relay *relay) {
    relay->stopping = true;
    loop_disarm(&relay->claim_timer);
    give_back_batches(relay, false);
}

void outbox_relay_abandon(struct outbox_relay *relay) {
    relay->stopping = true;
    give_back_batches(relay, true);
}
