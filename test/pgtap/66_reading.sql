-- What administrators, operators and Intake's clients read: orders of all, an order's past, statistics, the queue, the views.
BEGIN;
SELECT plan(62);
\ir fixture.psql

SELECT pg_temp.product('apple', 1.50, 50) AS apple, pg_temp.product('pear', 2, 5) AS pear, pg_temp.product('plum', 1) AS plum \gset

-- shop.list_all_orders: of all users and of intake, newest first, by pages and by status.
SELECT pg_temp.answers(shop.list_all_orders(1, NULL, NULL, NULL, NULL), 200, '[]', 'there are no orders yet');
SELECT pg_temp.order_of(7, :apple, 3) AS first, pg_temp.order_of(8, :pear) AS second \gset
SELECT order_id AS third FROM shop.accept_order(1,
    '{"order_id":"ORD-1","customer_id":"Zoë","items":[{"product_id":"apple","quantity":1,"price":1.5}]}', NULL, NULL, NULL) \gset
SELECT pg_temp.order_of(7, :apple) AS fourth \gset
SELECT shop.settle_payment(1, :second, true, NULL, NULL, NULL) \g /dev/null
UPDATE shop.orders SET created_at = '2024-02-29 23:59:59.987654+09', updated_at = '2024-03-01 00:00:00+00';
CREATE FUNCTION pg_temp.listed(answer shop.response) RETURNS text
LANGUAGE sql AS $$
    SELECT answer.status || ': ' || coalesce(string_agg(listed ->> 'id', ' ' ORDER BY position), '')
    FROM json_array_elements(answer.body::json) WITH ORDINALITY list (listed, position)
$$;
SELECT is((shop.list_all_orders(1, NULL, :second, NULL, NULL)).body::jsonb,
    format('[{"id":%s,"user_id":7,"order_id":null,"customer_id":null,"status":"pending","total_price":4.50,'
           '"created_at":"2024-02-29T14:59:59.987Z","updated_at":"2024-03-01T00:00:00.000Z"}]', :first)::jsonb,
    'an order of a cart has its user');
SELECT is((shop.list_all_orders(1, 'QUEUED', NULL, NULL, NULL)).body::jsonb,
    format('[{"id":%s,"user_id":null,"order_id":"ORD-1","customer_id":"Zoë","status":"QUEUED","total_price":1.50,'
           '"created_at":"2024-02-29T14:59:59.987Z","updated_at":"2024-03-01T00:00:00.000Z"}]', :third)::jsonb,
    'one of intake has its client''s names');
SELECT is(pg_temp.listed(shop.list_all_orders(store, status, before_id, row_limit, NULL)), '200: ' || wanted, what)
FROM (VALUES (1, NULL, NULL, NULL, format('%s %s %s %s', :fourth, :third, :second, :first), 'all, newest first'),
             (1, NULL, NULL, 2, format('%s %s', :fourth, :third), 'the first page'),
             (1, NULL, :third, 1, format('%s', :second), 'the page before an order'),
             (1, NULL, :first, 1000, '', 'the page before the first is empty'),
             (1, 'pending', NULL, NULL, format('%s %s', :fourth, :first), 'of one status'),
             (1, 'pending', :fourth, 1, format('%s', :first), 'a page of one status'),
             (1, 'CONFIRMED', NULL, NULL, format('%s', :second), 'of another status'),
             (1, 'REFUNDED', NULL, NULL, '', 'of a status that no order has'),
             (2, NULL, NULL, NULL, '', 'of another store')) pages (store, status, before_id, row_limit, wanted, what);
SELECT pg_temp.refuses(shop.list_all_orders(1, status, before_id, row_limit, 'test-request'), 400, 'invalid_field', message,
    format('%s is refused', message))
