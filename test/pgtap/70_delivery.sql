-- The outbox as the poller uses it, and dead letters.
BEGIN;
SELECT plan(75);
\ir fixture.psql

SELECT pg_temp.product('apple', 1, 50) AS apple \gset
SELECT pg_temp.put(7, :apple) AS cart \gset
SELECT order_id AS first FROM shop.checkout(1, NULL, 7, :cart, 'key', NULL, 'test-request', '00-trace-01') \gset
SELECT pg_temp.order_of(8, :apple) AS second, pg_temp.order_of(9, :apple) AS third \gset
SELECT id AS m1 FROM shop.outbox WHERE order_id = :first \gset
SELECT id AS m2 FROM shop.outbox WHERE order_id = :second \gset
SELECT id AS m3 FROM shop.outbox WHERE order_id = :third \gset
-- The messages are due in this order.
UPDATE shop.outbox SET next_attempt_at = clock_timestamp() - interval '3 minutes' WHERE id = :m1;
UPDATE shop.outbox SET next_attempt_at = clock_timestamp() - interval '2 minutes' WHERE id = :m2;
UPDATE shop.outbox SET next_attempt_at = clock_timestamp() - interval '1 minute' WHERE id = :m3;

-- claimed(rows): ids that a claim of one minute takes.
CREATE FUNCTION pg_temp.claimed(row_limit integer) RETURNS text
LANGUAGE sql AS $$ SELECT string_agg(id::text, ' ' ORDER BY id) FROM shop.claim_outbox(1, row_limit, 60000) $$;
CREATE FUNCTION pg_temp.message(message bigint) RETURNS text
LANGUAGE sql AS $$ SELECT format('%s after %s, error %s', status, attempts, coalesce(last_error, '-'))
                   FROM shop.outbox WHERE id = message $$;
-- due(message, from, to): is the message due again in this many seconds?
CREATE FUNCTION pg_temp.due(message bigint, earliest integer, latest integer) RETURNS boolean
LANGUAGE sql AS $$ SELECT next_attempt_at - clock_timestamp() BETWEEN earliest * interval '1 second'
                          AND latest * interval '1 second' FROM shop.outbox WHERE id = message $$;

-- Claiming.
SELECT results_eq(
    $$SELECT id, topic, order_id, body, request_id, traceparent, attempts, created_at <= clock_timestamp()
      FROM shop.claim_outbox(1, 1, 60000)$$,
    format($$VALUES (%s::bigint, 'payment', %s::bigint, '{"orderId": %2$s}', 'test-request', '00-trace-01', 1, true)$$,
           :m1, :first), 'a claim takes the message that is due longest, with all its fields');
SELECT ok(pg_temp.due(:m1, 50, 60), 'for the time of the lease');
SELECT is(pg_temp.message(:m1), 'pending after 1, error -', 'it is still pending');
SELECT is(pg_temp.claimed(5), :m2 || ' ' || :m3, 'a second claim takes the others');
SELECT is(pg_temp.claimed(5), NULL, 'a third finds nothing');
UPDATE shop.outbox SET next_attempt_at = clock_timestamp() - interval '1 millisecond' WHERE id = :m1;
SELECT is((SELECT attempts FROM shop.claim_outbox(1, 5, 60000)), 2, 'when the lease ends the message is due again');
SELECT is(pg_temp.claimed(5), NULL, 'once');
SELECT is((SELECT count(*) FROM shop.claim_outbox(1, 0, 60000)), 0::bigint, 'a claim of no rows takes none');

-- Giving back.
SELECT is(shop.release_outbox(1, ARRAY[:m1, :m2], 'queue "down"', 10000, true), 2,
    'two messages are given back with an error');
