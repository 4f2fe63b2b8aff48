-- Dead letters in the hands of an administrator: read, redrive, discard, each once.
BEGIN;
SELECT plan(41);
\ir fixture.psql

SELECT pg_temp.product('apple', 1, 5) AS apple \gset
SELECT pg_temp.order_of(7, :apple) AS placed \gset
SELECT id AS message FROM shop.outbox \gset
SELECT '{"traceparent": {"StringValue": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "DataType": "String"}}' AS attributes \gset
SELECT id AS dead FROM shop.record_dead_letter(1, 'outbox', :'message', '{"orderId": 1}', :'attributes',
    'max_retries_exceeded',
    'down', 5, :placed, 'old-request', :message) \gset
SELECT id AS junk FROM shop.record_dead_letter(1, 'sqs', 'm-1', 'not JSON', NULL, 'invalid_message_body', NULL, 1,
    NULL, NULL,
    NULL) \gset
UPDATE shop.dead_letters SET created_at = '2024-02-29 12:00:00.1234+00', updated_at = '2024-02-29 12:00:00.1234+00';

-- ids(answer): the numbers in a list.
CREATE FUNCTION pg_temp.ids(answer shop.response) RETURNS text
LANGUAGE sql AS $$
    SELECT answer.status || ': ' || coalesce(string_agg(listed ->> 'id', ' ' ORDER BY position), '')
    FROM json_array_elements(answer.body::json) WITH ORDINALITY list (listed, position)
$$;

-- Reading.
SELECT is((shop.get_dead_letter(1, :dead, NULL)).body::jsonb, jsonb_build_object('id', :dead, 'status', 'open',
    'source', 'outbox', 'message_key', :'message', 'body', '{"orderId": 1}', 'attributes', :'attributes'::jsonb,
    'reason', 'max_retries_exceeded', 'error', 'down', 'attempts', 5, 'order_id', :placed, 'request_id', 'old-request',
    'resolution', NULL, 'dlq_message_id', NULL, 'dlq_moved_at', NULL, 'created_at', '2024-02-29T12:00:00.123Z',
    'updated_at', '2024-02-29T12:00:00.123Z'), 'a dead letter with all that is known');
SELECT is((shop.get_dead_letter(1, :dead, NULL)).order_id, :placed::bigint, 'its order is there for the log');
SELECT pg_temp.refuses(shop.get_dead_letter(1, NULL, 'test-request'), 400, 'invalid_field',
    'id must be a positive integer',
                       'reading wants a number');
SELECT pg_temp.refuses(shop.get_dead_letter(1, 9223372036854775807, 'test-request'), 404, 'dead_letter_not_found',
                       'Dead letter not found', 'an unknown dead letter does not exist');
SELECT is((shop.get_dead_letter(2, :dead, NULL)).status, 404, 'nor does ours in another store');
SELECT is(pg_temp.ids(shop.list_dead_letters(1, NULL, NULL, NULL, NULL)), format('200: %s %s', :junk, :dead),
    'all, newest first');
SELECT is(pg_temp.ids(shop.list_dead_letters(1, 'open', :junk, 1, NULL)), format('200: %s', :dead),
    'a page of the open ones');
SELECT is(pg_temp.ids(shop.list_dead_letters(1, 'redriven', NULL, NULL, NULL)), '200: ', 'none is redriven yet');
SELECT is(pg_temp.ids(shop.list_dead_letters(2, NULL, NULL, NULL, NULL)), '200: ', 'another store has none');
SELECT pg_temp.refuses(shop.list_dead_letters(1, status, before_id, row_limit, 'test-request'), 400, 'invalid_field',
    message, message)
FROM (VALUES ('closed', NULL, NULL, 'status must be open, redriven or discarded'),
             (NULL, 0, NULL, 'before must be a positive integer'),
             (NULL, NULL, 0, 'limit must be an integer between 1 and 1000'),
             (NULL, NULL, 1001, 'limit must be an integer between 1 and 1000')) bad (status, before_id, row_limit,
                 message);

-- Redriving.
SELECT is((SELECT body::json ->> 'status' FROM shop.redrive(1, :dead, 'boss', 'redrive-request')), 'redriven',
    'it is redriven');
SELECT results_eq(
    $$SELECT topic, order_id, body, request_id, traceparent, status, attempts FROM shop.outbox WHERE topic = 'redrive'$$,
    format($$VALUES ('redrive', %s::bigint, '{"orderId": 1}', 'old-request',
        '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', 'pending', 0)$$, :placed),
    'a message with the old body, request and trace is due');
SELECT matches((SELECT resolution FROM shop.dead_letters WHERE id = :dead), 'boss', 'the letter says by whom');
SELECT is((shop.redrive(1, :dead, 'boss', NULL)).status, 200, 'pressing twice is a success');
SELECT is((SELECT count(*) FROM shop.outbox WHERE topic = 'redrive'), 1::bigint, 'that does nothing the second time');
SELECT pg_temp.refuses(shop.discard(1, :dead, 'old', 'boss', 'test-request'), 409, 'dead_letter_closed',
                       'A redriven dead letter cannot be discarded', 'it cannot be discarded any more');
