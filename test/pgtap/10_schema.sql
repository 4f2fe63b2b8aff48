-- The tables: every key begins with the store, everything is described, and CHECKs refuse what the functions never
-- write.
BEGIN;
SELECT plan(49);
\ir fixture.psql

CREATE TEMPORARY VIEW shop_tables AS
    SELECT oid, relname FROM pg_class
    WHERE relnamespace = 'shop'::regnamespace AND relkind IN ('r', 'p') AND relname <> 'schema_versions';

SELECT is_empty(
    $$SELECT unnest(ARRAY['accounts', 'cart_items', 'carts', 'dead_letters', 'idempotency_keys', 'inventory',
        'order_events', 'order_items', 'orders', 'outbox', 'products', 'stock_movements'])
      EXCEPT SELECT relname FROM shop_tables$$,
    'the tables are there');

SELECT is_empty(
    $$SELECT relname FROM shop_tables
      WHERE NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = shop_tables.oid AND attnum = 1
                          AND attname = 'store_id' AND atttypid = 'integer'::regtype AND attnotnull)$$,
    'every table begins with store_id integer NOT NULL');
SELECT is_empty(
    $$SELECT relname FROM shop_tables
      WHERE NOT EXISTS (SELECT FROM pg_index WHERE indrelid = shop_tables.oid AND indisprimary)
        AND relname NOT IN ('order_count_deltas', 'stock_movements')$$,
    'every table has a primary key, but for the two whose rows are never looked up by number');

-- refused(command): tables on which a publication of all tables forbids the command, whatever rows it would meet.
CREATE FUNCTION pg_temp.refused(command text) RETURNS SETOF text
LANGUAGE plpgsql AS $function$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT relname FROM pg_class WHERE relnamespace = 'shop'::regnamespace AND relkind = 'r' LOOP
        BEGIN
            EXECUTE format(command, name);
        EXCEPTION WHEN object_not_in_prerequisite_state THEN
            RETURN NEXT name;
        END;
    END LOOP;
END
$function$;
SET LOCAL client_min_messages = error; -- the publication warns where nobody replicates
CREATE PUBLICATION everything FOR ALL TABLES;
RESET client_min_messages;
SELECT set_eq($$SELECT pg_temp.refused('DELETE FROM shop.%I WHERE false')$$, ARRAY['stock_movements'],
    'every table but the ledger, which is only ever added to, tells subscribers which row is deleted');
SELECT is_empty(
    $$SELECT oid::regprocedure FROM pg_proc
      WHERE pronamespace = 'shop'::regnamespace AND prosrc ~* '(UPDATE|DELETE\s+FROM)\s+shop\.stock_movements'$$,
    'and nothing changes the ledger');
DROP PUBLICATION everything;

SELECT is_empty(
    $$SELECT indexrelid::regclass FROM pg_index
      JOIN shop_tables ON shop_tables.oid = indrelid
      WHERE (SELECT attname FROM pg_attribute WHERE attrelid = indrelid AND attnum = indkey[0])
            IS DISTINCT FROM 'store_id'$$,
    'every primary key, unique and other index begins with store_id');
SELECT is_empty(
    $$SELECT conname FROM pg_constraint JOIN shop_tables ON shop_tables.oid = conrelid
      WHERE contype = 'f'
        AND ((SELECT attname FROM pg_attribute WHERE attrelid = conrelid AND attnum = conkey[1])
                 IS DISTINCT FROM 'store_id'
             OR (SELECT attname FROM pg_attribute WHERE attrelid = confrelid AND attnum = confkey[1])
                 IS DISTINCT FROM 'store_id')$$,
    'every foreign key begins with store_id on both sides');
SELECT is_empty(
    $$SELECT relname FROM shop_tables
      WHERE NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = shop_tables.oid AND contype = 'c'
                          AND pg_get_constraintdef(oid) = 'CHECK ((store_id > 0))')$$,
    'every table checks that the store is a positive number');
