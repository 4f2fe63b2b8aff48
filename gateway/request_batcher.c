#include "request_batcher.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "gateway.h"
#include "request_array.h"
#include "statements.h"
#include "text.h"

#define WAITING_LIMIT                                                                                                  \
    2048 /* requests that may wait for their turn, a third of a second at full speed; more are refused */
#define WAIT_LIMIT_MS 2000 /* and for how long */

/* A call that has run for so long waits for somebody's lock: it holds up the others no longer, the next call starts
 * beside it. Calls lock in one order, so several at once are safe; but one alone makes the largest batches. */
#define LATE_MS      200
#define MOST_RUNNING 4

/* Longer than a lock may be waited for. Then each request is asked for alone. */
#define BATCH_TIMEOUT_MS 4000

/* One request has at most the head's size; a call stays small enough to be sent at once. */
#define BATCH_TEXT_LIMIT ((size_t)128 * 1024)

struct batched_request {
    struct batched_request *next;
    struct request_batcher *batcher;
    batch_callback *callback;
    void *context;
    int64_t arrived;      /* clock_monotonic_ms */
    const char *values[]; /* what the statement takes, followed by the texts themselves */
};

struct batch_call {
    struct batch_call *next;
    struct request_batcher *batcher;
    int64_t started;
    size_t count;
    struct batched_request *requests[BATCH_MAXIMUM];
};

struct request_batcher {
    struct database_pool *database;
    const struct batched_statements *statements;
    struct batched_request *first, *last; /* waiting, the oldest first */
    struct batch_call *running;
    int running_count;
    struct request_batcher_statistics statistics;
};

static void start_calls(struct request_batcher *batcher);

struct request_batcher *request_batcher_create(struct database_pool *database,
                                               const struct batched_statements *statements) {
    struct request_batcher *batcher = calloc(1, sizeof(*batcher));

    if (batcher != NULL) {
        batcher->database = database;
        batcher->statements = statements;
    }
    return batcher;
}

/* request_create copies the values; NULL when memory is short. */
static struct batched_request *request_create(const char *const *values, size_t count) {
    struct batched_request *request = calloc(1, sizeof(*request) + texts_size(values, count));

    if (request != NULL) {
        texts_copy(request->values, values, count);
    }
    return request;
}

/* finish hands over the answer and frees the request. */
static void finish(struct batched_request *request, const struct database_answer *answer, int row) {
    request->callback(request->context, answer, row);
    free(request);
}

static void refuse(batch_callback *callback, void *context, const char *message) {
    const struct database_answer answer = {.outcome = DATABASE_OVERLOADED, .message = message};

    callback(context, &answer, 0);
}

static void on_alone(void *context, const struct database_answer *answer) {
    finish(context, answer, 0);
}

/* ask_alone sends a request that its batch left undecided. */
static void ask_alone(struct batched_request *request) {
    int left = clock_remaining_ms(request->arrived + DATABASE_CALL_TIMEOUT_MS, clock_monotonic_ms());

    request->batcher->statistics.repeated_alone++;
    database_pool_submit(request->batcher->database, request->batcher->statements->one, request->values,
                         left > 0 ? left : 1, on_alone, request);
}

