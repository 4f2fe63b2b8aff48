-- The API functions in C. A NULL for a required argument means that the request had none that can be used: the function
-- answers the 400. actor_id is the user that the caller proved to be; NULL: may act for anyone. Waits for locks are bounded
-- by lock_timeout (55P03), which ALTER FUNCTION ... SET may change.

CREATE FUNCTION shop.list_products(store_id integer, after_id bigint, row_limit integer, request_id text)
RETURNS shop.response
LANGUAGE c STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'shop_list_products';
COMMENT ON FUNCTION shop.list_products(integer, bigint, integer, text) IS 'Products by ascending id: all, or with row_limit (1 to 1000) one page after after_id. 200 [{id,sku,name,price}].';
REVOKE ALL ON FUNCTION shop.list_products(integer, bigint, integer, text) FROM PUBLIC;

CREATE FUNCTION shop.get_product(store_id integer, product_id bigint, request_id text)
RETURNS shop.response
LANGUAGE c STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'shop_get_product';
COMMENT ON FUNCTION shop.get_product(integer, bigint, text) IS 'One product. 200 {id,sku,name,price}, 404.';
REVOKE ALL ON FUNCTION shop.get_product(integer, bigint, text) FROM PUBLIC;

CREATE FUNCTION shop.create_product(store_id integer, sku text, name text, price numeric, actor text, request_id text)
RETURNS shop.response
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS 'MODULE_PATHNAME', 'shop_create_product';
COMMENT ON FUNCTION shop.create_product(integer, text, text, numeric, text, text) IS 'Makes a product and its inventory row. 201 product, 400, 409 when the SKU exists.';
REVOKE ALL ON FUNCTION shop.create_product(integer, text, text, numeric, text, text) FROM PUBLIC;

CREATE FUNCTION shop.update_product(store_id integer, product_id bigint, sku text, name text, price numeric, actor text, request_id text)
RETURNS shop.response
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS 'MODULE_PATHNAME', 'shop_update_product';
COMMENT ON FUNCTION shop.update_product(integer, bigint, text, text, numeric, text, text) IS 'Changes the fields that are not NULL. 200 product, 400, 404, 409 when the SKU exists.';
REVOKE ALL ON FUNCTION shop.update_product(integer, bigint, text, text, numeric, text, text) FROM PUBLIC;

CREATE FUNCTION shop.restock(store_id integer, actor_id bigint, product_id bigint, qty integer, idempotency_key text, actor text, request_id text)
RETURNS shop.response
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS 'MODULE_PATHNAME', 'shop_restock';
COMMENT ON FUNCTION shop.restock(integer, bigint, bigint, integer, text, text, text) IS 'Adds units to the stock, with a ledger row; with a key exactly once. 200 {product_id,available_qty}, 400, 404, 409, 422.';
REVOKE ALL ON FUNCTION shop.restock(integer, bigint, bigint, integer, text, text, text) FROM PUBLIC;

CREATE FUNCTION shop.get_inventory(store_id integer, product_id bigint, request_id text)
RETURNS shop.response
LANGUAGE c STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'shop_get_inventory';
COMMENT ON FUNCTION shop.get_inventory(integer, bigint, text) IS 'Stock levels of a product. 200 {product_id,available_qty,on_hand,reserved}, 404.';
REVOKE ALL ON FUNCTION shop.get_inventory(integer, bigint, text) FROM PUBLIC;

CREATE FUNCTION shop.get_cart(store_id integer, actor_id bigint, user_id bigint, request_id text)
RETURNS shop.response
LANGUAGE c STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'shop_get_cart';
COMMENT ON FUNCTION shop.get_cart(integer, bigint, bigint, text) IS 'The user''s open cart with the prices of now. 200 {cart,items,total_price}, 404.';
REVOKE ALL ON FUNCTION shop.get_cart(integer, bigint, bigint, text) FROM PUBLIC;

CREATE FUNCTION shop.add_cart_item(store_id integer, actor_id bigint, user_id bigint, product_id bigint, qty integer, request_id text)
RETURNS shop.response
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS 'MODULE_PATHNAME', 'shop_add_cart_item';
COMMENT ON FUNCTION shop.add_cart_item(integer, bigint, bigint, bigint, integer, text) IS 'Adds units of a product to the user''s open cart, which is made where there is none. 201 {cart,item}, 400, 404.';
REVOKE ALL ON FUNCTION shop.add_cart_item(integer, bigint, bigint, bigint, integer, text) FROM PUBLIC;

