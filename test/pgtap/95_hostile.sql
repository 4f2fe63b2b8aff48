-- A hostile environment: schemas before pg_catalog in search_path that shadow operators, functions and types, and
-- temporary tables with our names. Installation, roles.sql and API must neither call them nor read them.
BEGIN;
SELECT plan(22);
SET LOCAL client_min_messages = warning;

DROP SCHEMA shop CASCADE;
CREATE ROLE attacker;
CREATE SCHEMA hostile AUTHORIZATION attacker;
SET LOCAL ROLE attacker;

CREATE FUNCTION hostile.trap() RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trapped'; END $$;
DO $plant$
DECLARE
    planted record;
BEGIN
    -- An operator for every pair of types that our SQL compares or adds, also those that pg_catalog only casts to.
    FOR planted IN
        SELECT DISTINCT operator, argument.left_type, argument.right_type
        FROM unnest(ARRAY['=', '<>', '<', '>', '<=', '>=', '+', '-', '*', '||', '~', '~~']) operator,
             (SELECT left_type, right_type
              FROM unnest(ARRAY['integer', 'bigint', 'text', 'name', 'numeric', 'oid', 'regnamespace', 'regclass',
                  'boolean',
                                'timestamptz', 'interval', '"char"', 'bytea']) left_type,
                   unnest(ARRAY['integer', 'bigint', 'text', 'name', 'numeric', 'oid', 'regnamespace', 'regclass',
                       'boolean',
                                'timestamptz', 'interval', '"char"', 'bytea']) right_type) argument
    LOOP
        EXECUTE format('CREATE OR REPLACE FUNCTION hostile.operate(%s, %s) RETURNS boolean LANGUAGE plpgsql AS '
                       '$$BEGIN PERFORM hostile.trap(); RETURN true; END$$', planted.left_type, planted.right_type);
        EXECUTE format('CREATE OPERATOR hostile.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = hostile.operate)',
                       planted.operator, planted.left_type, planted.right_type);
    END LOOP;
    -- Functions and aggregates that our SQL calls.
    FOR planted IN
        SELECT * FROM (VALUES ('clock_timestamp', '', 'timestamptz'), ('now', '', 'timestamptz'),
            ('format', 'text, VARIADIC "any"', NULL), ('format', 'text', 'text'), ('format', 'text, text', 'text'),
            ('format', 'text, bigint', 'text'), ('format', 'text, bigint, bigint', 'text'),
                ('format', 'text, name', 'text'),
            ('lpad', 'text, integer, text', 'text'), ('length', 'text', 'integer'), ('to_regclass', 'text', 'regclass'),
            ('pg_advisory_xact_lock', 'bigint', 'void'), ('hashtextextended', 'text, bigint', 'bigint'),
            ('greatest', 'integer, integer', 'integer'), ('pg_get_userbyid', 'oid', 'name'),
            ('to_char', 'timestamp, text', 'text'), ('timezone', 'text, timestamptz', 'timestamp'),
            ('cardinality', 'text[]', 'integer')) functions (name, arguments, result)
        WHERE result IS NOT NULL
    LOOP
        EXECUTE format('CREATE FUNCTION hostile.%I(%s) RETURNS %s LANGUAGE plpgsql AS '
                       '$$BEGIN PERFORM hostile.trap(); END$$', planted.name, planted.arguments, planted.result);
    END LOOP;
