#include "errmap.h"

#include <string.h>

#define BUSY_MESSAGE      "The server is busy, please try again"
#define NOT_READY_MESSAGE "The database is not ready for this version of the service"

/* Exact codes before classes; SH001 to SH005 are raised by the extension. */
static const struct error_mapping table[] = {
    {"22021", 400, "invalid_text", "The request holds characters that cannot be stored", NO_RETRY},
    {"22P05", 400, "invalid_text", "The request holds characters that cannot be stored", NO_RETRY},
    {"22003", 400, "number_out_of_range", "A number of the request is out of range", NO_RETRY},
    {"25006", 503, "database_read_only", "The database does not accept changes at the moment", 1},
    {"40001", 503, "busy", BUSY_MESSAGE, 1},
    {"40P01", 503, "busy", BUSY_MESSAGE, 1},
    {"42501", 500, "internal_error", "Internal server error", NO_RETRY},
    {"42883", 503, "not_migrated", NOT_READY_MESSAGE, 5},
    {"3F000", 503, "not_migrated", NOT_READY_MESSAGE, 5},
    {"55P03", 503, "busy", BUSY_MESSAGE, 1},
    {"57014", 503, "timeout", "The request took too long and was cancelled", 1},
    {"SH001", 503, "not_migrated", NOT_READY_MESSAGE, 5},
    {"SH002", 503, "version_mismatch", NOT_READY_MESSAGE, 5},
    {"SH003", 500, "invariant_lost", "Internal server error", NO_RETRY},
    {"SH004", 500, "internal_error", "Internal server error", NO_RETRY},
    {"SH005", 500, "internal_error", "Internal server error", NO_RETRY},
    {"08", 503, "database_unavailable", "Database unavailable", 1},
    {"53", 503, "overloaded", BUSY_MESSAGE, 1},
    {"57", 503, "database_unavailable", "Database unavailable", 1},
    {"58", 503, "database_unavailable", "Database unavailable", 1},
};

static const struct error_mapping unknown = {"XX000", 500, "internal_error", "Internal server error", NO_RETRY};

static const struct error_mapping unavailable = {"", 503, "database_unavailable", "Database unavailable", 1};

static const struct error_mapping overloaded = {"", 503, "overloaded", BUSY_MESSAGE, 1};

static const struct error_mapping timed_out = {"", 503, "timeout", "The request took too long and was cancelled", 1};

static const struct error_mapping outcome_unknown = {
    "", 503, "outcome_unknown", "The database did not confirm the change: it may or may not have been made", 1};

const struct error_mapping *errmap_of_sqlstate(const char *sqlstate) {
    size_t i;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (strncmp(table[i].sqlstate, sqlstate, strlen(table[i].sqlstate)) == 0) {
            return &table[i];
        }
    }
    return &unknown;
}

const struct error_mapping *errmap_of_answer(const struct database_answer *answer, bool repeatable) {
    switch (answer->outcome) {
    case DATABASE_OK:
    case DATABASE_ERROR:
        break;
    case DATABASE_UNAVAILABLE:
        return &unavailable;
    case DATABASE_OVERLOADED:
        return &overloaded;
    case DATABASE_TIMEOUT:
        return repeatable ? &timed_out : &outcome_unknown;
    case DATABASE_LOST:
        return repeatable ? &unavailable : &outcome_unknown;
    }
    return errmap_of_sqlstate(answer->sqlstate);
}

const struct error_mapping *errmap_all(size_t *count) {
    *count = sizeof(table) / sizeof(table[0]);
    return table;
}