SELECT is_empty(
    $$SELECT oid::regclass FROM pg_class
      WHERE relnamespace = 'shop'::regnamespace AND relkind IN ('r', 'p', 'v')
        AND coalesce(obj_description(oid, 'pg_class'), '') = ''$$,
    'every table has a comment');
SELECT is_empty(
    $$SELECT format('%s.%s', attrelid::regclass, attname) FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
      WHERE relnamespace = 'shop'::regnamespace AND relkind IN ('r', 'p', 'v') AND attnum > 0 AND NOT attisdropped
        AND coalesce(col_description(attrelid, attnum), '') = ''$$,
    'every column has a comment');
SELECT is_empty(
    $$SELECT attrelid::regclass, attname FROM pg_attribute JOIN shop_tables ON shop_tables.oid = attrelid
      WHERE attname IN ('price', 'total_price') AND format_type(atttypid, atttypmod) <> 'numeric(12,2)'$$,
    'amounts are numeric(12,2)');
SELECT is_empty(
    $$SELECT attrelid::regclass, attname FROM pg_attribute JOIN shop_tables ON shop_tables.oid = attrelid
      WHERE atttypid = 'timestamp'::regtype$$,
    'no time is without its zone');
SELECT is_empty(
    $$SELECT tgname FROM pg_trigger JOIN shop_tables ON shop_tables.oid = tgrelid WHERE NOT tgisinternal$$,
    'there are no triggers');

SELECT pg_temp.product('widget', 9.99, 5) AS product \gset
SELECT pg_temp.order_of(7, :product, 2) AS ordered \gset
SELECT pg_temp.put(8, :product, 1) AS cart \gset
SELECT pg_temp.product('in a cart', 1, 1) AS carted \gset
SELECT pg_temp.put(9, :carted) AS other_cart \gset
SELECT pg_temp.product('in stock', 1, 1) AS stocked \gset

-- refused(statement, what): a CHECK refuses the statement.
CREATE FUNCTION pg_temp.refused(statement text, what text) RETURNS text
LANGUAGE sql AS $$ SELECT throws_ok(statement, '23514', NULL, what || ' is refused') $$;

SELECT pg_temp.refused('UPDATE shop.inventory SET on_hand = -1, reserved = 0', 'negative stock');
SELECT pg_temp.refused('UPDATE shop.inventory SET reserved = -1', 'a negative reservation');
SELECT pg_temp.refused('UPDATE shop.inventory SET reserved = on_hand + 1', 'reserving more than there is');
SELECT lives_ok('UPDATE shop.inventory SET reserved = on_hand', 'reserving all there is is allowed');
SELECT pg_temp.refused('UPDATE shop.cart_items SET qty = 0', 'quantity 0 in a cart');
SELECT pg_temp.refused('UPDATE shop.cart_items SET qty = -1', 'a negative quantity in a cart');
SELECT pg_temp.refused('UPDATE shop.order_items SET qty = 0', 'quantity 0 in an order');
SELECT pg_temp.refused('UPDATE shop.order_items SET price = -0.01', 'a negative price in an order');
SELECT pg_temp.refused('UPDATE shop.products SET price = -0.01', 'a negative price');
SELECT pg_temp.refused($$UPDATE shop.products SET sku = ''$$, 'an empty SKU');
SELECT pg_temp.refused($$UPDATE shop.products SET name = ''$$, 'an empty name');
SELECT pg_temp.refused('UPDATE shop.orders SET total_price = -0.01', 'a negative total');
SELECT pg_temp.refused($$UPDATE shop.orders SET status = 'confirmed'$$, 'an unknown order status');
SELECT pg_temp.refused($$UPDATE shop.orders SET user_id = 0$$, 'an order of user 0');
SELECT pg_temp.refused($$UPDATE shop.carts SET status = 'closed'$$, 'an unknown cart status');
SELECT pg_temp.refused($$UPDATE shop.stock_movements SET kind = 'lost'$$, 'an unknown stock movement');
SELECT pg_temp.refused($$UPDATE shop.outbox SET status = 'sent', finished_at = now()$$, 'an unknown message status');
SELECT pg_temp.refused($$UPDATE shop.outbox SET topic = 'mail'$$, 'an unknown topic');
SELECT pg_temp.refused($$UPDATE shop.outbox SET attempts = -1$$, 'a negative number of attempts');
SELECT pg_temp.refused($$UPDATE shop.outbox SET finished_at = now()$$, 'a pending message with a time of finishing');
SELECT pg_temp.refused($$UPDATE shop.outbox SET status = 'delivered'$$, 'a delivered message without one');
SELECT pg_temp.refused($$INSERT INTO shop.dead_letters (store_id, source, message_key, body, reason, receive_count)
    VALUES (1, 'post', 'k', 'b', 'r', 1)$$, 'a dead letter from an unknown source');
