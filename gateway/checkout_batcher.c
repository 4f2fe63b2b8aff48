#include "checkout_batcher.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkout_requests.h"
#include "clock.h"
#include "gateway.h"
#include "statements.h"

#define WAITING_LIMIT 512  /* checkouts that may wait for their turn; more are refused */
#define WAIT_LIMIT_MS 2000 /* and for how long */

/* A call that has run for so long waits for somebody's lock: it holds up the others no longer, the next call starts
 * beside it. Calls lock in one order, so several at once are safe; but one alone makes the largest batches. */
#define LATE_MS      200
#define MOST_RUNNING 4

/* Longer than a lock may be waited for. Then each request is asked for alone. */
#define BATCH_TIMEOUT_MS 4000

/* One request has at most the head's size; a call stays small enough to be sent at once. */
#define BATCH_TEXT_LIMIT ((size_t)128 * 1024)

#define BATCH_STATEMENT                                                                                                \
    "SELECT " RESPONSE_COLUMNS " FROM shop.checkout_batch($1::pg_catalog.int4, $2::shop.checkout_request[])"

/* Not repeatable as a whole: after a loss each request is repeated alone. */
static const struct database_statement batch_statement = {"checkout_batch", BATCH_STATEMENT, 2, false};

struct checkout {
    struct checkout *next;
    struct checkout_batcher *batcher;
    checkout_callback *callback;
    void *context;
    int64_t arrived; /* clock_monotonic_ms */
    const char *values[CHECKOUT_VALUES];
    char texts[]; /* what values point to */
};

struct checkout_call {
    struct checkout_call *next;
    struct checkout_batcher *batcher;
    int64_t started;
    size_t count;
    struct checkout *checkouts[CHECKOUT_BATCH_MAXIMUM];
};

struct checkout_batcher {
    struct database_pool *database;
    const char *store_id;
    struct checkout *first, *last; /* waiting, the oldest first */
    struct checkout_call *running;
    int running_count;
    struct checkout_batcher_statistics statistics;
};

static void start_calls(struct checkout_batcher *batcher);

struct checkout_batcher *checkout_batcher_create(struct database_pool *database, const char *store_id) {
    struct checkout_batcher *batcher = calloc(1, sizeof(*batcher));

    if (batcher != NULL) {
        batcher->database = database;
        batcher->store_id = store_id;
    }
    return batcher;
}

/* checkout_create copies the values behind the struct. */
static struct checkout *checkout_create(const char *const *values) {
    size_t sizes[CHECKOUT_VALUES], size = 0;
    struct checkout *checkout;
    char *text;
    int i;

    for (i = 0; i < CHECKOUT_VALUES; i++) {
        sizes[i] = values[i] != NULL ? strlen(values[i]) + 1 : 0;
        size += sizes[i];
    }
    checkout = calloc(1, sizeof(*checkout) + size);
    if (checkout == NULL) {
        return NULL;
    }
    text = checkout->texts;
    for (i = 0; i < CHECKOUT_VALUES; i++) {
        if (values[i] != NULL) {
            memcpy(text, values[i], sizes[i]);
            checkout->values[i] = text;
            text += sizes[i];
        }
    }
    return checkout;
}

/* finish hands over the answer and frees the checkout. */
static void finish(struct checkout *checkout, const struct database_answer *answer, int row) {
    checkout->callback(checkout->context, answer, row);
    free(checkout);
}

static void refuse(checkout_callback *callback, void *context, const char *message) {
    const struct database_answer answer = {.outcome = DATABASE_OVERLOADED, .message = message};

    callback(context, &answer, 0);
}

static void on_alone(void *context, const struct database_answer *answer) {
    finish(context, answer, 0);
}

/* ask_alone sends a request that its batch left undecided. Its key makes that safe whatever became of the batch. */
static void ask_alone(struct checkout *checkout) {
    int left = clock_remaining_ms(checkout->arrived + DATABASE_CALL_TIMEOUT_MS, clock_monotonic_ms());

    checkout->batcher->statistics.repeated_alone++;
    database_pool_submit(checkout->batcher->database, &checkout_statement, checkout->values, left > 0 ? left : 1,
                         on_alone, checkout);
}

