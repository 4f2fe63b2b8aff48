#include "call_lane.h"

#include <stdint.h>
#include <stdlib.h>

#include "clock.h"
#include "text.h"

#define WAITING_LIMIT 2048 /* requests that may wait in a lane, a tenth to a third of a second at full speed */
#define WAIT_LIMIT_MS 2000 /* and for how long */

/* A call with so many bytes of values, before they are quoted, takes no more, so that it is sent at once. */
#define CALL_SIZE_LIMIT ((size_t)128 * 1024)

#define ENDED_MESSAGE "the gateway is stopping"

static void start_calls(struct call_lane *lane);

void call_lane_open(struct call_lane *lane, struct call_lanes *all, const struct lane_settings *settings) {
    lane->settings = *settings;
    lane->all = all;
    lane->next = all->first;
    all->first = lane;
}

/* ---- single requests ---- */

/* create_request copies the values; NULL when memory is short. */
static struct lane_request *create_request(const struct database_statement *statement, const char *const *values) {
    size_t count = (size_t)statement->parameter_count;
    size_t size = texts_size(values, count);
    struct lane_request *request = calloc(1, sizeof(*request) + size);

    if (request != NULL) {
        request->size = size;
        texts_copy(request->values, values, count);
    }
    return request;
}

static void refuse(lane_callback *callback, void *context, enum database_outcome outcome, const char *message) {
    const struct database_answer answer = {.outcome = outcome, .message = message};

    callback(context, &answer, 0);
}

void lane_request_finish(struct lane_request *request, const struct database_answer *answer, int row) {
    request->callback(request->context, answer, row);
    free(request);
}

int lane_request_remaining_ms(const struct lane_request *request) {
    int left = clock_remaining_ms(request->deadline, clock_monotonic_ms());

    return left > 0 ? left : 1;
}

static void take_own_answer(void *context, const struct database_answer *answer) {
    lane_request_finish(context, answer, 0);
}

void lane_request_ask_alone(struct lane_request *request) {
    const struct lane_settings *settings = &request->lane->settings;

    database_pool_submit(settings->database, settings->one, request->values, lane_request_remaining_ms(request),
                         take_own_answer, request);
}

/* ---- the line ---- */

static struct lane_request *take_first(struct call_lane *lane) {
    struct lane_request *request = lane->first;

    lane->first = request->next;
    if (lane->first == NULL) {
        lane->last = NULL;
    }
    lane->waiting--;
    return request;
}

static void refuse_first(struct call_lane *lane, enum database_outcome outcome, const char *message) {
    struct lane_request *request = take_first(lane);

    refuse(request->callback, request->context, outcome, message);
    free(request);
}

void call_lane_submit(struct call_lane *lane, const char *const *values, int timeout_ms, lane_callback *callback,
                      void *context) {
    struct lane_request *request;

    if (lane->all->ended) {
        refuse(callback, context, DATABASE_UNAVAILABLE, ENDED_MESSAGE);
        return;
    }
    if (lane->waiting >= WAITING_LIMIT) {
        refuse(callback, context, DATABASE_OVERLOADED, "too many requests of this kind wait for their turn");
        return;
    }
    request = create_request(lane->settings.one, values);
    if (request == NULL) {
        refuse(callback, context, DATABASE_OVERLOADED, "out of memory");
        return;
    }
    request->lane = lane;
    request->callback = callback;
    request->context = context;
    request->arrived = clock_monotonic_ms();
    request->deadline = request->arrived + timeout_ms;
    if (lane->last != NULL) {
        lane->last->next = request;
    } else {
        lane->first = request;
    }
    lane->last = request;
    lane->waiting++;
    start_calls(lane);
}

/* ---- calls ---- */

