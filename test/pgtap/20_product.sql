-- The catalogue: list, get, create, update.
BEGIN;
SELECT plan(59);
\ir fixture.psql

SET LOCAL enable_indexscan = off;
SET LOCAL enable_bitmapscan = off;

-- Create and get.
SELECT * FROM shop.create_product(1, 'tea-1', 'Green tea', 19.99, 'admin', 'test-request') \gset made_
SELECT :'made_body'::json ->> 'id' AS tea \gset
SELECT is(:made_status, 201, 'a product is created');
SELECT is(:'made_body', format('{"id":%s,"sku":"tea-1","name":"Green tea","price":19.99}', :tea),
          'the answer is the product');
SELECT ok(NOT :'made_replayed'::boolean, 'and no replay');
SELECT is(pg_temp.stock(:tea), '0/0', 'its inventory row is made with it');
SELECT pg_temp.answers(shop.get_product(1, :tea, 'test-request'), 200, :'made_body', 'get answers the same');

-- Money is exact and always with two decimals.
SELECT is((shop.create_product(1, 'm' || price, 'M', price, NULL, NULL)).body::json ->> 'price', printed,
          format('price %s is returned as %s', price, printed))
FROM (VALUES (0, '0.00'), (0.1, '0.10'), (5, '5.00'), (0.01, '0.01'), (9999999999.99, '9999999999.99'),
    (1e3, '1000.00'))
    money (price, printed);
SELECT pg_temp.refuses(shop.create_product(1, 'bad', 'Bad', price, NULL, 'test-request'), 400, 'invalid_field',
                       'price must be a non-negative number', format('price %s is refused', price))
-- PostgreSQL 13 has no infinite numeric.
FROM unnest(ARRAY[-0.01, 10000000000, 0.001, 'NaN', 1e40,
    CASE WHEN current_setting('server_version_num')::integer < 140000 THEN '1e41' ELSE 'Infinity' END::numeric]) price;

-- Texts come back as they were given.
SELECT is((shop.create_product(1, sku, name, 1, NULL, NULL)).body::json ->> 'name', name, what || ' are kept')
FROM (VALUES ('t1', 'say "hi" \ back', 'quotes and backslashes'), ('t2', E'tab\tand\nline', 'control characters'),
             ('t3', 'Größe 42 – 茶 🍵', 'letters of all languages'), ('t4', repeat('ä', 1000), '1000 characters'),
             ('t5', '</script>''; DROP TABLE shop.products; --', 'dangerous characters')) texts (sku, name, what);
SELECT pg_temp.answers(shop.create_product(1, 'a"b\c', E'\u0001', 1, NULL, NULL), 201,
    format('{"id":%s,"sku":"a\"b\\c","name":"\u0001","price":1.00}', (SELECT max(id) + 1 FROM shop.products)),
    'special characters are escaped as JSON wants them');
SELECT is((shop.create_product(1, repeat('s', 255), 'N', 1, NULL, NULL)).status, 201, 'a SKU has up to 255 characters');

-- Refusals of create.
SELECT pg_temp.refuses(shop.create_product(1, sku, name, price, NULL, 'test-request'), 400, 'invalid_field',
                       'sku, name, price are required', format('%s is required', what))
FROM (VALUES (NULL, 'N', 1, 'a SKU'), ('', 'N', 1, 'a SKU that is not empty'), ('s', NULL, 1, 'a name'),
             ('s', '', 1, 'a name that is not empty'), ('s', 'N', NULL, 'a price')) fields (sku, name, price, what);
SELECT pg_temp.refuses(shop.create_product(1, repeat('s', 256), 'N', 1, NULL, 'test-request'), 400, 'invalid_field',
                       'sku must have at most 255 characters', 'a SKU of 256 characters is refused');
SELECT pg_temp.refuses(shop.create_product(1, 's', repeat('n', 1001), 1, NULL, 'test-request'), 400, 'invalid_field',
                       'name must have at most 1000 characters', 'a name of 1001 characters is refused');
SELECT count(*) AS products_before FROM shop.products \gset
SELECT pg_temp.refuses(shop.create_product(1, 'tea-1', 'Other', 1, NULL, 'test-request'), 409, 'sku_exists',
                       'sku already exists', 'a SKU is used once');
SELECT is((SELECT count(*) FROM shop.products), :products_before::bigint, 'and nothing was made');
SELECT ok(NOT (shop.create_product(1, NULL, NULL, NULL, NULL, NULL)).body::jsonb ? 'requestId',
          'without a request id the problem has none');

-- Refusals of get.
SELECT pg_temp.refuses(shop.get_product(1, NULL, 'test-request'), 400, 'invalid_field', 'id must be an integer',
                       'get wants an id');
SELECT pg_temp.refuses(shop.get_product(1, id, 'test-request'), 404, 'product_not_found', 'Product not found',
                       format('there is no product %s', id))
