-- Faults: the SQLSTATEs of class SH and 25006. Refusals of requests are answers and tested with their functions.
BEGIN;
SELECT plan(258);
\ir fixture.psql

SELECT pg_temp.product('widget', 1, 10) AS widget \gset
SELECT pg_temp.put(7, :widget, 2) AS cart \gset
SELECT pg_temp.order_of(8, :widget) AS placed \gset
SELECT id AS message FROM shop.outbox \gset

-- Every function with arguments that work; writes: whether it needs a transaction that may write.
CREATE TEMPORARY TABLE calls (position integer, name text, call text, writes boolean);
INSERT INTO calls
SELECT row_number() OVER (), substring(call FROM '^"?(\w+)"?\('),
    replace(format('SELECT * FROM shop.%s', call), 'STORE', '1'), writes
FROM (VALUES
    ('list_products(STORE, NULL, 10, NULL)', false),
    (format('get_product(STORE, %s, NULL)', :widget), false),
    ($$create_product(STORE, 'sku', 'Name', 1, 'actor', NULL)$$, true),
    (format($$update_product(STORE, %s, NULL, 'Name', NULL, 'actor', NULL)$$, :widget), true),
    (format($$restock(STORE, 1, %s, 1, 'key', 'actor', NULL)$$, :widget), true),
    (format('get_inventory(STORE, %s, NULL)', :widget), false),
    ('get_cart(STORE, NULL, 7, NULL)', false),
    (format('add_cart_item(STORE, NULL, 7, %s, 1, NULL)', :widget), true),
    (format($$add_cart_items(STORE, ARRAY[ROW(NULL, 7, %s, 1, NULL)::shop.cart_item_request])$$, :widget), true),
    (format('remove_cart_item(STORE, NULL, 7, %s, NULL)', :widget), true),
    (format($$checkout(STORE, NULL, 7, %s, 'key', NULL, NULL, NULL)$$, :cart), true),
    (format('get_order(STORE, NULL, %s, NULL)', :placed), false),
    ('list_orders(STORE, NULL, 7, NULL, NULL, NULL)', false),
    (format('order_events(STORE, NULL, %s, NULL)', :placed), false),
    ($$find_account(STORE, 'name')$$, false),
    ($$record_login(STORE, 'name', false)$$, true),
    ($$put_demo_account(STORE, 1, 'name', 'user', 'hash')$$, true),
    ('claim_outbox(STORE, 10, 1000)', true),
    (format('settle_payment(STORE, %s, true, NULL, NULL, NULL)', :placed), true),
    (format('settle_payments(STORE, ARRAY[%s]::bigint[], ARRAY[true], NULL, NULL, NULL)', :placed), true),
    (format('mark_outbox_delivered(STORE, ARRAY[%s])', :message), true),
    (format($$release_outbox(STORE, ARRAY[%s], 'error', 0, true)$$, :message), true),
    (format($$extend_outbox(STORE, ARRAY[%s], 1000)$$, :message), true),
    ($$record_dead_letter(STORE, 'sqs', 'key', 'body', NULL, 'reason', NULL, 1, NULL, NULL, NULL)$$, true),
    ($$mark_dead_letter_moved(STORE, 1, 'id')$$, true),
    (format($$checkout_batch(STORE, ARRAY[ROW(NULL, 7, %s, 'key', NULL, NULL, NULL)::shop.checkout_request])$$, :cart),
        true),
    (format('cancel_order(STORE, NULL, true, %s, NULL, NULL, NULL)', :placed), true),
    (format('fulfil_order(STORE, %s, NULL, NULL)', :placed), true),
    (format('refund_order(STORE, NULL, %s, NULL, false, NULL, NULL, NULL, NULL)', :placed), true),
    (format('return_to_stock(STORE, %s, %s, 1, NULL, NULL, NULL)', :placed, :widget), true),
    (format('adjust_stock(STORE, %s, 10, 11, NULL, NULL)', :widget), true),
    ('expire_pending_orders(STORE, 10)', true),
    ($$accept_order(STORE, '{"customer_id": "c", "items": [{"product_id": "p", "quantity": 1, "price": 1}]}', NULL,
        NULL, NULL)$$,
     true),
    ($$ingest_order(STORE, '{"order_id": "ORD-1", "customer_id": "c", "total_amount": 1,
        "items": [{"product_id": "p", "quantity": 1, "price": 1}], "created_at": "2024-01-01T00:00:00"}', NULL,
            NULL)$$, true),
    ($$ingest_orders(STORE, ARRAY['{"order_id": "ORD-2", "customer_id": "c", "total_amount": 1,
        "items": [{"product_id": "p", "quantity": 1, "price": 1}]}'], NULL, NULL)$$, true),
    ($$get_intake_order(STORE, 'ORD-1', NULL)$$, false),
    ('list_intake_orders(STORE, 1, 10, NULL, NULL)', false),
    ('list_all_orders(STORE, NULL, NULL, 10, NULL)', false),
    (format('order_as_of(STORE, %s, now())', :placed), false),
    (format($$begin_payment(STORE, %s, 'simulation', NULL)$$, :placed), true),
    ($$apply_payment(STORE, 1, 'captured', NULL, NULL, NULL, NULL, NULL, NULL, NULL)$$, true),
    ($$accept_payment(STORE, 1, NULL, 'boss', NULL)$$, true),
    ($$receive_payment_event(STORE, 'acme', 'event', 1, NULL, 'captured', NULL, NULL, NULL, NULL)$$, true),
    ($$defer_message(STORE, NULL, 'payment', 1, '{}', NULL, NULL, 'waits', 1000)$$, true),
    ('begin_refund(STORE, 1, NULL)', false),
    ($$settle_refund(STORE, 1, 'completed', NULL, NULL, NULL, NULL)$$, true),
    ('get_dead_letter(STORE, 1, NULL)', false),
    ('list_dead_letters(STORE, NULL, NULL, 10, NULL)', false),
    ('redrive(STORE, 1, NULL, NULL)', true),
    ($$discard(STORE, 1, 'reason', NULL, NULL)$$, true),
    ($$report_poller(STORE, 'poller', 'embedded', 0, 0, 0, now())$$, true),
    ('queue_status(STORE)', false),
    ('queue_depth(STORE)', false),
    ('order_statistics(STORE, NULL)', false),
    ('count_orders(STORE)', false),
    ('fold_order_counts(STORE, 10)', true),
    ('purge_idempotency_keys(STORE, 10)', true),
    ('purge_outbox(STORE, 10)', true),
    ('purge_inbox(STORE, 10)', true),
    ('purge_dead_letters(STORE, 10)', true),
    ('purge_failed_logins(STORE, 10)', true),
    ('purge_poller_reports(STORE, 10)', true),
    ('maintain(STORE)', true),
    ($$create_account(STORE, 'somebody', 'password', 'user')$$, true),
    ($$set_password(STORE, 1, 'password')$$, true),
    ('verify(STORE)', false),
    ('"check"()', false),
    ('require_migrated()', false),
    ('version()', false)) list (call, writes);
SELECT shop.put_demo_account(1, 1, 'demo', 'user', 'hash') \g /dev/null
SELECT set_eq('SELECT name FROM calls',
    $$SELECT proname::text COLLATE "default" FROM pg_proc WHERE pronamespace = 'shop'::regnamespace AND prosecdef$$,
    'the calls below are of every function that works with the owner''s rights');

-- state(statement): SQLSTATE that it ends with; 00000 when all is well. What it did is undone.
CREATE FUNCTION pg_temp.state(statement text) RETURNS text
LANGUAGE plpgsql AS $function$
BEGIN
    EXECUTE statement;
    RAISE EXCEPTION USING ERRCODE = 'ZZ999';
EXCEPTION WHEN OTHERS THEN
    RETURN CASE SQLSTATE WHEN 'ZZ999' THEN '00000' ELSE SQLSTATE END;
END
$function$;

SELECT is(pg_temp.state(call), '00000', format('shop.%s() runs', name)) FROM calls ORDER BY position;

-- In a read-only transaction, which here ends with the statement's subtransaction.
SET LOCAL client_min_messages = error; -- each task of maintain() warns
SELECT is(pg_temp.state(format('SET LOCAL transaction_read_only = on; %s', call)),
    CASE WHEN writes THEN '25006' ELSE '00000' END,
          format('shop.%s() %s in a read-only transaction', name, CASE WHEN writes THEN 'is refused' ELSE 'runs' END))
FROM calls ORDER BY position;
SELECT throws_ok(format($$SET LOCAL transaction_read_only = on; SELECT shop.checkout(1, NULL, 7, %s, 'k', NULL, NULL,
    NULL)$$,
    :cart), '25006', 'cannot execute shop.checkout in a read-only transaction', 'the message names the function');

-- SH001: without tables. Dropped one by one, as a half restored dump might lack them, and all together.
SELECT is(pg_temp.state(format('DROP TABLE shop.schema_versions; %s', call)), 'SH001',
          format('shop.%s() wants the tables', name))
FROM calls ORDER BY position;
SELECT throws_ok('DROP TABLE shop.schema_versions; SELECT shop.version()', 'SH001',
                 'the tables of pg_shop do not exist in this database', 'the message tells so');
SELECT is(pg_temp.state(format('DROP TABLE shop.idempotency_keys; %s', call)), 'SH001',
    'checkout misses a single table')
FROM calls WHERE name = 'checkout';
SELECT is(pg_temp.state(call), '00000', format('shop.%s() runs again once the tables are back', name))
FROM calls WHERE name IN ('checkout', 'get_product', 'claim_outbox') ORDER BY position;

-- SH002: another version. A session looks at the versions once for each shop.schema_versions, so the table is made
-- anew.
CREATE FUNCTION pg_temp.with_schema_version(version text, statement text) RETURNS void
LANGUAGE plpgsql AS $function$
BEGIN
    EXECUTE format('CREATE TABLE shop.copy AS SELECT %s AS version, %L AS step FROM shop.schema_versions', version,
        'x');
    ALTER TABLE shop.copy OWNER TO shop_owner;
    DROP TABLE shop.schema_versions;
    ALTER TABLE shop.copy RENAME TO schema_versions;
    EXECUTE statement;
END
$function$;
SELECT is(pg_temp.state(format($$SELECT pg_temp.with_schema_version('max(version)', %L)$$, call)), '00000',
          format('shop.%s() runs with a table made anew', name)) FROM calls WHERE name = 'version';
SELECT is(pg_temp.state(format($$SELECT pg_temp.with_schema_version('NULL::integer', %L)$$, call)), 'SH001',
          'tables that no step made are none') FROM calls WHERE name = 'version';
SELECT is(pg_temp.state(format($$SELECT pg_temp.with_schema_version('max(version) + 1', %L)$$, call)), 'SH002',
          format('shop.%s() refuses newer tables', name)) FROM calls
              WHERE name IN ('version', 'checkout', 'get_cart', 'verify');
SELECT is(pg_temp.state(format($$SELECT pg_temp.with_schema_version('max(version) - 1', %L)$$, call)), 'SH002',
          format('shop.%s() refuses older tables', name)) FROM calls
              WHERE name IN ('version', 'checkout', 'get_cart', 'verify');
SELECT throws_ok($$SELECT pg_temp.with_schema_version('max(version) + 1', 'SELECT shop.migrate()')$$, 'SH002', NULL,
                 'migrate() does not touch tables that a newer version made');
SELECT throws_ok($$UPDATE pg_extension SET extversion = '0.9.9' WHERE extname = 'pg_shop';
                   SELECT pg_temp.with_schema_version('max(version)', 'SELECT shop.version()')$$, 'SH002',
                 'the extension in this database is 0.9.9, but the loaded library of pg_shop is ' || shop.version(),
                 'a library of another version than the extension is refused');
SELECT is(pg_temp.state(format($$UPDATE pg_extension SET extversion = '0.9.9' WHERE extname = 'pg_shop';
                                CREATE OR REPLACE FUNCTION pg_temp.anything() RETURNS void LANGUAGE sql AS ''; %s$$, call)),
          'SH002', 'also in a session that was there before the upgrade, which always changes functions')
FROM calls WHERE name = 'checkout';
SELECT is(pg_temp.state(format($$UPDATE pg_index SET indisvalid = false
                                WHERE indexrelid = 'shop.payment_attempts_by_order'::regclass;
                                ALTER TABLE shop.payment_attempts SET (fillfactor = 99); %s$$, call)), 'SH002',
          'an index that is not ready is not relied on') FROM calls WHERE name = 'cancel_order';
SELECT is(pg_temp.state(call), '00000', 'a valid one is') FROM calls WHERE name = 'cancel_order';
SELECT is(pg_temp.state(format('ALTER TABLE shop.orders DROP COLUMN total_price CASCADE; %s', call)), 'SH002',
          'a missing column is refused') FROM calls WHERE name = 'checkout';
SELECT is(pg_temp.state(format('ALTER TABLE shop.orders ALTER COLUMN user_id TYPE integer; %s', call)), 'SH002',
          'so is a column of another type') FROM calls WHERE name = 'checkout';

-- Tables that were changed in ways that do not matter.
SELECT is(pg_temp.state(format($$ALTER TABLE shop.orders ADD COLUMN note text; %s$$, call)), '00000',
          'a column that the DBA added does not disturb checkout') FROM calls WHERE name = 'checkout';
SELECT is(pg_temp.state(format('CREATE INDEX ON shop.orders (store_id, status); %s', call)), '00000',
          'nor does an index') FROM calls WHERE name = 'checkout';
SELECT is(pg_temp.state(format('CLUSTER shop.orders USING orders_pkey; REINDEX TABLE shop.carts; %s', call)), '00000',
          'nor do tables and indexes that were written anew') FROM calls WHERE name = 'checkout';

SELECT is(pg_temp.state(format('ALTER TABLE shop.orders ADD CONSTRAINT small CHECK (total_price < 1); %s', call)),
    '23514',
          'a CHECK that the DBA adds is obeyed') FROM calls WHERE name = 'checkout';
SELECT is(pg_temp.state(format('ALTER TABLE shop.orders ADD CONSTRAINT small CHECK (total_price < 3); %s', call)),
    '00000',
          'and let through what it allows') FROM calls WHERE name = 'checkout';
SELECT is(pg_temp.state(format('ALTER TABLE shop.inventory ADD CONSTRAINT few CHECK (reserved < 2); %s', call)),
    '23514',
          'also by an update') FROM calls WHERE name = 'checkout';
SELECT is(pg_temp.state(call), '00000', 'no longer when it is gone') FROM calls WHERE name = 'checkout';

-- SH003: data that contradicts itself.
SELECT throws_ok(format($$DELETE FROM shop.inventory WHERE product_id = %s; %s$$, :widget, call), 'SH003',
                 'the shop''s data contradicts itself', 'settling without an inventory row is refused')
FROM calls WHERE name = 'settle_payment';
SELECT isnt(pg_temp.state(format($$UPDATE shop.inventory SET reserved = 0 WHERE product_id = %s; %s$$, :widget, call)),
    '00000',
            'so is settling what is not reserved')
FROM calls WHERE name = 'settle_payment';
SELECT throws_ok(format($$SET LOCAL session_replication_role = replica; DELETE FROM shop.products WHERE id = %s; %s$$,
    :widget, call), 'SH003', 'the shop''s data contradicts itself', 'a cart whose product is gone is refused')
FROM calls WHERE name = 'checkout';

-- SH005: arguments that no client can cause.
SELECT is(pg_temp.state(replace(call, '(1, ', format('(%s, ', store))), 'SH005',
    format('shop.%s() refuses store %s', name, store))
FROM calls, (VALUES ('0'), ('NULL')) stores (store)
WHERE name IN ('list_products', 'get_product', 'create_product', 'update_product', 'restock', 'get_inventory',
    'get_cart',
               'add_cart_item', 'remove_cart_item', 'checkout', 'get_order', 'list_orders', 'order_events',
                   'settle_payment')
  AND (store = '0' OR name IN ('checkout'))
ORDER BY position, store;
SELECT throws_ok('SELECT shop.get_product(-1, 1, NULL)', 'SH005', 'invalid argument "store_id"',
    'the message names the argument');

SELECT is_empty('SELECT * FROM shop.verify(1)', 'verify() finds nothing wrong');
SELECT * FROM finish();
ROLLBACK;
