/*
 * Password hashes in the format of crypt(5): made as yescrypt ($y$), verified as yescrypt or bcrypt ($2b$).
 * Both take tens of milliseconds on purpose: never call them on the event loop, but through hash_thread.
 */
#ifndef SHOP_GATEWAY_PASSWORD_H
#define SHOP_GATEWAY_PASSWORD_H

#include <crypt.h>
#include <stdbool.h>

#define PASSWORD_HASH_SIZE CRYPT_OUTPUT_SIZE

/* password_hash writes a new yescrypt hash with a random salt and the library's default cost; false when it cannot. */
bool password_hash(const char *password, char out[PASSWORD_HASH_SIZE]);

/* password_verify tells whether the password belongs to the hash, comparing in constant time. Hashes of other kinds and
 * passwords longer than crypt takes (511 bytes) never match. */
bool password_verify(const char *password, const char *hash);

#endif
