#include "cors.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define LONGEST_HEADER_LIST 1024

/* next_origin cuts the next entry, without blanks around it, off the list at *cursor; returns false at the end. */
static bool next_origin(const char **cursor, const char **start, size_t *length) {
    const char *at = *cursor;

    if (*at == '\0') {
        return false;
    }
    *length = strcspn(at, ",");
    *cursor = at[*length] == ',' ? at + *length + 1 : at + *length;
    while (*length > 0 && *at == ' ') {
        at++;
        (*length)--;
    }
    while (*length > 0 && at[*length - 1] == ' ') {
        (*length)--;
    }
    *start = at;
    return true;
}

static bool starts_with(const char *text, size_t length, const char *prefix) {
    return length > strlen(prefix) && strncasecmp(text, prefix, strlen(prefix)) == 0;
}

/* origin_valid tells whether length characters are scheme://host[:port] without path, user or blanks. */
static bool origin_valid(const char *origin, size_t length) {
    size_t start, i;

    if (starts_with(origin, length, "https://")) {
        start = 8;
    } else if (starts_with(origin, length, "http://")) {
        start = 7;
    } else {
        return false;
    }
    for (i = start; i < length; i++) {
        if (!isalnum((unsigned char)origin[i]) && strchr(".-:[]", origin[i]) == NULL) {
            return false;
        }
    }
    return true;
}

bool cors_origins_valid(const char *origins) {
    const char *start;
    size_t length;

    if (strcmp(origins, "*") == 0) {
        return true;
    }
    while (next_origin(&origins, &start, &length)) {
        if (!origin_valid(start, length)) {
            return false;
        }
    }
    return true;
}

const char *cors_allowed_origin(const char *origins, const char *origin) {
    const char *start;
    size_t length;

    if (strcmp(origins, "*") == 0) {
        return origins;
    }
    while (origin != NULL && next_origin(&origins, &start, &length)) {
        if (strlen(origin) == length && strncasecmp(start, origin, length) == 0) {
            return origin;
        }
    }
    return NULL;
}

bool cors_varies_by_origin(const char *origins) {
    return strcmp(origins, "*") != 0;
}

const char *cors_request_headers(const char *asked) {
    size_t i;

    if (asked == NULL || *asked == '\0' || strlen(asked) > LONGEST_HEADER_LIST) {
        return CORS_REQUEST_HEADERS;
    }
    for (i = 0; asked[i] != '\0'; i++) {
        if (!isalnum((unsigned char)asked[i]) && strchr("-_, ", asked[i]) == NULL) {
            return CORS_REQUEST_HEADERS;
        }
    }
    return asked;
}
