CREATE FUNCTION shop.run_checks() RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    exposed text;
BEGIN
    RETURN QUERY SELECT 'version', true, shop.version(), NULL;

    RETURN QUERY
        SELECT 'role ' || role.name, EXISTS (SELECT FROM pg_roles WHERE rolname = role.name),
               CASE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = role.name) THEN 'exists' ELSE 'missing' END,
               'Run extension/sql/roles.sql in this database.'
        FROM (VALUES ('shop_owner'), ('shop_gateway'), ('shop_poller'), ('shop_maintenance'), ('shop_read')) role (name);

    RETURN QUERY
        SELECT 'owner of tables and functions', owners.names = ARRAY['shop_owner'::name],
               array_to_string(owners.names, ', '),
               'SECURITY DEFINER functions run with their owner''s rights: run extension/sql/roles.sql.'
        FROM (SELECT array_agg(DISTINCT owner.rolname) AS names
              FROM (SELECT relowner AS oid FROM pg_class WHERE relnamespace = 'shop'::regnamespace AND relkind = 'r'
                    UNION
                    SELECT proowner FROM pg_proc WHERE pronamespace = 'shop'::regnamespace AND prosecdef) used
              JOIN pg_roles owner ON owner.oid = used.oid) owners;

    SELECT string_agg(function.oid::regprocedure::text, ', ') INTO exposed
    FROM pg_proc function
    WHERE function.pronamespace = 'shop'::regnamespace
      AND (function.proacl IS NULL
           OR EXISTS (SELECT FROM aclexplode(function.proacl) granted WHERE granted.grantee = 0));
    RETURN QUERY SELECT 'nothing is executable by PUBLIC', exposed IS NULL, coalesce(exposed, 'nothing'),
                        'REVOKE ALL ON FUNCTION ... FROM PUBLIC';

    RETURN QUERY
        SELECT 'setting ' || setting.name, current_setting(setting.name) = setting.wanted,
               format('%s = %s', setting.name, current_setting(setting.name)), setting.hint
        FROM (VALUES ('fsync', 'on', 'Without it a crash loses orders that were acknowledged.'),
                     ('full_page_writes', 'on', 'Without it a crash may leave pages torn.'),
                     ('default_transaction_isolation', 'read committed',
                      'Checkout refuses to run otherwise: set it for the roles of gateway and poller.'))
             setting (name, wanted, hint);
    RETURN QUERY
        SELECT 'setting synchronous_commit', current_setting('synchronous_commit') <> 'off',
               format('synchronous_commit = %s', current_setting('synchronous_commit')),
               'Off loses the last orders that were acknowledged before a crash.';

    -- Who calls it is not asked: pg_cron may live in another database, and shows its jobs to nobody else.
    RETURN QUERY
        SELECT 'scheduled maintenance', bool_and(run.ran_at > clock_timestamp() - interval '10 minutes') IS TRUE,
               coalesce(string_agg(format('store %s: %s s ago', run.store_id,
                                          floor(extract(epoch FROM clock_timestamp() - run.ran_at))::bigint),
                                   ', ' ORDER BY run.store_id), 'shop.maintain() never ran'),
               'Run extension/sql/cron.sql, or let the poller do it: MAINTENANCE_INTERVAL_SECONDS.'
        FROM shop.maintenance_runs run;

    RETURN QUERY
        SELECT 'pollers', bool_or(report.reported_at > statement_timestamp() - interval '60 seconds') IS TRUE,
               format('%s reported within a minute', count(*) FILTER (
                   WHERE report.reported_at > statement_timestamp() - interval '60 seconds')),
               'Start shop-poller: without it orders stay pending.'
        FROM shop.poller_reports report;
END
$function$;
COMMENT ON FUNCTION shop.run_checks() IS 'The checks of shop.check(), with the hint of each.';
REVOKE ALL ON FUNCTION shop.run_checks() FROM PUBLIC;

CREATE FUNCTION shop.check() RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE sql STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT result.check_name, result.ok, result.detail, CASE WHEN NOT result.ok THEN result.hint END
    FROM shop.run_checks() result
$function$;
COMMENT ON FUNCTION shop.check() IS 'Is this installation sound: versions, roles, owners, privileges, settings, scheduled work, pollers. hint says what to do where ok is false.';
REVOKE ALL ON FUNCTION shop.check() FROM PUBLIC;
