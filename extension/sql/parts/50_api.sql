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

CREATE FUNCTION shop.add_cart_items(store_id integer, requests shop.cart_item_request[])
RETURNS SETOF shop.response
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS 'MODULE_PATHNAME', 'shop_add_cart_items';
COMMENT ON FUNCTION shop.add_cart_items(integer, shop.cart_item_request[]) IS 'shop.add_cart_item() for up to 1000 requests in one commit; answers in the order of the requests, each as if it had come alone after those before it. status 0: undecided, because somebody else holds the cart; send it alone.';
REVOKE ALL ON FUNCTION shop.add_cart_items(integer, shop.cart_item_request[]) FROM PUBLIC;

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

CREATE FUNCTION shop.checkout_batch(store_id integer, requests shop.checkout_request[])
RETURNS SETOF shop.response
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS 'MODULE_PATHNAME', 'shop_checkout_batch';
COMMENT ON FUNCTION shop.checkout_batch(integer, shop.checkout_request[]) IS 'shop.checkout() for up to 1000 requests in one commit; answers in the order of the requests, each as if it had come alone after those before it. status 0: undecided, because a request with the same key runs elsewhere; send it alone.';
REVOKE ALL ON FUNCTION shop.checkout_batch(integer, shop.checkout_request[]) FROM PUBLIC;

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

CREATE FUNCTION shop.cancel_order(store_id integer, actor_id bigint, is_admin boolean, order_id bigint, reason text, actor text, request_id text)
RETURNS shop.response
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS 'MODULE_PATHNAME', 'shop_cancel_order';
COMMENT ON FUNCTION shop.cancel_order(integer, bigint, boolean, bigint, text, text, text) IS 'Cancels an order: pending gives the stock back; CONFIRMED (administrators only) takes the goods back into stock and asks for the refund; cancelled already is a success. 200 order, 403, 404, 409 illegal transition.';
REVOKE ALL ON FUNCTION shop.cancel_order(integer, bigint, boolean, bigint, text, text, text) FROM PUBLIC;

CREATE FUNCTION shop.fulfil_order(store_id integer, order_id bigint, actor text, request_id text)
RETURNS shop.response
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS 'MODULE_PATHNAME', 'shop_fulfil_order';
COMMENT ON FUNCTION shop.fulfil_order(integer, bigint, text, text) IS 'Notes that the goods of a CONFIRMED order are on their way. 200 order, 404, 409 illegal transition.';
REVOKE ALL ON FUNCTION shop.fulfil_order(integer, bigint, text, text) FROM PUBLIC;

CREATE FUNCTION shop.refund_order(store_id integer, actor_id bigint, order_id bigint, amount numeric, restock boolean, reason text, idempotency_key text, actor text, request_id text)
RETURNS shop.response
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS 'MODULE_PATHNAME', 'shop_refund_order';
COMMENT ON FUNCTION shop.refund_order(integer, bigint, bigint, numeric, boolean, text, text, text, text) IS 'Asks for money back: amount, or all that is left of the captured amount; with restock the goods come back into stock. For a cancelled order, asks again for what a refund or void that failed still owes. With a key exactly once. 200 order, 400, 404, 409, 422.';
REVOKE ALL ON FUNCTION shop.refund_order(integer, bigint, bigint, numeric, boolean, text, text, text, text) FROM PUBLIC;

CREATE FUNCTION shop.return_to_stock(store_id integer, order_id bigint, product_id bigint, qty integer, reason text, actor text, request_id text)
RETURNS shop.response
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS 'MODULE_PATHNAME', 'shop_return_to_stock';
COMMENT ON FUNCTION shop.return_to_stock(integer, bigint, bigint, integer, text, text, text) IS 'Takes units of a paid order back into stock, at most as many as were taken. A return moves no money: see refund_order. 200 order, 400, 404, 409.';
REVOKE ALL ON FUNCTION shop.return_to_stock(integer, bigint, bigint, integer, text, text, text) FROM PUBLIC;

CREATE FUNCTION shop.adjust_stock(store_id integer, product_id bigint, expected_on_hand integer, counted integer, actor text, request_id text)
RETURNS shop.response
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS 'MODULE_PATHNAME', 'shop_adjust_stock';
COMMENT ON FUNCTION shop.adjust_stock(integer, bigint, integer, integer, text, text) IS 'Sets on_hand to what was counted, if it still is what the counter believed. 200 levels, 400, 404, 409 stock_changed, or stock_reserved with the orders that hold the units.';
REVOKE ALL ON FUNCTION shop.adjust_stock(integer, bigint, integer, integer, text, text) FROM PUBLIC;

