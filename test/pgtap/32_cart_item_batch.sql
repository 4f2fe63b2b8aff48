-- Many items put into carts in one call: each is answered as if it had come alone after those before it.
BEGIN;
SELECT plan(21);
\ir fixture.psql

-- batch(requests): the answers, numbered.
CREATE FUNCTION pg_temp.batch(requests shop.cart_item_request[]) RETURNS TABLE (number bigint, answer shop.response)
LANGUAGE sql AS $$
    SELECT ordinality, ROW(status, body, replayed, order_id, retry_after, location)::shop.response
    FROM shop.add_cart_items(1, requests) WITH ORDINALITY
$$;
CREATE FUNCTION pg_temp.request(customer bigint, product bigint, qty integer DEFAULT 1, actor bigint DEFAULT NULL)
RETURNS shop.cart_item_request
LANGUAGE sql AS $$ SELECT ROW(actor, customer, product, qty, 'test-request')::shop.cart_item_request $$;
CREATE FUNCTION pg_temp.quantities(customer bigint) RETURNS text
LANGUAGE sql AS $$
    SELECT string_agg(format('%s×%s', product.sku, item.qty), ' ' ORDER BY product.sku)
    FROM shop.carts cart
    JOIN shop.cart_items item ON item.store_id = cart.store_id AND item.cart_id = cart.id
    JOIN shop.products product ON product.store_id = cart.store_id AND product.id = item.product_id
    WHERE cart.store_id = 1 AND cart.user_id = customer AND cart.status = 'open'
$$;

SELECT pg_temp.product('apple', 1.50, 100) AS apple, pg_temp.product('pear', 2, 3) AS pear \gset
SELECT pg_temp.put(5, :apple, 4) AS c5 \gset

-- Neighbours: new carts and one that is there, a line twice, refusals of every kind.
CREATE TEMPORARY TABLE answers AS SELECT * FROM pg_temp.batch(ARRAY[
    pg_temp.request(9, :apple, 2), pg_temp.request(5, :apple, 1), pg_temp.request(9, :apple, 3),
    pg_temp.request(7, :pear, 1), pg_temp.request(7, :apple, 1), pg_temp.request(8, 9223372036854775807, 1),
    pg_temp.request(0, :apple, 1), pg_temp.request(6, NULL, 1), pg_temp.request(6, :apple, 0),
    pg_temp.request(6, :apple, 1, 7), pg_temp.request(5, :apple, 2147483647), pg_temp.request(5, :pear, 1, 5)]);
SELECT is((SELECT string_agg((answer).status::text, ' ' ORDER BY number) FROM answers),
          '201 201 201 201 201 404 400 400 400 403 400 201', 'twelve requests, answered one after the other');
SELECT is(pg_temp.quantities(9), 'apple×5', 'the second of a line adds to the first, in a cart that is made');
SELECT is(pg_temp.quantities(7), 'apple×1 pear×1', 'two lines go to one new cart');
SELECT is(pg_temp.quantities(5), 'apple×5 pear×1', 'a cart that is there is filled');
SELECT is((SELECT count(*) FROM shop.carts), 3::bigint, 'who was refused has no cart');
SELECT is((SELECT (answer).body::json #>> '{item,qty}' FROM answers WHERE number = 3), '5',
          'the answer tells the quantity up to its request');
SELECT is((SELECT (answer).body::json #>> '{item,qty}' FROM answers WHERE number = 1), '2', 'as does the one before');
SELECT is((SELECT (answer).body FROM answers WHERE number = 2),
    (SELECT format('{"cart":{"id":%s,"user_id":5,"status":"open"},"item":{"id":%s,"cart_id":%1$s,"product_id":%3$s,"qty":5}}',
                   :c5, id, :apple) FROM shop.cart_items WHERE cart_id = :c5 AND product_id = :apple),
    'in the very words of shop.add_cart_item()');
SELECT pg_temp.refuses(answer, 404, 'product_not_found', 'Product not found', 'an unknown product is refused')
FROM answers WHERE number = 6;
SELECT pg_temp.refuses(answer, 400, 'invalid_field', 'userId must be a positive integer', 'so is a bad user')
FROM answers WHERE number = 7;
SELECT pg_temp.refuses(answer, 400, 'invalid_field', 'productId must be a positive integer', 'a missing product')
FROM answers WHERE number = 8;
SELECT pg_temp.refuses(answer, 400, 'invalid_field', 'qty must be an integer greater than 0', 'a bad quantity')
FROM answers WHERE number = 9;
SELECT pg_temp.refuses(answer, 403, 'forbidden', 'The token does not allow acting for this user', 'another''s token')
FROM answers WHERE number = 10;
SELECT pg_temp.refuses(answer, 400, 'invalid_field',
    'qty is too large: a cart holds at most 2147483647 units of a product', 'and a sum over the range of integer')
FROM answers WHERE number = 11;

-- The arguments.
SELECT is_empty('SELECT * FROM shop.add_cart_items(1, ARRAY[]::shop.cart_item_request[])', 'no requests, no answers');
SELECT throws_ok('SELECT * FROM shop.add_cart_items(1, NULL)', 'SH005', 'invalid argument "requests"', 'NULL is refused');
SELECT throws_ok('SELECT * FROM shop.add_cart_items(1, ARRAY[NULL]::shop.cart_item_request[])', 'SH005',
                 'invalid argument "requests"', 'NULL within it too');
SELECT throws_ok('SELECT * FROM shop.add_cart_items(1, array_fill(ROW(NULL, 1, 1, 1, NULL)::shop.cart_item_request, ARRAY[1001]))',
                 'SH005', 'invalid argument "requests"', '1001 requests are too many');
SELECT is((SELECT count(*) FROM shop.add_cart_items(1, array_fill(
              ROW(NULL, 77, :apple, 1, NULL)::shop.cart_item_request, ARRAY[1000]))), 1000::bigint, '1000 are not');
SELECT is(pg_temp.quantities(77), 'apple×1000', 'and each of them counts');
SELECT throws_ok('SELECT * FROM shop.add_cart_items(0, ARRAY[]::shop.cart_item_request[])', 'SH005',
                 'invalid argument "store_id"', 'a store is asked for');

SELECT * FROM finish();
ROLLBACK;
