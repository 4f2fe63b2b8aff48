-- Roles of pg_shop, to be run by a superuser in the shop's database, as often as wanted, after CREATE EXTENSION pg_shop and
-- SELECT shop.migrate(). Roles belong to the whole cluster, so they are no part of the extension.
--
-- shop_owner        owns tables and functions, so that SECURITY DEFINER functions run with no more rights than that
-- shop_gateway      may call what the gateway calls
-- shop_poller       may call what the poller calls
-- shop_maintenance  may call what scheduled jobs call
-- shop_read         may read tables, but for accounts and failed sign-ins, and call the integrity report
--
-- None of them can log in. Make a login role for each program and grant it its role:
--   CREATE ROLE gateway LOGIN PASSWORD '...' IN ROLE shop_gateway;
\set ON_ERROR_STOP on

-- Whoever may create objects in a schema on the search path must not get his operators run by a superuser.
SET search_path = pg_catalog, pg_temp;

DO $roles$
DECLARE
    wanted text;
    owned record;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['shop_owner', 'shop_gateway', 'shop_poller', 'shop_maintenance', 'shop_read'] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = wanted) THEN
            EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', wanted);
        END IF;
    END LOOP;

    ALTER SCHEMA shop OWNER TO shop_owner;
    FOR owned IN
        SELECT relation.oid::pg_catalog.regclass AS name FROM pg_catalog.pg_class relation
        WHERE relation.relnamespace = 'shop'::pg_catalog.regnamespace AND relation.relkind IN ('r', 'v')
    LOOP
        EXECUTE pg_catalog.format('ALTER TABLE %s OWNER TO shop_owner', owned.name);
    END LOOP;
    FOR owned IN
        SELECT function.oid::pg_catalog.regprocedure AS name FROM pg_catalog.pg_proc function
        WHERE function.pronamespace = 'shop'::pg_catalog.regnamespace
    LOOP
        EXECUTE pg_catalog.format('ALTER FUNCTION %s OWNER TO shop_owner', owned.name);
    END LOOP;
END
$roles$;

SELECT shop.grant_roles();

RESET search_path;
