-- Many payment outcomes in one call: each has the result it would have alone after those before it.
BEGIN;
SELECT plan(17);
\ir fixture.psql

-- settles(ids, paid, messages): results and statuses in order.
CREATE FUNCTION pg_temp.settles(ids bigint[], paid boolean[], messages bigint[] DEFAULT NULL) RETURNS text
LANGUAGE sql AS $$
    SELECT string_agg(coalesce(result || ' ' || order_status, 'undecided'), ', ' ORDER BY ordinality)
    FROM shop.settle_payments(1, ids, paid, (SELECT array_agg('reason ' || id) FROM unnest(ids) id),
                              (SELECT array_agg('request ' || id) FROM unnest(ids) id), messages) WITH ORDINALITY
$$;

SELECT pg_temp.product('apple', 1, 50) AS apple, pg_temp.product('pear', 2, 50) AS pear \gset
SELECT pg_temp.put(1, :pear, 2) \g /dev/null
SELECT pg_temp.order_of(1, :apple, 1) AS one, pg_temp.order_of(2, :apple, 2) AS two, pg_temp.order_of(3, :apple, 4) AS three,
       pg_temp.order_of(4, :pear, 5) AS four \gset
SELECT (SELECT id FROM shop.outbox WHERE order_id = :one) AS first_message,
       (SELECT id FROM shop.outbox WHERE order_id = :two) AS second_message \gset
SELECT is(pg_temp.stock(:apple) || ' ' || pg_temp.stock(:pear), '50/7 50/7', 'four orders of two products');

-- Neighbours with one product, one of them twice, one that is not there.
SELECT is(pg_temp.settles(ARRAY[:three, :one, 0, :one, :two], ARRAY[true, true, true, false, false],
                          ARRAY[NULL, :first_message, NULL, :first_message, :second_message]),
    'settled CONFIRMED, settled CONFIRMED, undecided, already_settled CONFIRMED, settled CANCELLED',
    'results come in the order of the outcomes');
SELECT is(pg_temp.stock(:apple) || ' ' || pg_temp.stock(:pear), '45/0 48/5',
    'the units of the paid orders are gone, those of the declined one free');
SELECT results_eq(
    format('SELECT order_id, kind, actor, request_id FROM shop.stock_movements
            WHERE kind IN (''commit'', ''release'') AND product_id = %s ORDER BY order_id', :apple),
    format($$VALUES (%1$s::bigint, 'commit', 'payment', 'request %1$s'), (%2$s, 'release', 'payment', 'request %2$s'),
                    (%3$s, 'commit', 'payment', 'request %3$s')$$, :one, :two, :three),
    'the ledger has one movement for each order, with its own request');
SELECT results_eq(
    'SELECT order_id, event, reason FROM shop.order_events WHERE seq > 1 ORDER BY order_id',
    format($$VALUES (%1$s::bigint, 'payment_captured', 'reason %1$s'), (%2$s, 'payment_declined', 'reason %2$s'),
                    (%3$s, 'payment_captured', 'reason %3$s')$$, :one, :two, :three), 'so has the history');
SELECT is((SELECT count(DISTINCT xmin::text) FROM shop.orders WHERE id IN (:one, :two, :three)), 1::bigint,
    'all in one transaction');
SELECT is((SELECT string_agg(status, ' ' ORDER BY order_id) FROM shop.outbox), 'delivered delivered pending pending',
    'the messages that were named are done');

-- A batch of one is the single call.
SELECT is(pg_temp.settles(ARRAY[:four], ARRAY[true]), 'settled CONFIRMED', 'a batch of one');
SELECT is(pg_temp.settles(ARRAY[:four], ARRAY[true]), 'already_settled CONFIRMED', 'the same again');
SELECT is((SELECT result FROM shop.settle_payment(1, :four, false, NULL, NULL, NULL)), 'already_settled',
    'the single call sees what the batch did');
SELECT pg_temp.order_of(4, :pear, 1) AS five \gset
SELECT is((SELECT result FROM shop.settle_payment(1, :five, true, NULL, NULL, NULL)), 'settled', 'a single call');
SELECT is(pg_temp.settles(ARRAY[:five], ARRAY[false]), 'already_settled CONFIRMED', 'the batch sees what it did');
SELECT is(pg_temp.settles('{}', '{}'), NULL, 'no outcome, no result');

-- Misuse.
SELECT throws_ok($$SELECT shop.settle_payments(1, ARRAY[1, 2]::bigint[], ARRAY[true], NULL, NULL, NULL)$$, 'SH005',
    NULL, 'arrays of different lengths are refused');
SELECT throws_ok($$SELECT shop.settle_payments(1, ARRAY[1]::bigint[], ARRAY[NULL]::boolean[], NULL, NULL, NULL)$$,
    'SH005', NULL, 'an outcome that is neither paid nor declined too');
SELECT throws_ok($$SELECT shop.settle_payments(1, array_fill(1::bigint, ARRAY[1001]), array_fill(true, ARRAY[1001]),
                                               NULL, NULL, NULL)$$, 'SH005', NULL, 'more than 1000 too');

SELECT is_empty('SELECT * FROM shop.verify(1)', 'no invariant is broken');

SELECT * FROM finish();
ROLLBACK;
