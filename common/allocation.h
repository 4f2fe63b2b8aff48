/*
 * Memory that is always there: the process ends with a message when the machine has none left, because a program
 * that runs on without memory cannot keep a promise, while a restarted one finds everything again.
 */
#ifndef SHOP_COMMON_ALLOCATION_H
#define SHOP_COMMON_ALLOCATION_H

#include <stddef.h>

/* memory_allocate gives size bytes set to zero; the caller frees them with free(). Never NULL. */
void *memory_allocate(size_t size);

/* memory_resize changes the size of a block (NULL: a new one), as realloc does. Never NULL. */
void *memory_resize(void *block, size_t size);

/* memory_duplicate copies a text; NULL stays NULL. The caller frees the copy. */
char *memory_duplicate(const char *text);

/* memory_format prints into a new text, which the caller frees. Never NULL. */
char *memory_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* memory_wipe overwrites a secret text and frees it. NULL is allowed. */
void memory_wipe(char *secret);

#endif