SELECT is(pg_temp.message(:m1), 'pending after 2, error queue "down"', 'the attempt counts, the error is kept');
SELECT is(pg_temp.message(:m2), 'pending after 1, error queue "down"', 'for both');
SELECT ok(pg_temp.due(:m1, 5, 10) AND pg_temp.due(:m2, 5, 10), 'they are due after the pause');
SELECT ok(pg_temp.due(:m3, 40, 60), 'the third is as it was');
SELECT is(shop.release_outbox(1, ARRAY[:m3], NULL, 0, false), 1, 'one is given back unused');
SELECT is(pg_temp.message(:m3), 'pending after 0, error -', 'its attempt does not count');
SELECT is(pg_temp.claimed(5), :m3::text, 'and it is due at once');
SELECT is(shop.release_outbox(1, ARRAY[:m1], NULL, 0, false), 1, 'a message with an older error');
SELECT is(pg_temp.message(:m1), 'pending after 1, error queue "down"', 'keeps it when it is given back unused');
SELECT is(shop.release_outbox(1, ARRAY[9223372036854775807], 'x', 0, true), 0, 'an unknown message is none');
SELECT is(shop.release_outbox(1, ARRAY[]::bigint[], 'x', 0, true), 0, 'nor is no message');

-- What the queue did not take.
SELECT is(pg_temp.claimed(5), :m1::text, 'the message is claimed again');
SELECT is(shop.extend_outbox(1, ARRAY[:m1], 100000), 1, 'its claim is made longer');
SELECT ok(pg_temp.due(:m1, 95, 100), 'from now on');
SELECT is(shop.release_outbox(1, ARRAY[:m1], 'no queue', 10000, false), 1, 'the queue did not take it');
SELECT is(pg_temp.message(:m1), 'pending after 1, error no queue', 'the error is kept, the attempt does not count');
SELECT ok(pg_temp.due(:m1, 5, 10), 'it is due after the pause');
SELECT is(shop.release_outbox(2, ARRAY[:m1], 'x', 0, false), 0, 'another store cannot do that');

-- Delivered.
SELECT is(shop.mark_outbox_delivered(1, ARRAY[:m1, :m3, 9223372036854775807]), 2, 'two messages are delivered');
SELECT is(pg_temp.message(:m1), 'delivered after 1, error -', 'the error is no longer of interest');
SELECT ok((SELECT finished_at <= clock_timestamp() FROM shop.outbox WHERE id = :m3), 'with the time');
SELECT is(shop.mark_outbox_delivered(1, ARRAY[:m1]), 0, 'a message is delivered once');
SELECT is(shop.release_outbox(1, ARRAY[:m1], 'late', 0, true), 0, 'and not given back after that');
SELECT is(pg_temp.message(:m1), 'delivered after 1, error -', 'so it stays delivered');
UPDATE shop.outbox SET next_attempt_at = clock_timestamp() - interval '1 hour';
SELECT is(pg_temp.claimed(5), :m2::text, 'only what is pending can be claimed');
UPDATE shop.outbox SET attempts = 0 WHERE id = :m2;
SELECT is(shop.release_outbox(1, ARRAY[:m2], NULL, 0, false), 0, 'what nobody claimed cannot be given back');

-- Dead letters out of the outbox.
SELECT * FROM shop.record_dead_letter(1, 'outbox', :'m2', '{"orderId": 2}', NULL, 'max_retries_exceeded',
    'provider down',
                                      5, :second, 'test-request', :m2) \gset letter_
SELECT ok(NOT :'letter_moved'::boolean, 'a dead letter is written down, not yet moved');
SELECT results_eq(
    format($$SELECT source, message_key COLLATE "default", body, attributes, reason, error, receive_count, order_id,
                    request_id, status, dlq_message_id, dlq_moved_at FROM shop.dead_letters WHERE id = %s$$,
                        :letter_id),
    format($$VALUES ('outbox', '%s', '{"orderId": 2}', NULL, 'max_retries_exceeded', 'provider down', 5, %s::bigint,
                     'test-request', 'open', NULL, NULL::timestamptz)$$, :m2, :second), 'with all that is known');
SELECT is((SELECT format('%s, error %s', status, last_error) FROM shop.outbox WHERE id = :m2),
    'dead, error provider down',
          'its outbox message is dead by the same transaction');
SELECT is((SELECT message.xmin FROM shop.outbox message WHERE id = :m2),
          (SELECT letter.xmin FROM shop.dead_letters letter WHERE id = :letter_id), 'really by the same');
