-- Two stores in one database never see each other.
BEGIN;
SELECT plan(36);
\ir fixture.psql

-- The same SKU, user, key and account name in both; more in store 2.
SELECT pg_temp.product('widget', 1, 10) AS ours, pg_temp.product('widget', 2, 20, 2) AS theirs \gset
SELECT isnt(:ours::bigint, :theirs::bigint, 'a SKU may be used in each store');
SELECT pg_temp.put(7, :ours, 1) AS our_cart, pg_temp.put(7, :theirs, 2, 2) AS their_cart \gset
SELECT shop.put_demo_account(1, 1, 'boss', 'admin', 'ours'), shop.put_demo_account(2, 1, 'boss', 'admin', 'theirs'),
       shop.put_demo_account(2, 2, 'client', 'user', 'theirs') \g /dev/null

-- Products, stock, carts.
SELECT is((SELECT count(*) FROM json_array_elements((shop.list_products(1, NULL, NULL, NULL)).body::json)), 1::bigint,
          'the list has our products only');
SELECT is((shop.get_product(1, :theirs, NULL)).status, 404, 'their product does not exist here');
SELECT is((shop.update_product(1, :theirs, NULL, 'Mine', NULL, NULL, NULL)).status, 404, 'so it cannot be changed');
SELECT is((shop.get_inventory(1, :theirs, NULL)).status, 404, 'it has no stock here');
SELECT is((shop.restock(1, NULL, :theirs, 5, NULL, NULL, NULL)).status, 404, 'and cannot get any');
SELECT is((shop.add_cart_item(1, NULL, 7, :theirs, 1, NULL)).status, 404, 'nor be put into a cart');
SELECT is((shop.remove_cart_item(1, NULL, 7, :theirs, NULL)).status, 404, 'or taken out of one');
SELECT is((shop.get_cart(1, NULL, 7, NULL)).body::json #>> '{cart,id}', :'our_cart', 'a user has a cart in each store');
SELECT is((shop.checkout(1, NULL, 7, :their_cart, 'k', NULL, NULL, NULL)).status, 404,
    'their cart cannot be checked out here');
SELECT is((SELECT status FROM shop.carts WHERE store_id = 2 AND id = :their_cart), 'open', 'and stays open');

-- Checkouts with one key in both.
SELECT * FROM shop.checkout(1, NULL, 7, :our_cart, 'key', NULL, NULL, NULL) \gset our_
SELECT * FROM shop.checkout(2, NULL, 7, :their_cart, 'key', NULL, NULL, NULL) \gset their_
SELECT is(format('%s %s', :our_status, :their_status), '201 201', 'both stores take an order under one key');
SELECT isnt(:'our_body'::text, :'their_body', 'each its own');
SELECT is((shop.checkout(2, NULL, 7, :their_cart, 'key', NULL, NULL, NULL)).body, :'their_body', 'which it replays');
SELECT is(pg_temp.stock(:ours) || ' ' || pg_temp.stock(:theirs, 2), '10/1 20/2', 'each reserves its own stock');
SELECT results_eq(
    format('SELECT store_id, count(*) FROM (SELECT store_id FROM shop.orders WHERE id = %s '
           'UNION ALL SELECT store_id FROM shop.order_items WHERE order_id = %1$s '
           'UNION ALL SELECT store_id FROM shop.stock_movements WHERE order_id = %1$s '
           'UNION ALL SELECT store_id FROM shop.order_events WHERE order_id = %1$s '
           'UNION ALL SELECT store_id FROM shop.outbox WHERE order_id = %1$s '
           'UNION ALL SELECT store_id FROM shop.idempotency_keys WHERE order_id = %1$s) rows GROUP BY store_id',
               :their_order_id),
    'VALUES (2, 6::bigint)', 'all rows of their order are in their store');

-- Orders.
SELECT is((shop.get_order(1, NULL, :their_order_id, NULL)).status, 404, 'their order does not exist here');
SELECT is((shop.order_events(1, NULL, :their_order_id, NULL)).status, 404, 'nor does its history');
SELECT is((SELECT string_agg(listed ->> 'id', ' ') FROM json_array_elements((shop.list_orders(1, NULL, 7, NULL, NULL,
          NULL)).body::json) listed), :'our_order_id', 'the list has our orders only');

-- Delivery.
SELECT id AS our_message FROM shop.outbox WHERE order_id = :our_order_id \gset
SELECT id AS their_message FROM shop.outbox WHERE order_id = :their_order_id \gset
SELECT is((SELECT string_agg(id::text, ' ') FROM shop.claim_outbox(1, 10, 60000)), :'our_message',
    'we claim our messages only');
SELECT is((SELECT string_agg(id::text, ' ') FROM shop.claim_outbox(2, 10, 60000)), :'their_message', 'and they theirs');
SELECT is(shop.release_outbox(1, ARRAY[:their_message], 'x', 0, true), 0, 'theirs cannot be given back here');
SELECT is(shop.mark_outbox_delivered(1, ARRAY[:their_message]), 0, 'nor delivered');
SELECT is((SELECT result FROM shop.settle_payment(1, :their_order_id, true, NULL, NULL, :their_message)),
    'order_not_found',
          'their order cannot be settled here');
SELECT is((SELECT result FROM shop.settle_payment(1, :our_order_id, true, NULL, NULL, :their_message)), 'settled',
          'ours can, with the number of their message');
SELECT is((SELECT format('%s %s', status, attempts) FROM shop.outbox WHERE id = :their_message), 'pending 1',
          'which is not touched by all this');
SELECT shop.record_dead_letter(2, 'sqs', 'k', 'b', NULL, 'r', NULL, 1, NULL, NULL, NULL) \g /dev/null
SELECT id AS their_letter FROM shop.dead_letters WHERE store_id = 2 \gset
SELECT isnt((SELECT id FROM shop.record_dead_letter(1, 'sqs', 'k', 'b', NULL, 'r', NULL, 1, NULL, NULL,
    :their_message)),
            :their_letter::bigint, 'a dead letter with the same key is another one');
SELECT is((SELECT status FROM shop.outbox WHERE id = :their_message), 'pending', 'and does not finish their message');
SELECT shop.mark_dead_letter_moved(1, :their_letter, 'x') \g /dev/null
SELECT is((SELECT dlq_message_id FROM shop.dead_letters WHERE id = :their_letter), NULL, 'theirs is not moved here');

-- Accounts.
SELECT is((SELECT string_agg(password_hash, ' ') FROM shop.find_account(1, 'boss')), 'ours',
    'an account is of one store');
SELECT is((SELECT id FROM shop.find_account(1, 'client')), NULL, 'their account does not exist here');
SELECT count(shop.record_login(1, 'boss', false)) FROM generate_series(1, 10) \g /dev/null
SELECT is((SELECT string_agg(locked::text, ' ') FROM shop.find_account(1, 'boss')), 'true', 'our account is locked');
SELECT is((SELECT string_agg(locked::text, ' ') FROM shop.find_account(2, 'boss')), 'false',
    'theirs of that name is not');

-- Foreign keys do not reach over.
SELECT throws_ok(format('INSERT INTO shop.cart_items (store_id, cart_id, product_id, qty) VALUES (1, %s, %s, 1)',
    :our_cart,
                        :theirs), '23503', NULL, 'a cart cannot hold a product of another store');
SELECT is_empty('SELECT * FROM shop.verify(1) UNION ALL SELECT * FROM shop.verify(2)',
    'verify() finds nothing wrong in either');
SELECT is_empty('SELECT * FROM shop.verify(3)', 'nor in a store without rows');

SELECT * FROM finish();
ROLLBACK;
