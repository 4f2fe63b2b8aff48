#include "reading.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "gateway.h"
#include "metrics.h"
#include "statements.h"
#include "text.h"

/* After this time the primary is asked. */
#define REPLICA_TIMEOUT_MS 2000

#define CALL_MAXIMUM  64   /* reads in one call */
#define WAITING_LIMIT 2048 /* reads of one kind that may wait, a tenth of a second at full speed; more are refused */
#define WAIT_LIMIT_MS 2000 /* and for how long */
#define LANES         8    /* kinds of reads */

/* Two calls of a kind keep two processors of the server at work. When those that run are slow, more start beside them.
 */
#define USUALLY_RUNNING 2
#define LATE_MS         20
#define MOST_RUNNING    8

struct lane;

struct reading {
    struct reading *next;
    struct reading_lanes *lanes;
    const struct reading_statements *statements;
    reading_callback *callback;
    void *context;
    int64_t arrived, deadline; /* clock_monotonic_ms */
    const char *values[];      /* what the statement takes, followed by the texts themselves */
};

/* A call that runs. */
struct lane_call {
    struct lane_call *next;
    struct lane *lane;
    int64_t started;
    size_t count;
    struct reading *readings[CALL_MAXIMUM];
};

/* Reads of one kind. */
struct lane {
    struct reading_lanes *lanes;
    const struct reading_statements *statements;
    struct reading *first, *last; /* waiting, the oldest first */
    int waiting;
    struct lane_call *running;
    int running_count;
};

struct reading_lanes {
    struct gateway *gateway;
    bool ended;
    struct lane lanes[LANES];
};

static void start_calls(struct lane *lane);

struct reading_lanes *reading_lanes_create(struct gateway *gateway) {
    struct reading_lanes *lanes = calloc(1, sizeof(*lanes));

    if (lanes != NULL) {
        lanes->gateway = gateway;
    }
    return lanes;
}

/* reading_create copies the values; NULL when memory is short. */
static struct reading *reading_create(const struct database_statement *statement, const char *const *values) {
    size_t count = (size_t)statement->parameter_count;
    struct reading *reading = calloc(1, sizeof(*reading) + texts_size(values, count));

    if (reading != NULL) {
        texts_copy(reading->values, values, count);
    }
    return reading;
}

/* finish hands over the answer and frees the reading. */
static void finish(struct reading *reading, const struct database_answer *answer, int row) {
    reading->callback(reading->context, answer, row);
    free(reading);
}

static void refuse(struct reading *reading, const char *message) {
    const struct database_answer answer = {.outcome = DATABASE_OVERLOADED, .message = message};

    finish(reading, &answer, 0);
}

static void on_primary(void *context, const struct database_answer *answer) {
    finish(context, answer, 0);
}

/* ask_primary asks for one alone. */
static void ask_primary(struct reading *reading) {
    int left = clock_remaining_ms(reading->deadline, clock_monotonic_ms());

    database_pool_submit(reading->lanes->gateway->database, reading->statements->one, reading->values,
                         left > 0 ? left : 1, on_primary, reading);
}

/* is_found tells whether the replica's row can be passed on. */
static bool is_found(const PGresult *result, int row) {
    return strcmp(PQgetvalue(result, row, COLUMN_STATUS), "404") != 0;
}

/* hand_out gives each reading its row, or asks the primary for it. */
static void hand_out(const struct lane_call *call, const struct database_answer *answer) {
    struct gateway *gateway = call->lane->lanes->gateway;
    bool whole = answer->outcome == DATABASE_OK && PQntuples(answer->result) == (int)call->count;
    size_t i;

    for (i = 0; i < call->count; i++) {
        if (whole && (gateway->replica == NULL || is_found(answer->result, (int)i))) {
            finish(call->readings[i], answer, (int)i);
        } else if (gateway->replica == NULL && call->count == 1) {
            finish(call->readings[i], answer, 0);
        } else {
            if (gateway->replica != NULL) {
                metrics_asked_primary(gateway->metrics);
            }
            ask_primary(call->readings[i]);
        }
    }
}

/* on_answer: the next call leaves before the answers of this one do, so that the database is not kept waiting. */
static void on_answer(void *context, const struct database_answer *answer) {
    struct lane_call *call = context;
    struct lane_call **link = &call->lane->running;

    while (*link != call) {
        link = &(*link)->next;
    }
    *link = call->next;
    call->lane->running_count--;
    start_calls(call->lane);
    hand_out(call, answer);
    free(call);
}

/* send_call sends what was put into the call: to the replica, where there is one, for a limited time. */
static void send_call(struct lane_call *call, const struct database_statement *statement, const char *const *values) {
    const struct gateway *gateway = call->lane->lanes->gateway;
    int left = clock_remaining_ms(call->readings[0]->deadline, clock_monotonic_ms());

    if (gateway->replica != NULL && left > REPLICA_TIMEOUT_MS) {
        left = REPLICA_TIMEOUT_MS;
    }
    database_pool_submit(gateway->replica != NULL ? gateway->replica : gateway->database, statement, values,
                         left > 0 ? left : 1, on_answer, call);
}

/* values_of gives the values after the store as a JSON array. */
static json_t *values_of(const struct reading *reading) {
    json_t *array = json_array();
    int i;

    for (i = 1; i < reading->statements->one->parameter_count; i++) {
        const char *value = reading->values[i];

        json_array_append_new(array, value != NULL ? json_string(value) : json_null());
    }
    return array;
}