END
$plant$;
CREATE AGGREGATE hostile.count(*) (SFUNC = int8inc, STYPE = bigint, INITCOND = '1000');
CREATE AGGREGATE hostile.sum(integer) (SFUNC = int4_sum, STYPE = bigint, INITCOND = '1000');
CREATE AGGREGATE hostile.max(integer) (SFUNC = int4larger, STYPE = integer, INITCOND = '1000');
CREATE DOMAIN hostile.int4 AS pg_catalog.text;
CREATE DOMAIN hostile.int8 AS pg_catalog.text;
CREATE DOMAIN hostile.text AS pg_catalog.int4;
CREATE DOMAIN hostile.numeric AS pg_catalog.text;
CREATE DOMAIN hostile.timestamptz AS pg_catalog.text;
CREATE DOMAIN hostile.regclass AS pg_catalog.text;
CREATE DOMAIN hostile.regnamespace AS pg_catalog.text;
-- A type of the attacker's with a cast that is taken wherever an integer fits nowhere better.
CREATE TYPE hostile.bait AS (trap integer);
CREATE FUNCTION hostile.to_bait(integer) RETURNS hostile.bait
LANGUAGE plpgsql AS $$ BEGIN PERFORM hostile.trap(); END $$;
CREATE CAST (integer AS hostile.bait) WITH FUNCTION hostile.to_bait(integer) AS IMPLICIT;
-- Tables with our names, which would make every answer wrong.
CREATE TABLE hostile.products (store_id integer, id bigint, sku text, name text, price numeric);
CREATE TABLE hostile.pg_proc (oid oid, proname name, pronamespace oid);
CREATE TABLE hostile.pg_roles (rolname name);
CREATE TEMPORARY TABLE schema_versions (version integer, step text);
CREATE TEMPORARY TABLE products (store_id integer, id bigint, sku text, name text, price numeric);
CREATE TEMPORARY TABLE inventory (store_id integer, product_id bigint, on_hand integer, reserved integer);
CREATE TEMPORARY TABLE carts (store_id integer, id bigint, user_id bigint, status text);
CREATE TEMPORARY TABLE cart_items (store_id integer, id bigint, cart_id bigint, product_id bigint, qty integer);
CREATE TEMPORARY TABLE orders (store_id integer, id bigint, user_id bigint, status text, total_price numeric);
CREATE TEMPORARY TABLE outbox (store_id integer, id bigint, status text);
CREATE TEMPORARY TABLE idempotency_keys (store_id integer, user_id bigint, route text, key text);
CREATE TEMPORARY TABLE accounts (store_id integer, id bigint, username text, role text, password_hash text);
CREATE TEMPORARY TABLE pg_extension (extname name, extversion text);
INSERT INTO accounts VALUES (1, 1, 'boss', 'admin', 'forged');
INSERT INTO products VALUES (1, 1, 'forged', 'forged', 0);
GRANT ALL ON SCHEMA hostile TO PUBLIC;
RESET ROLE;

-- From here on to "public, pg_catalog" every statement is one that a victim would run. None uses an operator itself.
-- roles.sql leaves the session with its default search_path, so the hostile one is set anew.
SET LOCAL search_path = hostile, pg_temp, pg_catalog, public;
CREATE EXTENSION pg_shop;
SELECT * FROM shop.migrate() \g /dev/null
\o /dev/null
\ir ../../extension/sql/roles.sql
SET LOCAL search_path = hostile, pg_temp, pg_catalog, public;
\ir ../../extension/sql/roles.sql
\o
SET LOCAL search_path = hostile, pg_temp, pg_catalog, public;
SELECT * FROM shop.grant_roles() \g /dev/null
GRANT shop_gateway, shop_poller, shop_read TO attacker;
SET LOCAL ROLE attacker;
SELECT * FROM shop.create_product(1, 'sku', 'Name', 1.50, 'actor', 'r') \gset product_
SELECT * FROM shop.update_product(1, 1, 'sku-2', NULL, NULL, 'actor', 'r') \gset update_
SELECT * FROM shop.get_product(1, 1, 'r') \gset get_
SELECT * FROM shop.list_products(1, 0, 10, 'r') \gset list_
SELECT * FROM shop.restock(1, 1, 1, 5, 'key', 'actor', 'r') \gset restock_
SELECT * FROM shop.add_cart_item(1, NULL, 7, 1, 2, 'r') \gset add_
SELECT * FROM shop.get_cart(1, NULL, 7, 'r') \gset cart_
SELECT * FROM shop.checkout(1, NULL, 7, 1, 'key', 3, 'r', NULL) \gset checkout_
SELECT * FROM shop.checkout(1, NULL, 7, 1, 'key', 3, 'r', NULL) \gset again_
SELECT * FROM shop.add_cart_item(1, NULL, 7, 1, 1, 'r') \gset next_
SELECT * FROM shop.remove_cart_item(1, NULL, 7, 1, 'r') \gset remove_
SELECT * FROM shop.claim_outbox(1, 10, 60000) \gset claim_
SELECT * FROM shop.settle_payment(1, 1, true, NULL, 'r', NULL) \gset settle_
SELECT * FROM shop.get_inventory(1, 1, 'r') \gset level_
SELECT * FROM shop.get_order(1, NULL, 1, 'r') \gset order_
SELECT * FROM shop.list_orders(1, NULL, 7, NULL, NULL, 'r') \gset orders_
SELECT * FROM shop.order_events(1, NULL, 1, 'r') \gset events_
SELECT shop.mark_outbox_delivered(1, '{1}') AS delivered, shop.release_outbox(1, '{1}', 'error', 0, true) AS released \gset
SELECT * FROM shop.record_dead_letter(1, 'sqs', 'key', 'body', NULL, 'reason', NULL, 1, NULL, NULL, NULL) \gset letter_
SELECT shop.mark_dead_letter_moved(1, 1, 'id') \g /dev/null
SELECT shop.put_demo_account(1, 1, 'boss', 'admin', 'true hash') \g /dev/null
SELECT shop.record_login(1, 'boss', false) \g /dev/null
SELECT * FROM shop.find_account(1, 'boss') \gset account_
CREATE TEMPORARY TABLE report AS SELECT * FROM shop.verify(1);
SELECT shop.version() AS version \gset
RESET ROLE;
SET LOCAL search_path = public, pg_catalog;

