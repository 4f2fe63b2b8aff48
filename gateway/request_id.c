#include "request_id.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "random.h"

static bool is_id_character(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("._:-", c) != NULL);
}

void request_id_choose(const char *given, char out[REQUEST_ID_SIZE]) {
    size_t length = 0;

    if (given != NULL) {
        while (length <= REQUEST_ID_MAXIMUM && is_id_character(given[length])) {
            length++;
        }
    }
    if (length == 0 || length > REQUEST_ID_MAXIMUM || given[length] != '\0') {
        random_uuid(out);
        return;
    }
    snprintf(out, REQUEST_ID_SIZE, "%s", given);
}

/* hex_field tells whether length characters are lower-case hexadecimal; *zero tells whether all are '0'. */
static bool hex_field(const char *text, size_t length, bool *zero) {
    size_t i;

    *zero = true;
    for (i = 0; i < length; i++) {
        if (!((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f'))) {
            return false;
        }
        *zero = *zero && text[i] == '0';
    }
    return true;
}

bool traceparent_valid(const char *value) {
    bool zero_version, zero_trace, zero_parent, zero_flags;
    size_t length = strlen(value);

    if (length < 55 || length > TRACEPARENT_MAXIMUM || value[2] != '-' || value[35] != '-' || value[52] != '-') {
        return false;
    }
    if (!hex_field(value, 2, &zero_version) || !hex_field(value + 3, 32, &zero_trace) ||
        !hex_field(value + 36, 16, &zero_parent) || !hex_field(value + 53, 2, &zero_flags)) {
        return false;
    }
    if (strncmp(value, "ff", 2) == 0 || zero_trace || zero_parent) {
        return false;
    }
    return zero_version ? length == 55 : length == 55 || value[55] == '-';
}