FROM (VALUES (NULL, NULL, 0, 'limit must be an integer between 1 and 1000'),
             (NULL, NULL, 1001, 'limit must be an integer between 1 and 1000'),
             (NULL, 0, NULL, 'before must be a positive integer'),
             ('paid', NULL, NULL, 'status must be QUEUED, pending, CONFIRMED, CANCELLED, FULFILLED or REFUNDED'))
     refused (status, before_id, row_limit, message);

-- shop.order_as_of: what an order was, when, and what had made it so.
SELECT shop.fulfil_order(1, :second, 'boss', NULL) \g /dev/null
UPDATE shop.order_events SET at = '2024-05-01 12:00:00+00'::timestamptz + (seq - 1) * interval '1 hour' WHERE order_id = :second;
SELECT results_eq(
    format('SELECT id, status, event, actor, since AT TIME ZONE ''UTC'' FROM shop.order_as_of(1, %s, %L)', :second, at),
    format('SELECT %s::bigint, %L::text, %L::text, %L::text, %L::timestamp', :second, status, event, actor, since), what)
FROM (VALUES ('2024-05-01 12:00Z', 'pending', 'placed', 'user:8', '2024-05-01 12:00', 'at the very moment it was placed'),
             ('2024-05-01 12:59:59.999Z', 'pending', 'placed', 'user:8', '2024-05-01 12:00', 'until it was paid'),
             ('2024-05-01 13:00Z', 'CONFIRMED', 'payment_captured', 'payment', '2024-05-01 13:00', 'from then on'),
             ('2024-05-01 22:00+08', 'FULFILLED', 'fulfilled', 'boss', '2024-05-01 14:00', 'whatever the zone of the question'),
             ('infinity', 'FULFILLED', 'fulfilled', 'boss', '2024-05-01 14:00', 'and in the end'))
     moments (at, status, event, actor, since, what);
SELECT is_empty(format('SELECT * FROM shop.order_as_of(%s, %s, %L)', store, id, at), what)
FROM (VALUES (1, :second, '2024-05-01 11:59:59Z', 'before it was placed there was none'),
             (2, :second, 'infinity', 'nor in another store'),
             (1, 9223372036854775807, 'infinity', 'nor with another number')) absent (store, id, at, what);
SELECT is_empty(format('SELECT * FROM shop.order_as_of(1, %s, NULL)', :second), 'at no time it was nothing');

-- shop.order_statistics: the hours of the last day, folded or not.
CREATE FUNCTION pg_temp.statistics(store integer DEFAULT 1) RETURNS json
LANGUAGE sql AS $$ SELECT (shop.order_statistics(store, NULL)).body::json $$;
SELECT is((SELECT string_agg(key, ' ') FROM json_object_keys(pg_temp.statistics()) key),
    'orders_today processing_rate queue_depth total_orders orders_by_hour', 'what the statistics tell');
SELECT is(pg_temp.statistics() ->> 'total_orders', '4', 'all orders are counted');
SELECT is(pg_temp.statistics() ->> 'processing_rate', '0.2', 'four in 24 hours are 0.2 per hour');
SELECT is(pg_temp.statistics() ->> 'queue_depth', '4', 'four messages wait');
SELECT is(json_array_length(pg_temp.statistics() -> 'orders_by_hour'), 24, 'there are 24 hours');
SELECT is(pg_temp.statistics() -> 'orders_by_hour' -> 23 ->> 'hour',
    to_char(statement_timestamp() AT TIME ZONE 'UTC', 'HH24":00"'), 'the last of them is this one');
SELECT is(pg_temp.statistics() -> 'orders_by_hour' -> 23 ->> 'count',
    (SELECT count(*)::text FROM shop.order_count_deltas WHERE at >= date_trunc('hour', statement_timestamp())),
    'with the orders of now');
-- aged(): the four orders made older, then counted; one statement, so that no hour begins meanwhile.
CREATE FUNCTION pg_temp.aged() RETURNS SETOF text
LANGUAGE plpgsql AS $function$
DECLARE
    unfolded text;
