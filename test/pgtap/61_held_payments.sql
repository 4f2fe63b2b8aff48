-- Captured money of another amount than was asked for: it is known for good, pays no order by itself, waits for a person, and
-- goes back with the order, exactly once and exactly as much as was captured.
BEGIN;
SELECT plan(58);
\ir fixture.psql

SELECT pg_temp.product('apple', 2, 100) AS apple \gset

-- asked(customer, apple): an order of 2.00 whose payment has begun.
CREATE FUNCTION pg_temp.asked(customer bigint, apple bigint) RETURNS bigint
LANGUAGE plpgsql AS $function$
DECLARE
    placed CONSTANT bigint := pg_temp.order_of(customer, apple, 1);
BEGIN
    PERFORM shop.begin_payment(1, placed, 'acme', NULL);
    RETURN placed;
END
$function$;
CREATE FUNCTION pg_temp.attempt_of(placed bigint) RETURNS bigint
LANGUAGE sql AS $$ SELECT max(id) FROM shop.payment_attempts WHERE order_id = placed $$;
-- news(order, outcome, amount, event): result and order status.
CREATE FUNCTION pg_temp.news(placed bigint, outcome text, amount numeric DEFAULT NULL, event text DEFAULT NULL) RETURNS text
LANGUAGE sql AS $$
    SELECT concat_ws(' ', result, order_status)
    FROM shop.apply_payment(1, pg_temp.attempt_of(placed), outcome, 'ref', amount, 'why', 'acme', event, NULL, NULL)
$$;
CREATE FUNCTION pg_temp.accepted(placed bigint, store integer DEFAULT 1) RETURNS text
LANGUAGE sql AS $$
    SELECT concat_ws(' ', result, order_status)
    FROM shop.accept_payment(store, pg_temp.attempt_of(placed), 'the rest was paid in cash', 'boss', 'accept-request')
$$;
-- attempt(order), refunds(order): what is known of its money.
CREATE FUNCTION pg_temp.attempt(placed bigint) RETURNS text
LANGUAGE sql AS $$
    SELECT string_agg(format('%s %s-%s of %s', status, captured_amount, refunded_amount, amount), ', ' ORDER BY id)
    FROM shop.payment_attempts WHERE order_id = placed
$$;
CREATE FUNCTION pg_temp.refunds(placed bigint) RETURNS text
LANGUAGE sql AS $$
    SELECT string_agg(format('%s %s %s', kind, amount, status), ', ' ORDER BY id) FROM shop.refunds WHERE order_id = placed
$$;
CREATE FUNCTION pg_temp.cancelled(placed bigint, customer bigint) RETURNS text
LANGUAGE sql AS $$
    SELECT format('%s %s', status, body::json ->> 'status') FROM shop.cancel_order(1, customer, customer IS NULL, placed, NULL, 'who', NULL)
$$;

-- What is captured stays known, whatever is told after it.
SELECT pg_temp.asked(1, :apple) AS held \gset
SELECT id AS message FROM shop.outbox WHERE order_id = :held \gset
SELECT results_eq(format('SELECT result, order_status FROM shop.apply_payment(1, %s, ''captured'', ''ref'', 1.99, ''why'', NULL, NULL, NULL, %s)',
    pg_temp.attempt_of(:held), :message), $$VALUES ('amount_mismatch', 'pending')$$, 'another amount does not confirm the order');
SELECT is(pg_temp.attempt(:held), 'captured 1.99-0.00 of 2.00', 'it is known how much is held');
SELECT is((SELECT reason FROM shop.payment_attempts WHERE order_id = :held), 'amount_mismatch: captured 1.99', 'and why');
SELECT is((SELECT status FROM shop.outbox WHERE id = :message), 'delivered', 'the provider is not asked for ever');
SELECT is((SELECT format('%s %s', attempt_id IS NULL, order_status) FROM shop.begin_payment(1, :held, 'acme', NULL)),
    't pending', 'nor asked to charge again');
