CREATE FUNCTION shop.grant_roles() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    gateway CONSTANT text[] := ARRAY[
        'list_products', 'get_product', 'create_product', 'update_product', 'restock', 'adjust_stock', 'get_inventory',
        'get_cart', 'add_cart_item', 'add_cart_items', 'remove_cart_item', 'checkout', 'checkout_batch', 'get_order', 'list_orders', 'order_events',
        'cancel_order', 'fulfil_order', 'refund_order', 'return_to_stock', 'list_all_orders', 'accept_order',
        'get_intake_order', 'list_intake_orders', 'order_statistics', 'queue_status', 'get_dead_letter',
        'list_dead_letters', 'redrive', 'discard', 'apply_payment', 'settle_refund', 'receive_payment_event', 'find_account', 'record_login',
        'put_demo_account', 'verify', 'version'];
    poller CONSTANT text[] := ARRAY[
        'claim_outbox', 'begin_payment', 'apply_payment', 'settle_payment', 'settle_payments', 'begin_refund',
        'settle_refund', 'defer_message', 'ingest_order', 'ingest_orders',
        'mark_outbox_delivered', 'release_outbox', 'extend_outbox', 'record_dead_letter', 'mark_dead_letter_moved', 'redrive',
        'list_dead_letters', 'report_poller', 'queue_status', 'maintain', 'version'];
    maintenance CONSTANT text[] := ARRAY['maintain', 'verify', 'check', 'version'];
    reader CONSTANT text[] := ARRAY['verify', 'check', 'version', 'order_as_of', 'list_order_transitions'];
    granted record;
    data_table record;
BEGIN
    FOR granted IN
        SELECT role.rolname, function.oid::regprocedure AS function
        FROM (VALUES ('shop_gateway', gateway), ('shop_poller', poller), ('shop_maintenance', maintenance),
                     ('shop_read', reader)) list (rolname, names)
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
              AND relation.relname NOT IN ('accounts', 'failed_logins')
        LOOP
            EXECUTE format('GRANT SELECT ON %s TO shop_read', data_table.name);
        END LOOP;
    END IF;
END
$function$;
COMMENT ON FUNCTION shop.grant_roles() IS 'Grants the roles shop_gateway, shop_poller, shop_maintenance and shop_read, as far as they exist, exactly what they use. Called by shop.migrate() and roles.sql.';
REVOKE ALL ON FUNCTION shop.grant_roles() FROM PUBLIC;
