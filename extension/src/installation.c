#include "postgres.h"

#include "catalog/namespace.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "errors.h"
#include "installation.h"

/* The relation for which the versions were found right, so that tables made anew are looked at anew. */
static Oid checked_relation = InvalidOid;

/* Functions were changed since we began to look. */
static bool functions_changed;

/* read_text runs a query for one text value; NULL when there is no row or it is NULL. */
static char *read_text(const char *sql) {
    if (SPI_execute(sql, true, 1) != SPI_OK_SELECT)
        elog(ERROR, "could not read the versions of pg_shop");
    return SPI_processed == 0 ? NULL : SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
}

/* check_versions compares the three versions and raises SH002 where they differ. */
static void check_versions(void) {
    const char *expected_schema = psprintf("%d", SHOP_SCHEMA_VERSION);
    const char *extension;
    const char *schema;

    if (SPI_connect() != SPI_OK_CONNECT)
        elog(ERROR, "SPI_connect failed");
    extension = read_text("SELECT extversion FROM pg_catalog.pg_extension WHERE extname = 'pg_shop'");
    if (extension == NULL || strcmp(extension, PG_SHOP_VERSION) != 0)
        raise_version_mismatch("the extension in this database", extension ? extension : "missing", PG_SHOP_VERSION);
    schema = read_text("SELECT pg_catalog.max(version) FROM shop.schema_versions");
    if (schema == NULL)
        raise_not_migrated();
    if (strcmp(schema, expected_schema) != 0)
        raise_version_mismatch("the layout of the tables", schema, expected_schema);
    SPI_finish();
}

/* forget_versions lets the versions be looked at again. Every upgrade makes functions anew. */
static void forget_versions(Datum argument, int cache, uint32 hash) {
    checked_relation = InvalidOid;
    functions_changed = true;
}

void installation_register(void) {
    CacheRegisterSyscacheCallback(PROCOID, forget_versions, (Datum)0);
}

void require_migrated(void) {
    Oid schema = get_namespace_oid("shop", true);
    Oid relation = OidIsValid(schema) ? get_relname_relid("schema_versions", schema) : InvalidOid;

    if (!OidIsValid(relation))
        raise_not_migrated();
    if (relation == checked_relation)
        return;
    functions_changed = false;
    check_versions();
    if (!functions_changed)
        checked_relation = relation;
}

PG_FUNCTION_INFO_V1(shop_require_migrated);

Datum shop_require_migrated(PG_FUNCTION_ARGS) {
    require_migrated();
    PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(shop_version);

Datum shop_version(PG_FUNCTION_ARGS) {
    require_migrated();
    PG_RETURN_TEXT_P(cstring_to_text(PG_SHOP_VERSION));
}
