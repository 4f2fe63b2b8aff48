-- The roles of roles.sql: what each may call, and that no program touches a table.
BEGIN;
SELECT plan(34);
\ir fixture.psql

-- callable(role): names of functions of schema shop that the role may call.
CREATE FUNCTION pg_temp.callable(caller text) RETURNS SETOF text
LANGUAGE sql AS $$
    SELECT proname::text COLLATE "default" FROM pg_proc
    WHERE pronamespace = 'shop'::regnamespace AND has_function_privilege(caller, oid, 'EXECUTE')
$$;
CREATE FUNCTION pg_temp.routes() RETURNS SETOF text
LANGUAGE sql AS $$ SELECT unnest(ARRAY['list_products', 'get_product', 'create_product', 'update_product', 'restock',
    'get_inventory', 'get_cart', 'add_cart_item', 'remove_cart_item', 'checkout', 'get_order', 'list_orders',
        'order_events',
    'find_account', 'record_login', 'put_demo_account']) $$;
CREATE FUNCTION pg_temp.deliveries() RETURNS SETOF text
LANGUAGE sql AS $$ SELECT unnest(ARRAY['claim_outbox', 'settle_payment', 'mark_outbox_delivered', 'release_outbox', 'extend_outbox',
    'record_dead_letter', 'mark_dead_letter_moved']) $$;
CREATE FUNCTION pg_temp.installation() RETURNS SETOF text
LANGUAGE sql AS $$ SELECT unnest(ARRAY['migrate', 'migrate_0001', 'grant_roles']) $$;

-- What each may call.
SELECT set_has($$SELECT pg_temp.callable('shop_gateway')$$, $$SELECT pg_temp.routes() UNION SELECT 'version'$$,
               'the gateway may call what routes need');
SELECT set_hasnt($$SELECT pg_temp.callable('shop_gateway')$$,
                 $$SELECT pg_temp.deliveries() UNION SELECT pg_temp.installation()$$,
                     'nothing of the poller or the DBA');
SELECT set_has($$SELECT pg_temp.callable('shop_poller')$$, $$SELECT pg_temp.deliveries() UNION SELECT 'version'$$,
               'the poller may call what deliveries need');
SELECT set_hasnt($$SELECT pg_temp.callable('shop_poller')$$,
                 $$SELECT pg_temp.routes() UNION SELECT pg_temp.installation()$$, 'nothing of the gateway or the DBA');
SELECT set_has($$SELECT pg_temp.callable('shop_maintenance')$$, $$VALUES ('verify'), ('version')$$,
               'maintenance may call the report');
SELECT set_hasnt($$SELECT pg_temp.callable('shop_maintenance')$$,
                 $$SELECT pg_temp.routes() UNION SELECT pg_temp.deliveries() UNION SELECT pg_temp.installation()$$,
                 'nothing of the programs or the DBA');
SELECT set_has($$SELECT pg_temp.callable('shop_read')$$, $$VALUES ('verify'), ('version')$$, 'so may the reader');
SELECT is_empty(
    $$SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = 'shop'::regnamespace AND provolatile = 'v'
        AND has_function_privilege('shop_read', oid, 'EXECUTE')$$, 'who may call nothing that writes');
CREATE ROLE stranger;
SELECT is_empty($$SELECT pg_temp.callable('stranger')$$, 'anybody else may call nothing');
SELECT ok(NOT has_schema_privilege('stranger', 'shop', 'USAGE'), 'nor look into the schema');

-- Tables.
SELECT is_empty(
    $$SELECT rolname, relation.oid::regclass, privilege FROM pg_roles, pg_class relation,
             unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) privilege
      WHERE rolname IN ('shop_gateway', 'shop_poller', 'shop_maintenance', 'stranger')
        AND relnamespace = 'shop'::regnamespace AND relkind IN ('r', 'v')
        AND has_table_privilege(rolname, relation.oid, privilege)$$, 'no program has any privilege on any table');
SELECT is_empty(
    $$SELECT rolname, relation.oid::regclass, attname FROM pg_roles, pg_class relation
      JOIN pg_attribute ON attrelid = relation.oid AND attnum > 0
      WHERE rolname IN ('shop_gateway', 'shop_poller', 'shop_maintenance', 'stranger')
        AND relnamespace = 'shop'::regnamespace AND relkind IN ('r', 'v')
        AND has_column_privilege(rolname, relation.oid, attnum, 'SELECT, INSERT, UPDATE, REFERENCES')$$, 'or column');
SELECT is_empty(
    $$SELECT rolname, relation.oid::regclass FROM pg_roles, pg_class relation
      WHERE rolname IN ('shop_gateway', 'shop_poller', 'shop_maintenance', 'shop_read', 'stranger')
        AND relnamespace = 'shop'::regnamespace AND relkind = 'S'
        AND has_sequence_privilege(rolname, relation.oid, 'SELECT, USAGE, UPDATE')$$, 'and nobody on any sequence');
