-- What customers and administrators do to an order: cancel, fulfil, refund, return; and the table of transitions.
BEGIN;
SELECT plan(90);
\ir fixture.psql

SELECT pg_temp.product('apple', 2.50, 100) AS apple, pg_temp.product('pear', 1, 100) AS pear \gset

-- order_with(customer, paid): an order of 4 apples and 2 pears, 12.00 in all.
CREATE FUNCTION pg_temp.order_with(customer bigint, apple bigint, pear bigint, paid boolean) RETURNS bigint
LANGUAGE plpgsql AS $function$
DECLARE
    cart bigint := pg_temp.put(customer, apple, 4);
    placed bigint;
BEGIN
    PERFORM pg_temp.put(customer, pear, 2);
    placed := (shop.checkout(1, NULL, customer, cart, 'cart ' || cart, NULL, NULL, NULL)).order_id;
    IF paid THEN
        PERFORM shop.settle_payment(1, placed, true, NULL, NULL, NULL);
    END IF;
    RETURN placed;
END
$function$;
CREATE FUNCTION pg_temp.history(placed bigint) RETURNS text
LANGUAGE sql AS $$ SELECT string_agg(event, ' ' ORDER BY seq) FROM shop.order_events WHERE order_id = placed $$;
-- result(answer): status and what the order's status is, or the message.
CREATE FUNCTION pg_temp.result(answer shop.response) RETURNS text
LANGUAGE sql AS $$
    SELECT format('%s %s', answer.status, coalesce(answer.body::json ->> 'message', answer.body::json ->> 'status'))
$$;
CREATE FUNCTION pg_temp.stocks() RETURNS text
LANGUAGE sql AS $$ SELECT string_agg(format('%s/%s', on_hand, reserved), ' ' ORDER BY product_id)
    FROM shop.inventory $$;

-- The state machine.
SELECT set_eq(
    $$SELECT coalesce(from_status, '-') || ' ' || event || ' ' || to_status || ' ' || coalesce(stock_movement, '-')
      FROM shop.order_transitions$$,
    ARRAY['- placed pending reserve', '- accepted QUEUED -', 'QUEUED processed CONFIRMED sell',
        'QUEUED failed CANCELLED -',
          'pending payment_captured CONFIRMED commit', 'pending payment_declined CANCELLED release',
          'pending cancelled CANCELLED release', 'pending expired CANCELLED release',
              'CONFIRMED cancelled CANCELLED return',
          'CONFIRMED fulfilled FULFILLED -', 'CONFIRMED refunded REFUNDED -', 'FULFILLED refunded REFUNDED -'],
    'the view shows every transition there is');

-- Cancelling a pending order.
SELECT pg_temp.order_with(7, :apple, :pear, false) AS placed \gset
SELECT is(pg_temp.result(shop.cancel_order(1, 8, false, :placed, NULL, 'user:8', NULL)), '404 Order not found',
          'another customer cannot cancel an order');
SELECT is(pg_temp.stocks(), '100/4 100/2', 'which holds its units');
SELECT is(pg_temp.result(shop.cancel_order(1, 7, false, :placed, 'too late', 'user:7', 'cancel-request')),
    '200 CANCELLED',
          'its customer can');
SELECT is(pg_temp.stocks(), '100/0 100/0', 'the units are free again');
SELECT results_eq(
    format('SELECT from_status, to_status, event, actor, reason, request_id FROM shop.order_events '
           'WHERE order_id = %s AND seq = 2',
           :placed),
    $$VALUES ('pending', 'CANCELLED', 'cancelled', 'user:7', 'too late', 'cancel-request')$$,
        'the history says who and why');
SELECT is((shop.cancel_order(1, 7, false, :placed, NULL, NULL, NULL)).body,
    (shop.get_order(1, NULL, :placed, NULL)).body,
          'the same again is a quiet success that answers the order');
SELECT is(pg_temp.history(:placed), 'placed cancelled', 'without another transition');
SELECT is(pg_temp.stocks(), '100/0 100/0', 'or another release');
SELECT is((SELECT result FROM shop.settle_payment(1, :placed, true, NULL, NULL, NULL)), 'already_settled',
          'a simulated payment after that changes nothing');
