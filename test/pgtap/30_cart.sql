-- Carts: adding, removing, reading; one open cart for each user.
BEGIN;
SELECT plan(44);
\ir fixture.psql

SELECT pg_temp.product('widget', 9.99, 3) AS widget, pg_temp.product('gadget', 0.01, 3) AS gadget \gset

-- Adding makes the cart.
SELECT * FROM shop.add_cart_item(1, NULL, 7, :widget, 2, 'test-request') \gset first_
SELECT :'first_body'::json #>> '{cart,id}' AS cart, :'first_body'::json #>> '{item,id}' AS line \gset
SELECT is(:first_status, 201, 'adding the first item');
SELECT is(:'first_body',
    format('{"cart":{"id":%s,"user_id":7,"status":"open"},"item":{"id":%s,"cart_id":%1$s,"product_id":%3$s,"qty":2}}',
           :cart, :line, :widget), 'answers cart and item');
SELECT pg_temp.answers(shop.add_cart_item(1, NULL, 7, :widget, 3, 'test-request'), 201,
    format('{"cart":{"id":%s,"user_id":7,"status":"open"},"item":{"id":%s,"cart_id":%1$s,"product_id":%3$s,"qty":5}}',
           :cart, :line, :widget), 'the same product again adds to its line, even over the stock');
SELECT is(pg_temp.put(7, :gadget, 100), :cart::bigint, 'another product goes to the same cart');
SELECT is((SELECT count(*) FROM shop.cart_items WHERE cart_id = :cart), 2::bigint, 'which has two lines now');
SELECT isnt(pg_temp.put(8, :gadget, 1), :cart::bigint, 'another user has another cart');
SELECT is(pg_temp.stock(:widget), '3/0', 'a cart holds no stock');

-- Reading.
SELECT pg_temp.answers(shop.get_cart(1, NULL, 7, 'test-request'), 200,
    format('{"cart":{"id":%s,"user_id":7,"status":"open"},"items":[', :cart)
    || string_agg(format('{"id":%s,"cart_id":%s,"product_id":%s,"qty":%s,"price":%s}', item.id, cart_id, product_id,
        qty,
                         price), ',' ORDER BY item.id)
    || '],"total_price":50.95}', 'the cart has lines, prices and an exact total')
FROM shop.cart_items item JOIN shop.products product ON product.id = product_id WHERE cart_id = :cart;
SELECT shop.update_product(1, :gadget, NULL, NULL, 1, NULL, NULL) \g /dev/null
SELECT is((shop.get_cart(1, NULL, 7, NULL)).body::json ->> 'total_price', '149.95', 'prices are those of now');
SELECT pg_temp.refuses(shop.get_cart(1, NULL, 9, 'test-request'), 404, 'cart_not_found', 'Cart not found',
                       'who put nothing in has no cart');
SELECT pg_temp.refuses(shop.get_cart(1, NULL, customer, 'test-request'), 400, 'invalid_field',
                       'userId must be a positive integer', format('user %s is refused',
                           coalesce(customer::text, 'NULL')))
FROM (VALUES (NULL), (0), (-7)) users (customer);

-- Refusals of adding, in their order.
SELECT * INTO TEMPORARY before FROM pg_temp.row_counts();
SELECT pg_temp.refuses(shop.add_cart_item(1, NULL, NULL, NULL, NULL, 'test-request'), 400, 'invalid_field',
                       'userId must be a positive integer', 'first the user is looked at');
SELECT pg_temp.refuses(shop.add_cart_item(1, NULL, 0, :widget, 1, 'test-request'), 400, 'invalid_field',
                       'userId must be a positive integer', 'user 0 is refused');
SELECT pg_temp.refuses(shop.add_cart_item(1, NULL, 7, NULL, NULL, 'test-request'), 400, 'invalid_field',
                       'productId must be a positive integer', 'then the product');
SELECT pg_temp.refuses(shop.add_cart_item(1, NULL, 7, -1, 1, 'test-request'), 400, 'invalid_field',
                       'productId must be a positive integer', 'product -1 is refused');
SELECT pg_temp.refuses(shop.add_cart_item(1, NULL, 7, :widget, qty, 'test-request'), 400, 'invalid_field',
                       'qty must be an integer greater than 0', format('quantity %s is refused',
                           coalesce(qty::text, 'NULL')))
