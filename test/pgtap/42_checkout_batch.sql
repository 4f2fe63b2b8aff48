-- Many checkouts in one call: each is answered as if it had come alone after those before it.
BEGIN;
SELECT plan(30);
\ir fixture.psql

-- batch(requests): the answers, numbered.
CREATE FUNCTION pg_temp.batch(requests shop.checkout_request[]) RETURNS TABLE (number bigint, answer shop.response)
LANGUAGE sql AS $$
    SELECT ordinality, ROW(status, body, replayed, order_id, retry_after, location)::shop.response
    FROM shop.checkout_batch(1, requests) WITH ORDINALITY
$$;
CREATE FUNCTION pg_temp.request(customer bigint, cart bigint, key text, expected numeric DEFAULT NULL,
                                actor bigint DEFAULT NULL) RETURNS shop.checkout_request
LANGUAGE sql AS $$ SELECT ROW(actor, customer, cart, key, expected, 'test-request',
    '00-trace')::shop.checkout_request $$;
CREATE FUNCTION pg_temp.statuses(requests shop.checkout_request[]) RETURNS text
LANGUAGE sql AS $$ SELECT string_agg((answer).status::text, ' ' ORDER BY number) FROM pg_temp.batch(requests) $$;

SELECT pg_temp.product('apple', 1.50, 100) AS apple, pg_temp.product('pear', 2, 3) AS pear \gset
SELECT pg_temp.put(1, :apple, 2) AS c1, pg_temp.put(2, :pear, 2) AS c2, pg_temp.put(3, :pear, 2) AS c3,
       pg_temp.put(4, :pear, 1) AS c4 \gset

-- Neighbours: the second takes two of three units, the third is short, the fourth gets the last.
CREATE TEMPORARY TABLE answers AS SELECT * FROM pg_temp.batch(ARRAY[
    pg_temp.request(1, :c1, 'k'), pg_temp.request(2, :c2, 'k'), pg_temp.request(3, :c3, 'k'),
    pg_temp.request(4, :c4, 'k'), pg_temp.request(5, :c1, 'k'), pg_temp.request(1, :c1, 'k'),
    pg_temp.request(1, :c2, 'k'), pg_temp.request(1, :c1, 'other'), pg_temp.request(1, NULL, 'k'),
    pg_temp.request(1, :c1, NULL)]);
SELECT is((SELECT string_agg((answer).status::text, ' ' ORDER BY number) FROM answers),
          '201 201 400 201 403 201 422 400 400 400', 'ten requests, decided one after the other');
SELECT is((SELECT (answer).body::json ->> 'message' FROM answers WHERE number = 3),
          format('Insufficient stock for product %s. Available: 1, Required: 2', :pear),
          'the third is refused for the stock that the second left');
SELECT is((SELECT (answer).body FROM answers WHERE number = 6), (SELECT (answer).body FROM answers WHERE number = 1),
          'the same request later in the batch gets the same bytes');
SELECT is((SELECT string_agg(number::text, ' ') FROM answers WHERE (answer).replayed), '6',
    'marked as a replay, it alone');
SELECT pg_temp.refuses(answer, 422, 'idempotency_key_reused',
    'This Idempotency-Key was already used for a different request',
                       'its key with another cart is refused') FROM answers WHERE number = 7;
SELECT pg_temp.refuses(answer, 400, 'cart_not_open', 'Cart is not open (status: checked_out)',
                       'its cart with another key names the order', jsonb_build_object('orderId',
                       (SELECT (answer).order_id FROM answers WHERE number = 1))) FROM answers WHERE number = 8;
SELECT pg_temp.refuses(answer, 400, 'invalid_field', 'cartId must be a positive integer', 'a bad argument is refused')
FROM answers WHERE number = 9;
SELECT pg_temp.refuses(answer, 400, 'idempotency_key_missing', 'Missing Idempotency-Key', 'so is a missing key',
                       '{"error": "Missing Idempotency-Key"}') FROM answers WHERE number = 10;
SELECT is(pg_temp.stock(:apple) || ' ' || pg_temp.stock(:pear), '100/2 3/3', 'the stock is reserved to the last unit');
SELECT is((SELECT count(*) FROM shop.orders), 3::bigint, 'there are three orders');
SELECT is((SELECT count(*) FROM shop.outbox), 3::bigint, 'three messages');
SELECT is((SELECT string_agg(format('%s:%s', user_id, key), ' ' ORDER BY user_id) FROM shop.idempotency_keys),
    '1:k 2:k 4:k',
          'and three answers are kept');
SELECT is((SELECT status FROM shop.carts WHERE id = :c3), 'open', 'the refused cart stays open');
SELECT is((SELECT DISTINCT traceparent FROM shop.outbox), '00-trace', 'messages carry the trace of their request');

-- Answers of earlier calls.
SELECT is(pg_temp.statuses(ARRAY[pg_temp.request(1, :c1, 'k'), pg_temp.request(3, :c3, 'k')]), '201 400',
          'a request that was answered before, with a refused one');
SELECT is((SELECT (answer).replayed FROM pg_temp.batch(ARRAY[pg_temp.request(3, :c3, 'k'),
    pg_temp.request(1, :c1, '"k"')])
           WHERE number = 2), true, 'is a replay');
SELECT is((SELECT count(*) FROM shop.orders), 3::bigint, 'and makes no order');