SELECT set_eq(
    $$SELECT relname::text COLLATE "default" FROM pg_class WHERE relnamespace = 'shop'::regnamespace AND relkind = 'r'
        AND has_table_privilege('shop_read', oid, 'SELECT')$$,
    $$SELECT relname::text COLLATE "default" FROM pg_class WHERE relnamespace = 'shop'::regnamespace AND relkind = 'r'
        AND relname NOT IN ('accounts', 'failed_logins')$$, 'the reader may read all tables but accounts and failed sign-ins');
SELECT ok(NOT has_any_column_privilege('shop_read', 'shop.accounts', 'SELECT'), 'not a column of which it sees');
SELECT is_empty(
    $$SELECT relation.oid::regclass, privilege FROM pg_class relation,
             unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) privilege
      WHERE relnamespace = 'shop'::regnamespace AND relkind IN ('r', 'v')
        AND has_table_privilege('shop_read', relation.oid, privilege)$$, 'and may change none');
SELECT is_empty(
    $$SELECT rolname FROM pg_roles WHERE rolname IN ('shop_gateway', 'shop_poller', 'shop_maintenance', 'shop_read',
        'stranger')
        AND (has_schema_privilege(rolname, 'shop', 'CREATE') OR pg_has_role(rolname, 'shop_owner', 'MEMBER'))$$,
    'nobody but the owner may make anything in the schema');

-- A customer's day, with no more than those privileges.
CREATE ROLE program_gateway LOGIN IN ROLE shop_gateway;
CREATE ROLE program_poller LOGIN IN ROLE shop_poller;
CREATE ROLE program_reader LOGIN IN ROLE shop_read;
SET LOCAL ROLE program_gateway;
SELECT body::json ->> 'id' AS widget FROM shop.create_product(1, 'widget', 'Widget', 2, 'admin', NULL) \gset
SELECT is((shop.restock(1, 1, :widget, 5, 'key', 'admin', NULL)).status, 200, 'the gateway restocks');
SELECT body::json #>> '{cart,id}' AS cart FROM shop.add_cart_item(1, NULL, 7, :widget, 2, NULL) \gset
SELECT order_id AS placed FROM shop.checkout(1, NULL, 7, :cart, 'key', NULL, NULL, NULL) \gset
SELECT is((shop.get_order(1, NULL, :placed, NULL)).status, 200, 'checks out and reads the order');
SELECT lives_ok($$SELECT shop.put_demo_account(1, 1, 'boss', 'admin', 'hash')$$, 'and makes the demo accounts');
SELECT throws_ok('SELECT count(*) FROM shop.accounts', '42501', 'permission denied for table accounts',
                 'the gateway cannot read a table');
SELECT throws_ok('UPDATE shop.inventory SET on_hand = 1000', '42501', 'permission denied for table inventory',
                 'nor write one');
SELECT throws_ok(format('SELECT shop.settle_payment(1, %s, true, NULL, NULL, NULL)', :placed), '42501', NULL,
                 'nor confirm an order');
SELECT throws_ok('SELECT shop.migrate()', '42501', NULL, 'nor migrate');
SELECT throws_ok('SET LOCAL shop.idempotency_wait = 60000', '42501', NULL, 'nor change the setting');
SET LOCAL ROLE program_poller;
SELECT id AS message FROM shop.claim_outbox(1, 10, 1000) \gset
SELECT is((SELECT result FROM shop.settle_payment(1, :placed, true, NULL, NULL, :message)), 'settled',
    'the poller settles');
SELECT lives_ok($$SELECT shop.record_dead_letter(1, 'sqs', 'k', 'b', NULL, 'r', NULL, 1, NULL, NULL, NULL)$$,
                'and writes dead letters');
SELECT throws_ok('SELECT count(*) FROM shop.outbox', '42501', 'permission denied for table outbox',
                 'the poller cannot read a table');
SELECT throws_ok(format('SELECT shop.restock(1, NULL, %s, 5, NULL, NULL, NULL)', :widget), '42501', NULL,
    'nor restock');
SET LOCAL ROLE program_reader;
SELECT is((SELECT status FROM shop.orders WHERE id = :placed), 'CONFIRMED', 'the reader reads orders');
SELECT is_empty('SELECT * FROM shop.verify(1)', 'and the report');
SELECT throws_ok('SELECT count(*) FROM shop.accounts', '42501', 'permission denied for table accounts',
    'but not accounts');
SELECT throws_ok($$SELECT * FROM shop.find_account(1, 'boss')$$, '42501', NULL, 'by no way');
SET LOCAL ROLE stranger;
SELECT throws_ok('SELECT shop.version()', '42501', 'permission denied for schema shop', 'a stranger does not get in');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