CREATE FUNCTION shop.accept_order(store_id integer, body text, idempotency_key text, request_id text, traceparent text)
RETURNS shop.response
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS 'MODULE_PATHNAME', 'shop_accept_order';
COMMENT ON FUNCTION shop.accept_order(integer, text, text, text, text) IS 'Takes an intake order (JSON text: customer_id, items, optional order_id) durably, to be processed when its message arrives. 202 {message,order_id,status,total_amount}, 400, 409, 422.';
REVOKE ALL ON FUNCTION shop.accept_order(integer, text, text, text, text) FROM PUBLIC;

CREATE FUNCTION shop.settle_payment(store_id integer, order_id bigint, paid boolean, reason text, request_id text, outbox_id bigint, OUT result text, OUT order_status text)
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS 'MODULE_PATHNAME', 'shop_settle_payment';
COMMENT ON FUNCTION shop.settle_payment(integer, bigint, boolean, text, text, bigint) IS 'Applies the outcome of an order''s payment exactly once: paid confirms the order and takes the goods out of stock, not paid cancels it and gives them back. result: settled, already_settled, order_not_found or other_provider (another provider may have taken the money: ask it). For providers that answer within the process; others begin, call and apply. With outbox_id that message is finished in the same commit.';
REVOKE ALL ON FUNCTION shop.settle_payment(integer, bigint, boolean, text, text, bigint) FROM PUBLIC;

CREATE FUNCTION shop.settle_payments(store_id integer, order_ids bigint[], paid boolean[], reasons text[], request_ids text[], outbox_ids bigint[])
RETURNS TABLE (result text, order_status text)
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS 'MODULE_PATHNAME', 'shop_settle_payments';
COMMENT ON FUNCTION shop.settle_payments(integer, bigint[], boolean[], text[], text[], bigint[]) IS 'shop.settle_payment() for up to 1000 outcomes in one commit; results in the order of the arrays, each as if it had come alone after those before it. reasons, request_ids and outbox_ids may be NULL. result NULL: the order is held by somebody else or does not exist; send it alone.';
REVOKE ALL ON FUNCTION shop.settle_payments(integer, bigint[], boolean[], text[], text[], bigint[]) FROM PUBLIC;

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

CREATE FUNCTION shop.begin_payment(store_id integer, order_id bigint, provider text, request_id text, outbox_id bigint DEFAULT NULL, OUT attempt_id bigint, OUT amount numeric, OUT attempt_status text, OUT order_status text, OUT attempt_provider text, OUT provider_reference text, OUT age_seconds bigint)
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS 'MODULE_PATHNAME', 'shop_begin_payment';
COMMENT ON FUNCTION shop.begin_payment(integer, bigint, text, text, bigint) IS 'Writes the intent to get a pending order paid, or finds the attempt that is still open. attempt_id is the key to call the provider with, after this has committed; NULL: there is nothing to pay, or money of another amount is held, and the message outbox_id is finished in the same commit. attempt_provider and provider_reference say who was asked and under what number, age_seconds how long ago the attempt began.';
REVOKE ALL ON FUNCTION shop.begin_payment(integer, bigint, text, text, bigint) FROM PUBLIC;

CREATE FUNCTION shop.apply_payment(store_id integer, attempt_id bigint, outcome text, provider_reference text, amount numeric, reason text, event_source text, event_id text, request_id text, outbox_id bigint, OUT result text, OUT order_status text)
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS 'MODULE_PATHNAME', 'shop_apply_payment';
COMMENT ON FUNCTION shop.apply_payment(integer, bigint, text, text, numeric, text, text, text, text, bigint) IS 'Applies what a provider tells of an attempt: unknown, authorized, captured, declined or voided. The same event (event_source, event_id) has its effect once, and older news than is known has none. Money for an order that does not need it any more is asked back; another amount than was asked for is held while the order is pending, until shop.accept_payment or shop.cancel_order (amount_mismatch). result: settled, recorded, already_settled, duplicate_event, amount_mismatch, refund_requested, void_requested or attempt_not_found.';
REVOKE ALL ON FUNCTION shop.apply_payment(integer, bigint, text, text, numeric, text, text, text, text, bigint) FROM PUBLIC;

CREATE FUNCTION shop.accept_payment(store_id integer, attempt_id bigint, reason text, actor text, request_id text, OUT result text, OUT order_status text)
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS 'MODULE_PATHNAME', 'shop_accept_payment';
COMMENT ON FUNCTION shop.accept_payment(integer, bigint, text, text, text) IS 'Confirms the pending order of an attempt that captured another amount than was asked for (amount_mismatch): a person''s decision, whose name (actor) and reason go into the order''s history. What was captured stays what can be refunded. To give the money back instead, cancel the order. result: settled, nothing_to_accept or attempt_not_found. Raises SH003 when the order is missing, SH005 without an actor.';
REVOKE ALL ON FUNCTION shop.accept_payment(integer, bigint, text, text, text) FROM PUBLIC;

