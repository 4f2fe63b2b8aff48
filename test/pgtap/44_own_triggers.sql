-- The tables are ordinary ones: triggers and generated columns that somebody adds work, although the functions write
-- rows through the executor's row interface, many at once.
BEGIN;
SELECT plan(12);
\ir fixture.psql

SELECT pg_temp.product('apple', 1.50, 100) AS apple, pg_temp.product('pear', 2, 100) AS pear \gset
CREATE TEMPORARY TABLE heard (what text, number serial);
-- The functions run with the rights of their owner.
GRANT INSERT ON heard TO PUBLIC;
GRANT USAGE ON SEQUENCE heard_number_seq TO PUBLIC;
CREATE FUNCTION pg_temp.hear() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO heard (what) VALUES (TG_TABLE_NAME || ' ' || TG_WHEN || ' ' || NEW.product_id);
    RETURN NEW;
END
$$;

-- AFTER: the rows are still written together, and each fires.
CREATE TRIGGER after_row AFTER INSERT ON shop.order_items FOR EACH ROW EXECUTE FUNCTION pg_temp.hear();
SELECT pg_temp.put(1, :apple, 2) AS c1, pg_temp.put(1, :pear, 1) AS c1 \gset
SELECT is((shop.checkout(1, NULL, 1, :c1, 'k', NULL, NULL, NULL)).status, 201, 'a checkout with a trigger after its lines');
SELECT is((SELECT array_agg(what ORDER BY number) FROM heard),
    ARRAY['order_items AFTER ' || :apple, 'order_items AFTER ' || :pear], 'which hears of each line in order');

-- BEFORE: it sees the row first, and what it changes counts.
CREATE FUNCTION pg_temp.stamp() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.actor := 'trigger';
    RETURN NEW;
END
$$;
CREATE TRIGGER before_row BEFORE INSERT ON shop.stock_movements FOR EACH ROW EXECUTE FUNCTION pg_temp.stamp();
SELECT pg_temp.put(2, :apple, 2) AS c2, pg_temp.put(2, :pear, 1) AS c2 \gset
SELECT is((shop.checkout(1, NULL, 2, :c2, 'k', NULL, NULL, NULL)).status, 201, 'a checkout with a trigger before its movements');
SELECT is((SELECT count(*) FROM shop.stock_movements WHERE actor = 'trigger'), 2::bigint, 'which changes each of them');

-- BEFORE an update, also of a row that the same call has written.
CREATE FUNCTION pg_temp.touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO heard (what) VALUES (TG_TABLE_NAME || ' ' || TG_OP);
    RETURN NEW;
END
$$;
CREATE TRIGGER touch BEFORE UPDATE ON shop.orders FOR EACH ROW EXECUTE FUNCTION pg_temp.touch();
CREATE TRIGGER touch BEFORE UPDATE ON shop.payment_attempts FOR EACH ROW EXECUTE FUNCTION pg_temp.touch();
CREATE TRIGGER touch BEFORE UPDATE ON shop.cart_items FOR EACH ROW EXECUTE FUNCTION pg_temp.touch();
DELETE FROM heard;
SELECT is((SELECT result FROM shop.ingest_order(1, '{"order_id": "ORD-1A2B3C4D", "customer_id": "c", "total_amount": 1, "items":
    [{"product_id": "x", "quantity": 1, "price": 1}], "status": "pending", "created_at": "2026-01-01T00:00:00"}', NULL, NULL)),
    'processed', 'a producer''s order is written and completed in one call');
SELECT pg_temp.order_of(5, :apple) AS cancelled \gset
SELECT attempt_id AS attempt FROM shop.begin_payment(1, :cancelled, 'stripe', NULL) \gset
SELECT (shop.cancel_order(1, 5, false, :cancelled, NULL, NULL, NULL)).status AS ignored \gset
SELECT is((SELECT result FROM shop.apply_payment(1, :attempt, 'captured', 'p', NULL, NULL, 'stripe', 'e', NULL, NULL)),
    'refund_requested', 'money for a cancelled order is recorded and asked back in one call');
SELECT is((SELECT array_agg(status) FROM shop.add_cart_items(1, ARRAY[ROW(NULL, 6, :apple, 1, NULL),
    ROW(NULL, 6, :apple, 1, NULL)]::shop.cart_item_request[])), ARRAY[201, 201], 'one line is put twice in one call');
SELECT is((SELECT array_agg(DISTINCT what ORDER BY what) FROM heard WHERE what LIKE '%UPDATE'),
    ARRAY['cart_items UPDATE', 'orders UPDATE', 'payment_attempts UPDATE'], 'and the triggers hear of all');
SELECT is_empty('SELECT * FROM shop.verify(1)', 'and all is well');

-- A generated column is computed.
ALTER TABLE shop.order_events ADD COLUMN summary text GENERATED ALWAYS AS (event || ' by ' || actor) STORED;
SELECT pg_temp.put(3, :apple, 1) AS c3 \gset
SELECT is((shop.checkout(1, NULL, 3, :c3, 'k', NULL, NULL, NULL)).status, 201, 'a checkout with a generated column');
SELECT is((SELECT summary FROM shop.order_events ORDER BY order_id DESC LIMIT 1), 'placed by user:3', 'which is computed');
SELECT is_empty('SELECT * FROM shop.verify(1)', 'and all is well');

SELECT * FROM finish();
ROLLBACK;
