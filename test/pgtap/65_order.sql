-- Reading orders: one, the list, the history.
BEGIN;
SELECT plan(35);
\ir fixture.psql

-- Without indexes the rows come as they lie in the table: the order is the functions' own work.
SET LOCAL enable_indexscan = off;
SET LOCAL enable_bitmapscan = off;

SELECT pg_temp.product('apple', 1.50, 50) AS apple, pg_temp.product('pear', 2, 50) AS pear \gset
SELECT pg_temp.put(7, :apple, 3) AS cart \gset
SELECT pg_temp.put(7, :pear, 1) \g /dev/null
SELECT order_id AS first FROM shop.checkout(1, NULL, 7, :cart, 'key', NULL, 'place-request', NULL) \gset
SELECT pg_temp.order_of(7, :pear) AS second, pg_temp.order_of(8, :pear) AS foreign,
    pg_temp.order_of(7, :pear) AS third \gset
SELECT min(id) AS line FROM shop.order_items WHERE order_id = :first \gset
UPDATE shop.orders SET created_at = '2024-02-29 23:59:59.987654+09', updated_at = '2023-12-31 23:00:00.0009-01'
WHERE id = :first;
UPDATE shop.order_items SET qty = qty WHERE id = :line;

-- Times do not depend on the session.
SET LOCAL TimeZone = 'Asia/Tokyo';
SET LOCAL DateStyle = 'German';

-- One.
SELECT pg_temp.answers(shop.get_order(1, NULL, :first, 'test-request'), 200,
    format('{"id":%s,"user_id":7,"status":"pending","total_price":6.50,"created_at":"2024-02-29T14:59:59.987Z",'
           '"updated_at":"2024-01-01T00:00:00.000Z","items":['
           '{"id":%2$s,"order_id":%1$s,"product_id":%3$s,"qty":3,"price":1.50},'
           '{"id":%4$s,"order_id":%1$s,"product_id":%5$s,"qty":1,"price":2.00}]}',
           :first, :line, :apple, :line + 1, :pear), 'an order with its lines, times in UTC with milliseconds');
SELECT is((shop.get_order(1, NULL, :first, NULL)).order_id, :first::bigint, 'the order is there for the log');
SELECT matches((shop.get_order(1, NULL, :second, NULL)).body,
    '"created_at":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z","updated_at":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"',
    'times of now look the same');
SELECT ok(abs(extract(epoch FROM clock_timestamp()
        - ((shop.get_order(1, NULL, :second, NULL)).body::json ->> 'created_at')::timestamptz)) < 60, 'and are of now');
SELECT is((shop.get_order(1, 7, :first, NULL)).status, 200, 'the owner may read it');
SELECT pg_temp.refuses(shop.get_order(1, 8, :first, 'test-request'), 404, 'order_not_found', 'Order not found',
                       'for another user it does not exist');
SELECT pg_temp.refuses(shop.get_order(1, NULL, id, 'test-request'), 404, 'order_not_found', 'Order not found',
                       format('there is no order %s', id)) FROM (VALUES (9223372036854775807)) ids (id);
SELECT pg_temp.refuses(shop.get_order(1, NULL, id, 'test-request'), 400, 'invalid_field',
    'id must be a positive integer',
                       format('order %s is refused', coalesce(id::text, 'NULL')))
                           FROM (VALUES (NULL), (0), (-1)) ids (id);

-- The list.
CREATE FUNCTION pg_temp.listed(answer shop.response) RETURNS text
LANGUAGE sql AS $$
    SELECT answer.status || ': ' || coalesce(string_agg(listed ->> 'id', ' ' ORDER BY position), '')
    FROM json_array_elements(answer.body::json) WITH ORDINALITY list (listed, position)
$$;
SELECT is(pg_temp.listed(shop.list_orders(1, NULL, 7, NULL, NULL, NULL)),
    format('200: %s %s %s', :third, :second, :first),
          'a user''s orders, newest first');
SELECT is((shop.list_orders(1, NULL, 7, :second, NULL, NULL)).body,
    format('[{"id":%s,"user_id":7,"status":"pending","total_price":6.50,"created_at":"2024-02-29T14:59:59.987Z",'
           '"updated_at":"2024-01-01T00:00:00.000Z"}]', :first), 'without their lines');
