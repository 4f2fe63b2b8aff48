/*
 * Structured logs: one JSON object per line, info to stdout, warn and error to stderr.
 */
#ifndef SHOP_COMMON_LOG_H
#define SHOP_COMMON_LOG_H

#include <jansson.h>
#include <stdbool.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/*
 * log_set_level sets the least level that is written.
 * name: "debug", "info", "warn" or "error". Returns false and changes nothing for any other text.
 */
bool log_set_level(const char *name);

/*
 * log_set_common_fields adds these members to every line from now on (for example {"worker":"payment"}).
 * fields: an object; the reference is taken over. NULL removes them.
 */
void log_set_common_fields(json_t *fields);

/* log_enabled tells whether a line of this level would be written, so that callers can skip building its fields. */
bool log_enabled(enum log_level level);

/*
 * log_event writes one line {"ts":...,"level":...,"event":event, ...fields}.
 * ts is ISO 8601 UTC with milliseconds and Z.
 * fields: an object whose members follow in their order, or NULL; the reference is taken over.
 * Members whose value is JSON null are left out, so callers can pass "where known" values without branching.
 */
void log_event(enum log_level level, const char *event, json_t *fields);

/*
 * log_text makes a JSON string of any text, for example an error message of a library: bytes that are no UTF-8 become
 * '?'. Returns JSON null for NULL (which log_event leaves out). The caller owns the reference.
 */
json_t *log_text(const char *text);

#endif