SELECT is((SELECT format('%s %s', id, moved) FROM shop.record_dead_letter(1, 'outbox', :'m2', 'other', NULL, 'other',
    'other',
    6, NULL, NULL, :m2)), :letter_id || ' f', 'the same message again keeps its row');
SELECT is((SELECT format('%s %s %s %s', body, reason, receive_count, order_id) FROM shop.dead_letters
    WHERE id = :letter_id),
          '{"orderId": 2} max_retries_exceeded 6 ' || :second, 'only the count goes up');
SELECT is((SELECT format('%s, %s', first_reason, first_error) FROM shop.record_dead_letter(1, 'outbox', :'m2', 'other',
    NULL, 'other', 'other', 6, NULL, NULL, :m2)), 'max_retries_exceeded, provider down', 'and the first reason counts');
SELECT shop.record_dead_letter(1, 'outbox', :'m2', 'b', NULL, 'r', 'e', 1, NULL, NULL, NULL) \g /dev/null
SELECT is((SELECT receive_count FROM shop.dead_letters WHERE id = :letter_id), 6, 'and never down');
SELECT is((SELECT count(*) FROM shop.dead_letters), 1::bigint, 'there is one row');
SELECT is((SELECT status FROM shop.orders WHERE id = :second), 'pending', 'the order is still pending');

-- Dead letters from a queue.
SELECT * FROM shop.record_dead_letter(1, 'sqs', 'message-1', E'not "JSON"\n', '{"requestId":"x"}',
    'invalid_message_body',
                                      NULL, NULL, NULL, NULL, NULL) \gset queued_
SELECT isnt(:queued_id::bigint, :letter_id::bigint, 'another message has another row');
SELECT results_eq(
    format('SELECT body, attributes, receive_count, order_id FROM shop.dead_letters WHERE id = %s', :queued_id),
    $$VALUES (E'not "JSON"\n', '{"requestId":"x"}', 0, NULL::bigint)$$, 'the body is kept as it came');
SELECT isnt((SELECT id FROM shop.record_dead_letter(1, 'outbox', 'message-1', 'b', NULL, 'r', NULL, 1, NULL, NULL,
    NULL)),
            :queued_id::bigint, 'the same key from another source is another message');
SELECT lives_ok(format($$SELECT shop.mark_dead_letter_moved(1, %s, 'dlq-1')$$, :queued_id), 'it is on the queue');
SELECT results_eq(
    format('SELECT dlq_message_id, dlq_moved_at <= clock_timestamp() FROM shop.dead_letters WHERE id = %s', :queued_id),
    $$VALUES ('dlq-1', true)$$, 'under its id there');
SELECT ok((SELECT moved FROM shop.record_dead_letter(1, 'sqs', 'message-1', 'b', NULL, 'r', NULL, 2, NULL, NULL, NULL)),
          'so when it comes again it is known to be moved');
SELECT shop.mark_dead_letter_moved(1, :queued_id, 'dlq-2') \g /dev/null
SELECT is((SELECT dlq_message_id FROM shop.dead_letters WHERE id = :queued_id), 'dlq-1', 'the first move counts');
SELECT is((SELECT dlq_message_id FROM shop.dead_letters WHERE id = :letter_id), NULL, 'other letters are not touched');
SELECT lives_ok($$SELECT shop.mark_dead_letter_moved(1, 9223372036854775807, 'dlq-3')$$,
    'an unknown letter does no harm');

-- A finished message is not given up after all.
SELECT shop.record_dead_letter(1, 'outbox', :'m1', 'b', NULL, 'r', 'e', 1, :first, NULL, :m1) \g /dev/null
SELECT is(pg_temp.message(:m1), 'delivered after 1, error -', 'a delivered message stays delivered');
SELECT is(shop.mark_outbox_delivered(1, ARRAY[:m2]), 0, 'a dead message is not delivered');
SELECT is(shop.release_outbox(1, ARRAY[:m2], 'x', 0, true), 0, 'nor given back');
SELECT is(pg_temp.claimed(5), NULL, 'nor claimed');

