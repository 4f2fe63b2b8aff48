-- Payment attempts with a provider: begun before the provider is asked, news of them in any order, late and twice.
BEGIN;
SELECT plan(39);
\ir fixture.psql

SELECT pg_temp.product('apple', 2, 100) AS apple \gset

-- begun(order): attempt and states, as text; news(attempt, outcome, ...): result and order status.
CREATE FUNCTION pg_temp.begun(placed bigint) RETURNS text
LANGUAGE sql AS $$
    SELECT concat_ws(' ', attempt_id IS NOT NULL, amount, attempt_status, order_status)
    FROM shop.begin_payment(1, placed, 'acme', 'pay-request')
$$;
CREATE FUNCTION pg_temp.attempt_of(placed bigint) RETURNS bigint
LANGUAGE sql AS $$ SELECT max(id) FROM shop.payment_attempts WHERE order_id = placed $$;
CREATE FUNCTION pg_temp.news(placed bigint, outcome text, amount numeric DEFAULT NULL, event text DEFAULT NULL,
                             outbox bigint DEFAULT NULL) RETURNS text
LANGUAGE sql AS $$
    SELECT concat_ws(' ', result, order_status)
    FROM shop.apply_payment(1, pg_temp.attempt_of(placed), outcome, 'ref', amount, 'why', 'acme', event, 'pay-request',
        outbox)
$$;
CREATE FUNCTION pg_temp.message_of(placed bigint) RETURNS text
LANGUAGE sql AS $$ SELECT string_agg(status, ' ') FROM shop.outbox WHERE order_id = placed AND topic = 'payment' $$;

-- Beginning.
SELECT pg_temp.order_of(1, :apple, 3) AS paid \gset
SELECT id AS message FROM shop.outbox \gset
SELECT is(pg_temp.begun(:paid), 't 6.00 requested pending', 'an attempt begins with the order''s total');
SELECT is(pg_temp.begun(:paid), 't 6.00 requested pending', 'beginning again');
SELECT is((SELECT count(*) FROM shop.payment_attempts), 1::bigint, 'goes on with the same attempt');
SELECT is(pg_temp.begun(9223372036854775807), 'f', 'an unknown order has none');
SELECT throws_ok(format('SELECT shop.begin_payment(1, %s, NULL, NULL)', :paid), 'SH005', NULL,
    'the provider has to be known');

-- News in their order; unknown is not declined.
SELECT is(pg_temp.news(:paid, 'unknown', outbox => :message), 'recorded pending', 'a timeout is an unknown outcome');
SELECT is(pg_temp.message_of(:paid), 'pending', 'with which the message is not finished');
SELECT is(pg_temp.stock(:apple), '100/3', 'and the units stay reserved');
SELECT is(pg_temp.begun(:paid), 't 6.00 unknown pending', 'the attempt is to be asked for, not made anew');
SELECT is(pg_temp.news(:paid, 'authorized'), 'recorded pending', 'authorized is not paid');
SELECT is(pg_temp.news(:paid, 'captured', 6, 'event-1', :message), 'settled CONFIRMED', 'captured is');
SELECT is(pg_temp.message_of(:paid), 'delivered', 'the message is finished with it');
SELECT is((SELECT format('%s %s %s %s', status, captured_amount, provider_reference, provider)
    FROM shop.payment_attempts),
          'captured 6.00 ref acme', 'the attempt knows all');
SELECT is(pg_temp.news(:paid, 'captured', 6, 'event-1'), 'duplicate_event', 'the same event again is known');
SELECT is(pg_temp.news(:paid, 'captured', 6, 'event-2'), 'already_settled CONFIRMED',
    'so is the same news by another event');
SELECT is(pg_temp.news(:paid, 'declined'), 'already_settled CONFIRMED', 'older news moves nothing back');
SELECT is(pg_temp.stock(:apple), '97/0', 'the units left once');
SELECT is((SELECT string_agg(event, ' ' ORDER BY seq) FROM shop.order_events WHERE order_id = :paid),
    'placed payment_captured',
          'as the history says');
