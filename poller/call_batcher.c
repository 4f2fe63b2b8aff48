#include "call_batcher.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocation.h"
#include "clock.h"
#include "database_calls.h"
#include "list.h"

/* Calls under way at once: one is being committed while the next one works. */
#define PARALLEL_CALLS 3

/* Most calls in one: by then the commit hardly weighs any more, and the locks are still short. */
#define LARGEST_BATCH 64

/* Most bytes of values in a batch of several calls: a message may have megabytes. */
#define FULL_BATCH_BYTES ((size_t)1024 * 1024)

struct entry {
    struct list_place place;
    struct call_batcher *batcher;
    char *values[CALL_BATCHER_VALUES]; /* owned */
    size_t bytes;                      /* of all of them */
    int64_t deadline_ms;
    bool alone;                  /* it was part of a batch that failed */
    database_callback *callback; /* NULL: nobody wants the answer any more */
    void *context;
};

/* Calls under way. */
struct flight {
    struct list_place place;
    struct call_batcher *batcher;
    struct entry *entries[LARGEST_BATCH];
    size_t count;
};

struct call_batcher {
    struct database_pool *pool;
    long store_id;
    const struct database_statement *one, *many;
    struct list line; /* entries that wait, those that go alone first */
    struct list flights;
};

static void take_answer(void *context, const struct database_answer *answer);

struct call_batcher *call_batcher_create(struct database_pool *pool, long store_id,
                                         const struct database_statement *one, const struct database_statement *many) {
    struct call_batcher *batcher = memory_allocate(sizeof(*batcher));

    batcher->pool = pool;
    batcher->store_id = store_id;
    batcher->one = one;
    batcher->many = many;
    return batcher;
}

/* value_count tells how many values a call has besides the store. */
static int value_count(const struct call_batcher *batcher) {
    return batcher->one->parameter_count - 1;
}

static void free_entry(struct entry *entry) {
    int i;

    for (i = 0; i < CALL_BATCHER_VALUES; i++) {
        free(entry->values[i]);
    }
    free(entry);
}

static void free_flight(struct flight *flight) {
    list_remove(&flight->place);
    free(flight);
}

static struct entry *take_first(struct call_batcher *batcher) {
    struct entry *entry = list_first(&batcher->line);

    list_remove(&entry->place);
    return entry;
}

void call_batcher_destroy(struct call_batcher *batcher) {
    if (batcher == NULL) {
        return;
    }
    while (!list_is_empty(&batcher->flights)) {
        struct flight *flight = list_first(&batcher->flights);
        size_t i;

        database_pool_cancel_context(batcher->pool, flight);
        for (i = 0; i < flight->count; i++) {
            free_entry(flight->entries[i]);
        }
        free_flight(flight);
    }
    while (!list_is_empty(&batcher->line)) {
        free_entry(take_first(batcher));
    }
    free(batcher);
}

/* ---- sending ---- */

/* remaining_ms gives the time that the flight may take: what its most urgent entry has left. */
static int remaining_ms(const struct flight *flight) {
    int64_t now = clock_monotonic_ms(), least = INT64_MAX;
    size_t i;

    for (i = 0; i < flight->count; i++) {
        if (flight->entries[i]->deadline_ms < least) {
            least = flight->entries[i]->deadline_ms;
        }
    }
    return least > now ? clock_remaining_ms(least, now) : 1;
}

static void send_one(const struct call_batcher *batcher, struct flight *flight) {
    char store_id[NUMBER_TEXT_SIZE];
    const char *values[CALL_BATCHER_VALUES + 1];

    values[0] = number_text(batcher->store_id, store_id);
    memcpy(values + 1, flight->entries[0]->values, sizeof(flight->entries[0]->values));
    database_pool_submit(batcher->pool, batcher->one, values, remaining_ms(flight), take_answer, flight);
}

/* add_text appends a text or NULL to an array literal ("Array Input and Output Syntax" in PostgreSQL's manual). */
static void add_text(FILE *array, const char *text) {
    if (text == NULL) {
        fputs("NULL", array);
        return;
    }
    fputc('"', array);
    for (;;) {
        size_t plain = strcspn(text, "\"\\");

        fwrite(text, 1, plain, array);
        text += plain;
        if (*text == '\0') {
            break;
        }
        fputc('\\', array);
        fputc(*text++, array);
    }
    fputc('"', array);
}

/* array_of writes one value of all calls as an array literal, which the caller frees. */
static char *array_of(const struct flight *flight, int value) {
    char *text = NULL;
    size_t size = 0, i;
    FILE *array = open_memstream(&text, &size);

    if (array == NULL) {
        abort(); /* no memory: see allocation.h */
    }
    for (i = 0; i < flight->count; i++) {
        fputc(i == 0 ? '{' : ',', array);
        add_text(array, flight->entries[i]->values[value]);
    }
    fputc('}', array);
    if (fclose(array) != 0) {
        abort();
    }
    return text;
}

static void send_many(const struct call_batcher *batcher, struct flight *flight) {
    char store_id[NUMBER_TEXT_SIZE], *arrays[CALL_BATCHER_VALUES] = {NULL};
    const char *values[CALL_BATCHER_VALUES + 1];
    int i;

    values[0] = number_text(batcher->store_id, store_id);
    for (i = 0; i < value_count(batcher); i++) {
        values[i + 1] = arrays[i] = array_of(flight, i);
    }
    database_pool_submit(batcher->pool, batcher->many, values, remaining_ms(flight), take_answer, flight);
    for (i = 0; i < value_count(batcher); i++) {
        free(arrays[i]);
    }
}

