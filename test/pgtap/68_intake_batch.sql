-- Many intake messages in one call: each has the result it would have alone after those before it.
BEGIN;
SELECT plan(26);
\ir fixture.psql

-- document(id, items, total): the message of an order; items: SKU, quantity and price, three by three.
CREATE FUNCTION pg_temp.document(id text, items text[], total numeric DEFAULT NULL) RETURNS text
LANGUAGE sql AS $$
    SELECT json_build_object('order_id', id, 'customer_id', 'c', 'total_amount',
        coalesce(total, sum(items[n + 1]::numeric * items[n + 2]::numeric)), 'items', json_agg(json_build_object(
            'product_id', items[n], 'quantity', items[n + 1]::integer, 'price', items[n + 2]::numeric)))::text
    FROM generate_series(1, cardinality(items), 3) n
$$;

-- said(...): a result in one line; together(...) and alone(...): those of all documents, in one call or one by one.
CREATE FUNCTION pg_temp.said(result text, order_status text, detail text) RETURNS text
LANGUAGE sql AS $$ SELECT coalesce(nullif(concat_ws(' | ', result, order_status, detail), ''), 'undecided') $$;
CREATE FUNCTION pg_temp.together(bodies text[], messages bigint[] DEFAULT NULL) RETURNS text
LANGUAGE sql AS $$
    SELECT string_agg(pg_temp.said(result, order_status, detail), E'\n' ORDER BY ordinality)
    FROM shop.ingest_orders(1, bodies, (SELECT array_agg('request ' || n ORDER BY n)
                                        FROM generate_series(1, cardinality(bodies)) n), messages) WITH ORDINALITY
$$;
CREATE FUNCTION pg_temp.alone(bodies text[], messages bigint[] DEFAULT NULL) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    results text[];
    one record;
BEGIN
    FOR n IN 1..cardinality(bodies) LOOP
        SELECT * INTO one FROM shop.ingest_order(1, bodies[n], 'request ' || n, messages[n]);
        results := results || pg_temp.said(one.result, one.order_status, one.detail);
    END LOOP;
    RETURN array_to_string(results, E'\n');
END
$$;
CREATE FUNCTION pg_temp.accept(body text) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    answer shop.response := shop.accept_order(1, body, NULL, 'accepted', NULL);
BEGIN
    ASSERT answer.status = 202, answer.body;
    RETURN (SELECT id FROM shop.outbox WHERE order_id = answer.order_id);
END
$$;
-- state(): what the tables say, by the names that clients gave.
CREATE FUNCTION pg_temp.state() RETURNS text
LANGUAGE sql AS $$
    SELECT concat_ws(E'\n',
        (SELECT string_agg(format('%s %s %s', external_id, status, (SELECT string_agg(concat_ws(' ', event, reason, request_id), ',' ORDER BY seq)
            FROM shop.order_events WHERE order_id = intake.order_id)), E'\n' ORDER BY external_id)
         FROM shop.intake_orders intake JOIN shop.orders ordered ON ordered.id = intake.order_id),
        (SELECT string_agg(format('%s %s×%s %s', external_id, product_id, qty, price), E'\n' ORDER BY external_id, item.id)
         FROM shop.order_items item JOIN shop.intake_orders intake USING (order_id)),
        (SELECT string_agg(format('%s %s %s %s', external_id, kind, on_hand_delta, request_id), E'\n'
            ORDER BY external_id, kind, on_hand_delta, movement.id)
         FROM shop.stock_movements movement JOIN shop.intake_orders intake USING (order_id)),
        (SELECT string_agg(format('%s: %s/%s', product_id, on_hand, reserved), E'\n' ORDER BY product_id) FROM shop.inventory),
        (SELECT string_agg(format('%s %s', id, status), E'\n' ORDER BY id) FROM shop.outbox),
        (SELECT sum(orders) FROM shop.order_count_deltas) || ' orders counted')
$$;