CREATE FUNCTION shop.remove_cart_item(store_id integer, actor_id bigint, user_id bigint, product_id bigint, request_id text)
RETURNS shop.response
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS 'MODULE_PATHNAME', 'shop_remove_cart_item';
COMMENT ON FUNCTION shop.remove_cart_item(integer, bigint, bigint, bigint, text) IS 'Takes the line of a product out of the user''s open cart. 200 the removed line, 404.';
REVOKE ALL ON FUNCTION shop.remove_cart_item(integer, bigint, bigint, bigint, text) FROM PUBLIC;

CREATE FUNCTION shop.checkout(store_id integer, actor_id bigint, user_id bigint, cart_id bigint, idempotency_key text, expected_total numeric, request_id text, traceparent text)
RETURNS shop.response
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS 'MODULE_PATHNAME', 'shop_checkout';
COMMENT ON FUNCTION shop.checkout(integer, bigint, bigint, bigint, text, numeric, text, text) IS 'Turns a cart into an order: one statement, one commit. 201 {order,order_items}; 400 for a bad key or argument, a cart that is not open or is empty, or short stock; 403, 404; 409 when the key is in use or the total changed; 422 for a key of another request.';
REVOKE ALL ON FUNCTION shop.checkout(integer, bigint, bigint, bigint, text, numeric, text, text) FROM PUBLIC;

CREATE FUNCTION shop.get_order(store_id integer, actor_id bigint, order_id bigint, request_id text)
RETURNS shop.response
LANGUAGE c STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'shop_get_order';
COMMENT ON FUNCTION shop.get_order(integer, bigint, bigint, text) IS 'One order with its lines. 200, 404.';
REVOKE ALL ON FUNCTION shop.get_order(integer, bigint, bigint, text) FROM PUBLIC;

CREATE FUNCTION shop.list_orders(store_id integer, actor_id bigint, user_id bigint, before_id bigint, row_limit integer, request_id text)
RETURNS shop.response
LANGUAGE c STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'shop_list_orders';
COMMENT ON FUNCTION shop.list_orders(integer, bigint, bigint, bigint, integer, text) IS 'A user''s orders, newest first: all, or with row_limit (1 to 1000) one page before before_id. 200, 400.';
REVOKE ALL ON FUNCTION shop.list_orders(integer, bigint, bigint, bigint, integer, text) FROM PUBLIC;

CREATE FUNCTION shop.order_events(store_id integer, actor_id bigint, order_id bigint, request_id text)
RETURNS shop.response
LANGUAGE c STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'shop_order_events';
COMMENT ON FUNCTION shop.order_events(integer, bigint, bigint, text) IS 'Every transition of an order. 200 [{seq,from,to,event,actor,reason,request_id,at}], 404.';
REVOKE ALL ON FUNCTION shop.order_events(integer, bigint, bigint, text) FROM PUBLIC;

CREATE FUNCTION shop.settle_payment(store_id integer, order_id bigint, paid boolean, reason text, request_id text, outbox_id bigint, OUT result text, OUT order_status text)
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS 'MODULE_PATHNAME', 'shop_settle_payment';
COMMENT ON FUNCTION shop.settle_payment(integer, bigint, boolean, text, text, bigint) IS 'Applies the outcome of an order''s payment exactly once: paid confirms the order and takes the goods out of stock, not paid cancels it and gives them back. result: settled, already_settled or order_not_found. With outbox_id that message is finished in the same commit.';
REVOKE ALL ON FUNCTION shop.settle_payment(integer, bigint, boolean, text, text, bigint) FROM PUBLIC;

CREATE FUNCTION shop.require_migrated() RETURNS void
LANGUAGE c STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'shop_require_migrated';
COMMENT ON FUNCTION shop.require_migrated() IS 'Raises SH001 when the tables are missing, SH002 when library, extension and tables are of different versions.';
REVOKE ALL ON FUNCTION shop.require_migrated() FROM PUBLIC;

CREATE FUNCTION shop.version() RETURNS text
LANGUAGE c STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'shop_version';
COMMENT ON FUNCTION shop.version() IS 'Version of pg_shop. Raises SH001 and SH002 as shop.require_migrated() does, so it tells whether the database is ready.';
REVOKE ALL ON FUNCTION shop.version() FROM PUBLIC;
