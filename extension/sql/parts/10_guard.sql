-- pg_shop: the installation script, put together from sql/parts at build time.
\echo Use "CREATE EXTENSION pg_shop" to load this file. \quit

-- A schema that somebody else made first could hold objects that our functions would then call. roles.sql hands the schema
-- to shop_owner, and a restored dump creates it before the extension: both are fine.
DO $guard$
BEGIN
    IF EXISTS (
        SELECT FROM pg_catalog.pg_namespace
        WHERE nspname OPERATOR(pg_catalog.=) 'shop'
          AND pg_catalog.pg_get_userbyid(nspowner) OPERATOR(pg_catalog.<>) CURRENT_USER
          AND pg_catalog.pg_get_userbyid(nspowner) OPERATOR(pg_catalog.<>) 'shop_owner'
    ) THEN
        RAISE EXCEPTION 'schema "shop" belongs to another role'
            USING ERRCODE = 'insufficient_privilege',
                  HINT = 'Look at what is in it, then drop it or make yourself its owner.';
    END IF;
END
$guard$;

COMMENT ON SCHEMA shop IS 'pg_shop: checkout, stock, idempotency and order states. Start with \df+ shop.*';
