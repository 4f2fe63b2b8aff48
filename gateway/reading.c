#include "reading.h"

#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "call_lane.h"
#include "gateway.h"
#include "metrics.h"
#include "statements.h"

/* After this time the primary is asked. */
#define REPLICA_TIMEOUT_MS 2000

/* Two calls of a kind keep two processors of the server at work. */
#define USUALLY_RUNNING 2
#define LATE_MS         20
#define MOST_RUNNING    8

/* Reads of one kind. */
struct reading_lane {
    struct reading_lane *next;
    struct call_lane lane;
    struct gateway *gateway;
    const struct reading_statements *statements;
};

struct reading_lanes {
    struct gateway *gateway;
    struct reading_lane *first;
};

static bool send_call(struct lane_call *call);
static void hand_out(const struct lane_call *call, const struct database_answer *answer);

struct reading_lanes *reading_lanes_create(struct gateway *gateway) {
    struct reading_lanes *lanes = calloc(1, sizeof(*lanes));

    if (lanes != NULL) {
        lanes->gateway = gateway;
    }
    return lanes;
}

/* open_lane makes a lane for these statements; NULL when memory is short. Reads that cannot share a call do not wait
 * for each other. */
static struct reading_lane *open_lane(struct reading_lanes *lanes, const struct reading_statements *statements) {
    struct reading_lane *lane = calloc(1, sizeof(*lane));
    bool shared = statements->many != NULL;
    struct lane_settings settings = {
        .database = lanes->gateway->database,
        .one = statements->one,
        .largest_call = shared ? CALL_MAXIMUM : 1,
        .usually_running = shared ? USUALLY_RUNNING : INT_MAX,
        .late_ms = LATE_MS,
        .most_running = shared ? MOST_RUNNING : INT_MAX,
        .send = send_call,
        .hand_out = hand_out,
        .owner = lane,
    };

    if (lane != NULL) {
        lane->gateway = lanes->gateway;
        lane->statements = statements;
        lane->next = lanes->first;
        lanes->first = lane;
        call_lane_open(&lane->lane, &lanes->gateway->lanes, &settings);
    }
    return lane;
}

/* lane_of gives the lane of these statements; NULL when memory is short. */
static struct reading_lane *lane_of(struct reading_lanes *lanes, const struct reading_statements *statements) {
    struct reading_lane *lane = lanes->first;

    while (lane != NULL && lane->statements != statements) {
        lane = lane->next;
    }
    return lane != NULL ? lane : open_lane(lanes, statements);
}

void reading_submit(struct reading_lanes *lanes, const struct reading_statements *statements, const char *const *values,
                    int timeout_ms, lane_callback *callback, void *context) {
    struct reading_lane *lane = lane_of(lanes, statements);
    const struct database_answer refusal = {.outcome = DATABASE_OVERLOADED, .message = "out of memory"};

    if (lane == NULL) {
        callback(context, &refusal, 0);
    } else {
        call_lane_submit(&lane->lane, values, timeout_ms, callback, context);
    }
}

/* ---- sending ---- */

/* values_of gives the values after the store as a JSON array. */
static json_t *values_of(const struct lane_request *request) {
    json_t *array = json_array();
    int i;

    for (i = 1; i < request->lane->settings.one->parameter_count; i++) {
        const char *value = request->values[i];

        json_array_append_new(array, value != NULL ? json_string(value) : json_null());
    }
    return array;
}

/* array_text writes the call's reads as a JSON array, to be freed; NULL when memory is short. */
static char *array_text(const struct lane_call *call) {
    json_t *all = json_array();
    char *text;
    size_t i;

    for (i = 0; i < call->count; i++) {
        json_array_append_new(all, values_of(call->requests[i]));
    }
    text = json_array_size(all) == call->count ? json_dumps(all, JSON_COMPACT) : NULL;
    json_decref(all);
    return text;
}

/* submit sends a statement to the replica, where there is one that is connected, for a limited time; else to the
 * primary. So nobody waits for a replica that is away, and its reads reach the primary many in a call. */
static void submit(struct lane_call *call, const struct database_statement *statement, const char *const *values) {
    const struct reading_lane *lane = call->lane->settings.owner;
    const struct gateway *gateway = lane->gateway;
    bool from_replica = gateway->replica != NULL && database_pool_connected(gateway->replica);
    int left = lane_request_remaining_ms(call->requests[0]);

    if (from_replica && left > REPLICA_TIMEOUT_MS) {
        left = REPLICA_TIMEOUT_MS;
    }
    if (!from_replica && gateway->replica != NULL) {
        metrics_asked_primary(gateway->metrics, call->count);
    }
    call->asked = from_replica ? gateway->replica : gateway->database;
    database_pool_submit(call->asked, statement, values, left, call_lane_take_answer, call);
}

static bool send_call(struct lane_call *call) {
    const struct reading_lane *lane = call->lane->settings.owner;
    const struct lane_request *first = call->requests[0];

    if (call->count == 1) {
        submit(call, lane->statements->one, first->values);
    } else {
        char *text = array_text(call);
        const char *values[] = {first->values[0], text};

        if (text == NULL) {
            return false;
        }
        submit(call, lane->statements->many, values);
        free(text);
    }
    return true;
}

/* ---- answers ---- */

/* is_found tells whether the replica's row can be passed on. */
static bool is_found(const PGresult *result, int row) {
    return strcmp(PQgetvalue(result, row, COLUMN_STATUS), "404") != 0;
}

/* hand_out gives each read its row, or asks the primary for it. */
static void hand_out(const struct lane_call *call, const struct database_answer *answer) {
    const struct reading_lane *lane = call->lane->settings.owner;
    const struct gateway *gateway = lane->gateway;
    bool whole = answer->outcome == DATABASE_OK && PQntuples(answer->result) == (int)call->count;
    bool from_primary = call->asked == gateway->database;
    size_t i;

    for (i = 0; i < call->count; i++) {
        if (whole && (from_primary || is_found(answer->result, (int)i))) {
            lane_request_finish(call->requests[i], answer, (int)i);
        } else if (from_primary && call->count == 1) {
            lane_request_finish(call->requests[i], answer, 0);
        } else {
            metrics_asked_primary(gateway->metrics, from_primary ? 0 : 1);
            lane_request_ask_alone(call->requests[i]);
        }
    }
}

int reading_lanes_waiting(const struct reading_lanes *lanes) {
    const struct reading_lane *lane;
    int waiting = 0;

    for (lane = lanes->first; lane != NULL; lane = lane->next) {
        waiting += lane->lane.waiting;
    }
    return waiting;
}

void reading_lanes_free(struct reading_lanes *lanes) {
    while (lanes != NULL && lanes->first != NULL) {
        struct reading_lane *lane = lanes->first;

        lanes->first = lane->next;
        free(lane);
    }
    free(lanes);
}