/* board fills a call with those that wait, or as many as fit. */
static void board(struct lane_call *call) {
    struct call_lane *lane = call->lane;
    size_t size = 0;

    do {
        struct lane_request *request = take_first(lane);

        call->requests[call->count++] = request;
        size += request->size;
    } while (lane->first != NULL && call->count < lane->settings.largest_call && size < CALL_SIZE_LIMIT);
}

/* remove_call takes the call out of those that run. */
static void remove_call(const struct lane_call *call) {
    struct lane_call **link = &call->lane->running;

    while (*link != call) {
        link = &(*link)->next;
    }
    *link = call->next;
    call->lane->running_count--;
}

static void start_call(struct call_lane *lane, int64_t now) {
    struct lane_call *call = calloc(1, sizeof(*call));
    size_t i;

    lane->last_start = now;
    if (call == NULL) {
        return; /* for want of memory they wait for the next occasion, or until their time is over */
    }
    call->lane = lane;
    call->started = now;
    call->next = lane->running;
    lane->running = call;
    lane->running_count++;
    board(call);
    if (!lane->settings.send(call)) {
        remove_call(call);
        for (i = 0; i < call->count; i++) {
            lane_request_ask_alone(call->requests[i]);
        }
        free(call);
    }
}

/* may_start tells whether a call may be sent: few run, or those that run are late. */
static bool may_start(const struct call_lane *lane, int64_t now) {
    const struct lane_call *call;

    if (lane->running_count < lane->settings.usually_running) {
        return true;
    }
    for (call = lane->running; call != NULL; call = call->next) {
        if (now - call->started < lane->settings.late_ms) {
            return false;
        }
    }
    return lane->running_count < lane->settings.most_running;
}

static void start_calls(struct call_lane *lane) {
    int64_t now = clock_monotonic_ms();
    const struct lane_request *first = NULL;

    /* The same one first as before: there was no memory for its call. */
    while (lane->first != NULL && lane->first != first && may_start(lane, now)) {
        first = lane->first;
        start_call(lane, now);
    }
}

/* The next call leaves before the answers of this one do, so that the database is not kept waiting. */
void call_lane_take_answer(void *context, const struct database_answer *answer) {
    struct lane_call *call = context;

    remove_call(call);
    start_calls(call->lane);
    call->lane->settings.hand_out(call, answer);
    free(call);
}

/* ---- all lanes ---- */

/* due_time gives when the lane has something to do, on clock_monotonic_ms; INT64_MAX for never. */
static int64_t due_time(const struct call_lane *lane) {
    int64_t give_up, start = lane->last_start + lane->settings.late_ms;

    if (lane->first == NULL) {
        return INT64_MAX;
    }
    give_up = lane->first->arrived + WAIT_LIMIT_MS;
    return lane->running_count < lane->settings.most_running && start < give_up ? start : give_up;
}

int call_lanes_timeout_ms(const struct call_lanes *lanes) {
    const struct call_lane *lane;
    int64_t next = INT64_MAX;

    for (lane = lanes->first; lane != NULL; lane = lane->next) {
        int64_t due = due_time(lane);

        next = due < next ? due : next;
    }
    return next == INT64_MAX ? -1 : clock_remaining_ms(next, clock_monotonic_ms());
}

void call_lanes_process(struct call_lanes *lanes) {
    int64_t now = clock_monotonic_ms();
    struct call_lane *lane;

    for (lane = lanes->first; lane != NULL; lane = lane->next) {
        start_calls(lane);
        while (lane->first != NULL && lane->first->arrived + WAIT_LIMIT_MS <= now) {
            refuse_first(lane, DATABASE_OVERLOADED, "the calls before did not finish in time");
        }
    }
}

void call_lanes_end(struct call_lanes *lanes) {
    struct call_lane *lane;

    lanes->ended = true;
    for (lane = lanes->first; lane != NULL; lane = lane->next) {
        while (lane->first != NULL) {
            refuse_first(lane, DATABASE_UNAVAILABLE, ENDED_MESSAGE);
        }
    }
}