SELECT is((SELECT concat_ws(' ', result, order_status) FROM shop.settle_payment(1, :held, true, NULL, NULL, NULL)),
    'already_settled pending', 'nor does the simulation pay it');
SELECT is(pg_temp.news(:held, outcome), 'amount_mismatch pending', format('%s is older news', outcome))
FROM unnest(ARRAY['unknown', 'authorized', 'declined', 'voided']) outcomes (outcome);
SELECT is(pg_temp.news(:held, 'captured', 1.99, 'event'), 'amount_mismatch pending', 'the same again is known');
SELECT is(pg_temp.news(:held, 'captured', 1.99, 'event'), 'duplicate_event', 'so is the same event');
SELECT is(pg_temp.news(:held, 'captured'), 'amount_mismatch pending', 'without an amount it says nothing new');
SELECT is(pg_temp.news(:held, 'captured', 1), 'amount_mismatch pending', 'less than is known was before that');
SELECT is(pg_temp.attempt(:held), 'captured 1.99-0.00 of 2.00', 'none of which changes what is held');
SELECT is(pg_temp.stock(:apple), '100/1', 'the order keeps its unit');
SELECT is(pg_temp.refunds(:held), NULL, 'no money goes back while nobody has decided');
SELECT is_empty('SELECT * FROM shop.verify(1)', 'which is no broken invariant');

-- It does not expire, and says what it waits for.
UPDATE shop.orders SET created_at = clock_timestamp() - interval '25 hours';
SELECT is(shop.expire_pending_orders(1, 100), 0, 'an order whose money is held does not expire');
SELECT matches((SELECT reason FROM shop.stuck_orders WHERE order_id = :held),
    '^payment attempt \d+ is captured: amount_mismatch: captured 1.99$', 'stuck_orders names it');

-- A person accepts the amount.
SELECT is(pg_temp.accepted(:held, 2), 'attempt_not_found', 'another store has no such attempt');
SELECT throws_ok(format('SELECT shop.accept_payment(1, %s, NULL, NULL, NULL)', pg_temp.attempt_of(:held)), 'SH005',
    'invalid argument "actor"', 'whoever accepts it gives his name');
SELECT is(pg_temp.accepted(:held), 'settled CONFIRMED', 'accepting the amount confirms the order');
SELECT results_eq(format('SELECT event, actor, reason, request_id FROM shop.order_events WHERE order_id = %s AND seq = 2', :held),
    $$VALUES ('payment_captured', 'boss', 'the rest was paid in cash', 'accept-request')$$, 'the history says who and why');
SELECT is(pg_temp.stock(:apple), '99/0', 'the unit is sold');
SELECT is(pg_temp.accepted(:held), 'nothing_to_accept CONFIRMED', 'again, there is nothing to accept');
SELECT is(pg_temp.news(:held, 'captured', 1.99), 'already_settled CONFIRMED', 'the same news changes nothing');
SELECT is((shop.refund_order(1, NULL, :held, 2, NULL, NULL, NULL, 'boss', NULL)).status, 409, 'more than was captured is not refunded');
SELECT is((shop.refund_order(1, NULL, :held, NULL, NULL, NULL, NULL, 'boss', NULL)).status, 200, 'what was captured is');
SELECT is(pg_temp.refunds(:held), 'refund 1.99 requested', 'exactly');
SELECT shop.settle_refund(1, max(id), 'completed', NULL, NULL, NULL, NULL) FROM shop.refunds WHERE order_id = :held \g /dev/null
SELECT is((SELECT status FROM shop.orders WHERE id = :held), 'REFUNDED', 'that is all of it');

