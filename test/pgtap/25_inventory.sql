-- Stock: restock with its ledger row and its optional key, and the levels.
BEGIN;
SELECT plan(36);
\ir fixture.psql

SELECT pg_temp.product('widget', 1) AS widget, pg_temp.product('gadget', 1) AS gadget \gset

SELECT pg_temp.answers(shop.restock(1, NULL, :widget, 5, NULL, 'admin', 'test-request'), 200,
    format('{"product_id":%s,"available_qty":5}', :widget), 'restock adds units');
SELECT pg_temp.answers(shop.restock(1, NULL, :widget, 7, NULL, 'admin', 'test-request'), 200,
    format('{"product_id":%s,"available_qty":12}', :widget), 'and again');
SELECT results_eq(
    format($$SELECT kind, on_hand_delta, reserved_delta, order_id, order_item_id, actor, request_id
             FROM shop.stock_movements WHERE product_id = %s ORDER BY id$$, :widget),
    $$VALUES ('restock', 5, 0, NULL::bigint, NULL::bigint, 'admin', 'test-request'),
             ('restock', 7, 0, NULL, NULL, 'admin', 'test-request')$$,
    'each has its row in the ledger');
SELECT pg_temp.answers(shop.get_inventory(1, :widget, 'test-request'), 200,
    format('{"product_id":%s,"available_qty":12,"on_hand":12,"reserved":0}', :widget), 'the levels');
SELECT pg_temp.order_of(7, :widget, 4) AS placed \gset
SELECT pg_temp.answers(shop.get_inventory(1, :widget, 'test-request'), 200,
    format('{"product_id":%s,"available_qty":8,"on_hand":12,"reserved":4}', :widget), 'an order reserves units');
SELECT pg_temp.answers(shop.restock(1, NULL, :widget, 1, NULL, 'admin', 'test-request'), 200,
    format('{"product_id":%s,"available_qty":9}', :widget),
        'restock answers what is available, not what is in the house');

-- Refusals.
SELECT pg_temp.refuses(shop.restock(1, NULL, NULL, 5, NULL, 'admin', 'test-request'), 400, 'invalid_field',
                       'productId must be an integer', 'restock wants a product');
SELECT pg_temp.refuses(shop.restock(1, NULL, :widget, qty, NULL, 'admin', 'test-request'), 400, 'invalid_field',
                       'qty must be an integer greater than 0', format('quantity %s is refused',
                           coalesce(qty::text, 'NULL')))
FROM (VALUES (0), (-5), (NULL)) quantities (qty);
SELECT pg_temp.refuses(shop.restock(1, NULL, product, 5, NULL, 'admin', 'test-request'), 404, 'product_not_found',
                       'Product not found', format('there is no product %s to restock', product))
FROM (VALUES (0), (-1), (9223372036854775807)) products (product);
SELECT pg_temp.refuses(shop.get_inventory(1, NULL, 'test-request'), 400, 'invalid_field',
                       'productId must be an integer', 'the levels want a product');
SELECT pg_temp.refuses(shop.get_inventory(1, 0, 'test-request'), 404, 'inventory_not_found', 'Inventory not found',
                       'there are no levels of product 0');
SELECT is((SELECT count(*) FROM shop.stock_movements WHERE kind = 'restock'), 3::bigint, 'refusals left no movement');

-- Overflow.
SELECT pg_temp.refuses(shop.restock(1, NULL, :widget, 2147483647, NULL, 'admin', 'test-request'), 400, 'invalid_field',
    'qty is too large: at most 2147483647 units can be in stock', 'more units than an integer holds are refused');
SELECT is(pg_temp.stock(:widget), '13/4', 'and change nothing');
SELECT is((shop.restock(1, NULL, :widget, 2147483647 - 13, NULL, 'admin', NULL)).status, 200, 'just as many fit');
SELECT is(pg_temp.stock(:widget), '2147483647/4', 'and are all there');

-- With a key: once.
SELECT pg_temp.answers(shop.restock(1, 1, :gadget, 5, 'key-1', 'admin', 'test-request'), 200,
    format('{"product_id":%s,"available_qty":5}', :gadget), 'restock with a key');
SELECT shop.restock(1, NULL, :gadget, 100, NULL, 'admin', 'test-request') \g /dev/null
SELECT * FROM shop.restock(1, 1, :gadget, 5, 'key-1', 'admin', 'other-request') \gset again_
SELECT is(:again_status, 200, 'the same again is a success');
SELECT is(:'again_body', format('{"product_id":%s,"available_qty":5}', :gadget),
    'with the same body as the first time');
SELECT ok(:'again_replayed'::boolean, 'marked as a replay');
SELECT is(pg_temp.stock(:gadget), '105/0', 'and added nothing');
SELECT is((shop.restock(1, 1, :gadget, 5, '"key-1"', 'admin', NULL)).replayed, true,
    'quotes around the key do not count');
SELECT pg_temp.refuses(shop.restock(1, 1, :gadget, 6, 'key-1', 'admin', 'test-request'), 422, 'idempotency_key_reused',
    'This Idempotency-Key was already used for a different request', 'the key with another quantity is refused');
SELECT pg_temp.refuses(shop.restock(1, 1, :widget, 5, 'key-1', 'admin', 'test-request'), 422, 'idempotency_key_reused',
    'This Idempotency-Key was already used for a different request', 'the key with another product is refused');
SELECT is((shop.restock(1, 2, :gadget, 6, 'key-1', 'admin', NULL)).replayed, false,
    'the key of another admin is another key');
SELECT is(pg_temp.stock(:gadget), '111/0', 'and adds');
SELECT pg_temp.refuses(shop.restock(1, 1, :gadget, 5, '', 'admin', 'test-request'), 400, 'idempotency_key_invalid',
                       'Idempotency-Key must have 1 to 255 characters', 'an empty key is refused');
SELECT is((shop.restock(1, 1, 0, 5, 'key-2', 'admin', NULL)).status, 404, 'a refusal with a key');
SELECT is((shop.restock(1, 1, :gadget, 9, 'key-2', 'admin', NULL)).status, 200, 'does not use the key up');
SELECT results_eq(
    $$SELECT format('%s %s %s %s %s', user_id, route, key, status, order_id) COLLATE "default"
      FROM shop.idempotency_keys WHERE route = 'restock' ORDER BY 1$$,
    $$VALUES ('1 restock key-1 200 '), ('1 restock key-2 200 '), ('2 restock key-1 200 ')$$,
    'answers are kept by user, route and key');

-- Without a key every call counts.
SELECT is((SELECT string_agg((shop.restock(1, 1, :gadget, 1, NULL, 'admin', NULL)).body::json ->> 'available_qty', ' ')
           FROM generate_series(1, 3)), '121 122 123', 'three calls in one statement add three times');

SELECT is_empty('SELECT * FROM shop.verify(1)', 'verify() finds nothing wrong');
SELECT * FROM finish();
ROLLBACK;
