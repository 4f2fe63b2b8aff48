#include "reading.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "gateway.h"
#include "metrics.h"
#include "statements.h"

/* After this time the primary is asked. */
#define REPLICA_TIMEOUT_MS 2000

struct reading {
    struct gateway *gateway;
    const struct database_statement *statement;
    database_callback *callback;
    void *context;
    int64_t deadline;     /* clock_monotonic_ms */
    const char *values[]; /* what the statement takes, followed by the texts themselves */
};

/* reading_create copies the values; NULL when memory is short. */
static struct reading *reading_create(const struct database_statement *statement, const char *const *values) {
    size_t count = (size_t)statement->parameter_count;
    size_t size = sizeof(struct reading) + count * sizeof(char *);
    struct reading *reading;
    char *text;
    size_t i;

    for (i = 0; i < count; i++) {
        size += values[i] != NULL ? strlen(values[i]) + 1 : 0;
    }
    reading = calloc(1, size);
    if (reading == NULL) {
        return NULL;
    }
    text = (char *)(reading->values + count);
    for (i = 0; i < count; i++) {
        if (values[i] != NULL) {
            reading->values[i] = memcpy(text, values[i], strlen(values[i]) + 1);
            text += strlen(values[i]) + 1;
        }
    }
    return reading;
}

/* is_found tells whether the replica's answer can be passed on. */
static bool is_found(const struct database_answer *answer) {
    return answer->outcome == DATABASE_OK && PQntuples(answer->result) == 1 &&
           strcmp(PQgetvalue(answer->result, 0, COLUMN_STATUS), "404") != 0;
}

static void on_replica_answer(void *context, const struct database_answer *answer) {
    struct reading *reading = context;
    struct gateway *gateway = reading->gateway;

    if (is_found(answer)) {
        reading->callback(reading->context, answer);
    } else {
        metrics_asked_primary(gateway->metrics);
        database_pool_submit(gateway->database, reading->statement, reading->values,
                             clock_remaining_ms(reading->deadline, clock_monotonic_ms()), reading->callback,
                             reading->context);
    }
    free(reading);
}

void reading_submit(struct gateway *gateway, const struct database_statement *statement, const char *const *values,
                    int timeout_ms, database_callback *callback, void *context) {
    struct reading *reading = gateway->replica != NULL ? reading_create(statement, values) : NULL;

    if (reading == NULL) {
        database_pool_submit(gateway->database, statement, values, timeout_ms, callback, context);
        return;
    }
    reading->gateway = gateway;
    reading->statement = statement;
    reading->callback = callback;
    reading->context = context;
    reading->deadline = clock_monotonic_ms() + timeout_ms;
    database_pool_submit(gateway->replica, statement, reading->values,
                         timeout_ms < REPLICA_TIMEOUT_MS ? timeout_ms : REPLICA_TIMEOUT_MS, on_replica_answer, reading);
}