-- A person cancels the order instead, customer or administrator.
SELECT pg_temp.asked(2, :apple) AS less, pg_temp.asked(3, :apple) AS more \gset
SELECT is(pg_temp.news(:less, 'captured', 1.50), 'amount_mismatch pending', 'less was captured');
SELECT is(pg_temp.cancelled(:less, 2), '200 CANCELLED', 'and the customer cancels');
SELECT is(pg_temp.refunds(:less), 'refund 1.50 requested', 'what was captured goes back');
SELECT is(pg_temp.news(:more, 'captured', 200.25), 'amount_mismatch pending', 'more was captured');
SELECT is(pg_temp.cancelled(:more, NULL), '200 CANCELLED', 'and an administrator cancels');
SELECT is(pg_temp.refunds(:more), 'refund 200.25 requested', 'all of it goes back');
SELECT is(pg_temp.cancelled(:more, NULL), '200 CANCELLED', 'cancelling again');
SELECT is(pg_temp.news(:more, 'captured', 200.25), 'already_settled CANCELLED', 'and the same news again');
SELECT is(pg_temp.refunds(:more), 'refund 200.25 requested', 'ask nothing back twice');
SELECT is(pg_temp.accepted(:more), 'nothing_to_accept CANCELLED', 'a cancelled order accepts nothing');
SELECT is(pg_temp.stock(:apple), '99/0', 'their units are free');

-- The order is cancelled before the money comes.
SELECT pg_temp.asked(4, :apple) AS declined, pg_temp.asked(5, :apple) AS late \gset
SELECT is(pg_temp.news(:declined, 'declined'), 'settled CANCELLED', 'a payment is declined');
SELECT is(pg_temp.news(:declined, 'captured', 1.98), 'refund_requested CANCELLED', 'another amount comes after all');
SELECT is(pg_temp.attempt(:declined), 'captured 1.98-1.98 of 2.00', 'and is asked back at once');
SELECT is(pg_temp.news(:declined, 'captured', 1.98), 'already_settled CANCELLED', 'once');
SELECT pg_temp.cancelled(:late, 5) \g /dev/null
SELECT is(pg_temp.news(:late, 'captured', 0.5), 'refund_requested CANCELLED', 'a part comes after the cancelling');
SELECT is(pg_temp.news(:late, 'captured', 2), 'refund_requested CANCELLED', 'and then the rest');
SELECT is(pg_temp.refunds(:late), 'refund 0.50 requested, refund 1.50 requested', 'each goes back');

-- More is captured later: the right amount confirms, what comes after that goes back.
SELECT pg_temp.asked(6, :apple) AS partly \gset
SELECT is(pg_temp.news(:partly, 'captured', 0.5), 'amount_mismatch pending', 'a part is captured');
SELECT is(pg_temp.news(:partly, 'captured', 1.5), 'amount_mismatch pending', 'more of it');
SELECT is(pg_temp.news(:partly, 'captured', 2), 'settled CONFIRMED', 'all that was asked for');
SELECT is(pg_temp.news(:partly, 'captured', 3), 'refund_requested CONFIRMED', 'and more');
SELECT is(pg_temp.refunds(:partly), 'refund 1.00 requested', 'of which the surplus goes back');
SELECT is_empty('SELECT * FROM shop.verify(1)', 'verify() finds nothing wrong');

-- verify() sees money that is kept without an order, until it is asked for again.
SELECT shop.settle_refund(1, id, 'failed', NULL, NULL, NULL, NULL) FROM shop.refunds WHERE order_id = :less \g /dev/null
SELECT results_eq('SELECT check_name, subject FROM shop.verify(1)',
    format($$VALUES ('confirmed_order_is_paid_once', 'order %s')$$, :less), 'a refund that failed is owed');
SELECT is((shop.refund_order(1, NULL, :less, NULL, NULL, NULL, NULL, 'boss', NULL)).status, 200, 'and is asked for again');

SELECT is_empty('SELECT * FROM shop.verify(1)', 'in the end all is well');
SELECT * FROM finish();
ROLLBACK;
