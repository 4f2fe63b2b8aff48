/*
 * Text: strict reading of what came from outside, and copies of many in one block.
 */
#ifndef SHOP_COMMON_TEXT_H
#define SHOP_COMMON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * text_to_int64 reads decimal digits with an optional leading '-' and nothing else: no blanks, no '+', no exponent.
 * Returns false, and leaves *out alone, when the text is anything else or the number is outside minimum..maximum.
 */
bool text_to_int64(const char *text, int64_t minimum, int64_t maximum, int64_t *out);

/*
 * text_to_double reads a plain decimal number (digits, optional leading '-', optional fraction) and nothing else.
 * Returns false, and leaves *out alone, for any other text. For rates; money never passes through a double.
 */
bool text_to_double(const char *text, double *out);

/* text_is_utf8 tells whether size bytes are well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates). */
bool text_is_utf8(const char *text, size_t size);

/* text_replace_bad_utf8 overwrites each byte that is no part of well-formed UTF-8 by '?', so that any text can be put
 * into JSON. */
void text_replace_bad_utf8(char *text, size_t size);

/* texts_size gives the bytes of a copy of count texts by texts_copy: the pointers, and the texts that are not NULL. */
size_t texts_size(const char *const *texts, size_t count);

/*
 * texts_copy copies count texts into one block: place is the array of their pointers, with room for texts_size bytes
 * from its beginning on; the texts themselves follow the pointers. NULL stays NULL.
 */
void texts_copy(const char **place, const char *const *texts, size_t count);

#endif