BEGIN
    UPDATE shop.order_count_deltas SET at = date_trunc('hour', statement_timestamp()) - age
    FROM (SELECT ctid AS place, (ARRAY[interval '1 second', '23 hours', '23 hours 1 second', '30 days'])[row_number() OVER ()] AS age
          FROM shop.order_count_deltas) aged WHERE aged.place = order_count_deltas.ctid;
    unfolded := pg_temp.statistics()::text;
    RETURN NEXT is(
        (SELECT string_agg(format('%s:%s', position, hour ->> 'count'), ' ' ORDER BY position)
         FROM json_array_elements(pg_temp.statistics() -> 'orders_by_hour') WITH ORDINALITY list (hour, position)
         WHERE hour ->> 'count' <> '0'), '1:1 23:1', 'an order counts in its hour, and not once that is over a day ago');
    RETURN NEXT is(pg_temp.statistics() ->> 'total_orders', '4', 'but in all');
    RETURN NEXT is(pg_temp.statistics() ->> 'orders_today',
        (SELECT count(*)::text FROM shop.order_count_deltas
         WHERE at AT TIME ZONE 'UTC' >= date_trunc('day', statement_timestamp() AT TIME ZONE 'UTC')),
        'today begins at midnight UTC');
    RETURN NEXT is(shop.fold_order_counts(1, 2), 2, 'two of the counts are folded');
    RETURN NEXT is(pg_temp.statistics()::text, unfolded, 'half folded, the statistics are the same');
    RETURN NEXT is(shop.fold_order_counts(1, 100), 2, 'the other two');
    RETURN NEXT is(pg_temp.statistics()::text, unfolded, 'folded, they still are');
END
$function$;
SELECT * FROM pg_temp.aged();
SELECT is(pg_temp.statistics(2) ->> 'total_orders', '0', 'another store has none');

-- shop.report_poller and shop.queue_status: the poller that spoke last.
-- An age that runs on while the test does is told in steps of ten minutes.
CREATE FUNCTION pg_temp.queue() RETURNS text
LANGUAGE sql AS $$
    SELECT concat_ws(' ', coalesce(backend, 'none'), 'depth', depth, 'dlq', dlq_depth,
        'age', CASE WHEN oldest_message_age_seconds < 1000 THEN oldest_message_age_seconds ELSE oldest_message_age_seconds / 600 * 600 END,
        'at ' || to_char(last_poll_at AT TIME ZONE 'UTC', 'HH24:MI:SS'), CASE WHEN connected THEN 'connected' END)
    FROM shop.queue_status(1)
$$;
UPDATE shop.outbox SET created_at = clock_timestamp() - interval '105 minutes' WHERE order_id = :first;
SELECT is(pg_temp.queue(), 'none depth 4 dlq 0 age 6000', 'without a poller: what the outbox tells');
SELECT shop.report_poller(1, 'one', 'embedded', NULL, NULL, NULL, '2024-01-01 01:02:03Z') \g /dev/null
SELECT is(pg_temp.queue(), 'embedded depth 4 dlq 0 age 6000 at 01:02:03 connected', 'a poller that works from the outbox');
SELECT shop.record_dead_letter(1, 'sqs', 'm', 'body', NULL, 'why', NULL, 1, NULL, NULL, NULL) \g /dev/null
SELECT is(pg_temp.queue(), 'embedded depth 4 dlq 1 age 6000 at 01:02:03 connected', 'its dead letters are the open ones');
SELECT shop.report_poller(1, 'two', 'sqs', 100, 7, 5, '2024-01-01 02:03:04Z') \g /dev/null
SELECT is(pg_temp.queue(), 'sqs depth 104 dlq 7 age 5 at 02:03:04 connected',
    'a poller of SQS: its queue and the outbox before it');