FROM (VALUES (NULL), (0), (-1)) quantities (qty);
SELECT pg_temp.refuses(shop.add_cart_item(1, NULL, 99, 9223372036854775807, 1, 'test-request'), 404,
    'product_not_found',
                       'Product not found', 'then whether there is such a product');
SELECT pg_temp.refuses(shop.add_cart_item(1, NULL, 7, :widget, 2147483647, 'test-request'), 400, 'invalid_field',
    'qty is too large: a cart holds at most 2147483647 units of a product',
        'a sum over the range of integer is refused');
SELECT pg_temp.refuses(shop.add_cart_item(1, 8, 7, :widget, 1, 'test-request'), 403, 'forbidden',
                       'The token does not allow acting for this user', 'another user''s token is refused');
SELECT pg_temp.refuses(shop.get_cart(1, 8, 7, 'test-request'), 403, 'forbidden',
                       'The token does not allow acting for this user', 'also for reading');
SELECT pg_temp.refuses(shop.remove_cart_item(1, 8, 7, :widget, 'test-request'), 403, 'forbidden',
                       'The token does not allow acting for this user', 'and for removing');
SELECT is((shop.get_cart(1, 7, 7, NULL)).status, 200, 'one''s own token is not');
SELECT results_eq('SELECT * FROM pg_temp.row_counts()', 'SELECT * FROM before',
    'refusals wrote nothing, no empty cart either');
SELECT is((SELECT qty FROM shop.cart_items WHERE id = :line), 5, 'and the line is as it was');

-- Removing.
SELECT pg_temp.answers(shop.remove_cart_item(1, NULL, 7, :widget, 'test-request'), 200,
    format('{"id":%s,"cart_id":%s,"product_id":%s,"qty":5}', :line, :cart, :widget),
        'removing answers the removed line');
SELECT is((SELECT array_agg(product_id) FROM shop.cart_items WHERE cart_id = :cart), ARRAY[:gadget::bigint],
          'and leaves the others');
SELECT pg_temp.refuses(shop.remove_cart_item(1, NULL, 7, :widget, 'test-request'), 404, 'cart_item_not_found',
                       'Cart item not found', 'it cannot be removed twice');
SELECT pg_temp.refuses(shop.remove_cart_item(1, NULL, 9, :widget, 'test-request'), 404, 'cart_not_found',
                       'Cart not found', 'nor from a cart that is not there');
SELECT pg_temp.refuses(shop.remove_cart_item(1, NULL, NULL, :widget, 'test-request'), 400, 'invalid_field',
                       'userId must be a positive integer', 'removing wants a user');
SELECT pg_temp.refuses(shop.remove_cart_item(1, NULL, 7, NULL, 'test-request'), 400, 'invalid_field',
                       'productId must be a positive integer', 'and a product');
SELECT is((shop.remove_cart_item(1, NULL, 7, :gadget, NULL)).status, 200, 'the last line can be removed');
SELECT pg_temp.answers(shop.get_cart(1, NULL, 7, NULL), 200,
    format('{"cart":{"id":%s,"user_id":7,"status":"open"},"items":[],"total_price":0.00}', :cart),
        'the cart is empty then');
SELECT is(pg_temp.put(7, :widget), :cart::bigint, 'and still the user''s cart');

-- After checkout there is a new one.
SELECT is((shop.checkout(1, NULL, 7, :cart, 'key', NULL, NULL, NULL)).status, 201, 'the cart is checked out');
SELECT is((shop.get_cart(1, NULL, 7, NULL)).status, 404, 'so there is no open cart');
SELECT is((shop.remove_cart_item(1, NULL, 7, :widget, NULL)).status, 404, 'to remove from');
SELECT isnt(pg_temp.put(7, :widget, 4), :cart::bigint, 'the next item goes to a new cart');
SELECT is((SELECT qty FROM shop.cart_items WHERE cart_id = :cart), 1, 'and not to the old one');

-- A total over the largest amount.
SELECT pg_temp.product('dear', 9999999999.99) AS dear \gset
SELECT pg_temp.put(10, :dear, 1) AS rich \gset
SELECT is((shop.get_cart(1, NULL, 10, NULL)).body::json ->> 'total_price', '9999999999.99',
    'the largest total is exact');
SELECT pg_temp.put(10, :gadget, 1) AS rich \gset
SELECT pg_temp.refuses(shop.get_cart(1, NULL, 10, 'test-request'), 400, 'total_too_large',
                       'The cart''s total is over 9999999999.99', 'a larger one is refused, not rounded');

SELECT * FROM finish();
ROLLBACK;
