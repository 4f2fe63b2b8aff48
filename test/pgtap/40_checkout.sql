-- Checkout: every refusal in the contract's order, and what one commit writes.
BEGIN;
SELECT plan(61);
\ir fixture.psql

SELECT pg_temp.product('apple', 0.10, 100) AS apple, pg_temp.product('pear', 19.99, 5) AS pear,
       pg_temp.product('plum', 0.07, 2) AS plum, pg_temp.product('fig', 3, 0) AS fig \gset

-- check_out(user, cart, key, actor, expected total)
CREATE FUNCTION pg_temp.check_out(customer bigint, cart bigint, key text DEFAULT 'key', actor bigint DEFAULT NULL,
                                  expected numeric DEFAULT NULL) RETURNS shop.response
LANGUAGE sql AS $$ SELECT shop.checkout(1, actor, customer, cart, key, expected, 'test-request', '00-trace-01') $$;

-- Each request has every later fault too, so the order of the checks shows.
SELECT pg_temp.put(7, :fig, 3) AS short \gset
SELECT * INTO TEMPORARY before FROM pg_temp.row_counts();
SELECT pg_temp.refuses(pg_temp.check_out(NULL, NULL, NULL), 400, 'idempotency_key_missing', 'Missing Idempotency-Key',
                       'first the key is looked for', '{"error": "Missing Idempotency-Key"}');
SELECT pg_temp.refuses(pg_temp.check_out(NULL, NULL, key), 400, 'idempotency_key_invalid',
                       'Idempotency-Key must have 1 to 255 characters',
                           format('a key of %s characters is refused', length(key)))
FROM (VALUES (''), (repeat('k', 256))) keys (key);
SELECT pg_temp.refuses(pg_temp.check_out(NULL, NULL, E'a\tb'), 400, 'idempotency_key_invalid',
                       'Idempotency-Key must not contain control characters',
                           'a key with a control character is refused');
SELECT pg_temp.refuses(pg_temp.check_out(customer, NULL), 400, 'invalid_field', 'userId must be a positive integer',
                       format('then user %s', coalesce(customer::text, 'NULL')))
FROM (VALUES (NULL), (0), (-7)) users (customer);
SELECT pg_temp.refuses(pg_temp.check_out(7, cart), 400, 'invalid_field', 'cartId must be a positive integer',
                       format('then cart %s', coalesce(cart::text, 'NULL')))
FROM (VALUES (NULL), (0), (-7)) carts (cart);
SELECT pg_temp.refuses(pg_temp.check_out(7, 1, expected => expected), 400, 'invalid_field',
    'expectedTotal must be a non-negative number with at most two decimals', format('then expectedTotal %s', expected))
FROM (VALUES ('NaN'), (-1), (0.001), (10000000000)) totals (expected);
SELECT pg_temp.refuses(pg_temp.check_out(7, 9223372036854775807, actor => 8), 403, 'forbidden',
                       'The token does not allow acting for this user', 'then whose token it is');
SELECT pg_temp.refuses(pg_temp.check_out(7, 9223372036854775807), 404, 'cart_not_found', 'Cart not found',
                       'then whether there is such a cart');
SELECT pg_temp.refuses(pg_temp.check_out(8, :short), 403, 'cart_not_owned', 'Cart does not belong to this user',
                       'then whose cart it is');
SELECT pg_temp.refuses(pg_temp.check_out(8, :short, actor => 8), 404, 'cart_not_found', 'Cart not found',
                       'which a known caller does not learn');
SELECT results_eq('SELECT * FROM pg_temp.row_counts()', 'SELECT * FROM before', 'those refusals wrote nothing');

-- A cart that is checked out names its order to the owner only.
SELECT pg_temp.put(9, :apple) AS done \gset
SELECT order_id AS done_order FROM pg_temp.check_out(9, :done, 'done') \gset
SELECT pg_temp.refuses(pg_temp.check_out(9, :done, 'other key', expected => 777), 400, 'cart_not_open',
    'Cart is not open (status: checked_out)', 'then whether the cart is open; the body names the order',
    jsonb_build_object('orderId', :done_order));