SELECT is(pg_temp.statistics() ->> 'queue_depth', '104', 'as in the statistics');
SELECT shop.report_poller(1, 'two', 'sqs', 90, 6, 4, '2024-01-01 02:03:05Z') \g /dev/null
SELECT is((SELECT count(*) FROM shop.poller_reports), 2::bigint, 'a poller has one report');
SELECT is(pg_temp.queue(), 'sqs depth 94 dlq 6 age 4 at 02:03:05 connected', 'its newest');
UPDATE shop.poller_reports SET reported_at = clock_timestamp() - interval '61 seconds';
SELECT is(pg_temp.queue() LIKE 'sqs depth 4 dlq %' AND pg_temp.queue() NOT LIKE '%connected', true,
    'after a minute of silence it is not connected, and its depth is not believed');
SELECT is((SELECT depth FROM shop.queue_status(2)), 0::bigint, 'another store has another queue');
SELECT throws_ok($$SELECT shop.report_poller(1, 'one', 'kafka', 0, 0, 0, NULL)$$, '23514', NULL, 'an unknown backend is refused');

-- The view of low stock.
SELECT results_eq('SELECT sku COLLATE "default", name, available, low_stock_threshold FROM shop.low_stock ORDER BY sku',
    $$VALUES ('pear', 'Name of pear', 4, 5), ('plum', 'Name of plum', 0, 5)$$, 'products with five units or fewer, reserved ones aside');
UPDATE shop.inventory SET low_stock_threshold = 0 WHERE product_id = :pear;
UPDATE shop.inventory SET low_stock_threshold = 50 WHERE product_id = :apple;
SELECT set_eq('SELECT sku COLLATE "default" FROM shop.low_stock', ARRAY['apple', 'plum'], 'each product has its own limit');

-- The view of stuck orders, with the reason of each.
SELECT is_empty($$SELECT * FROM shop.stuck_orders WHERE age < interval '1 minute'$$, 'a young order is not stuck');
CREATE FUNCTION pg_temp.reason(number bigint) RETURNS text
LANGUAGE sql AS $$ SELECT format('%s: %s', status, regexp_replace(reason, '\d+', '#')) FROM shop.stuck_orders WHERE order_id = number $$;
SELECT is(pg_temp.reason(:first), 'pending: message # waits for a poller', 'nobody has taken its message');
SELECT is(pg_temp.reason(:third), 'QUEUED: message # waits for a poller', 'so with one of intake');
SELECT is(pg_temp.reason(:second), NULL, 'a finished order is not stuck');
SELECT id AS message FROM shop.outbox WHERE order_id = :first \gset
SELECT count(*) FROM shop.claim_outbox(1, 10, 0) \g /dev/null
SELECT shop.release_outbox(1, ARRAY[:message], 'connection refused', 0, true) \g /dev/null
SELECT is(pg_temp.reason(:first), 'pending: message # failed: connection refused', 'it was tried');
SELECT shop.mark_outbox_delivered(1, ARRAY[:message]) \g /dev/null
SELECT is(pg_temp.reason(:first), 'pending: its message was delivered, but nothing came of it yet', 'it is on the queue');
SELECT attempt_id AS attempt FROM shop.begin_payment(1, :first, 'stripe', NULL) \gset
SELECT is(pg_temp.reason(:first), 'pending: payment attempt # is requested', 'the provider was asked');
SELECT shop.apply_payment(1, :attempt, 'unknown', NULL, NULL, 'timeout', NULL, NULL, NULL, NULL) \g /dev/null
SELECT is(pg_temp.reason(:first), 'pending: payment attempt # is unknown: timeout', 'and did not answer');
SELECT shop.record_dead_letter(1, 'sqs', 'p', 'body', NULL, 'max_retries_exceeded', NULL, 5, :first, NULL, NULL) \g /dev/null
SELECT is(pg_temp.reason(:first), 'pending: dead letter #: max_retries_exceeded', 'its message was given up');

SELECT is_empty('SELECT * FROM shop.verify(1)', 'verify() finds nothing wrong');
SELECT * FROM finish();
ROLLBACK;
