#include "postgres.h"

#include "errors.h"

void raise_not_migrated(void) {
    ereport(ERROR, (errcode(ERRCODE_SHOP_NOT_MIGRATED), errmsg("the tables of pg_shop do not exist in this database"),
                    errhint("Run SELECT shop.migrate(); as the role that is to own them.")));
}

void raise_unexpected_column(const char *table, const char *column) {
    ereport(ERROR, (errcode(ERRCODE_SHOP_VERSION_MISMATCH),
                    errmsg("column \"%s\" of table shop.%s is not as this version of pg_shop made it", column, table),
                    errhint("Run SELECT shop.migrate(); or undo the change to the table.")));
}

void raise_invalid_index(const char *index) {
    ereport(ERROR, (errcode(ERRCODE_SHOP_VERSION_MISMATCH), errmsg("index \"%s\" is not valid", index),
                    errdetail("It is being built, or its building failed: rows may be missing in it."),
                    errhint("Wait for its end, or run REINDEX INDEX CONCURRENTLY shop.%s;", index)));
}

void raise_version_mismatch(const char *what, const char *found, const char *expected) {
    ereport(ERROR, (errcode(ERRCODE_SHOP_VERSION_MISMATCH),
                    errmsg("%s is %s, but the loaded library of pg_shop is %s", what, found, expected),
                    errhint("Run ALTER EXTENSION pg_shop UPDATE; then SELECT shop.migrate(); in a new session.")));
}

void raise_invariant_lost(const char *detail) {
    ereport(ERROR,
            (errcode(ERRCODE_SHOP_INVARIANT_LOST), errmsg("the shop's data contradicts itself"),
             errdetail("%s", detail), errhint("Run SELECT * FROM shop.verify(store_id); to see what is broken.")));
}

void raise_wrong_isolation_level(const char *purpose) {
    ereport(ERROR,
            (errcode(ERRCODE_SHOP_WRONG_ISOLATION), errmsg("%s must run in a READ COMMITTED transaction", purpose),
             errdetail("After waiting for a lock the function has to see what the other transaction committed."),
             errhint("Use BEGIN ISOLATION LEVEL READ COMMITTED, or set default_transaction_isolation.")));
}

void raise_invalid_argument(const char *name, const char *rule) {
    ereport(ERROR,
            (errcode(ERRCODE_SHOP_INVALID_ARGUMENT), errmsg("invalid argument \"%s\"", name), errdetail("%s", rule)));
}
