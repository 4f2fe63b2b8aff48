/*
 * Random numbers from the kernel, for jitter and identifiers.
 */
#ifndef SHOP_COMMON_RANDOM_H
#define SHOP_COMMON_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* Size of a UUID's text with its closing NUL. */
#define UUID_TEXT_SIZE 37

/* random_bytes fills out with size (at most 256) random bytes of the kernel's generator; it ends the process when the
 * kernel has none, which Linux does not do after boot. */
void random_bytes(void *out, size_t size);

/* random_below gives a number from 0 to limit - 1; 0 when limit is 0. Meant for jitter: the tiny bias of the modulo is
 * of no matter there. */
uint32_t random_below(uint32_t limit);

/* random_uuid writes a random (version 4) UUID in lower case, RFC 9562 section 5.4. */
void random_uuid(char out[UUID_TEXT_SIZE]);

#endif