/* send_many sends a call of several; false when memory is short. */
static bool send_many(struct lane_call *call) {
    const char *values[] = {call->readings[0]->values[0], NULL};
    json_t *all = json_array();
    char *text;
    size_t i;

    for (i = 0; i < call->count; i++) {
        json_array_append_new(all, values_of(call->readings[i]));
    }
    text = json_array_size(all) == call->count ? json_dumps(all, JSON_COMPACT) : NULL;
    json_decref(all);
    if (text == NULL) {
        return false;
    }
    values[1] = text;
    send_call(call, call->lane->statements->many, values);
    free(text);
    return true;
}

static struct reading *take_waiting(struct lane *lane) {
    struct reading *reading = lane->first;

    lane->first = reading->next;
    if (lane->first == NULL) {
        lane->last = NULL;
    }
    lane->waiting--;
    return reading;
}

/* start_call sends what waits, or as much of it as fits into a call. */
static void start_call(struct lane *lane, int64_t now) {
    struct lane_call *call = calloc(1, sizeof(*call));
    size_t i;

    if (call == NULL) {
        return; /* they wait for the next occasion, or until their time is over */
    }
    call->lane = lane;
    call->started = now;
    do {
        call->readings[call->count++] = take_waiting(lane);
    } while (lane->first != NULL && call->count < CALL_MAXIMUM);
    call->next = lane->running;
    lane->running = call;
    lane->running_count++;
    if (call->count == 1) {
        send_call(call, lane->statements->one, call->readings[0]->values);
    } else if (!send_many(call)) {
        lane->running = call->next;
        lane->running_count--;
        for (i = 0; i < call->count; i++) {
            ask_primary(call->readings[i]);
        }
        free(call);
    }
}

/* may_start tells whether a call may be sent: few run, or those that run are slow. */
static bool may_start(const struct lane *lane, int64_t now) {
    const struct lane_call *call;

    if (lane->running_count < USUALLY_RUNNING || lane->statements->many == NULL) {
        return true;
    }
    for (call = lane->running; call != NULL; call = call->next) {
        if (now - call->started < LATE_MS) {
            return false;
        }
    }
    return lane->running_count < MOST_RUNNING;
}

static void start_calls(struct lane *lane) {
    int64_t now = clock_monotonic_ms();

    while (lane->first != NULL && may_start(lane, now)) {
        start_call(lane, now);
    }
}

/* lane_of gives the lane of these statements; NULL when there are more kinds than lanes. */
static struct lane *lane_of(struct reading_lanes *lanes, const struct reading_statements *statements) {
    int i;

    for (i = 0; i < LANES; i++) {
        struct lane *lane = &lanes->lanes[i];

        if (lane->statements == NULL) {
            lane->lanes = lanes;
            lane->statements = statements;
        }
        if (lane->statements == statements) {
            return lane;
        }
    }
    return NULL;
}

void reading_submit(struct reading_lanes *lanes, const struct reading_statements *statements, const char *const *values,
                    int timeout_ms, reading_callback *callback, void *context) {
    struct lane *lane = lane_of(lanes, statements);
    struct reading *reading = lane != NULL ? reading_create(statements->one, values) : NULL;
    const struct database_answer refusal = {.outcome = DATABASE_OVERLOADED, .message = "too many reads wait"};

    if (reading == NULL || lanes->ended || lane->waiting >= WAITING_LIMIT) {
        free(reading);
        callback(context, &refusal, 0);
        return;
    }
    reading->lanes = lanes;
    reading->statements = statements;
    reading->callback = callback;
    reading->context = context;
    reading->arrived = clock_monotonic_ms();
    reading->deadline = reading->arrived + timeout_ms;
    if (lane->last != NULL) {
        lane->last->next = reading;
    } else {
        lane->first = reading;
    }
    lane->last = reading;
    lane->waiting++;
    start_calls(lane);
}

/* lane_timer gives the time at which the lane has something to do, -1 for never. */
static int64_t lane_timer(const struct lane *lane) {
    const struct lane_call *call;
    int64_t newest = 0;
    int64_t next;

    if (lane->first == NULL) {
        return -1;
    }
    next = lane->first->arrived + WAIT_LIMIT_MS;
    for (call = lane->running; call != NULL; call = call->next) {
        newest = call->started > newest ? call->started : newest;
    }
    return lane->running_count < MOST_RUNNING && newest + LATE_MS < next ? newest + LATE_MS : next;
}

int reading_lanes_timeout_ms(const struct reading_lanes *lanes) {
    int64_t next = -1;
    int i;

    for (i = 0; i < LANES; i++) {
        int64_t timer = lane_timer(&lanes->lanes[i]);

        next = next < 0 || (timer >= 0 && timer < next) ? timer : next;
    }
    return next < 0 ? -1 : clock_remaining_ms(next, clock_monotonic_ms());
}

void reading_lanes_process(struct reading_lanes *lanes) {
    int64_t now = clock_monotonic_ms();
    int i;

    for (i = 0; i < LANES; i++) {
        struct lane *lane = &lanes->lanes[i];

        start_calls(lane);
        while (lane->first != NULL && lane->first->arrived + WAIT_LIMIT_MS <= now) {
            refuse(take_waiting(lane), "the calls before did not finish in time");
        }
    }
}

int reading_lanes_waiting(const struct reading_lanes *lanes) {
    int waiting = 0;
    int i;

    for (i = 0; i < LANES; i++) {
        waiting += lanes->lanes[i].waiting;
    }
    return waiting;
}

void reading_lanes_end(struct reading_lanes *lanes) {
    int i;

    if (lanes == NULL) {
        return;
    }
    lanes->ended = true;
    for (i = 0; i < LANES; i++) {
        while (lanes->lanes[i].first != NULL) {
            refuse(take_waiting(&lanes->lanes[i]), "the gateway is stopping");
        }
    }
}

void reading_lanes_free(struct reading_lanes *lanes) {
    free(lanes);
}