SELECT is((pg_temp.check_out(9, :done, 'other key')).order_id, :done_order::bigint, 'which is also there for the log');
SELECT ok(NOT (pg_temp.check_out(8, :done, 'other key')).body::jsonb ? 'orderId', 'another user does not see it');
UPDATE shop.carts SET status = 'checked_out' WHERE id = :short;
SELECT pg_temp.refuses(pg_temp.check_out(7, :short), 400, 'cart_not_open', 'Cart is not open (status: checked_out)',
                       'without an order there is none to name');
UPDATE shop.carts SET status = 'open' WHERE id = :short;

SELECT pg_temp.put(10, :fig) AS empty \gset
SELECT shop.remove_cart_item(1, NULL, 10, :fig, NULL) \g /dev/null
SELECT pg_temp.refuses(pg_temp.check_out(10, :empty, expected => 777), 400, 'cart_empty', 'Cart is empty',
                       'then whether there is anything in it');

-- Short stock: the first short line by product in the message, all of them in the body.
SELECT pg_temp.put(7, :plum, 3), pg_temp.put(7, :apple, 1) \g /dev/null
SELECT pg_temp.refuses(pg_temp.check_out(7, :short, expected => 777), 400, 'insufficient_stock',
    format('Insufficient stock for product %s. Available: 2, Required: 3', :plum), 'then the stock of every line',
    jsonb_build_object('shortages', jsonb_build_array(
        jsonb_build_object('productId', :plum, 'available', 2, 'required', 3),
        jsonb_build_object('productId', :fig, 'available', 0, 'required', 3))));
SELECT is(pg_temp.stock(:apple), '100/1', 'nothing was reserved for the line that is not short');
DELETE FROM shop.inventory WHERE product_id = :fig;
SELECT matches((pg_temp.check_out(7, :short)).body::json -> 'shortages' ->> 1, '"available":0,"required":3',
               'a product without an inventory row has no stock');

-- The total.
SELECT pg_temp.put(11, :pear, 2) AS cart \gset
SELECT pg_temp.put(11, :apple, 3), pg_temp.put(11, :plum, 1) \g /dev/null
SELECT pg_temp.refuses(pg_temp.check_out(11, :cart, expected => 40.34), 409, 'total_changed',
    'total_changed: the order''s total is now 40.35', 'last the total that the client expects',
        '{"total_price": 40.35}');
SELECT is((pg_temp.check_out(11, :cart, expected => 40.34)).retry_after, NULL, 'waiting would not help');
SELECT is((SELECT count(*) FROM shop.idempotency_keys WHERE user_id = 11), 0::bigint, 'no refusal is kept');

-- Success. Prices are those of now, not of when the item was added.
SELECT shop.update_product(1, :apple, NULL, NULL, 0.20, NULL, NULL) \g /dev/null
SELECT * FROM pg_temp.check_out(11, :cart, 'key', 11, 40.65) \gset made_
SELECT min(id) AS line FROM shop.order_items WHERE order_id = :made_order_id \gset
SELECT is(:made_status, 201, 'the cart becomes an order');
SELECT is(:'made_body', format('{"order":{"id":%s,"user_id":11,"total_price":40.65,"status":"pending"},"order_items":['
    '{"id":%2$s,"order_id":%1$s,"product_id":%3$s,"qty":3,"price":0.20},'
    '{"id":%4$s,"order_id":%1$s,"product_id":%5$s,"qty":2,"price":19.99},'
    '{"id":%6$s,"order_id":%1$s,"product_id":%7$s,"qty":1,"price":0.07}]}',
    :made_order_id, :line, :apple, :line + 1, :pear, :line + 2, :plum),
    'the answer has order and lines by product, the total exact: 0.60 + 39.98 + 0.07');
SELECT ok(NOT :'made_replayed'::boolean, 'and is no replay');
SELECT results_eq(
    format($$SELECT user_id, cart_id, status, total_price, last_event, created_at = updated_at
             FROM shop.orders WHERE id = %s$$, :made_order_id),
    format($$VALUES (11::bigint, %s::bigint, 'pending', 40.65, 1, true)$$, :cart), 'the order');