/* may_join tells whether the first entry of the line may go along with a flight of so many bytes. */
static bool may_join(const struct call_batcher *batcher, const struct flight *flight, size_t bytes) {
    const struct entry *next = list_first(&batcher->line);

    return next != NULL && !next->alone && !flight->entries[0]->alone && flight->count < LARGEST_BATCH &&
           bytes + next->bytes <= FULL_BATCH_BYTES;
}

/* board fills a flight from the line. */
static void board(struct call_batcher *batcher, struct flight *flight) {
    size_t bytes = 0;

    do {
        struct entry *entry = take_first(batcher);

        flight->entries[flight->count++] = entry;
        bytes += entry->bytes;
    } while (may_join(batcher, flight, bytes));
}

void call_batcher_depart(struct call_batcher *batcher) {
    while (!list_is_empty(&batcher->line) && batcher->flights.count < PARALLEL_CALLS) {
        struct flight *flight = memory_allocate(sizeof(*flight));

        flight->batcher = batcher;
        list_append(&batcher->flights, &flight->place);
        board(batcher, flight);
        if (flight->count == 1) {
            send_one(batcher, flight);
        } else {
            send_many(batcher, flight);
        }
    }
}

void call_batcher_submit(struct call_batcher *batcher, const char *const *values, int timeout_ms,
                         database_callback *callback, void *context) {
    struct entry *entry = memory_allocate(sizeof(*entry));
    int i;

    entry->batcher = batcher;
    for (i = 0; i < value_count(batcher); i++) {
        entry->values[i] = memory_duplicate(values[i]);
        entry->bytes += values[i] == NULL ? 0 : strlen(values[i]);
    }
    entry->deadline_ms = clock_monotonic_ms() + timeout_ms;
    entry->callback = callback;
    entry->context = context;
    list_append(&batcher->line, &entry->place);
}

static void forget(struct entry *entry, const void *context) {
    if (entry != NULL && entry->context == context) {
        entry->callback = NULL;
    }
}

void call_batcher_cancel(struct call_batcher *batcher, const void *context) {
    struct entry *entry, *next;
    struct flight *flight;
    size_t i;

    for (entry = list_first(&batcher->line); entry != NULL; entry = next) {
        next = list_next(entry);
        if (entry->context == context) {
            list_remove(&entry->place);
            free_entry(entry);
        }
    }
    for (flight = list_first(&batcher->flights); flight != NULL; flight = list_next(flight)) {
        for (i = 0; i < flight->count; i++) {
            forget(flight->entries[i], context);
        }
    }
}

/* ---- answers ---- */

/* finish calls back and frees the entry. */
static void finish(struct entry *entry, const struct database_answer *answer) {
    if (entry->callback != NULL) {
        entry->callback(entry->context, answer);
    }
    free_entry(entry);
}

/* finish_with_row answers an entry with one row of the batch's answer, as if it had been alone. */
static void finish_with_row(struct entry *entry, const struct database_answer *answer, int row) {
    PGresult *own = PQcopyResult(answer->result, PG_COPYRES_ATTRS);
    struct database_answer own_answer = *answer;
    int column;

    for (column = 0; own != NULL && column < PQnfields(answer->result); column++) {
        bool null = PQgetisnull(answer->result, row, column) != 0;
        char *value = null ? NULL : PQgetvalue(answer->result, row, column);

        if (PQsetvalue(own, 0, column, value, null ? -1 : PQgetlength(answer->result, row, column)) == 0) {
            abort(); /* no memory: see allocation.h */
        }
    }
    if (own == NULL) {
        abort();
    }
    own_answer.result = own;
    finish(entry, &own_answer);
    PQclear(own);
}

/* send_again puts an entry first in the line, to go alone. */
static void send_again(struct call_batcher *batcher, struct entry *entry) {
    if (entry->callback == NULL) {
        free_entry(entry);
        return;
    }
    entry->alone = true;
    list_prepend(&batcher->line, &entry->place);
}

/* answer_entry decides about one entry of a batch. Where the batch failed, another one of it may be to blame; where the
 * entry has no row, somebody else is at its order. */
static void answer_entry(struct entry *entry, const struct database_answer *answer, size_t count, int row) {
    bool in_doubt = answer->outcome == DATABASE_OK || database_verdict_of(answer) == DATABASE_REFUSED;
    bool has_row =
        answer->outcome == DATABASE_OK && row < PQntuples(answer->result) && !PQgetisnull(answer->result, row, 0);

    if (count > 1 && has_row) {
        finish_with_row(entry, answer, row);
    } else if (count > 1 && in_doubt) {
        send_again(entry->batcher, entry);
    } else {
        finish(entry, answer);
    }
}

static void take_answer(void *context, const struct database_answer *answer) {
    struct flight *flight = context;
    size_t i;

    for (i = 0; i < flight->count; i++) {
        struct entry *entry = flight->entries[i];

        flight->entries[i] = NULL; /* answered; a callback may still cancel one of the others */
        answer_entry(entry, answer, flight->count, (int)i);
    }
    free_flight(flight);
}
