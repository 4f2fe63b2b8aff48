-- Settling payments: each order once, whatever comes how often, and the stock with it.
BEGIN;
SELECT plan(33);
\ir fixture.psql

SELECT pg_temp.product('apple', 1, 10) AS apple, pg_temp.product('pear', 2, 10) AS pear \gset

-- settles(order, paid, ...): result and status as text, with the stock of both products before and after.
CREATE FUNCTION pg_temp.settles(ordered bigint, paid boolean, reason text DEFAULT NULL, outbox bigint DEFAULT NULL)
RETURNS text
LANGUAGE sql AS $$
    SELECT format('%s %s', result, order_status)
    FROM shop.settle_payment(1, ordered, paid, reason, 'pay-request', outbox)
$$;

-- Paid.
SELECT pg_temp.put(7, :apple, 3) AS cart \gset
SELECT pg_temp.put(7, :pear, 1) \g /dev/null
SELECT order_id AS paid FROM shop.checkout(1, NULL, 7, :cart, 'key', NULL, 'test-request', NULL) \gset
SELECT id AS message FROM shop.outbox WHERE order_id = :paid \gset
SELECT is(pg_temp.stock(:apple) || ' ' || pg_temp.stock(:pear), '10/3 10/1', 'the order holds its units');
SELECT is(pg_temp.settles(:paid, true, NULL, :message), 'settled CONFIRMED', 'a paid order is confirmed');
SELECT is((SELECT format('%s %s', status, last_event) FROM shop.orders WHERE id = :paid), 'CONFIRMED 2',
    'in the table too');
SELECT ok((SELECT updated_at > created_at FROM shop.orders WHERE id = :paid), 'with the time of the change');
SELECT is(pg_temp.stock(:apple) || ' ' || pg_temp.stock(:pear), '7/0 9/0', 'the units are gone');
SELECT results_eq(
    format($$SELECT product_id, kind, on_hand_delta, reserved_delta, actor, request_id FROM shop.stock_movements
             WHERE order_id = %s AND kind <> 'reserve' ORDER BY product_id$$, :paid),
    format($$VALUES (%s::bigint, 'commit', -3, -3, 'payment', 'pay-request'),
                    (%s, 'commit', -1, -1, 'payment', 'pay-request')$$, :apple, :pear), 'the ledger says so');
SELECT results_eq(
    format($$SELECT seq, from_status, to_status, event, actor, reason, request_id
             FROM shop.order_events WHERE order_id = %s ORDER BY seq OFFSET 1$$, :paid),
    $$VALUES (2, 'pending', 'CONFIRMED', 'payment_captured', 'payment', NULL, 'pay-request')$$, 'and the history');
SELECT results_eq(
    format($$SELECT message.status, message.finished_at IS NOT NULL, message.xmin = ordered.xmin
             FROM shop.outbox message JOIN shop.orders ordered ON ordered.id = order_id WHERE message.id = %s$$,
                 :message),
    $$VALUES ('delivered', true, true)$$, 'the message was finished by the same transaction');

-- Again, the same and the other outcome.
SELECT * INTO TEMPORARY before FROM pg_temp.row_counts();
SELECT is(pg_temp.settles(:paid, true), 'already_settled CONFIRMED', 'the same again changes nothing');
SELECT is(pg_temp.settles(:paid, false, 'too late'), 'already_settled CONFIRMED', 'nor does the other outcome later');
SELECT results_eq('SELECT * FROM pg_temp.row_counts()', 'SELECT * FROM before', 'no row is added');
SELECT is(pg_temp.stock(:apple) || ' ' || pg_temp.stock(:pear), '7/0 9/0', 'no unit moves');

-- Declined.
SELECT pg_temp.order_of(8, :apple, 4) AS declined \gset
SELECT id AS message FROM shop.outbox WHERE order_id = :declined \gset
SELECT is(pg_temp.settles(:declined, false, 'card "expired"'), 'settled CANCELLED', 'a declined order is cancelled');
SELECT is(pg_temp.stock(:apple), '7/0', 'its units are free again');
SELECT results_eq(
    format($$SELECT kind, on_hand_delta, reserved_delta FROM shop.stock_movements WHERE order_id = %s ORDER BY id$$,
        :declined),
    $$VALUES ('reserve', 0, 4), ('release', 0, -4)$$, 'the ledger says so');
SELECT results_eq(
    format($$SELECT from_status, to_status, event, reason FROM shop.order_events
        WHERE order_id = %s ORDER BY seq OFFSET 1$$,
           :declined),
    $$VALUES ('pending', 'CANCELLED', 'payment_declined', 'card "expired"')$$, 'and the history, with the reason');
SELECT is((SELECT status FROM shop.outbox WHERE id = :message), 'pending', 'without outbox_id no message is finished');
SELECT is(pg_temp.settles(:declined, true), 'already_settled CANCELLED', 'a payment after that changes nothing');
SELECT is(pg_temp.stock(:apple), '7/0', 'and takes no units');
SELECT is(pg_temp.settles(:declined, false, NULL, :message), 'already_settled CANCELLED', 'a second delivery');
SELECT is((SELECT status FROM shop.outbox WHERE id = :message), 'delivered', 'finishes its message all the same');

-- A dead message stays dead.
SELECT pg_temp.order_of(8, :apple, 1) AS dead \gset
SELECT id AS message FROM shop.outbox WHERE order_id = :dead \gset
UPDATE shop.outbox SET status = 'dead', finished_at = clock_timestamp() WHERE id = :message;
SELECT is(pg_temp.settles(:dead, true, NULL, :message), 'settled CONFIRMED', 'an order whose message was given up');
SELECT is((SELECT status FROM shop.outbox WHERE id = :message), 'dead', 'can be settled; the message stays given up');

-- What is not there.
SELECT is(pg_temp.settles(ordered, true), 'order_not_found ',
    format('there is no order %s', coalesce(ordered::text, 'NULL')))
FROM (VALUES (0), (-1), (9223372036854775807), (NULL)) orders (ordered);
SELECT pg_temp.order_of(9, :apple, 1) AS open \gset
SELECT id AS message FROM shop.outbox WHERE order_id = :open \gset
SELECT is(pg_temp.settles(9223372036854775807, true, NULL, :message), 'order_not_found ',
    'an unknown order with a message');
SELECT is((SELECT status FROM shop.outbox WHERE id = :message), 'pending', 'leaves the message, for the dead letters');
SELECT is(pg_temp.settles(:open, true, NULL, 9223372036854775807), 'settled CONFIRMED',
    'an unknown message does no harm');
SELECT throws_ok(format('SELECT * FROM shop.settle_payment(1, %s, NULL, NULL, NULL, NULL)', :open), 'SH005',
                 'invalid argument "paid"', 'the outcome has to be known');

-- The lines of an order with the same product in the stock of another order.
SELECT pg_temp.order_of(10, :pear, 2) AS first, pg_temp.order_of(11, :pear, 3) AS second \gset
SELECT pg_temp.settles(:second, true), pg_temp.settles(:first, false) \g /dev/null
SELECT is(pg_temp.stock(:pear), '6/0', 'one order paid, one declined: only the paid units are gone');

SELECT is_empty('SELECT * FROM shop.verify(1)', 'verify() finds nothing wrong');
SELECT * FROM finish();
ROLLBACK;