SELECT is((SELECT count(*) FROM shop.refunds), 0::bigint, 'no money has to go back');

-- Cancelling a confirmed order: administrators only, goods and money go back.
SELECT pg_temp.order_with(7, :apple, :pear, true) AS paid \gset
SELECT is(pg_temp.stocks(), '96/0 98/0', 'a paid order took its units');
SELECT pg_temp.refuses(shop.cancel_order(1, 7, false, :paid, NULL, 'user:7', 'test-request'), 403, 'admin_required',
                       'Requires admin role', 'its customer cannot cancel it');
SELECT is(pg_temp.result(shop.cancel_order(1, NULL, true, :paid, 'broken', 'boss', NULL)), '200 CANCELLED',
    'an administrator can');
SELECT is(pg_temp.stocks(), '100/0 100/0', 'the units are back');
SELECT results_eq(
    format('SELECT kind, amount, status, actor FROM shop.refunds WHERE order_id = %s', :paid),
    $$VALUES ('refund', 12.00, 'requested', 'boss')$$, 'a refund of all the money is asked for');
SELECT is((SELECT count(*) FROM shop.outbox WHERE order_id = :paid AND topic = 'refund' AND status = 'pending'),
    1::bigint,
          'with a message to whoever pays it');
SELECT is(pg_temp.result(shop.cancel_order(1, NULL, true, :paid, NULL, 'boss', NULL)), '200 CANCELLED',
    'again, it is done');
SELECT is((SELECT count(*) FROM shop.refunds), 1::bigint, 'with one refund');
SELECT id AS refund FROM shop.refunds \gset
SELECT is(shop.settle_refund(1, :refund, 'completed', 're_1', NULL, NULL, NULL)::text, '(settled,CANCELLED)',
    'the refund is paid');
SELECT is(shop.settle_refund(1, :refund, 'failed', NULL, NULL, NULL, NULL)::text, '(already_settled,CANCELLED)', 'once');
SELECT is((SELECT status FROM shop.orders WHERE id = :paid), 'CANCELLED', 'the order stays cancelled');

-- Fulfilling.
SELECT pg_temp.order_with(7, :apple, :pear, false) AS pending, pg_temp.order_with(8, :apple, :pear, true) AS sold \gset
SELECT is(pg_temp.result(shop.fulfil_order(1, :pending, 'boss', NULL)),
          '409 illegal transition',
              'a pending order cannot be fulfilled');
SELECT is(pg_temp.result(shop.fulfil_order(1, :sold, 'boss', NULL)), '200 FULFILLED', 'a confirmed one can');
SELECT is(pg_temp.result(shop.fulfil_order(1, :sold, 'boss', NULL)), '200 FULFILLED', 'again, it is done');
SELECT is(pg_temp.history(:sold), 'placed payment_captured fulfilled', 'once');
SELECT pg_temp.refuses(shop.cancel_order(1, NULL, true, :sold, NULL, 'boss', 'test-request'), 409, 'illegal_transition',
    'illegal transition', 'it cannot be cancelled any more', '{"orderStatus": "FULFILLED"}');
SELECT pg_temp.refuses(shop.fulfil_order(1, id, 'boss', 'test-request'), status, code, message, what)
FROM (VALUES (NULL::bigint, 400, 'invalid_field', 'id must be a positive integer',
    'an order without number is refused'),
             (9223372036854775807, 404, 'order_not_found', 'Order not found', 'so is an unknown one'))
     orders (id, status, code, message, what);

-- Refunds: parts, then the rest; never more than was paid.
SELECT pg_temp.refuses(shop.refund_order(1, NULL, :sold, amount, NULL, NULL, NULL, 'boss', 'test-request'), 400,
    'invalid_field',
    'amount must be a number greater than 0 with at most two decimals', format('a refund of %s is refused', amount))
FROM (VALUES (0), (-1), (0.001), ('NaN')) amounts (amount);
SELECT pg_temp.refuses(shop.refund_order(1, NULL, :sold, 12.01, NULL, NULL, NULL, 'boss', 'test-request'), 409,
    'refund_too_large',
    'amount is over what can still be refunded: 12.00', 'more than was paid is refused');