SELECT pg_temp.refused($$INSERT INTO shop.dead_letters (store_id, source, message_key, body, reason, receive_count,
    status)
    VALUES (1, 'sqs', 'k', 'b', 'r', 1, 'lost')$$, 'an unknown dead letter status');
SELECT pg_temp.refused($$INSERT INTO shop.accounts (store_id, username, role, password_hash)
    VALUES (1, 'x', 'root', 'h')$$, 'an unknown account role');
SELECT pg_temp.refused($$INSERT INTO shop.carts (store_id, user_id) VALUES (0, 1)$$, 'store 0');
SELECT throws_ok($$UPDATE shop.products SET price = 10000000000$$, '22003', NULL,
    'an amount over the limit is refused');
SELECT pg_temp.refused($$UPDATE shop.products SET price = 'NaN'$$, 'a price that is not a number');
SELECT pg_temp.refused($$UPDATE shop.order_items SET price = 'NaN'$$, 'such a price in an order');
SELECT pg_temp.refused($$UPDATE shop.orders SET total_price = 'NaN'$$, 'a total that is not a number');

-- Keys.
SELECT throws_ok($$INSERT INTO shop.carts (store_id, user_id) VALUES (1, 8)$$, '23505', NULL,
                 'a second open cart of a user is refused');
SELECT lives_ok($$INSERT INTO shop.carts (store_id, user_id) VALUES (2, 8)$$,
                'his open cart in another store is not');
SELECT throws_ok(format($$INSERT INTO shop.orders (store_id, user_id, cart_id, status, total_price, last_event)
    SELECT store_id, user_id, cart_id, 'pending', 0, 1 FROM shop.orders WHERE id = %s$$, :ordered), '23505', NULL,
    'a second order of a cart is refused');
SELECT throws_ok(
    format($$WITH line AS (SELECT store_id, id, order_id, product_id FROM shop.order_items WHERE order_id = %s)
    INSERT INTO shop.stock_movements (store_id, product_id, kind, on_hand_delta, reserved_delta, order_id,
        order_item_id)
    SELECT store_id, product_id, kind, 0, 0, order_id, id FROM line,
        (VALUES ('commit'), ('release')) resolution (kind)$$,
    :ordered), '23505', NULL, 'an order line is sold or given back, not both');

-- What a DBA could delete by mistake.
SELECT throws_ok(format('DELETE FROM shop.products WHERE id = %s', :product), '23503', NULL,
                 'a product that is ordered cannot be deleted');
SELECT throws_ok(format('DELETE FROM shop.products WHERE id = %s', :carted), '23503', NULL,
                 'a product in a cart cannot be deleted');
SELECT throws_ok(format('DELETE FROM shop.products WHERE id = %s', :stocked), '23503', NULL,
                 'a product with a stock level cannot be deleted');

SELECT * FROM finish();
ROLLBACK;