/* remove_call takes the call out of those that run. */
static void remove_call(struct request_batcher *batcher, const struct batch_call *call) {
    struct batch_call **link = &batcher->running;

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
static void hand_out(const struct batch_call *call, const struct database_answer *answer) {
    size_t i;

    for (i = 0; i < call->count; i++) {
        if (is_undecided(answer->result, i)) {
            ask_alone(call->requests[i]);
        } else {
            finish(call->requests[i], answer, (int)i);
        }
    }
}

/* may_be_repeated tells whether the requests of a call that failed may be asked for alone: nothing of it was committed,
 * or it does no harm to do one of them again. */
static bool may_be_repeated(const struct batch_call *call, const struct database_answer *answer) {
    return answer->outcome == DATABASE_ERROR || call->batcher->statements->one->repeatable;
}

/* hand_out_failure: where nothing was executed, or the request was alone already, all get the failure; a fault of one
 * request must not be the others', so else each is asked for alone. */
static void hand_out_failure(const struct batch_call *call, const struct database_answer *answer) {
    bool final = call->count == 1 || answer->outcome == DATABASE_UNAVAILABLE ||
                 answer->outcome == DATABASE_OVERLOADED || !may_be_repeated(call, answer);
    size_t i;

    for (i = 0; i < call->count; i++) {
        if (final) {
            finish(call->requests[i], answer, 0);
        } else {
            ask_alone(call->requests[i]);
        }
    }
}

/* on_answer: the next call leaves before the answers of this one do, so that the database is not kept waiting. */
static void on_answer(void *context, const struct database_answer *answer) {
    struct batch_call *call = context;

    remove_call(call->batcher, call);
    start_calls(call->batcher);
    if (answer->outcome == DATABASE_OK && PQntuples(answer->result) == (int)call->count) {
        hand_out(call, answer);
    } else {
        hand_out_failure(call, answer);
    }
    free(call);
}

static void count_call(struct request_batcher *batcher, size_t count) {
    size_t bucket = 0;

    while ((size_t)1 << bucket < count) {
        bucket++;
    }
    batcher->statistics.sizes[bucket]++;
    batcher->statistics.calls++;
    batcher->statistics.requests += count;
}

/* take_waiting moves the oldest to the call. */
static void take_waiting(struct request_batcher *batcher, struct batch_call *call) {
    struct batched_request *request = batcher->first;

    batcher->first = request->next;
    if (batcher->first == NULL) {
        batcher->last = NULL;
    }
    batcher->statistics.waiting--;
    call->requests[call->count++] = request;
}

/* fill takes as many as one call may hold and writes the text of their array. */
static void fill(struct request_batcher *batcher, struct batch_call *call, FILE *out) {
    request_array_begin(out);
    do {
        take_waiting(batcher, call);
        request_array_add(out, call->requests[call->count - 1]->values, batcher->statements->one->parameter_count,
                          call->count - 1);
    } while (batcher->first != NULL && call->count < BATCH_MAXIMUM && (size_t)ftello(out) < BATCH_TEXT_LIMIT);
    request_array_end(out);
}

/* send_one sends a call of a single request. */
static void send_one(struct request_batcher *batcher, struct batch_call *call) {
    take_waiting(batcher, call);
    database_pool_submit(batcher->database, batcher->statements->one, call->requests[0]->values,
                         DATABASE_CALL_TIMEOUT_MS, on_answer, call);
}

/* send_many sends a call of several requests. Returns false, with requests in the call or not, when memory is short. */
static bool send_many(struct request_batcher *batcher, struct batch_call *call) {
    const char *values[] = {batcher->first->values[0], NULL};
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
        database_pool_submit(batcher->database, batcher->statements->many, values, BATCH_TIMEOUT_MS, on_answer, call);
    }
    free(text);
    return written;
}

/* abandon_call asks for each request alone instead. */
static void abandon_call(struct batch_call *call) {
    size_t i;

    for (i = 0; i < call->count; i++) {
        ask_alone(call->requests[i]);
    }
    free(call);
}

/* start_call sends what waits, or as much of it as fits. */
static void start_call(struct request_batcher *batcher, int64_t now) {
    struct batch_call *call = calloc(1, sizeof(*call));

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
static bool may_start(const struct request_batcher *batcher, int64_t now) {
    const struct batch_call *call;

    for (call = batcher->running; call != NULL; call = call->next) {
        if (now - call->started < LATE_MS) {
            return false;
        }
    }
    return batcher->running_count < MOST_RUNNING;
}

static void start_calls(struct request_batcher *batcher) {
    int64_t now = clock_monotonic_ms();

    if (batcher->first != NULL && may_start(batcher, now)) {
        start_call(batcher, now);
    }
}

void request_batcher_submit(struct request_batcher *batcher, const char *const *values, batch_callback *callback,
                            void *context) {
    struct batched_request *request;

    if (batcher->statistics.waiting >= WAITING_LIMIT) {
        refuse(callback, context, "too many requests of this kind wait for their turn");
        return;
    }
    request = request_create(values, (size_t)batcher->statements->one->parameter_count);
    if (request == NULL) {
        refuse(callback, context, "out of memory");
        return;
    }
    request->batcher = batcher;
    request->callback = callback;
    request->context = context;
    request->arrived = clock_monotonic_ms();
    if (batcher->last != NULL) {
        batcher->last->next = request;
    } else {
        batcher->first = request;
    }
    batcher->last = request;
    batcher->statistics.waiting++;
    start_calls(batcher);
}

int request_batcher_timeout_ms(const struct request_batcher *batcher) {
    const struct batch_call *call;
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

void request_batcher_process(struct request_batcher *batcher) {
    int64_t now = clock_monotonic_ms();

    start_calls(batcher);
    while (batcher->first != NULL && batcher->first->arrived + WAIT_LIMIT_MS <= now) {
        struct batch_call expired = {.batcher = batcher};

        take_waiting(batcher, &expired);
        refuse(expired.requests[0]->callback, expired.requests[0]->context, "the calls before did not finish in time");
        free(expired.requests[0]);
    }
}

struct request_batcher_statistics request_batcher_statistics_of(const struct request_batcher *batcher) {
    return batcher->statistics;
}

void request_batcher_free(struct request_batcher *batcher) {
    free(batcher);
}
