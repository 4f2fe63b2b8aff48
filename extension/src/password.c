/*
 * shop.hash_password: hashes as crypt(5) knows them, by libxcrypt.
 */
#include "postgres.h"

#include <crypt.h>

#include "fmgr.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(shop_hash_password);

/* shop.hash_password(password) -> hash with a new random salt, by libxcrypt's preferred method (yescrypt) */
Datum shop_hash_password(PG_FUNCTION_ARGS) {
    char *password = text_to_cstring(PG_GETARG_TEXT_PP(0));
    char salt[CRYPT_GENSALT_OUTPUT_SIZE];
    struct crypt_data *work = palloc0(sizeof(struct crypt_data));
    const char *hash = NULL;

    if (crypt_gensalt_rn(NULL, 0, NULL, 0, salt, sizeof(salt)) != NULL)
        hash = crypt_r(password, salt, work);
    if (hash == NULL || hash[0] == '*')
        ereport(ERROR, (errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION), errmsg("could not hash a password")));
    PG_RETURN_TEXT_P(cstring_to_text(hash));
}
