#include "receipt_batcher.h"

#include <stdlib.h>
#include <string.h>

#include "backoff.h"
#include "log.h"
#include "allocation.h"

#define TRIES_MAXIMUM     5
#define REPEAT_BASE_MS    200
#define REPEAT_LONGEST_MS 5000

struct receipt_entry {
    struct list_place place;
    char *receipt_handle;
    int seconds;
    int tries;
};

struct receipt_flight {
    struct list_place place;
    struct receipt_batcher *batcher;
    struct receipt_entry *entries[SQS_BATCH_ENTRIES];
    size_t count;
    struct sqs_call *call;
};

struct receipt_batcher {
    struct receipt_batcher_settings settings;
    struct list line; /* waiting, in order of arrival */
    size_t under_way;
    struct list flights;
    bool hurry;              /* entries do not wait for company any more */
    bool resting;            /* the timer keeps the time until the next try after a failure */
    struct loop_timer timer; /* armed while entries wait */
};

static void depart(void *context);
static void take_answer(void *context, const struct sqs_answer *answer);

struct receipt_batcher *receipt_batcher_create(const struct receipt_batcher_settings *settings) {
    struct receipt_batcher *batcher = memory_allocate(sizeof(*batcher));

    batcher->settings = *settings;
    return batcher;
}

static void free_entry(struct receipt_entry *entry) {
    free(entry->receipt_handle);
    free(entry);
}

static void free_flight(struct receipt_flight *flight) {
    list_remove(&flight->place);
    flight->batcher->under_way -= flight->count;
    free(flight);
}

/* take_first takes the entry that waits longest out of the line. */
static struct receipt_entry *take_first(struct receipt_batcher *batcher) {
    struct receipt_entry *entry = list_first(&batcher->line);

    list_remove(&entry->place);
    return entry;
}

void receipt_batcher_destroy(struct receipt_batcher *batcher) {
    if (batcher == NULL) {
        return;
    }
    while (!list_is_empty(&batcher->flights)) {
        struct receipt_flight *flight = list_first(&batcher->flights);
        size_t i;

        sqs_client_abort(flight->call);
        for (i = 0; i < flight->count; i++) {
            free_entry(flight->entries[i]);
        }
        free_flight(flight);
    }
    while (!list_is_empty(&batcher->line)) {
        free_entry(take_first(batcher));
    }
    loop_disarm(&batcher->timer);
    free(batcher);
}

size_t receipt_batcher_pending(const struct receipt_batcher *batcher) {
    return batcher->line.count + batcher->under_way;
}

/* schedule sees to it that what waits departs: a full batch at once, others when their delay is over. */
static void schedule(struct receipt_batcher *batcher) {
    bool at_once = batcher->line.count >= SQS_BATCH_ENTRIES || batcher->hurry;

    if (batcher->line.count == 0 || batcher->resting ||
        (int)batcher->flights.count >= batcher->settings.parallel_limit) {
        return; /* the end of the rest, or of a flight, schedules again */
    }
    if (at_once) {
        depart(batcher);
    } else if (!loop_timer_is_armed(&batcher->timer)) {
        loop_arm(batcher->settings.loop, &batcher->timer, batcher->settings.delay_ms, depart, batcher);
    }
}

/* find_waiting gives the waiting entry of a handle, or NULL. */
static struct receipt_entry *find_waiting(const struct receipt_batcher *batcher, const char *receipt_handle) {
    struct receipt_entry *entry;

    for (entry = list_first(&batcher->line); entry != NULL; entry = list_next(entry)) {
        if (strcmp(entry->receipt_handle, receipt_handle) == 0) {
            return entry;
        }
    }
    return NULL;
}

void receipt_batcher_add(struct receipt_batcher *batcher, const char *receipt_handle, int seconds) {
    struct receipt_entry *entry = find_waiting(batcher, receipt_handle);

    if (entry != NULL) {
        entry->seconds = seconds;
        return;
    }
    entry = memory_allocate(sizeof(*entry));
    entry->receipt_handle = memory_duplicate(receipt_handle);
    entry->seconds = seconds;
    list_append(&batcher->line, &entry->place);
    schedule(batcher);
}

void receipt_batcher_flush(struct receipt_batcher *batcher) {
    batcher->hurry = true;
    schedule(batcher);
}

