/*
 * What the harnesses of libFuzzer share: each file fuzz_NAME.c defines LLVMFuzzerTestOneInput, which libFuzzer calls
 * with inputs that it derives from the corpus so that they reach new code. A finding of the sanitizers or a broken
 * REQUIRE is a failure.
 */
#ifndef SHOP_TEST_FUZZ_H
#define SHOP_TEST_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* REQUIRE ends the program when a property does not hold; libFuzzer then keeps the input. */
#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);                             \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

/* fuzz_text copies an input, so that it ends with a NUL; free it. */
static inline char *fuzz_text(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1);

    REQUIRE(text != NULL);
    if (size > 0) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