/* remove_call takes the call out of those that run. */
static void remove_call(struct checkout_batcher *batcher, const struct checkout_call *call) {
    struct checkout_call **link = &batcher->running;

    while (*link != call) {
        link = &(*link)->next;
    }
    *link = call->next;
    batcher->running_count--;
}

/* is_undecided tells whether the batch has not answered this request: it ran elsewhere under the same key. */
static bool is_undecided(const PGresult *result, size_t row) {
    return strcmp(PQgetvalue(result, (int)row, COLUMN_STATUS), "0") == 0;
}

/* hand_out gives each request its row. */
static void hand_out(const struct checkout_call *call, const struct database_answer *answer) {
    size_t i;

    for (i = 0; i < call->count; i++) {
        if (is_undecided(answer->result, i)) {
            ask_alone(call->checkouts[i]);
        } else {
            finish(call->checkouts[i], answer, (int)i);
        }
    }
}

/* hand_out_failure: where nothing was executed, or the request was alone already, all get the failure; a fault of one
 * request must not be the others', so else each is asked for alone. */
static void hand_out_failure(const struct checkout_call *call, const struct database_answer *answer) {
    bool final = call->count == 1 || answer->outcome == DATABASE_UNAVAILABLE || answer->outcome == DATABASE_OVERLOADED;
    size_t i;

    for (i = 0; i < call->count; i++) {
        if (final) {
            finish(call->checkouts[i], answer, 0);
        } else {
            ask_alone(call->checkouts[i]);
        }
    }
}

/* on_answer: the next call leaves before the answers of this one do, so that the database is not kept waiting. */
static void on_answer(void *context, const struct database_answer *answer) {
    struct checkout_call *call = context;

    remove_call(call->batcher, call);
    start_calls(call->batcher);
    if (answer->outcome == DATABASE_OK && PQntuples(answer->result) == (int)call->count) {
        hand_out(call, answer);
    } else {
        hand_out_failure(call, answer);
    }
    free(call);
}

static void count_call(struct checkout_batcher *batcher, size_t count) {
    size_t bucket = 0;

    while ((size_t)1 << bucket < count) {
        bucket++;
    }
    batcher->statistics.sizes[bucket]++;
    batcher->statistics.calls++;
    batcher->statistics.requests += count;
}

/* take_waiting moves the oldest to the call. */
static void take_waiting(struct checkout_batcher *batcher, struct checkout_call *call) {
    struct checkout *checkout = batcher->first;

    batcher->first = checkout->next;
    if (batcher->first == NULL) {
        batcher->last = NULL;
    }
    batcher->statistics.waiting--;
    call->checkouts[call->count++] = checkout;
}

/* fill takes as many as one call may hold and writes the text of their array. */
static void fill(struct checkout_batcher *batcher, struct checkout_call *call, FILE *out) {
    checkout_requests_begin(out);
    do {
        take_waiting(batcher, call);
        checkout_requests_add(out, call->checkouts[call->count - 1]->values, call->count - 1);
    } while (batcher->first != NULL && call->count < CHECKOUT_BATCH_MAXIMUM && (size_t)ftello(out) < BATCH_TEXT_LIMIT);
    checkout_requests_end(out);
}

/* send_one sends a call of a single request. */
static void send_one(struct checkout_batcher *batcher, struct checkout_call *call) {
    take_waiting(batcher, call);
    database_pool_submit(batcher->database, &checkout_statement, call->checkouts[0]->values, DATABASE_CALL_TIMEOUT_MS,
                         on_answer, call);
}