-- Edges.
SELECT is_empty('SELECT * FROM shop.checkout_batch(1, ARRAY[]::shop.checkout_request[])', 'no requests, no answers');
SELECT is(pg_temp.statuses(ARRAY[pg_temp.request(3, :c3, 'k', 777)]), '400', 'a batch of one');
SELECT throws_ok('SELECT * FROM shop.checkout_batch(1, NULL)', 'SH005', 'invalid argument "requests"',
    'NULL is no batch');
SELECT throws_ok('SELECT * FROM shop.checkout_batch(1, ARRAY[NULL]::shop.checkout_request[])', 'SH005',
                 'invalid argument "requests"', 'nor is a batch of NULL');
SELECT throws_ok('SELECT * FROM shop.checkout_batch(1, array_fill(ROW(NULL, 1, 1, NULL, NULL, NULL, NULL)
    ::shop.checkout_request, ARRAY[1001]))', 'SH005', 'invalid argument "requests"', '1001 requests are too many');
SELECT lives_ok('SELECT * FROM shop.checkout_batch(1, array_fill(ROW(NULL, 1, 1, NULL, NULL, NULL, NULL)
    ::shop.checkout_request, ARRAY[1000]))', '1000 are not');
SELECT throws_ok('SELECT * FROM shop.checkout_batch(0, ARRAY[]::shop.checkout_request[])', 'SH005',
                 'invalid argument "store_id"', 'a batch is for a store');
SELECT throws_ok(format($$SET LOCAL transaction_read_only = on; SELECT * FROM shop.checkout_batch(1, ARRAY[
    ROW(NULL, 3, %s, 'k', NULL, NULL, NULL)::shop.checkout_request])$$, :c3), '25006', NULL, 'that may write');

-- The same requests, one by one and in one call. Users and carts are few, so that requests meet.
SELECT setseed(0.42) \g /dev/null
CREATE TEMPORARY TABLE stocked AS SELECT pg_temp.product('p' || number, number * 0.37, 12) AS product
                                  FROM generate_series(1, 6) number;
SELECT count(pg_temp.put(100 + customer, product, 1 + floor(random() * 4)::integer))
FROM generate_series(1, 12) customer, stocked WHERE random() < 0.5 \g /dev/null
CREATE TEMPORARY TABLE requests AS
    SELECT number, pg_temp.request(
        100 + floor(random() * 13)::bigint,
        (SELECT id FROM shop.carts WHERE user_id = 101 + number % 12 AND status = 'open'),
        CASE WHEN random() < 0.9 THEN 'key' || floor(random() * 4) END,
        CASE WHEN random() < 0.2 THEN 4.44 END,
        CASE WHEN random() < 0.2 THEN 101 END) AS request
    FROM generate_series(1, 300) number;
-- Users mostly ask for their own carts.
UPDATE requests SET request.user_id = cart.user_id FROM shop.carts cart
WHERE cart.id = (request).cart_id AND number % 4 <> 0;

-- outcome(answer): what does not depend on the numbers that sequences gave.
CREATE FUNCTION pg_temp.outcome(answer shop.response) RETURNS text
LANGUAGE sql AS $$
    SELECT format('%s %s %s %s %s', answer.status, answer.replayed, answer.body::json ->> 'message',
        answer.body::json #>> '{order,total_price}',
        (SELECT string_agg(format('%s:%s', item ->> 'product_id', item ->> 'qty'), ' ')
         FROM json_array_elements(answer.body::json -> 'order_items') item))
$$;
-- Both results outlive the rollback as texts in psql.
SAVEPOINT before;
CREATE TEMPORARY TABLE alone (number integer, outcome text);
DO $each$
DECLARE
    asked record;
BEGIN
    FOR asked IN SELECT number, (request).* FROM requests ORDER BY number LOOP
        INSERT INTO alone VALUES (asked.number, pg_temp.outcome(shop.checkout(1, asked.actor_id, asked.user_id,
            asked.cart_id,
            asked.idempotency_key, asked.expected_total, asked.request_id, asked.traceparent)));
    END LOOP;
END
$each$;
SELECT string_agg(outcome, E'\n' ORDER BY number) AS alone FROM alone \gset
SELECT string_agg(format('%s %s/%s', product_id, on_hand, reserved), ' ' ORDER BY product_id) AS stock_alone
FROM shop.inventory \gset
SELECT count(DISTINCT outcome) AS kinds, count(*) FILTER (WHERE outcome LIKE '201 f%') AS orders FROM alone \gset
ROLLBACK TO before;
SELECT string_agg(pg_temp.outcome(answer), E'\n' ORDER BY number) AS together
FROM pg_temp.batch((SELECT array_agg(request ORDER BY number) FROM requests)) \gset
SELECT cmp_ok(:kinds, '>', 15, '300 requests have many different outcomes');
SELECT cmp_ok(:orders, '>', 3, 'some are orders');
SELECT is(:'together'::text, :'alone', 'in one call they have the same outcomes as one by one');
SELECT is((SELECT string_agg(format('%s %s/%s', product_id, on_hand, reserved), ' ' ORDER BY product_id)
    FROM shop.inventory),
          :'stock_alone', 'and leave the same stock');

SELECT is_empty('SELECT * FROM shop.verify(1)', 'verify() finds nothing wrong');
SELECT * FROM finish();
ROLLBACK;