SELECT * FROM shop.refund_order(1, 1, :sold, 5, NULL, 'scratched', 'key', 'boss', NULL) \gset part_
SELECT is(:part_status, 200, 'a part is refunded');
SELECT is((shop.refund_order(1, 1, :sold, 5.00, NULL, 'scratched', 'key', 'boss', NULL)).replayed, true,
    'once for a key');
SELECT is((shop.refund_order(1, 1, :sold, 6, NULL, NULL, 'key', 'boss', NULL)).status, 422,
    'which cannot be used for another amount');
SELECT is((SELECT refunded_amount FROM shop.payment_attempts WHERE order_id = :sold), 5.00, 'the attempt knows');
SELECT pg_temp.refuses(shop.refund_order(1, NULL, :sold, 7.01, NULL, NULL, NULL, 'boss', 'test-request'), 409,
    'refund_too_large',
    'amount is over what can still be refunded: 7.00', 'more than the rest is refused');
SELECT is((shop.refund_order(1, NULL, :sold, NULL, true, NULL, NULL, 'boss', NULL)).status, 200,
    'the rest, with the goods');
SELECT pg_temp.refuses(shop.refund_order(1, NULL, :sold, NULL, NULL, NULL, NULL, 'boss', 'test-request'), 409,
    'nothing_to_refund',
                       'Nothing to refund', 'then there is nothing to refund');
SELECT is(pg_temp.stocks(), '100/4 100/2', 'the goods are back');
SELECT is((SELECT status FROM shop.orders WHERE id = :sold), 'FULFILLED',
    'the order is not refunded before the money is');
SELECT max(id) AS rest, min(id) AS part FROM shop.refunds WHERE order_id = :sold \gset
SELECT is(shop.settle_refund(1, :rest, 'unknown', NULL, 'timeout', NULL, NULL)::text, '(recorded,FULFILLED)',
    'an unknown outcome is noted');
SELECT is(shop.settle_refund(1, :part, 'completed', NULL, NULL, NULL, NULL)::text, '(settled,FULFILLED)',
    'one of two refunds is paid');
SELECT is((SELECT status FROM shop.orders WHERE id = :sold), 'FULFILLED', 'not all the money is back');
SELECT is(shop.settle_refund(1, :rest, 'completed', NULL, NULL, NULL, NULL)::text, '(settled,REFUNDED)', 'the other too');
SELECT is((SELECT status FROM shop.orders WHERE id = :sold), 'REFUNDED', 'now it is');
SELECT is(pg_temp.result(shop.refund_order(1, NULL, :pending, NULL, NULL, NULL, NULL, 'boss', NULL)),
          '409 illegal transition', 'a pending order cannot be refunded');
SELECT throws_ok('SELECT shop.settle_refund(1, 1, ''maybe'', NULL, NULL, NULL, NULL)', 'SH005', NULL,
    'an unknown word is refused');
SELECT is(shop.settle_refund(1, 9223372036854775807, 'completed', NULL, NULL, NULL, NULL)::text, '(refund_not_found,)',
          'there is no such refund');

-- A refund that fails can be asked for again.
SELECT pg_temp.order_with(9, :apple, :pear, true) AS again \gset
SELECT shop.refund_order(1, NULL, :again, NULL, NULL, NULL, NULL, 'boss', NULL) \g /dev/null
SELECT throws_ok(format($$DELETE FROM shop.payment_attempts WHERE order_id = %s;
    SELECT shop.settle_refund(1, id, 'failed', NULL, NULL, NULL, NULL) FROM shop.refunds WHERE order_id = %1$s$$, :again), 'SH003',
    'the shop''s data contradicts itself', 'a refund whose payment attempt is gone cannot be settled');
SELECT is((SELECT (shop.settle_refund(1, id, 'failed', NULL, 'no', NULL, NULL)).result FROM shop.refunds
    WHERE order_id = :again), 'settled',
          'a refund fails');
SELECT is((shop.refund_order(1, NULL, :again, NULL, NULL, NULL, NULL, 'boss', NULL)).status, 200,
    'and is asked for again');