SELECT is((SELECT count(*) FROM shop.claim_outbox(1, 10, 1000) WHERE topic = 'redrive'), 1::bigint,
    'the poller gets the message');
SELECT pg_temp.refuses(shop.redrive(1, 9223372036854775807, 'boss', 'test-request'), 404, 'dead_letter_not_found',
                       'Dead letter not found', 'an unknown letter cannot be redriven');
SELECT is((shop.redrive(2, :junk, 'boss', NULL)).status, 404, 'nor one of another store');

-- Discarding.
SELECT pg_temp.refuses(shop.discard(1, :junk, reason, 'boss', 'test-request'), 400, 'invalid_field',
    'reason is required',
                       format('discarding for %L is refused', reason)) FROM (VALUES (NULL), ('')) reasons (reason);
SELECT is((SELECT body::json ->> 'status' FROM shop.discard(1, :junk, 'spam', 'boss', NULL)), 'discarded',
    'it is discarded');
SELECT is((SELECT resolution FROM shop.dead_letters WHERE id = :junk), 'discarded by boss: spam', 'with who and why');
SELECT is((shop.discard(1, :junk, 'again', 'other', NULL)).status, 200, 'again is a success');
SELECT is((SELECT resolution FROM shop.dead_letters WHERE id = :junk), 'discarded by boss: spam',
    'that changes nothing');
SELECT pg_temp.refuses(shop.redrive(1, :junk, 'boss', 'test-request'), 409, 'dead_letter_closed',
                       'A discarded dead letter cannot be redriven', 'it cannot be redriven any more');

-- A message of an intake order knows only the id that the client knows.
SELECT order_id AS accepted FROM shop.accept_order(1,
    '{"customer_id": "c", "order_id": "X-9", "items": [{"product_id": "pear", "quantity": 1, "price": 1}]}',
    NULL, NULL, NULL) \gset
SELECT id AS lost FROM shop.record_dead_letter(1, 'sqs', 'm-9', '{"order_id": "X-9"}', NULL, 'max_retries_exceeded',
    'down', 3, NULL, NULL, NULL) \gset
SELECT is((SELECT order_id FROM shop.dead_letters WHERE id = :lost), :accepted::bigint,
    'the dead letter of an intake message finds its order');
SELECT is((shop.get_intake_order(1, 'X-9', NULL)).body::json -> 'data' ->> 'failure_reason', 'max_retries_exceeded',
    'which its client sees as failed, with the reason');
SELECT shop.discard(1, :lost, 'of no use', 'boss', NULL) \g /dev/null
SELECT is((shop.get_intake_order(1, 'X-9', NULL)).body::json -> 'data' ->> 'status', 'failed', 'discarded, it stays so');

-- Only the message's own order_id names its order: the items' members are free.
SELECT is((SELECT order_status FROM shop.ingest_order(1, '{"order_id": "X-10", "customer_id": "c", "total_amount": 1,
    "items": [{"product_id": "pear", "quantity": 1, "price": 1}]}', NULL, NULL)), 'CONFIRMED', 'an order is done');
-- given_up(key, body): what is recorded of a message of an intake order that was tried too often.
CREATE FUNCTION pg_temp.given_up(key text, body text) RETURNS text
LANGUAGE plpgsql AS $function$
DECLARE
    letter_id bigint := (shop.record_dead_letter(1, 'sqs', key, body, NULL, 'max_retries_exceeded', 'down', 3, NULL, NULL, NULL)).id;
BEGIN
    RETURN CASE WHEN letter_id IS NULL THEN 'nothing' ELSE
        (SELECT format('order %s', letter.order_id) FROM shop.dead_letters letter WHERE letter.id = letter_id) END;
END
$function$;
SELECT is(pg_temp.given_up('m-10', '{"order_id": "X-10"}'), 'nothing', 'its message is done, and not given up');
SELECT is(pg_temp.given_up('m-11', '{"items": [{"order_id": "X-10"}], "order_id": "X-9"}'), format('order %s', :accepted),
    'an item that names it does not make another message done');
SELECT is(pg_temp.given_up('m-12', '{"items": [{"order_id": "X-10"}], "order_id": "new"}'), 'order ',
    'nor one that is of no order yet');
SELECT is(pg_temp.given_up('m-13', '{"items": [{"refundId": 1}], "order_id": "X-10"}'), 'nothing',
    'nor is the message of the settled order a refund because an item says so');
SELECT is(pg_temp.given_up('m-14', '{"order_id": 10}'), 'order ', 'a number is no name of an order');
SELECT is(pg_temp.given_up(key, body), 'order ', format('recorded all the same: %s', left(body, 40)))
FROM (VALUES ('m-15', '{"order_id": "X-10", "items": [{"note": "\u0000"}]}'),
             ('m-16', format('{"order_id": "X-10", "items": %s', repeat('[', 100000)))) broken (key, body);

SELECT is_empty('SELECT * FROM shop.verify(1)', 'verify() finds nothing wrong');
SELECT * FROM finish();
ROLLBACK;