static char *encode(const struct receipt_flight *flight) {
    const char *queue_url = flight->batcher->settings.queue_url;
    const char *handles[SQS_BATCH_ENTRIES];
    struct sqs_visibility_change changes[SQS_BATCH_ENTRIES];
    size_t i;

    for (i = 0; i < flight->count; i++) {
        handles[i] = flight->entries[i]->receipt_handle;
        changes[i].receipt_handle = flight->entries[i]->receipt_handle;
        changes[i].seconds = flight->entries[i]->seconds;
    }
    return flight->batcher->settings.action == RECEIPT_DELETE
               ? sqs_encode_delete_batch(queue_url, handles, flight->count)
               : sqs_encode_visibility_batch(queue_url, changes, flight->count);
}

static const char *action_name(const struct receipt_batcher *batcher) {
    return batcher->settings.action == RECEIPT_DELETE ? "DeleteMessageBatch" : "ChangeMessageVisibilityBatch";
}

/* depart sends as many batches as may be under way. */
static void depart(void *context) {
    struct receipt_batcher *batcher = context;

    batcher->resting = false;
    loop_disarm(&batcher->timer);
    while (batcher->line.count > 0 && (int)batcher->flights.count < batcher->settings.parallel_limit) {
        struct receipt_flight *flight = memory_allocate(sizeof(*flight));

        flight->batcher = batcher;
        while (batcher->line.count > 0 && flight->count < SQS_BATCH_ENTRIES) {
            flight->entries[flight->count++] = take_first(batcher);
        }
        batcher->under_way += flight->count;
        list_append(&batcher->flights, &flight->place);
        flight->call = sqs_client_call(batcher->settings.sqs, action_name(batcher), encode(flight), SQS_CALL_TIMEOUT_MS,
                                       take_answer, flight);
    }
}

/* keep_or_drop decides about an entry that failed; true when it is kept for another try. A newer entry for the same
 * handle makes it needless. */
static bool keep_or_drop(struct receipt_batcher *batcher, struct receipt_entry *entry, const struct sqs_error *error) {
    entry->tries++;
    if (error->class != SQS_ERROR_LEASE_LOST && error->class != SQS_ERROR_REQUEST &&
        error->class != SQS_ERROR_MESSAGE && entry->tries < TRIES_MAXIMUM &&
        find_waiting(batcher, entry->receipt_handle) == NULL) {
        list_append(&batcher->line, &entry->place);
        return true;
    }
    free_entry(entry);
    return false;
}

static void log_failure(const struct receipt_batcher *batcher, const struct sqs_error *error, size_t entries,
                        size_t kept) {
    /* A lost lease is everyday business of a queue that delivers at least once. */
    enum log_level level = error->class == SQS_ERROR_LEASE_LOST ? LOG_DEBUG : LOG_WARN;
    char *text = sqs_error_text(error);

    log_event(level, "poll_failed",
              json_pack("{s:s,s:o,s:i,s:i}", "action", action_name(batcher), "error", log_text(text), "messages",
                        (int)entries, "willRetry", (int)kept));
    free(text);
}

/* settle_entries frees what succeeded, keeps or drops what failed, and tells how many are kept. */
static size_t settle_entries(struct receipt_flight *flight, const struct sqs_entry_outcome *outcomes) {
    const struct sqs_error *first_error = NULL;
    size_t failed = 0, kept = 0, i;

    for (i = 0; i < flight->count; i++) {
        if (outcomes[i].error.class == SQS_NO_ERROR) {
            free_entry(flight->entries[i]);
            continue;
        }
        failed++;
        first_error = &outcomes[i].error;
        kept += keep_or_drop(flight->batcher, flight->entries[i], first_error) ? 1 : 0;
    }
    if (first_error != NULL) {
        log_failure(flight->batcher, first_error, failed, kept);
    }
    return kept;
}

static void take_answer(void *context, const struct sqs_answer *answer) {
    struct receipt_flight *flight = context;
    struct receipt_batcher *batcher = flight->batcher;
    struct sqs_entry_outcome outcomes[SQS_BATCH_ENTRIES];
    size_t kept, i;

    if (answer->error.class == SQS_NO_ERROR) {
        sqs_decode_batch(answer->body, answer->body_length, outcomes, flight->count);
    } else {
        for (i = 0; i < flight->count; i++) {
            outcomes[i].error = answer->error;
        }
    }
    kept = settle_entries(flight, outcomes);
    free_flight(flight);
    if (kept > 0) {
        int64_t rest_ms = backoff_delay_ms(REPEAT_BASE_MS, REPEAT_LONGEST_MS,
                                           ((struct receipt_entry *)list_first(&batcher->line))->tries);

        batcher->resting = true;
        loop_arm(batcher->settings.loop, &batcher->timer, rest_ms, depart, batcher);
    } else {
        schedule(batcher);
    }
}