SELECT pg_temp.product('apple', 1, 10) AS apple, pg_temp.product('pear', 2, 5) AS pear \gset
SELECT pg_temp.document('accepted', '{apple, 2, 1, unknown, 1, 0.5}') AS accepted,
       pg_temp.document('queued', '{pear, 1, 2, apple, 3, 1}') AS queued,
       pg_temp.document('short', '{apple, 1, 1, pear, 9, 2}') AS short,
       pg_temp.document('double', '{pear, 1, 2, pear, 2, 2}') AS double,
       pg_temp.document('last', '{apple, 5, 1}') AS last,
       pg_temp.document('late', '{apple, 1, 1}') AS late,
       pg_temp.document('wrong', '{apple, 1, 1}', 1.01) AS wrong,
       pg_temp.document('queued', '{pear, 2, 2}') AS forged \gset
SELECT pg_temp.accept(:'accepted') AS first_message, pg_temp.accept(:'short') AS second_message,
       pg_temp.accept(:'late') AS third_message \gset
SELECT ARRAY[:'queued', :'forged', :'accepted', :'wrong', 'no JSON', :'short', :'queued', '{"customer_id": "c"}',
             :'double', :'last', :'accepted', :'late', '{"order_id": "\u0000"}'] AS bodies,
       ARRAY[NULL, NULL, :first_message, NULL, NULL, :second_message, NULL, NULL, NULL, NULL, :first_message,
             :third_message, NULL]::bigint[] AS messages \gset

-- One by one first, undone again: what the batch has to be equal to.
SAVEPOINT one_by_one;
SELECT pg_temp.alone(:'bodies', :'messages') AS wanted \gset
SELECT pg_temp.state() AS wanted_state \gset
ROLLBACK TO SAVEPOINT one_by_one;

