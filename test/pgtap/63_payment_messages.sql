-- What surrounds the provider: events of webhooks, messages that are put off, refunds that are read before it is asked.
BEGIN;
SELECT plan(37);
\ir fixture.psql

SELECT pg_temp.product('apple', 2, 100) AS apple \gset

-- event(id, attempt, refund, outcome, amount): status and result.
CREATE FUNCTION pg_temp.event(id text, attempt bigint, refund bigint, outcome text, amount numeric DEFAULT NULL) RETURNS text
LANGUAGE sql AS $$
    SELECT format('%s %s', status, body)
    FROM shop.receive_payment_event(1, 'acme', id, attempt, refund, outcome, 'ref', amount, 'why', 'event-request')
$$;
CREATE FUNCTION pg_temp.received(result text) RETURNS text
LANGUAGE sql AS $$ SELECT format('200 {"received":true,"result":"%s"}', result) $$;

-- Beginning tells what the provider has to be told, and ends a message that asks for nothing.
SELECT pg_temp.order_of(1, :apple, 3) AS paid \gset
SELECT id AS message FROM shop.outbox WHERE order_id = :paid \gset
SELECT attempt_id AS attempt FROM shop.begin_payment(1, :paid, 'acme', 'r', :message) \gset
SELECT results_eq(format('SELECT attempt_provider, provider_reference, age_seconds, attempt_status
    FROM shop.begin_payment(1, %s, ''other'', NULL, %s)', :paid, :message),
    $$VALUES ('acme', NULL::text, 0::bigint, 'requested')$$, 'whoever begins again learns who was asked');
SELECT is((SELECT status FROM shop.outbox WHERE id = :message), 'pending', 'and the message still has its work');

-- A message that waits for the provider is no try.
SELECT is((SELECT count(*) FROM shop.claim_outbox(1, 10, 1000)), 1::bigint, 'the message is claimed');
SELECT lives_ok(format('SELECT shop.defer_message(1, %s, ''payment'', %s, ''{}'', NULL, NULL, ''it waits'', 60000)',
    :message, :paid), 'and put off');
SELECT results_eq(format('SELECT attempts, last_error, status, next_attempt_at > clock_timestamp() + interval ''50 s''
    FROM shop.outbox WHERE id = %s', :message),
    $$VALUES (0, 'it waits', 'pending', true)$$, 'without an attempt being counted, with the reason, for so long');
SELECT is((SELECT count(*) FROM shop.outbox WHERE order_id = :paid), 1::bigint, 'as the same message');
SELECT lives_ok(format('SELECT shop.defer_message(1, NULL, ''payment'', %s, ''{"orderId": 1}'', ''req'', ''trace'',
    ''it waits'', 60000)', :paid), 'one that came over the queue');
SELECT results_eq(format('SELECT topic, body, request_id, traceparent, attempts, last_error,
    next_attempt_at > clock_timestamp() + interval ''50 s'' FROM shop.outbox WHERE order_id = %s AND id <> %s', :paid,
    :message),
    $$VALUES ('payment', '{"orderId": 1}', 'req', 'trace', 0, 'it waits', true)$$, 'comes back to the outbox');

-- Events.
SELECT is(pg_temp.event('e1', :attempt, NULL, 'unknown'), pg_temp.received('recorded'), 'an event without an outcome');
SELECT is((SELECT provider_reference FROM shop.payment_attempts WHERE id = :attempt), 'ref', 'brings the number');
SELECT is(pg_temp.event('e2', :attempt, NULL, 'captured', 5.99), pg_temp.received('amount_mismatch'),
    'another amount is held');
SELECT is(pg_temp.event('e3', :attempt, NULL, 'captured', 6), pg_temp.received('settled'), 'the right one confirms');
SELECT is(pg_temp.event('e3', :attempt, NULL, 'captured', 6), pg_temp.received('duplicate_event'), 'once');
SELECT is(pg_temp.event('e4', :attempt, NULL, 'declined'), pg_temp.received('already_settled'), 'older news is late');
SELECT is((SELECT format('%s %s', status, request_id) FROM shop.orders JOIN shop.order_events USING (store_id)
    WHERE orders.id = :paid AND order_events.order_id = :paid AND seq = 2), 'CONFIRMED event-request',
    'the history names the request of the event');
SELECT is(pg_temp.event('e5', 987654321, NULL, 'captured'), pg_temp.received('attempt_not_found'),
    'an attempt that is not there');
SELECT is((SELECT note FROM shop.inbox WHERE message_key = 'e5'),
    'attempt_not_found: attempt 987654321, refund 0, outcome captured, reference ref', 'is kept');
SELECT is((SELECT note FROM shop.inbox WHERE message_key = 'e3'), NULL, 'what found its attempt has no note');

-- An attempt of one provider is not settled by another.
SELECT pg_temp.order_of(2, :apple, 1) AS elsewhere \gset
SELECT attempt_id FROM shop.begin_payment(1, :elsewhere, 'acme', NULL) \g /dev/null
SELECT is((SELECT concat_ws(' ', result, order_status) FROM shop.settle_payment(1, :elsewhere, true, 'r', NULL, NULL)),
    'other_provider pending', 'the simulation settles no payment that another provider may have taken');

-- Beginning ends the message of an order that is settled.
SELECT attempt_id FROM shop.begin_payment(1, :paid, 'acme', NULL, :message) \g /dev/null
SELECT is((SELECT status FROM shop.outbox WHERE id = :message), 'delivered', 'nothing to pay: the message is done');

-- Refunds.
SELECT shop.refund_order(1, NULL, :paid, 4, false, 'part', NULL, 'admin', NULL) \g /dev/null
SELECT id AS refund FROM shop.refunds WHERE order_id = :paid \gset
SELECT id AS refunding FROM shop.outbox WHERE order_id = :paid AND topic = 'refund' \gset
SELECT results_eq(format('SELECT refund_status, kind, amount, refund_reference, order_id, attempt_id, attempt_provider,
    provider_reference, age_seconds, order_status FROM shop.begin_refund(1, %s, %s)', :refund, :refunding),
    format($$VALUES ('requested', 'refund', 4.00, NULL::text, %s::bigint, %s::bigint, 'acme', 'ref', 0::bigint, 'CONFIRMED')$$,
    :paid, :attempt), 'a refund tells what the provider has to know');
SELECT is((SELECT status FROM shop.outbox WHERE id = :refunding), 'pending', 'its message has work');
SELECT is(pg_temp.event('r1', NULL, :refund, 'unknown'), pg_temp.received('recorded'), 'a refund that is pending');
SELECT is(pg_temp.event('r2', NULL, :refund, 'completed'), pg_temp.received('settled'), 'and completed');
SELECT is(pg_temp.event('r3', NULL, :refund, 'failed'), pg_temp.received('already_settled'), 'stays so');
SELECT is(pg_temp.event('r4', NULL, 987654321, 'completed'), pg_temp.received('refund_not_found'), 'one that is not there');
SELECT matches((SELECT note FROM shop.inbox WHERE message_key = 'r4'), '^refund_not_found: ', 'is kept');
SELECT is((SELECT refund_status FROM shop.begin_refund(1, :refund, :refunding)), 'completed', 'it is known to be done');
SELECT is((SELECT status FROM shop.outbox WHERE id = :refunding), 'delivered', 'which ends its message');
SELECT is((SELECT refund_status FROM shop.begin_refund(1, 987654321, NULL)), NULL, 'an unknown refund tells nothing');
SELECT is((SELECT refund_status FROM shop.begin_refund(2, :refund, NULL)), NULL, 'nor does ours in another store');

-- What cannot be.
SELECT throws_ok(format('SELECT shop.receive_payment_event(1, %L, %L, %L, %L, %L, NULL, NULL, NULL, NULL)', source, id,
    attempt, refund, outcome), 'SH005', NULL, format('source %L, id %L, refund %L, outcome %L', source, id, refund, outcome))
FROM (VALUES (NULL, 'e', 1, NULL, 'captured'), ('acme', NULL, 1, NULL, 'captured'), ('acme', 'e', 1, NULL, 'completed'),
             ('acme', 'e', NULL, 1, 'captured'), ('acme', 'e', 1, NULL, NULL)) bad (source, id, attempt, refund, outcome);

SELECT is_empty('SELECT * FROM shop.verify(1)', 'verify() finds nothing wrong');
SELECT * FROM finish();
ROLLBACK;
