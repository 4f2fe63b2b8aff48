/*
 * Requests of one kind as one SQL value: the text of an array of a composite type.
 */
#ifndef SHOP_GATEWAY_REQUEST_ARRAY_H
#define SHOP_GATEWAY_REQUEST_ARRAY_H

#include <stddef.h>
#include <stdio.h>

/* request_array_begin starts the array's text, request_array_end ends it. */
void request_array_begin(FILE *out);
void request_array_end(FILE *out);

/*
 * request_array_add writes one element. values: count of them, those that the statement for a single request takes; the
 * first one, the store, is left out. NULL is SQL NULL. index: of the element, from 0. Quoting follows the PostgreSQL
 * manual, "Array Input and Output Syntax" and "Composite Type Input and Output Syntax".
 */
void request_array_add(FILE *out, const char *const *values, int count, size_t index);

#endif
