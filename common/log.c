#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "text.h"

static const char *const level_names[] = {"debug", "info", "warn", "error"};

static enum log_level least_level = LOG_INFO;
static json_t *common_fields;

bool log_set_level(const char *name) {
    size_t i;

    for (i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
        if (strcmp(name, level_names[i]) == 0) {
            least_level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

void log_set_common_fields(json_t *fields) {
    json_decref(common_fields);
    common_fields = fields;
}

bool log_enabled(enum log_level level) {
    return level >= least_level;
}

/* add_fields copies the members of fields that are not null to line. */
static void add_fields(json_t *line, json_t *fields) {
    const char *name;
    json_t *value;

    json_object_foreach(fields, name, value) {
        if (!json_is_null(value)) {
            json_object_set(line, name, value);
        }
    }
}

/* write_line writes the object and a line end with one call, so that lines of several processes on one pipe stay whole
 * as long as they are shorter than the pipe's atomic size. */
static void write_line(FILE *out, const json_t *line) {
    char *text = json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(15));
    size_t length;
    char *with_end;

    if (text == NULL) {
        return;
    }
    length = strlen(text);
    with_end = realloc(text, length + 2);
    if (with_end == NULL) {
        free(text);
        return;
    }
    with_end[length] = '\n';
    with_end[length + 1] = '\0';
    fwrite(with_end, 1, length + 1, out);
    fflush(out);
    free(with_end);
}

void log_event(enum log_level level, const char *event, json_t *fields) {
    char now[CLOCK_ISO_TEXT_SIZE];
    json_t *line;

    if (!log_enabled(level)) {
        json_decref(fields);
        return;
    }
    clock_iso_text(now);
    line = json_pack("{s:s,s:s,s:s}", "ts", now, "level", level_names[level], "event", event);
    if (line != NULL) {
        add_fields(line, common_fields);
        add_fields(line, fields);
        write_line(level >= LOG_WARN ? stderr : stdout, line);
    }
    json_decref(line);
    json_decref(fields);
}

json_t *log_text(const char *text) {
    json_t *value;
    char *copy;

    if (text == NULL) {
        return json_null();
    }
    copy = strdup(text);
    if (copy == NULL) {
        return json_null();
    }
    text_replace_bad_utf8(copy, strlen(copy));
    value = json_string(copy);
    free(copy);
    return value != NULL ? value : json_null();
}