FROM (VALUES (0), (-1), (9223372036854775807)) ids (id);

-- Update: each field alone, all, none.
SELECT pg_temp.answers(shop.update_product(1, :tea, 'tea-2', NULL, NULL, 'admin', 'test-request'), 200,
    format('{"id":%s,"sku":"tea-2","name":"Green tea","price":19.99}', :tea), 'the SKU alone');
SELECT pg_temp.answers(shop.update_product(1, :tea, NULL, 'Black tea', NULL, 'admin', 'test-request'), 200,
    format('{"id":%s,"sku":"tea-2","name":"Black tea","price":19.99}', :tea), 'the name alone');
SELECT pg_temp.answers(shop.update_product(1, :tea, NULL, NULL, 0, 'admin', 'test-request'), 200,
    format('{"id":%s,"sku":"tea-2","name":"Black tea","price":0.00}', :tea), 'the price alone, to 0');
SELECT pg_temp.answers(shop.update_product(1, :tea, 'tea-2', 'Tea', 2.5, 'admin', 'test-request'), 200,
    format('{"id":%s,"sku":"tea-2","name":"Tea","price":2.50}', :tea), 'all fields, the SKU being its own');
SELECT pg_temp.refuses(shop.update_product(1, :tea, NULL, NULL, NULL, NULL, 'test-request'), 400, 'invalid_field',
                       'No fields to update', 'an update without fields is refused');
SELECT pg_temp.refuses(shop.update_product(1, NULL, 's', NULL, NULL, NULL, 'test-request'), 400, 'invalid_field',
                       'id must be an integer', 'update wants an id');
SELECT pg_temp.refuses(shop.update_product(1, 0, 's', NULL, NULL, NULL, 'test-request'), 404, 'product_not_found',
                       'Product not found', 'there is no product 0 to update');
SELECT pg_temp.refuses(shop.update_product(1, :tea, NULL, NULL, -1, NULL, 'test-request'), 400, 'invalid_field',
                       'price must be a non-negative number', 'a negative price is refused');
SELECT pg_temp.refuses(shop.update_product(1, :tea, '', NULL, NULL, NULL, 'test-request'), 400, 'invalid_field',
                       'sku must not be empty', 'an empty SKU is refused');
SELECT pg_temp.product('taken', 1) AS other \gset
SELECT pg_temp.refuses(shop.update_product(1, :tea, 'taken', 'X', 7, NULL, 'test-request'), 409, 'sku_exists',
                       'sku already exists', 'the SKU of another product is refused');
SELECT pg_temp.answers(shop.get_product(1, :tea, NULL), 200,
    format('{"id":%s,"sku":"tea-2","name":"Tea","price":2.50}', :tea), 'and no field was changed');

-- List, all and by pages.
DELETE FROM shop.inventory;
DELETE FROM shop.products;
SELECT pg_temp.answers(shop.list_products(1, NULL, NULL, NULL), 200, '[]', 'an empty catalogue is an empty list');
-- Without indexes the rows come as they lie in the table, the changed one last: the order is the list's own work.
SELECT pg_temp.product('p3', 3) AS p3, pg_temp.product('p1', 1) AS p1, pg_temp.product('p2', 2) AS p2 \gset
UPDATE shop.products SET price = 3 WHERE id = :p3;
SELECT pg_temp.answers(shop.list_products(1, NULL, NULL, NULL), 200,
    '[' || string_agg(format('{"id":%s,"sku":"%s","name":"Name of %s","price":%s}', id, sku, sku, price),
        ',' ORDER BY id)
        || ']', 'all products, ascending by id')
FROM shop.products;
SELECT is((SELECT json_agg((p ->> 'id')::bigint) FROM json_array_elements((shop.list_products(1, after_id, row_limit,
              NULL)).body::json) p)::text, wanted, what)
FROM (VALUES (NULL, 2, format('[%s, %s]', :p3, :p1), 'the first page'),
             (:p1, 2, format('[%s]', :p2), 'the page after a product'),
             (:p3, NULL, format('[%s, %s]', :p1, :p2), 'all after a product'),
             (:p2, 1000, NULL, 'the page after the last is empty')) pages (after_id, row_limit, wanted, what);
SELECT pg_temp.refuses(shop.list_products(1, NULL, row_limit, 'test-request'), 400, 'invalid_field',
                       'limit must be an integer between 1 and 1000', format('limit %s is refused', row_limit))
FROM (VALUES (0), (-1), (1001)) limits (row_limit);
SELECT pg_temp.refuses(shop.list_products(1, -1, NULL, 'test-request'), 400, 'invalid_field',
                       'after must be a non-negative integer', 'after -1 is refused');

SELECT * FROM finish();
ROLLBACK;