SELECT throws_ok('SELECT 1 OPERATOR(hostile.=) 1', 'P0001', 'trapped', 'the traps work');
SELECT is(:'product_body'::text, '{"id":1,"sku":"sku","name":"Name","price":1.50}', 'create_product() is as ever');
SELECT is(:'update_body'::text, '{"id":1,"sku":"sku-2","name":"Name","price":1.50}', 'update_product()');
SELECT is(:'get_body'::text, :'update_body', 'get_product()');
SELECT is(:'list_body'::text, format('[%s]', :'update_body'), 'list_products()');
SELECT is(:'restock_body'::text, '{"product_id":1,"available_qty":5}', 'restock()');
SELECT is(:'add_body'::text, '{"cart":{"id":1,"user_id":7,"status":"open"},'
    '"item":{"id":1,"cart_id":1,"product_id":1,"qty":2}}', 'add_cart_item()');
SELECT is(:'cart_body'::text, '{"cart":{"id":1,"user_id":7,"status":"open"},'
    '"items":[{"id":1,"cart_id":1,"product_id":1,"qty":2,"price":1.50}],"total_price":3.00}', 'get_cart()');
SELECT is(:'checkout_body'::text, '{"order":{"id":1,"user_id":7,"total_price":3.00,"status":"pending"},'
    '"order_items":[{"id":1,"order_id":1,"product_id":1,"qty":2,"price":1.50}]}', 'checkout()');
SELECT is(:'again_body'::text || :'again_replayed', :'checkout_body' || 't', 'checkout() again');
SELECT is(:'remove_body'::text, '{"id":2,"cart_id":2,"product_id":1,"qty":1}', 'remove_cart_item()');
SELECT is(:'claim_body'::text || :'claim_attempts', '{"orderId": 1}1', 'claim_outbox()');
SELECT is(:'settle_result'::text || :'settle_order_status', 'settledCONFIRMED', 'settle_payment()');
SELECT is(:'level_body'::text, '{"product_id":1,"available_qty":3,"on_hand":3,"reserved":0}', 'get_inventory()');
SELECT is(:'order_body'::json #>> '{items,0,price}', '1.50', 'get_order()');
SELECT is(:'orders_body'::json #>> '{0,status}', 'CONFIRMED', 'list_orders()');
SELECT is(:'events_body'::json #>> '{1,to}', 'CONFIRMED', 'order_events()');
SELECT is(format('%s %s %s', :'delivered', :'released', :'letter_moved'), '1 0 f', 'the functions of the poller');
SELECT is(:'account_password_hash'::text, 'true hash', 'find_account()');
SELECT is_empty('SELECT * FROM report', 'verify()');
SELECT is(:'version'::text, (SELECT extversion FROM pg_catalog.pg_extension WHERE extname = 'pg_shop'), 'version()');
SELECT is((SELECT count(*) FROM pg_proc WHERE pronamespace = 'shop'::regnamespace
    AND proowner <> 'shop_owner'::regrole),
          0::bigint, 'roles.sql did its work');

SELECT * FROM finish();
ROLLBACK;
