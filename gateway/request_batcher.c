#include "request_batcher.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway.h"
#include "request_array.h"
#include "statements.h"

/* One call at a time makes the largest batches. One that has run for so long waits for somebody's lock: it holds up the
 * others no longer. Calls lock in one order, so several at once are safe. */
#define USUALLY_RUNNING 1
#define LATE_MS         200
#define MOST_RUNNING    4

/* Longer than a lock may be waited for. Then each request is asked for alone. */
#define BATCH_TIMEOUT_MS 4000

_Static_assert(1 << (BATCH_BUCKETS - 1) == CALL_MAXIMUM, "the last bucket holds the largest call");

struct request_batcher {
    struct call_lane lane;
    const struct batched_statements *statements;
    struct request_batcher_statistics statistics;
};

static bool send_call(struct lane_call *call);
static void hand_out(const struct lane_call *call, const struct database_answer *answer);

struct request_batcher *request_batcher_create(struct call_lanes *lanes, struct database_pool *database,
                                               const struct batched_statements *statements) {
    struct request_batcher *batcher = calloc(1, sizeof(*batcher));
    struct lane_settings lane = {
        .database = database,
        .one = statements->one,
        .largest_call = CALL_MAXIMUM,
        .usually_running = USUALLY_RUNNING,
        .late_ms = LATE_MS,
        .most_running = MOST_RUNNING,
        .send = send_call,
        .hand_out = hand_out,
        .owner = batcher,
    };

    if (batcher != NULL) {
        batcher->statements = statements;
        call_lane_open(&batcher->lane, lanes, &lane);
    }
    return batcher;
}

void request_batcher_submit(struct request_batcher *batcher, const char *const *values, lane_callback *callback,
                            void *context) {
    call_lane_submit(&batcher->lane, values, DATABASE_CALL_TIMEOUT_MS, callback, context);
}

/* ---- sending ---- */

/* array_text writes the call's requests as an array, to be freed; NULL when memory is short. */
static char *array_text(const struct lane_call *call) {
    int value_count = call->lane->settings.one->parameter_count;
    char *text = NULL;
    size_t size = 0, i;
    FILE *out = open_memstream(&text, &size);
    bool written;

    if (out == NULL) {
        return NULL;
    }
    request_array_begin(out);
    for (i = 0; i < call->count; i++) {
        request_array_add(out, call->requests[i]->values, value_count, i);
    }
    request_array_end(out);
    written = ferror(out) == 0;
    if (fclose(out) == 0 && written) {
        return text;
    }
    free(text);
    return NULL;
}

static void count_call(struct request_batcher_statistics *statistics, size_t count) {
    size_t bucket = 0;

    while ((size_t)1 << bucket < count) {
        bucket++;
    }
    statistics->sizes[bucket]++;
    statistics->calls++;
    statistics->requests += count;
}

static bool send_call(struct lane_call *call) {
    struct request_batcher *batcher = call->lane->settings.owner;
    const struct batched_statements *statements = batcher->statements;
    struct database_pool *database = call->lane->settings.database;
    const struct lane_request *first = call->requests[0];

    if (call->count == 1) {
        database_pool_submit(database, statements->one, first->values, lane_request_remaining_ms(first),
                             call_lane_take_answer, call);
    } else {
        char *text = array_text(call);
        const char *values[] = {first->values[0], text};

        if (text == NULL) {
            return false;
        }
        database_pool_submit(database, statements->many, values, BATCH_TIMEOUT_MS, call_lane_take_answer, call);
        free(text);
    }
    count_call(&batcher->statistics, call->count);
    return true;
}

/* ---- answers ---- */

static void ask_alone(struct lane_request *request) {
    struct request_batcher *batcher = request->lane->settings.owner;

    batcher->statistics.repeated_alone++;
    lane_request_ask_alone(request);
}

/* is_undecided tells whether the batch has not answered this request: it ran elsewhere under the same key. */
static bool is_undecided(const PGresult *result, size_t row) {
    return strcmp(PQgetvalue(result, (int)row, COLUMN_STATUS), "0") == 0;
}

/* hand_out_rows gives each request its row. */
static void hand_out_rows(const struct lane_call *call, const struct database_answer *answer) {
    size_t i;

    for (i = 0; i < call->count; i++) {
        if (is_undecided(answer->result, i)) {
            ask_alone(call->requests[i]);
        } else {
            lane_request_finish(call->requests[i], answer, (int)i);
        }
    }
}

/* may_be_repeated tells whether the requests of a call that failed may be asked for alone: nothing of it was committed,
 * or it does no harm to do one of them again. */
static bool may_be_repeated(const struct lane_call *call, const struct database_answer *answer) {
    return answer->outcome == DATABASE_ERROR || call->lane->settings.one->repeatable;
}

/* hand_out_failure: where nothing was executed, or the request was alone already, all get the failure; a fault of one
 * request must not be the others', so else each is asked for alone. */
static void hand_out_failure(const struct lane_call *call, const struct database_answer *answer) {
    bool final = call->count == 1 || answer->outcome == DATABASE_UNAVAILABLE ||
                 answer->outcome == DATABASE_OVERLOADED || !may_be_repeated(call, answer);
    size_t i;

    for (i = 0; i < call->count; i++) {
        if (final) {
            lane_request_finish(call->requests[i], answer, 0);
        } else {
            ask_alone(call->requests[i]);
        }
    }
}

static void hand_out(const struct lane_call *call, const struct database_answer *answer) {
    if (answer->outcome == DATABASE_OK && PQntuples(answer->result) == (int)call->count) {
        hand_out_rows(call, answer);
    } else {
        hand_out_failure(call, answer);
    }
}

struct request_batcher_statistics request_batcher_statistics_of(const struct request_batcher *batcher) {
    struct request_batcher_statistics statistics = batcher->statistics;

    statistics.waiting = batcher->lane.waiting;
    return statistics;
}

void request_batcher_free(struct request_batcher *batcher) {
    free(batcher);
}
