#include "request_array.h"

/* add_quoted writes a field within quotes: of the composite value, which stands within quotes in the array itself. */
static void add_quoted(FILE *out, const char *text) {
    fputs("\\\"", out);
    for (; *text != '\0'; text++) {
        if (*text == '"') {
            fputs("\\\\\\\"", out);
        } else if (*text == '\\') {
            fputs("\\\\\\\\", out);
        } else {
            fputc(*text, out);
        }
    }
    fputs("\\\"", out);
}

void request_array_begin(FILE *out) {
    fputc('{', out);
}

void request_array_end(FILE *out) {
    fputc('}', out);
}

void request_array_add(FILE *out, const char *const *values, int count, size_t index) {
    int i;

    fputs(index == 0 ? "\"(" : ",\"(", out);
    for (i = 1; i < count; i++) {
        if (i > 1) {
            fputc(',', out);
        }
        if (values[i] != NULL) { /* nothing between the commas is NULL */
            add_quoted(out, values[i]);
        }
    }
    fputs(")\"", out);
}