-- What goes on to a dead-letter queue stays pending until it is there.
SELECT pg_temp.order_of(10, :apple) AS fourth \gset
SELECT id AS m4 FROM shop.outbox WHERE order_id = :fourth \gset
SELECT is(pg_temp.claimed(5), :m4::text, 'another message');
SELECT id AS moving FROM shop.record_dead_letter(1, 'outbox', :'m4', format('{"orderId": %s}', :fourth), NULL,
    'max_retries_exceeded', 'down', 5, :fourth, NULL, NULL) \gset
SELECT is(pg_temp.message(:m4), 'pending after 1, error -', 'is given up, and pending');
SELECT shop.mark_dead_letter_moved(1, :moving, 'dlq-4') \g /dev/null
SELECT is(pg_temp.message(:m4), 'dead after 1, error down', 'until it is moved');
SELECT shop.settle_payment(1, :fourth, true, NULL, NULL, NULL) \g /dev/null
SELECT isnt((SELECT id FROM shop.record_dead_letter(1, 'sqs', 'm-4', format('{"orderId": %s}', :fourth), NULL, 'order_not_found',
    'e', 1, :fourth, NULL, NULL)), NULL, 'a reason that no try can undo is recorded');
SELECT is((SELECT first_reason FROM shop.record_dead_letter(1, 'sqs', 'm-4', format('{"orderId": %s}', :fourth), NULL,
    'max_retries_exceeded', 'e', 6, :fourth, NULL, NULL)), 'order_not_found', 'and stays, though the order is settled');
SELECT is((SELECT id FROM shop.record_dead_letter(1, 'outbox', :'m4', format('{"orderId": %s}', :fourth), NULL,
    'max_retries_exceeded', 'e', 6, :fourth, NULL, NULL)), NULL, 'but for one that was given up too early');

-- What cannot be stored is refused and changes nothing.
SELECT throws_ok($$SELECT shop.record_dead_letter(1, 'mail', 'k', 'b', NULL, 'r', NULL, 1, NULL, NULL, NULL)$$,
    '23514', NULL,
                 'an unknown source is refused');
SELECT throws_ok($$SELECT shop.record_dead_letter(1, 'sqs', NULL, 'b', NULL, 'r', NULL, 1, NULL, NULL, NULL)$$,
    '23502', NULL,
                 'a letter without a key is refused');
SELECT is((SELECT count(*) FROM shop.dead_letters), 6::bigint, 'so there are six rows');

-- The messages of many orders, by pages.
SELECT pg_temp.order_of(customer, :apple) FROM generate_series(101, 125) customer \g /dev/null
SELECT is((SELECT count(*) FROM shop.claim_outbox(1, 10, 60000)), 10::bigint, 'a claim takes as many as it asked for');
SELECT is((SELECT count(*) FROM shop.claim_outbox(1, 100, 60000)), 15::bigint, 'the next takes the rest');

-- Large messages: a claim brings no more than its caller can hold.
INSERT INTO shop.outbox (store_id, id, topic, body, next_attempt_at)
SELECT 1, 1000000 + number, 'redrive', repeat(letter, times), clock_timestamp() - interval '1 hour' + number * interval '1 second'
FROM (VALUES (1, 'ü', 1024 * 1024), (2, 'x', 2 * 1024 * 1024), (3, 'x', 1), (4, 'x', 5 * 1024 * 1024), (5, 'x', 0),
             (6, 'x', 1)) large (number, letter, times);
SELECT is(pg_temp.claimed(1), '1000001', 'a claim of one large message');
SELECT is(shop.release_outbox(1, ARRAY[1000001], NULL, 0, false), 1, 'given back');
UPDATE shop.outbox SET next_attempt_at = clock_timestamp() - interval '1 hour' WHERE id = 1000001;
SELECT is(pg_temp.claimed(10), '1000001 1000002', 'a claim takes 4 MiB of bodies, whatever their characters');
SELECT is(pg_temp.claimed(10), '1000003', 'what does not fit waits for the next, and so do those behind it');
SELECT is(pg_temp.claimed(10) || ', ' || pg_temp.claimed(10), '1000004, 1000005 1000006', 'one that is larger goes alone');
DELETE FROM shop.outbox WHERE id > 1000000;

SELECT is_empty('SELECT * FROM shop.verify(1)', 'verify() finds nothing wrong');
SELECT * FROM finish();
ROLLBACK;
