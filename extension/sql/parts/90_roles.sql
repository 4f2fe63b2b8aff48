CREATE FUNCTION shop.grant_roles() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    gateway CONSTANT text[] := ARRAY[
        'list_products', 'get_product', 'create_product', 'update_product', 'restock', 'get_inventory', 'get_cart',
        'add_cart_item', 'remove_cart_item', 'checkout', 'get_order', 'list_orders', 'order_events', 'find_account',
        'record_login', 'put_demo_account', 'version'];
    poller CONSTANT text[] := ARRAY[
        'claim_outbox', 'settle_payment', 'mark_outbox_delivered', 'release_outbox', 'record_dead_letter',
        'mark_dead_letter_moved', 'version'];
    maintenance CONSTANT text[] := ARRAY['verify', 'version'];
    granted record;
    data_table record;
BEGIN
    FOR granted IN
        SELECT role.rolname, function.oid::regprocedure AS function
        FROM (VALUES ('shop_gateway', gateway), ('shop_poller', poller), ('shop_maintenance', maintenance),
                     ('shop_read', maintenance)) list (rolname, names)
        JOIN pg_roles role ON role.rolname = list.rolname
        JOIN pg_proc function ON function.proname = ANY (list.names)
            AND function.pronamespace = 'shop'::regnamespace
    LOOP
        EXECUTE format('GRANT USAGE ON SCHEMA shop TO %I', granted.rolname);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', granted.function, granted.rolname);
    END LOOP;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'shop_read') THEN
        FOR data_table IN
            SELECT relation.oid::regclass AS name FROM pg_class relation
            WHERE relation.relnamespace = 'shop'::regnamespace AND relation.relkind IN ('r', 'v')
              AND relation.relname NOT IN ('accounts')
        LOOP
            EXECUTE format('GRANT SELECT ON %s TO shop_read', data_table.name);
        END LOOP;
    END IF;
END
$function$;
COMMENT ON FUNCTION shop.grant_roles() IS 'Grants the roles shop_gateway, shop_poller, shop_maintenance and shop_read, as far as they exist, exactly what they use. Called by shop.migrate() and roles.sql.';
REVOKE ALL ON FUNCTION shop.grant_roles() FROM PUBLIC;
