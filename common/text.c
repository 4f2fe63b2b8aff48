#include "text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool text_to_int64(const char *text, int64_t minimum, int64_t maximum, int64_t *out) {
    const char *digits = *text == '-' ? text + 1 : text;
    const char *cursor = digits;
    long long number;

    while (*cursor >= '0' && *cursor <= '9') {
        cursor++;
    }
    if (cursor == digits || *cursor != '\0') {
        return false;
    }
    errno = 0;
    number = strtoll(text, NULL, 10);
    if (errno == ERANGE || number < minimum || number > maximum) {
        return false;
    }
    *out = number;
    return true;
}

bool text_to_double(const char *text, double *out) {
    const char *cursor = *text == '-' ? text + 1 : text;
    int digits = 0;

    for (; *cursor >= '0' && *cursor <= '9'; cursor++) {
        digits++;
    }
    if (digits > 0 && *cursor == '.') {
        cursor++;
        for (digits = 0; *cursor >= '0' && *cursor <= '9'; cursor++) {
            digits++;
        }
    }
    if (digits == 0 || *cursor != '\0') {
        return false;
    }
    *out = strtod(text, NULL);
    return true;
}

/* sequence_length gives the length of the well-formed UTF-8 sequence at the start of text, or 0. */
static size_t sequence_length(const unsigned char *text, size_t size) {
    unsigned char low = 0x80, high = 0xbf;
    size_t length, i;

    if (text[0] < 0x80) {
        return 1;
    }
    if (text[0] >= 0xc2 && text[0] <= 0xdf) {
        length = 2;
    } else if (text[0] >= 0xe0 && text[0] <= 0xef) {
        length = 3;
        low = text[0] == 0xe0 ? 0xa0 : 0x80;
        high = text[0] == 0xed ? 0x9f : 0xbf;
    } else if (text[0] >= 0xf0 && text[0] <= 0xf4) {
        length = 4;
        low = text[0] == 0xf0 ? 0x90 : 0x80;
        high = text[0] == 0xf4 ? 0x8f : 0xbf;
    } else {
        return 0;
    }
    if (size < length || text[1] < low || text[1] > high) {
        return 0;
    }
    for (i = 2; i < length; i++) {
        if (text[i] < 0x80 || text[i] > 0xbf) {
            return 0;
        }
    }
    return length;
}

bool text_is_utf8(const char *text, size_t size) {
    size_t at = 0;

    while (at < size) {
        size_t length = sequence_length((const unsigned char *)text + at, size - at);

        if (length == 0) {
            return false;
        }
        at += length;
    }
    return true;
}

void text_replace_bad_utf8(char *text, size_t size) {
    size_t at = 0;

    while (at < size) {
        size_t length = sequence_length((const unsigned char *)text + at, size - at);

        if (length == 0) {
            text[at] = '?';
            length = 1;
        }
        at += length;
    }
}

size_t texts_size(const char *const *texts, size_t count) {
    size_t size = count * sizeof(char *);
    size_t i;

    for (i = 0; i < count; i++) {
        size += texts[i] != NULL ? strlen(texts[i]) + 1 : 0;
    }
    return size;
}

void texts_copy(const char **place, const char *const *texts, size_t count) {
    char *end = (char *)(place + count);
    size_t i;

    for (i = 0; i < count; i++) {
        size_t size = texts[i] != NULL ? strlen(texts[i]) + 1 : 0;

        place[i] = texts[i] != NULL ? memcpy(end, texts[i], size) : NULL;
        end += size;
    }
}