SELECT is(pg_temp.listed(shop.list_orders(1, NULL, 7, before_id, row_limit, NULL)), wanted, what)
FROM (VALUES (NULL, 2, format('200: %s %s', :third, :second), 'the first page'),
             (:second, 2, format('200: %s', :first), 'the page before an order'),
             (:third, 1, format('200: %s', :second), 'a page of one'),
             (:first, 1000, '200: ', 'the page before the first is empty'),
             (:third, NULL, format('200: %s %s', :second, :first), 'all before an order')) pages (before_id, row_limit,
                 wanted, what);
SELECT pg_temp.answers(shop.list_orders(1, NULL, 99, NULL, NULL, NULL), 200, '[]',
    'who ordered nothing has an empty list');
SELECT is((shop.list_orders(1, 7, 7, NULL, NULL, NULL)).status, 200, 'the user may read it');
SELECT pg_temp.refuses(shop.list_orders(1, 8, 7, NULL, NULL, 'test-request'), 403, 'forbidden',
                       'The token does not allow acting for this user', 'another user may not');
SELECT pg_temp.refuses(shop.list_orders(1, NULL, customer, NULL, NULL, 'test-request'), 400, 'invalid_field',
                       'userId must be a positive integer', format('user %s is refused',
                           coalesce(customer::text, 'NULL')))
FROM (VALUES (NULL), (0), (-7)) users (customer);
SELECT pg_temp.refuses(shop.list_orders(1, NULL, 7, NULL, row_limit, 'test-request'), 400, 'invalid_field',
                       'limit must be an integer between 1 and 1000', format('limit %s is refused', row_limit))
FROM (VALUES (0), (-1), (1001)) limits (row_limit);
SELECT pg_temp.refuses(shop.list_orders(1, NULL, 7, -1, NULL, 'test-request'), 400, 'invalid_field',
                       'before must be a positive integer', 'before -1 is refused');

-- The history.
SELECT shop.settle_payment(1, :first, false, E'card "1"\n\\ refused', 'pay-request', NULL) \g /dev/null
UPDATE shop.order_events SET at = '2024-03-01 00:00:00.5+00' WHERE order_id = :first;
UPDATE shop.order_events SET at = at WHERE order_id = :first AND seq = 1;
SELECT pg_temp.answers(shop.order_events(1, NULL, :first, 'test-request'), 200,
    '[{"seq":1,"from":null,"to":"pending","event":"placed","actor":"user:7","reason":null,"request_id":"place-request",'
    '"at":"2024-03-01T00:00:00.500Z"},'
    '{"seq":2,"from":"pending","to":"CANCELLED","event":"payment_declined","actor":"payment",'
    '"reason":"card \"1\"\n\\ refused","request_id":"pay-request","at":"2024-03-01T00:00:00.500Z"}]',
    'every transition, in order');
SELECT is((shop.order_events(1, 7, :first, NULL)).status, 200, 'the owner may read it');
SELECT pg_temp.refuses(shop.order_events(1, 8, :first, 'test-request'), 404, 'order_not_found', 'Order not found',
                       'for another user it does not exist');
SELECT pg_temp.refuses(shop.order_events(1, NULL, 9223372036854775807, 'test-request'), 404, 'order_not_found',
                       'Order not found', 'an unknown order has no history');
SELECT pg_temp.refuses(shop.order_events(1, NULL, NULL, 'test-request'), 400, 'invalid_field',
                       'id must be a positive integer', 'the history wants an order');
SELECT is((shop.get_order(1, NULL, :first, NULL)).body::json ->> 'status', 'CANCELLED',
    'the order has the last status');
SELECT is((shop.get_order(1, NULL, :first, NULL)).body::json ->> 'created_at', '2024-02-29T14:59:59.987Z',
          'and is as old as it was');

SELECT is_empty('SELECT * FROM shop.verify(1)', 'verify() finds nothing wrong');
SELECT * FROM finish();
ROLLBACK;