SELECT results_eq(
    format($$SELECT product_id, qty, price FROM shop.order_items WHERE order_id = %s ORDER BY id$$, :made_order_id),
    format($$VALUES (%s::bigint, 3, 0.20), (%s, 2, 19.99), (%s, 1, 0.07)$$, :apple, :pear, :plum), 'its lines');
SELECT results_eq(
    format($$SELECT product_id, kind, on_hand_delta, reserved_delta, order_item_id, actor, request_id
             FROM shop.stock_movements WHERE order_id = %s ORDER BY product_id$$, :made_order_id),
    format($$VALUES (%s::bigint, 'reserve', 0, 3, %s::bigint, 'user:11', 'test-request'),
                    (%s, 'reserve', 0, 2, %s, 'user:11', 'test-request'),
                    (%s, 'reserve', 0, 1, %s, 'user:11', 'test-request')$$,
           :apple, :line, :pear, :line + 1, :plum, :line + 2), 'a ledger row for each line');
SELECT is(pg_temp.stock(:apple) || ' ' || pg_temp.stock(:pear) || ' ' || pg_temp.stock(:plum), '100/4 5/2 2/1',
          'the stock is reserved');
SELECT results_eq(
    format($$SELECT seq, from_status, to_status, event, actor, reason, request_id
             FROM shop.order_events WHERE order_id = %s$$, :made_order_id),
    $$VALUES (1, NULL, 'pending', 'placed', 'user:11', NULL, 'test-request')$$, 'the first row of its history');
SELECT results_eq(
    format($$SELECT topic, body, request_id, traceparent, status, attempts, finished_at,
        next_attempt_at <= clock_timestamp()
             FROM shop.outbox WHERE order_id = %s$$, :made_order_id),
    format($$VALUES ('payment', '{"orderId": %s}', 'test-request', '00-trace-01', 'pending', 0, NULL::timestamptz,
        true)$$,
           :made_order_id), 'a message that is due asks for its payment');
SELECT results_eq(
    $$SELECT route COLLATE "default", key COLLATE "default", status, body, order_id, length(fingerprint)
      FROM shop.idempotency_keys WHERE user_id = 11$$,
    format($$VALUES ('checkout', 'key', 201, %L, %s::bigint, 32)$$, :'made_body', :made_order_id),
        'the answer is kept');
SELECT is((SELECT status FROM shop.carts WHERE id = :cart), 'checked_out', 'the cart is closed');
SELECT is((SELECT count(*) FROM shop.cart_items WHERE cart_id = :cart), 3::bigint, 'and keeps its items');
SELECT is((SELECT count(DISTINCT xmin::text) FROM (
    SELECT xmin FROM shop.orders WHERE id = :made_order_id
    UNION ALL SELECT xmin FROM shop.order_items WHERE order_id = :made_order_id
    UNION ALL SELECT xmin FROM shop.stock_movements WHERE order_id = :made_order_id
    UNION ALL SELECT xmin FROM shop.order_events WHERE order_id = :made_order_id
    UNION ALL SELECT xmin FROM shop.outbox WHERE order_id = :made_order_id
    UNION ALL SELECT xmin FROM shop.idempotency_keys WHERE order_id = :made_order_id
    UNION ALL SELECT xmin FROM shop.inventory WHERE product_id = :pear
    UNION ALL SELECT xmin FROM shop.carts WHERE id = :cart) written), 1::bigint,
    'all of it was written by one transaction, without subtransactions');

-- A later price changes no order.
SELECT shop.update_product(1, :pear, NULL, NULL, 1, NULL, NULL) \g /dev/null
SELECT is((SELECT price FROM shop.order_items WHERE order_id = :made_order_id AND product_id = :pear), 19.99,
          'the order keeps its prices');