-- The refund of a cancelled order that fails is owed, and can be asked for again.
SELECT pg_temp.order_with(10, :apple, :pear, true) AS owed \gset
SELECT shop.cancel_order(1, NULL, true, :owed, NULL, 'boss', NULL) \g /dev/null
SELECT pg_temp.refuses(shop.refund_order(1, NULL, :owed, NULL, NULL, NULL, NULL, 'boss', 'test-request'), 409,
    'nothing_to_refund', 'Nothing to refund', 'while the refund of a cancelled order is under way, nothing is owed');
SELECT shop.settle_refund(1, max(id), 'failed', NULL, 'no', NULL, NULL) FROM shop.refunds WHERE order_id = :owed \g /dev/null
SELECT results_eq('SELECT check_name, subject FROM shop.verify(1)',
    format($$VALUES ('confirmed_order_is_paid_once', 'order %s')$$, :owed), 'once it failed, verify() says who is owed');
SELECT pg_temp.refuses(shop.refund_order(1, NULL, :owed, 12.01, NULL, NULL, NULL, 'boss', 'test-request'), 409,
    'refund_too_large', 'amount is over what can still be refunded: 12.00', 'no more than that is refunded');
SELECT pg_temp.stocks() AS before_again \gset
SELECT * FROM shop.refund_order(1, 1, :owed, 5, true, 'by card', 'again', 'boss', NULL) \gset again_
SELECT is(pg_temp.result(shop.refund_order(1, NULL, :owed, NULL, true, 'by bank', NULL, 'boss', NULL)), '200 CANCELLED',
    'it can be asked for again, in parts');
SELECT is((shop.refund_order(1, 1, :owed, 5, true, 'by card', 'again', 'boss', NULL)).replayed, true, 'once for a key');
SELECT results_eq(format('SELECT kind, amount, status, actor FROM shop.refunds WHERE order_id = %s ORDER BY id', :owed),
    $$VALUES ('refund', 12.00, 'failed', 'boss'), ('refund', 5.00, 'requested', 'boss'), ('refund', 7.00, 'requested', 'boss')$$,
    'for all that is owed');
SELECT is((SELECT count(*) FROM shop.outbox WHERE order_id = :owed AND topic = 'refund' AND status = 'pending'), 3::bigint,
    'each with a message of its own');
SELECT is(pg_temp.stocks(), :'before_again', 'the goods had come back with the cancelling and do not come twice');
SELECT is_empty('SELECT * FROM shop.verify(1)', 'and verify() is content');
SELECT shop.settle_refund(1, id, 'completed', NULL, NULL, NULL, NULL) FROM shop.refunds
WHERE order_id = :owed AND status = 'requested' \g /dev/null
SELECT is((SELECT format('%s %s', orders.status, refunded_amount) FROM shop.orders JOIN shop.payment_attempts attempt
           ON attempt.order_id = orders.id WHERE orders.id = :owed), 'CANCELLED 12.00', 'the order stays cancelled');
SELECT pg_temp.order_with(10, :apple, :pear, false) AS never_paid \gset
SELECT shop.cancel_order(1, NULL, true, :never_paid, NULL, 'boss', NULL) \g /dev/null
SELECT pg_temp.refuses(shop.refund_order(1, NULL, :never_paid, NULL, true, NULL, NULL, 'boss', 'test-request'), 409,
    'nothing_to_refund', 'Nothing to refund', 'an order that was cancelled before it was paid is owed nothing');

-- The same for the void of an authorization.
SELECT pg_temp.order_with(10, :apple, :pear, false) AS held \gset
SELECT attempt_id AS hold FROM shop.begin_payment(1, :held, 'stripe', NULL) \gset
SELECT shop.apply_payment(1, :hold, 'authorized', NULL, NULL, NULL, NULL, NULL, NULL, NULL) \g /dev/null
SELECT shop.cancel_order(1, NULL, true, :held, NULL, 'boss', NULL) \g /dev/null
SELECT is((shop.refund_order(1, NULL, :held, NULL, NULL, NULL, NULL, 'boss', NULL)).status, 409,
    'while the void of an authorization is under way, no other is asked for');
