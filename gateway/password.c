#include "password.h"

#include <stdlib.h>
#include <string.h>

static bool supported(const char *hash) {
    return strncmp(hash, "$y$", 3) == 0 || strncmp(hash, "$2b$", 4) == 0;
}

/* equal compares without telling by its time where the texts differ. */
static bool equal(const char *one, const char *other) {
    size_t length = strlen(one);
    unsigned char difference = 0;
    size_t i;

    if (length != strlen(other)) {
        return false;
    }
    for (i = 0; i < length; i++) {
        difference |= (unsigned char)(one[i] ^ other[i]);
    }
    return difference == 0;
}

/* crypt_into hashes with the setting and copies the result; the work area, which holds the password, is erased. */
static bool crypt_into(const char *password, const char *setting, char out[PASSWORD_HASH_SIZE]) {
    struct crypt_data *work = calloc(1, sizeof(*work));
    const char *made;
    bool done;

    if (work == NULL) {
        return false;
    }
    made = crypt_r(password, setting, work);
    done = made != NULL && made[0] != '*'; /* a failure is a text that no hash begins with, crypt(3) */
    if (done) {
        memcpy(out, made, strlen(made) + 1);
    }
    explicit_bzero(work, sizeof(*work));
    free(work);
    return done;
}

bool password_hash(const char *password, char out[PASSWORD_HASH_SIZE]) {
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];

    /* Cost 0 asks for the default; no random bytes given: the library takes them from the kernel. */
    if (crypt_gensalt_rn("$y$", 0, NULL, 0, setting, (int)sizeof(setting)) == NULL) {
        return false;
    }
    return crypt_into(password, setting, out);
}

bool password_verify(const char *password, const char *hash) {
    char made[PASSWORD_HASH_SIZE];

    return supported(hash) && crypt_into(password, hash, made) && equal(made, hash);
}
