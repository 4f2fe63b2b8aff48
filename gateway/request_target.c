#include "request_target.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "text.h"

static int hex_value(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/*
 * decode copies length characters to *out with percent escapes resolved and a closing NUL, and moves *out behind it.
 * plus_is_blank: '+' stands for a blank, as in forms. Returns the copy, or NULL when it is not well-formed.
 */
static const char *decode(const char *text, size_t length, bool plus_is_blank, char **out) {
    const char *end = text + length;
    char *start = *out;
    char *to = start;

    for (; text < end; text++) {
        if (*text != '%') {
            *to++ = (char)(plus_is_blank && *text == '+' ? ' ' : *text);
        } else if (end - text > 2 && hex_value(text[1]) >= 0 && hex_value(text[2]) >= 0) {
            *to++ = (char)(hex_value(text[1]) * 16 + hex_value(text[2]));
            text += 2;
        } else {
            return NULL;
        }
    }
    *to = '\0';
    *out = to + 1;
    if (memchr(start, '\0', (size_t)(to - start)) != NULL || !text_is_utf8(start, (size_t)(to - start))) {
        return NULL;
    }
    return start;
}

/* skip_authority moves past "http://authority" of an absolute-form target. */
static const char *skip_authority(const char *text) {
    const char *rest;

    if (strncasecmp(text, "http://", 7) == 0) {
        rest = text + 7;
    } else if (strncasecmp(text, "https://", 8) == 0) {
        rest = text + 8;
    } else {
        return text;
    }
    rest += strcspn(rest, "/?");
    return *rest == '\0' ? "/" : rest;
}

static bool has_control_characters(const char *text) {
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text <= ' ' || *text == 0x7f) {
            return true;
        }
    }
    return false;
}

/* parse_path splits length characters at '/'. One slash at the end is ignored, as web frameworks do. */
static bool parse_path(const char *path, size_t length, struct request_target *target, char **out) {
    const char *end = path + length;

    while (path < end) {
        size_t size;

        path++; /* the slash before the segment */
        size = (size_t)(end - path);
        if (memchr(path, '/', size) != NULL) {
            size = (size_t)((const char *)memchr(path, '/', size) - path);
        } else if (size == 0) {
            break;
        }
        if (target->segment_count == TARGET_MAXIMUM_SEGMENTS) {
            target->too_many_segments = true;
            return true;
        }
        target->segments[target->segment_count] = decode(path, size, false, out);
        if (target->segments[target->segment_count++] == NULL) {
            return false;
        }
        path += size;
    }
    return true;
}

/* parse_parameter reads "name=value" or "name". */
static bool parse_parameter(const char *text, size_t length, struct query_parameter *parameter, char **out) {
    const char *equals = memchr(text, '=', length);
    size_t name_length = equals != NULL ? (size_t)(equals - text) : length;
    size_t value_start = equals != NULL ? name_length + 1 : length;

    parameter->name = decode(text, name_length, true, out);
    parameter->value = decode(text + value_start, length - value_start, true, out);
    return parameter->name != NULL && parameter->value != NULL;
}

static bool parse_query(const char *query, struct request_target *target, char **out) {
    while (*query != '\0') {
        size_t length = strcspn(query, "&");

        if (length > 0) {
            if (target->parameter_count == TARGET_MAXIMUM_PARAMETERS ||
                !parse_parameter(query, length, &target->parameters[target->parameter_count++], out)) {
                return false;
            }
        }
        query += length;
        query += *query == '&' ? 1 : 0;
    }
    return true;
}

/* count_at_most tells how often c stands in the text, up to a limit. */
static size_t count_at_most(const char *text, char c, size_t limit) {
    size_t count = 0;

    for (; *text != '\0' && count < limit; text++) {
        count += *text == c;
    }
    return count;
}

/*
 * make_room allocates what the parts of a path with its query need, and gives the place of their texts; NULL when
 * memory is short. Each segment and parameter needs at most its own length and a NUL, for which its separator leaves
 * room; a parameter without '=' needs one more.
 */
static char *make_room(const char *path, struct request_target *target) {
    size_t segments = count_at_most(path, '/', TARGET_MAXIMUM_SEGMENTS);
    size_t parameters = 1 + count_at_most(path, '&', TARGET_MAXIMUM_PARAMETERS - 1);
    size_t tables = parameters * sizeof(*target->parameters) + segments * sizeof(*target->segments);

    target->decoded = malloc(tables + strlen(path) * 2 + 4);
    if (target->decoded == NULL) {
        return NULL;
    }
    target->parameters = target->decoded;
    target->segments = (const char **)(target->parameters + parameters);
    return (char *)(target->segments + segments);
}

const char *request_target_parse(const char *text, struct request_target *target) {
    const char *path = skip_authority(text);
    size_t path_length = strcspn(path, "?");
    char *out;

    memset(target, 0, sizeof(*target));
    target->path = strndup(path, path_length);
    out = make_room(path, target);
    if (target->path == NULL || out == NULL) {
        return "The request target cannot be read";
    }
    text_replace_bad_utf8(target->path, path_length);
    if (has_control_characters(text) || (*path != '/' && strcmp(path, "*") != 0)) {
        return "The path is not well-formed";
    }
    if (*path == '/' && !parse_path(path, path_length, target, &out)) {
        return "The path is not well-formed";
    }
    if (path[path_length] == '?' && !parse_query(path + path_length + 1, target, &out)) {
        return "The query is not well-formed";
    }
    return NULL;
}

void request_target_free(struct request_target *target) {
    free(target->path);
    free(target->decoded);
    target->path = NULL;
    target->decoded = NULL;
}

void request_target_parameter(const struct request_target *target, const char *name, const char **value,
                              bool *repeated) {
    size_t i;

    *value = NULL;
    *repeated = false;
    for (i = 0; i < target->parameter_count; i++) {
        if (strcmp(target->parameters[i].name, name) == 0) {
            *repeated = *value != NULL;
            *value = target->parameters[i].value;
            if (*repeated) {
                return;
            }
        }
    }
}