SELECT shop.settle_refund(1, max(id), 'failed', NULL, 'no', NULL, NULL) FROM shop.refunds WHERE order_id = :held \g /dev/null
SELECT is((shop.refund_order(1, NULL, :held, 5, NULL, NULL, NULL, 'boss', NULL)).status, 409, 'an authorization has no parts');
SELECT is((shop.refund_order(1, NULL, :held, NULL, NULL, 'again', NULL, 'boss', NULL)).status, 200, 'once it failed, another is');
SELECT results_eq(format('SELECT kind, amount, status FROM shop.refunds WHERE order_id = %s ORDER BY id', :held),
    $$VALUES ('void', 12.00, 'failed'), ('void', 12.00, 'requested')$$, 'for the whole of it');
SELECT shop.settle_refund(1, max(id), 'completed', NULL, NULL, NULL, NULL) FROM shop.refunds WHERE order_id = :held \g /dev/null
SELECT is((SELECT status FROM shop.payment_attempts WHERE id = :hold), 'voided', 'and releases it');
SELECT is((shop.refund_order(1, NULL, :held, NULL, NULL, NULL, NULL, 'boss', NULL)).status, 409, 'then nothing is owed');

-- Returns by units.
SELECT is(pg_temp.stocks(), '96/4 98/2', 'before the return');
SELECT is((shop.return_to_stock(1, :again, :apple, 3, 'unused', 'boss', NULL)).status, 200,
    'three of four units come back');
SELECT is(pg_temp.stocks(), '99/4 98/2', 'and are there');
SELECT pg_temp.refuses(shop.return_to_stock(1, :again, :apple, 2, NULL, 'boss', 'test-request'), 409,
    'return_too_large',
    'qty is over what the order can still return: 1', 'no more come back than went out');
SELECT pg_temp.refuses(shop.return_to_stock(1, :again, :apple, qty, NULL, 'boss', 'test-request'), 400, 'invalid_field',
    'qty must be an integer greater than 0', format('%s units are refused', coalesce(qty::text, 'NULL')))
FROM (VALUES (0), (-1), (NULL)) quantities (qty);
SELECT is((shop.return_to_stock(1, :again, 9223372036854775807, 1, NULL, 'boss', NULL)).status, 409,
    'nor of another product');
SELECT is(pg_temp.result(shop.cancel_order(1, NULL, true, :again, NULL, 'boss', NULL)), '200 CANCELLED',
    'cancelled after that');
SELECT is(pg_temp.stocks(), '100/4 100/2', 'only the units that are not back come back');

-- Counting the stock.
SELECT pg_temp.refuses(shop.adjust_stock(1, product, expected, counted, 'boss', 'test-request'), 400, 'invalid_field', message, what)
FROM (VALUES (NULL, 1, 1, 'productId and expectedOnHand must be integers', 'a count of no product is refused'),
             (:apple, NULL, 1, 'productId and expectedOnHand must be integers', 'so is one that does not say what was expected'),
             (:apple, 1, NULL, 'counted must be a non-negative integer', 'or what was counted'),
             (:apple, 1, -1, 'counted must be a non-negative integer', 'or that counts less than nothing'))
     counts (product, expected, counted, message, what);
SELECT pg_temp.refuses(shop.adjust_stock(1, :apple, 99, 50, 'boss', 'test-request'), 409, 'stock_changed',
    'on_hand is 100, not 99',
                       'a count of stock that changed meanwhile is refused', '{"on_hand": 100}');
SELECT pg_temp.refuses(shop.adjust_stock(1, :apple, 100, 3, 'boss', 'test-request'), 409, 'stock_reserved',
    format('Pending orders hold 4 units of product %s', :apple), 'so is one below what orders hold, which are named',
    jsonb_build_object('orderIds', jsonb_build_array(:pending)));
SELECT pg_temp.answers(shop.adjust_stock(1, :apple, 100, 4, 'boss', NULL), 200,
    format('{"product_id":%s,"available_qty":0,"on_hand":4,"reserved":4}', :apple), 'a count');
SELECT is((SELECT format('%s %s %s', kind, on_hand_delta, actor) FROM shop.stock_movements WHERE kind = 'adjust'),
          'adjust -96 boss', 'is in the ledger');

SELECT is_empty('SELECT * FROM shop.verify(1)', 'verify() finds nothing wrong');
SELECT * FROM finish();
ROLLBACK;
