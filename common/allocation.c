#include "allocation.h"

#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* end_without_memory ends the process; it cannot use the logger, which allocates. */
static _Noreturn void end_without_memory(void) {
    fputs("{\"level\":\"error\",\"event\":\"out_of_memory\"}\n", stderr);
    abort();
}

void *memory_allocate(size_t size) {
    void *block = calloc(1, size > 0 ? size : 1);

    if (block == NULL) {
        end_without_memory();
    }
    return block;
}

void *memory_resize(void *block, size_t size) {
    void *resized = realloc(block, size > 0 ? size : 1);

    if (resized == NULL) {
        end_without_memory();
    }
    return resized;
}

char *memory_duplicate(const char *text) {
    char *copy;

    if (text == NULL) {
        return NULL;
    }
    copy = strdup(text);
    if (copy == NULL) {
        end_without_memory();
    }
    return copy;
}

char *memory_format(const char *format, ...) {
    char *text = NULL;
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0) {
        end_without_memory();
    }
    return text;
}

void memory_wipe(char *secret) {
    if (secret != NULL) {
        OPENSSL_cleanse(secret, strlen(secret));
        free(secret);
    }
}