-- A zero total, the last units, the largest total, and one cent more.
SELECT pg_temp.product('free', 0, 1) AS free, pg_temp.product('dear', 9999999999.99, 3) AS dear,
       pg_temp.product('cent', 0.01, 3) AS cent \gset
SELECT pg_temp.put(12, :free) AS cart \gset
SELECT is((pg_temp.check_out(12, :cart, expected => 0)).body::json #>> '{order,total_price}', '0.00',
    'a free order is fine');
SELECT is(pg_temp.stock(:free), '1/1', 'and took the last unit');
SELECT pg_temp.put(13, :free) AS cart \gset
SELECT is((pg_temp.check_out(13, :cart)).body::json ->> 'message',
          format('Insufficient stock for product %s. Available: 0, Required: 1', :free), 'there is no more');
SELECT pg_temp.put(14, :dear) AS cart \gset
SELECT is((pg_temp.check_out(14, :cart)).body::json #>> '{order,total_price}', '9999999999.99', 'the largest total');
SELECT pg_temp.put(15, :dear) AS cart \gset
SELECT pg_temp.put(15, :cent) \g /dev/null
SELECT pg_temp.refuses(pg_temp.check_out(15, :cart), 400, 'total_too_large', 'The order''s total is over 9999999999.99',
                       'one cent more is refused');
SELECT is(pg_temp.stock(:cent), '3/0', 'and reserves nothing');
SELECT shop.restock(1, NULL, :dear, 2147483647 - 3, NULL, NULL, NULL) \g /dev/null
SELECT pg_temp.put(16, :dear, 2147483646) AS cart \gset
SELECT pg_temp.refuses(pg_temp.check_out(16, :cart), 400, 'total_too_large', 'The order''s total is over 9999999999.99',
                       'so is a total beyond what 64 bits hold');

SELECT pg_temp.product('wraps to zero', 171798691.84, 1073741824) AS wrapping \gset
SELECT pg_temp.put(18, :wrapping, 1073741824) AS cart \gset
SELECT pg_temp.refuses(pg_temp.check_out(18, :cart), 400, 'total_too_large', 'The order''s total is over 9999999999.99',
                       'and one that would be zero in 64 bits');

-- A large cart.
SELECT pg_temp.put(17, pg_temp.product('many' || number, 0.01, 1)) FROM generate_series(1, 300) number \g /dev/null
SELECT id AS large FROM shop.carts WHERE user_id = 17 \gset
SELECT order_id AS large_order FROM pg_temp.check_out(17, :large) \gset
SELECT is((SELECT total_price FROM shop.orders WHERE id = :large_order), 3.00, 'a cart of 300 lines');
SELECT is((SELECT count(*) FROM shop.stock_movements WHERE order_id = :large_order), 300::bigint,
    'each with its movement');

-- Several checkouts in one statement.
SELECT pg_temp.put(customer, :apple) FROM generate_series(21, 23) customer \g /dev/null
SELECT is((SELECT string_agg((pg_temp.check_out(user_id, id)).status::text, ' ') FROM shop.carts
           WHERE user_id BETWEEN 21 AND 23), '201 201 201', 'three checkouts in one statement');
SELECT is(pg_temp.stock(:apple), '100/7', 'reserve three units');

-- A transaction that is rolled back leaves nothing, and the key is free.
SELECT pg_temp.put(30, :apple) AS cart \gset
SELECT * INTO TEMPORARY before_rollback FROM pg_temp.row_counts();
SAVEPOINT undone;
SELECT is((pg_temp.check_out(30, :cart)).status, 201, 'a checkout');
ROLLBACK TO undone;
SELECT results_eq('SELECT * FROM pg_temp.row_counts()', 'SELECT * FROM before_rollback',
    'that is rolled back leaves nothing');
SELECT is((pg_temp.check_out(30, :cart)).status, 201, 'not even its key');
SELECT is((pg_temp.check_out(30, :cart)).replayed, true, 'which is used then');

SELECT is_empty(format($$SELECT * FROM shop.verify(1) WHERE subject <> 'product %s'$$, :fig),
    'verify() finds nothing wrong');
SELECT * FROM finish();
ROLLBACK;