SELECT is(pg_temp.begun(:paid), 'f CONFIRMED', 'a paid order needs no attempt');

-- Declined.
SELECT pg_temp.order_of(2, :apple, 2) AS declined \gset
SELECT pg_temp.begun(:declined) \g /dev/null
SELECT is(pg_temp.news(:declined, 'declined'), 'settled CANCELLED', 'a declined payment cancels the order');
SELECT is(pg_temp.stock(:apple), '97/0', 'and frees its units');
SELECT is(pg_temp.news(:declined, 'captured'), 'refund_requested CANCELLED',
    'if the money comes after all, it goes back');
SELECT is((SELECT format('%s %s %s', kind, amount, status) FROM shop.refunds WHERE order_id = :declined),
    'refund 4.00 requested',
          'by a refund of all of it');

-- Cancelled while the payment is under way.
SELECT pg_temp.order_of(3, :apple, 1) AS late, pg_temp.order_of(4, :apple, 1) AS held \gset
SELECT pg_temp.begun(:late), pg_temp.begun(:held), pg_temp.news(:held, 'authorized') \g /dev/null
SELECT shop.cancel_order(1, 3, false, :late, NULL, NULL, NULL),
    shop.cancel_order(1, 4, false, :held, NULL, NULL, NULL) \g /dev/null
SELECT is((SELECT string_agg(format('%s %s', kind, amount), ' ') FROM shop.refunds WHERE order_id = :held), 'void 2.00',
          'what is authorized is voided with the order');
SELECT is(pg_temp.news(:late, 'captured', 2), 'refund_requested CANCELLED', 'what is captured later is refunded');
SELECT is((SELECT status FROM shop.orders WHERE id = :late), 'CANCELLED', 'the order stays cancelled');
SELECT is((shop.settle_refund(1, (SELECT id FROM shop.refunds WHERE order_id = :held), 'completed', NULL, NULL, NULL,
    NULL)).result, 'settled',
          'the void is done');
SELECT is((SELECT status FROM shop.payment_attempts WHERE order_id = :held), 'voided', 'and ends the attempt');
SELECT is(pg_temp.stock(:apple), '97/0', 'no units are held');

-- The wrong amount does not pay an order.
SELECT pg_temp.order_of(5, :apple, 1) AS wrong \gset
SELECT pg_temp.begun(:wrong) \g /dev/null
SELECT is(pg_temp.news(:wrong, 'captured', 1.99), 'amount_mismatch pending', 'another amount than was asked for');
SELECT matches((SELECT reason FROM shop.payment_attempts WHERE order_id = :wrong), '^amount_mismatch: captured 1.99',
    'is noted');
SELECT is((SELECT status FROM shop.orders WHERE id = :wrong), 'pending', 'and does not confirm the order');

-- What cannot be.
SELECT is((SELECT result FROM shop.apply_payment(1, 9223372036854775807, 'captured', NULL, NULL, NULL, NULL, NULL,
    NULL, NULL)),
          'attempt_not_found', 'there is no such attempt');
SELECT is((SELECT result FROM shop.apply_payment(2, pg_temp.attempt_of(:wrong), 'captured', NULL, NULL, NULL, NULL,
    NULL, NULL, NULL)),
          'attempt_not_found', 'nor ours in another store');
SELECT throws_ok(format('SELECT shop.apply_payment(1, 1, %L, NULL, NULL, NULL, NULL, NULL, NULL, NULL)', outcome),
    'SH005', NULL,
                 format('outcome %L is refused', outcome)) FROM (VALUES (NULL), ('paid'),
                     ('requested')) words (outcome);
SELECT throws_ok('SELECT shop.apply_payment(1, 1, ''captured'', NULL, -1, NULL, NULL, NULL, NULL, NULL)', 'SH005', NULL,
                 'so is a negative amount');

SELECT is_empty('SELECT * FROM shop.verify(1)', 'verify() finds nothing wrong');
SELECT * FROM finish();
ROLLBACK;
