#include "profile_file.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocation.h"

/* trim cuts blanks and the line end off both ends of text, in place, and gives its new start. */
static char *trim(char *text) {
    size_t length;

    text += strspn(text, " \t");
    length = strlen(text);
    while (length > 0 && strchr(" \t\r\n", text[length - 1]) != NULL) {
        text[--length] = '\0';
    }
    return text;
}

/* is_section tells whether a line that begins with '[' opens the section of that name. */
static bool is_section(char *line, const char *section) {
    char *end = strchr(line, ']');

    if (end == NULL) {
        return false;
    }
    *end = '\0';
    return strcmp(trim(line + 1), section) == 0;
}

/* take_value stores the value of a "name = value" line when its name is wanted. */
static void take_value(char *line, struct profile_value *wanted, size_t count) {
    char *equals = strchr(line, '=');
    const char *name, *value;
    size_t i;

    if (equals == NULL) {
        return;
    }
    *equals = '\0';
    name = trim(line);
    value = trim(equals + 1);
    for (i = 0; i < count; i++) {
        if (*value != '\0' && strcmp(name, wanted[i].name) == 0) {
            free(wanted[i].value);
            wanted[i].value = memory_duplicate(value);
        }
    }
}

bool profile_file_read(const char *path, const char *section, struct profile_value *wanted, size_t count) {
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t capacity = 0, i;
    bool inside = false, complete;

    if (file == NULL) {
        return false;
    }
    while (getline(&line, &capacity, file) >= 0) {
        char *text = trim(line);

        if (*text == '[') {
            inside = is_section(text, section);
        } else if (inside && *text != '#' && *text != ';') {
            take_value(text, wanted, count);
        }
    }
    complete = !ferror(file);
    for (i = 0; !complete && i < count; i++) {
        free(wanted[i].value);
        wanted[i].value = NULL;
    }
    if (line != NULL) {
        OPENSSL_cleanse(line, capacity);
        free(line);
    }
    fclose(file);
    return complete;
}