CREATE FUNCTION shop.receive_payment_event(store_id integer, source text, event_id text, attempt_id bigint, refund_id bigint, outcome text, provider_reference text, amount numeric, reason text, request_id text)
RETURNS shop.response
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS 'MODULE_PATHNAME', 'shop_receive_payment_event';
COMMENT ON FUNCTION shop.receive_payment_event(integer, text, text, bigint, bigint, text, text, numeric, text, text) IS 'Applies an event (webhook) of a payment provider, once per (source, event_id), as apply_payment does, or as settle_refund does where refund_id is given. An event that finds nothing to apply to is kept in shop.inbox with a note. 200 {received,result}: asking again would change nothing.';
REVOKE ALL ON FUNCTION shop.receive_payment_event(integer, text, text, bigint, bigint, text, text, numeric, text, text) FROM PUBLIC;

CREATE FUNCTION shop.settle_refund(store_id integer, refund_id bigint, outcome text, provider_reference text, reason text, request_id text, outbox_id bigint, OUT result text, OUT order_status text)
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS 'MODULE_PATHNAME', 'shop_settle_refund';
COMMENT ON FUNCTION shop.settle_refund(integer, bigint, text, text, text, text, bigint) IS 'Applies what a provider tells of a refund or void: completed, failed or unknown. Once all the money of an order went back it is REFUNDED. result: settled, recorded, already_settled or refund_not_found.';
REVOKE ALL ON FUNCTION shop.settle_refund(integer, bigint, text, text, text, text, bigint) FROM PUBLIC;

CREATE FUNCTION shop.ingest_order(store_id integer, body text, request_id text, outbox_id bigint, OUT result text, OUT order_status text, OUT detail text)
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS 'MODULE_PATHNAME', 'shop_ingest_order';
COMMENT ON FUNCTION shop.ingest_order(integer, text, text, bigint) IS 'Processes the message of an intake order exactly once, also one that a producer put on the queue. result: processed, failed (short of stock), already_processed, busy (try again), or invalid_message_body and total_mismatch, which no retry will mend.';
REVOKE ALL ON FUNCTION shop.ingest_order(integer, text, text, bigint) FROM PUBLIC;

CREATE FUNCTION shop.ingest_orders(store_id integer, bodies text[], request_ids text[], outbox_ids bigint[])
RETURNS TABLE (result text, order_status text, detail text)
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS 'MODULE_PATHNAME', 'shop_ingest_orders';
COMMENT ON FUNCTION shop.ingest_orders(integer, text[], text[], bigint[]) IS 'shop.ingest_order() for up to 1000 messages in one commit; results in the order of the arrays, each as if it had come alone after those before it. request_ids and outbox_ids may be NULL. result NULL: somebody else is at the order; send it alone.';
REVOKE ALL ON FUNCTION shop.ingest_orders(integer, text[], text[], bigint[]) FROM PUBLIC;

CREATE FUNCTION shop.expire_pending_orders(store_id integer, row_limit integer) RETURNS integer
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS 'MODULE_PATHNAME', 'shop_expire_pending_orders';
COMMENT ON FUNCTION shop.expire_pending_orders(integer, integer) IS 'Cancels up to row_limit orders that nobody paid for within shop.pending_order_ttl, never while a payment attempt is open or its message undelivered. Orders that somebody else holds are left for the next time. Returns how many.';
REVOKE ALL ON FUNCTION shop.expire_pending_orders(integer, integer) FROM PUBLIC;

CREATE FUNCTION shop.list_order_transitions(OUT from_status text, OUT event text, OUT to_status text, OUT stock_movement text)
RETURNS SETOF record
LANGUAGE c STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'shop_list_order_transitions';
COMMENT ON FUNCTION shop.list_order_transitions() IS 'The state machine of orders: every transition there is. See the view shop.order_transitions.';
REVOKE ALL ON FUNCTION shop.list_order_transitions() FROM PUBLIC;

CREATE VIEW shop.order_transitions AS SELECT * FROM shop.list_order_transitions();
COMMENT ON VIEW shop.order_transitions IS 'The state machine of orders: what is not in here is illegal.';
COMMENT ON COLUMN shop.order_transitions.from_status IS 'status before; NULL: the order does not exist yet';
COMMENT ON COLUMN shop.order_transitions.event IS 'what happens, as in order_events';
COMMENT ON COLUMN shop.order_transitions.to_status IS 'status after';
COMMENT ON COLUMN shop.order_transitions.stock_movement IS 'what it does to the stock of the order''s lines, as in stock_movements';