/* send_many sends a call of several requests. Returns false, with requests in the call or not, when memory is short. */
static bool send_many(struct checkout_batcher *batcher, struct checkout_call *call) {
    const char *values[] = {batcher->store_id, NULL};
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    bool written = out != NULL;

    if (out != NULL) {
        fill(batcher, call, out);
        written = ferror(out) == 0;
        written = fclose(out) == 0 && written;
    }
    if (written) {
        values[1] = text;
        database_pool_submit(batcher->database, &batch_statement, values, BATCH_TIMEOUT_MS, on_answer, call);
    }
    free(text);
    return written;
}

/* abandon_call asks for each request alone instead. */
static void abandon_call(struct checkout_call *call) {
    size_t i;

    for (i = 0; i < call->count; i++) {
        ask_alone(call->checkouts[i]);
    }
    free(call);
}

/* start_call sends what waits, or as much of it as fits. */
static void start_call(struct checkout_batcher *batcher, int64_t now) {
    struct checkout_call *call = calloc(1, sizeof(*call));

    if (call == NULL) {
        return; /* they wait for the next occasion, or until their time is over */
    }
    call->batcher = batcher;
    call->started = now;
    if (batcher->first->next == NULL) {
        send_one(batcher, call);
    } else if (!send_many(batcher, call)) {
        abandon_call(call);
        return;
    }
    call->next = batcher->running;
    batcher->running = call;
    batcher->running_count++;
    count_call(batcher, call->count);
}

/* may_start tells whether a call may be sent: none runs, or only such that wait for somebody's lock. */
static bool may_start(const struct checkout_batcher *batcher, int64_t now) {
    const struct checkout_call *call;

    for (call = batcher->running; call != NULL; call = call->next) {
        if (now - call->started < LATE_MS) {
            return false;
        }
    }
    return batcher->running_count < MOST_RUNNING;
}

static void start_calls(struct checkout_batcher *batcher) {
    int64_t now = clock_monotonic_ms();

    if (batcher->first != NULL && may_start(batcher, now)) {
        start_call(batcher, now);
    }
}

void checkout_batcher_submit(struct checkout_batcher *batcher, const char *const *values, checkout_callback *callback,
                             void *context) {
    struct checkout *checkout;

    if (batcher->statistics.waiting >= WAITING_LIMIT) {
        refuse(callback, context, "too many checkouts wait for their turn");
        return;
    }
    checkout = checkout_create(values);
    if (checkout == NULL) {
        refuse(callback, context, "out of memory");
        return;
    }
    checkout->batcher = batcher;
    checkout->callback = callback;
    checkout->context = context;
    checkout->arrived = clock_monotonic_ms();
    if (batcher->last != NULL) {
        batcher->last->next = checkout;
    } else {
        batcher->first = checkout;
    }
    batcher->last = checkout;
    batcher->statistics.waiting++;
    start_calls(batcher);
}

int checkout_batcher_timeout_ms(const struct checkout_batcher *batcher) {
    const struct checkout_call *call;
    int64_t now = clock_monotonic_ms();
    int64_t next;
    int64_t newest = 0;

    if (batcher->first == NULL) {
        return -1;
    }
    next = batcher->first->arrived + WAIT_LIMIT_MS;
    for (call = batcher->running; call != NULL; call = call->next) {
        newest = call->started > newest ? call->started : newest;
    }
    if (batcher->running_count < MOST_RUNNING && newest + LATE_MS < next) {
        next = newest + LATE_MS;
    }
    return clock_remaining_ms(next, now);
}

void checkout_batcher_process(struct checkout_batcher *batcher) {
    int64_t now = clock_monotonic_ms();

    start_calls(batcher);
    while (batcher->first != NULL && batcher->first->arrived + WAIT_LIMIT_MS <= now) {
        struct checkout_call expired = {.batcher = batcher};

        take_waiting(batcher, &expired);
        refuse(expired.checkouts[0]->callback, expired.checkouts[0]->context,
               "the calls before did not finish in time");
        free(expired.checkouts[0]);
    }
}

struct checkout_batcher_statistics checkout_batcher_statistics_of(const struct checkout_batcher *batcher) {
    return batcher->statistics;
}

void checkout_batcher_free(struct checkout_batcher *batcher) {
    free(batcher);
}