SELECT is(:'wanted'::text, format(E'processed | CONFIRMED
invalid_message_body | order_id was already used for a different order
processed | CONFIRMED
total_mismatch | total_amount is 1.01, the items sum to 1.00
invalid_message_body | invalid input syntax for type json
failed | CANCELLED | Insufficient stock for product %2$s. Available: 4, Required: 9
already_processed | CONFIRMED
invalid_message_body | customer_id and items array are required
processed | CONFIRMED
processed | CONFIRMED
already_processed | CONFIRMED
failed | CANCELLED | Insufficient stock for product %1$s. Available: 0, Required: 1
invalid_message_body | unsupported Unicode escape sequence', :apple, :pear), 'one by one');
SELECT is(pg_temp.together(:'bodies', :'messages'), :'wanted', 'in one call: the same results, in their order');
SELECT is(pg_temp.state(), :'wanted_state', 'and the same orders, lines, movements, levels, history and messages');

SELECT is(pg_temp.stock(:apple) || ' ' || pg_temp.stock(:pear), '0/0 1/0', 'the units are gone, those of the failed orders not');
SELECT is((SELECT count(DISTINCT ordered.xmin::text) FROM shop.orders ordered), 1::bigint, 'all in one transaction');
SELECT is((SELECT array_agg(orders ORDER BY orders) FROM shop.order_count_deltas), ARRAY[1, 1, 1, 3],
    'the orders that nobody had accepted before are counted by one row');
SELECT is((SELECT string_agg(status, ' ' ORDER BY id) FROM shop.outbox), 'delivered delivered delivered',
    'the messages that were named are done');
SELECT is((SELECT count(*) FROM shop.intake_orders WHERE external_id = 'wrong'), 0::bigint, 'a refused document left nothing');

-- The message of a refused document is not finished: it becomes a dead letter.
SELECT pg_temp.accept(pg_temp.document('open', '{unknown, 1, 1}')) AS open_message \gset
SELECT is(pg_temp.together(ARRAY[pg_temp.document('open', '{unknown, 1, 1}', 2), :'queued'], ARRAY[:open_message, NULL]::bigint[]),
    E'total_mismatch | total_amount is 2.00, the items sum to 1.00\nalready_processed | CONFIRMED', 'a wrong total');
SELECT is((SELECT status FROM shop.outbox WHERE id = :open_message), 'pending', 'its message is not finished');

-- Only refused documents: nothing is written.
CREATE TEMPORARY TABLE before AS SELECT * FROM pg_temp.row_counts();
SELECT is(pg_temp.together(ARRAY[:'wrong', '[]']),
    E'total_mismatch | total_amount is 1.01, the items sum to 1.00\ninvalid_message_body | customer_id and items array are required',
    'only refused documents');
SELECT results_eq('SELECT * FROM pg_temp.row_counts()', 'SELECT * FROM before', 'wrote nothing');

-- Products that become known only in between, and one without stock.
SELECT pg_temp.product('plum', 1) AS plum \gset
SELECT is(pg_temp.together(ARRAY[pg_temp.document('plums', '{plum, 1, 1}'), pg_temp.document('figs', '{fig, 1, 1}')]),
    format(E'failed | CANCELLED | Insufficient stock for product %s. Available: 0, Required: 1\nprocessed | CONFIRMED', :plum),
    'a product without stock beside something that is no product');

-- A batch of one is the single call.
SELECT is(pg_temp.together(ARRAY[pg_temp.document('one', '{pear, 1, 2}')]), 'processed | CONFIRMED', 'a batch of one');
SELECT is(pg_temp.alone(ARRAY[pg_temp.document('one', '{pear, 1, 2}')]), 'already_processed | CONFIRMED',
    'the single call sees what it did');
SELECT is(pg_temp.alone(ARRAY[pg_temp.document('two', '{pear, 1, 2}')]),
    format('failed | CANCELLED | Insufficient stock for product %s. Available: 0, Required: 1', :pear), 'a single call');
SELECT is(pg_temp.together(ARRAY[pg_temp.document('two', '{pear, 1, 2}'), pg_temp.document('one', '{pear, 1, 2}')]),
    E'already_processed | CANCELLED\nalready_processed | CONFIRMED', 'the batch sees what it did');
SELECT is(pg_temp.together('{}'), NULL, 'no message, no result');

-- As many as may be, all on one product.
SELECT shop.restock(1, NULL, :plum, 999, NULL, NULL, NULL) \g /dev/null
SELECT is((SELECT string_agg(format('%s %s', result, number), ', ' ORDER BY result) FROM (
    SELECT result, count(*) AS number FROM shop.ingest_orders(1, ARRAY(
        SELECT pg_temp.document('m' || n, '{plum, 1, 1}') FROM generate_series(1, 1000) n), NULL, NULL) GROUP BY result) results),
    'failed 1, processed 999', 'a thousand orders of 999 units');
SELECT is(pg_temp.stock(:plum), '0/0', 'the last one is one too many');

-- Misuse.
SELECT throws_ok('SELECT shop.ingest_orders(1, NULL, NULL, NULL)', 'SH005', 'invalid argument "bodies"', 'no array is refused');
SELECT throws_ok('SELECT shop.ingest_orders(1, ARRAY[NULL]::text[], NULL, NULL)', 'SH005', 'invalid argument "bodies"',
    'a message that is NULL too');
SELECT throws_ok('SELECT shop.ingest_orders(1, ARRAY[''{}'', ''{}''], ARRAY[''r''], NULL)', 'SH005', 'invalid argument "request_ids"',
    'arrays of different lengths too');
SELECT throws_ok('SELECT shop.ingest_orders(1, ARRAY[''{}''], NULL, ARRAY[1, 2]::bigint[])', 'SH005', 'invalid argument "outbox_ids"',
    'whichever it is');
SELECT throws_ok('SELECT shop.ingest_orders(1, array_fill(''{}''::text, ARRAY[1001]), NULL, NULL)', 'SH005',
    'invalid argument "bodies"', 'more than 1000 too');

SELECT is_empty('SELECT * FROM shop.verify(1)', 'no invariant is broken');

SELECT * FROM finish();
ROLLBACK;
