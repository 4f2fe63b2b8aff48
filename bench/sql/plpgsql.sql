-- The same checkout as shop.checkout(), written the way a good PL/pgSQL programmer would: one statement per step, set-based,
-- in the same tables, in the same lock order, with the same answer. It is what the C extension is compared with.
CREATE FUNCTION bench.checkout(store_id integer, actor_id bigint, user_id bigint, cart_id bigint, idempotency_key text,
                               expected_total numeric, request_id text, traceparent text)
RETURNS shop.response
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $function$
#variable_conflict use_variable
DECLARE
    meaning bytea;
    stored record;
    cart record;
    short record;
    products bigint[];
    quantities integer[];
    prices numeric[];
    items bigint[];
    total numeric;
    order_id bigint;
    placed_at timestamptz := clock_timestamp();
    actor text := 'user:' || user_id;
    answer shop.response;
BEGIN
    IF coalesce(idempotency_key, '') = '' OR length(idempotency_key) > 255 THEN
        RETURN bench.refusal('idempotency_key_missing', 'Missing Idempotency-Key', request_id);
    ELSIF actor_id IS NOT NULL AND actor_id <> user_id THEN
        RETURN bench.refusal('forbidden', 'The token does not allow acting for this user', request_id);
    END IF;

    -- The key: one request with it at a time, and its answer if there is one.
    PERFORM pg_advisory_xact_lock(hashtextextended(store_id || ':' || user_id || ':checkout:' || idempotency_key, 0));
    meaning := sha256(convert_to('cart=' || cart_id || ' expectedTotal=' || coalesce(expected_total::text, ''), 'UTF8'));
    SELECT known.fingerprint, known.status, known.body, known.order_id
    FROM shop.idempotency_keys known
    WHERE known.store_id = store_id AND known.user_id = user_id AND known.route = 'checkout' AND known.key = idempotency_key
    INTO stored;
    IF FOUND THEN
        IF stored.fingerprint <> meaning THEN
            RETURN bench.refusal('idempotency_key_reused', 'This Idempotency-Key was already used', request_id);
        END IF;
        answer.status := stored.status;
        answer.body := stored.body;
        answer.replayed := true;
        answer.order_id := stored.order_id;
        RETURN answer;
    END IF;

    SELECT wanted.user_id, wanted.status FROM shop.carts wanted
    WHERE wanted.store_id = store_id AND wanted.id = cart_id FOR NO KEY UPDATE INTO cart;
    IF NOT FOUND THEN
        RETURN bench.refusal('cart_not_found', 'Cart not found', request_id);
    ELSIF cart.user_id <> user_id THEN
        RETURN bench.refusal('cart_not_owned', 'Cart does not belong to this user', request_id);
    ELSIF cart.status <> 'open' THEN
        RETURN bench.refusal('cart_not_open', 'Cart is not open (status: ' || cart.status || ')', request_id);
    END IF;

    -- Stock under lock, products ascending. Levels are compared after the locks are there.
    PERFORM FROM shop.inventory level
    WHERE level.store_id = store_id
      AND level.product_id IN (SELECT item.product_id FROM shop.cart_items item
                               WHERE item.store_id = store_id AND item.cart_id = cart_id)
    ORDER BY level.product_id
    FOR NO KEY UPDATE;
    SELECT array_agg(item.product_id ORDER BY item.product_id), array_agg(item.qty ORDER BY item.product_id),
           array_agg(product.price ORDER BY item.product_id), sum(item.qty * product.price)
    FROM shop.cart_items item
    JOIN shop.products product ON product.store_id = item.store_id AND product.id = item.product_id
    WHERE item.store_id = store_id AND item.cart_id = cart_id
    INTO products, quantities, prices, total;
    IF products IS NULL THEN
        RETURN bench.refusal('cart_empty', 'Cart is empty', request_id);
    END IF;
    SELECT line.product_id, level.on_hand - level.reserved AS available, line.qty
    FROM unnest(products, quantities) line (product_id, qty)
    JOIN shop.inventory level ON level.store_id = store_id AND level.product_id = line.product_id
    WHERE level.on_hand - level.reserved < line.qty
    ORDER BY line.product_id LIMIT 1
    INTO short;
    IF FOUND THEN
        RETURN bench.refusal('insufficient_stock', format('Insufficient stock for product %s. Available: %s, Required: %s',
                                                          short.product_id, short.available, short.qty), request_id);
    ELSIF expected_total <> total THEN
        RETURN bench.refusal('total_changed', 'total_changed: the order''s total is now ' || total, request_id);
    END IF;

    INSERT INTO shop.orders AS made (store_id, user_id, cart_id, status, total_price, last_event, created_at, updated_at)
    VALUES (store_id, user_id, cart_id, 'pending', total, 1, placed_at, placed_at)
    RETURNING made.id INTO order_id;
    INSERT INTO shop.order_events (store_id, order_id, seq, from_status, to_status, event, actor, request_id, at)
    VALUES (store_id, order_id, 1, NULL, 'pending', 'placed', actor, request_id, placed_at);
    INSERT INTO shop.order_count_deltas (store_id, at, orders) VALUES (store_id, placed_at, 1);
    WITH made AS (
        INSERT INTO shop.order_items AS item (store_id, order_id, product_id, qty, price)
        SELECT store_id, order_id, line.product_id, line.qty, line.price
        FROM unnest(products, quantities, prices) line (product_id, qty, price)
        RETURNING item.id, item.product_id
    )
    SELECT array_agg(made.id ORDER BY made.product_id) FROM made INTO items;
    INSERT INTO shop.stock_movements (store_id, product_id, kind, on_hand_delta, reserved_delta, order_id, order_item_id,
                                      actor, request_id, at)
    SELECT store_id, line.product_id, 'reserve', 0, line.qty, order_id, line.item_id, actor, request_id, placed_at
    FROM unnest(products, quantities, items) line (product_id, qty, item_id);
    UPDATE shop.inventory level SET reserved = level.reserved + line.qty, updated_at = placed_at
    FROM unnest(products, quantities) line (product_id, qty)
    WHERE level.store_id = store_id AND level.product_id = line.product_id;
    INSERT INTO shop.outbox (store_id, topic, order_id, body, request_id, traceparent)
    VALUES (store_id, 'payment', order_id, '{"orderId": ' || order_id || '}', request_id, traceparent);
    UPDATE shop.carts wanted SET status = 'checked_out', updated_at = placed_at
    WHERE wanted.store_id = store_id AND wanted.id = cart_id;

    SELECT format('{"order":{"id":%s,"user_id":%s,"total_price":%s,"status":"pending"},"order_items":[%s]}', order_id, user_id,
                  total, string_agg(format('{"id":%s,"order_id":%s,"product_id":%s,"qty":%s,"price":%s}', line.item_id,
                                           order_id, line.product_id, line.qty, line.price), ',' ORDER BY line.product_id))
    FROM unnest(products, quantities, prices, items) line (product_id, qty, price, item_id)
    INTO answer.body;
    answer.status := 201;
    answer.replayed := false;
    answer.order_id := order_id;
    INSERT INTO shop.idempotency_keys (store_id, user_id, route, key, fingerprint, status, body, order_id)
    VALUES (store_id, user_id, 'checkout', idempotency_key, meaning, 201, answer.body, order_id);
    RETURN answer;
END
$function$;
COMMENT ON FUNCTION bench.checkout(integer, bigint, bigint, bigint, text, numeric, text, text) IS 'shop.checkout() in PL/pgSQL.';

CREATE FUNCTION bench.refusal(code text, message text, request_id text) RETURNS shop.response
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    answer shop.response;
BEGIN
    answer.status := 400;
    answer.body := json_build_object('status', 400, 'code', code, 'message', message, 'requestId', request_id)::text;
    answer.replayed := false;
    RETURN answer;
END
$function$;
COMMENT ON FUNCTION bench.refusal(text, text, text) IS 'A refusal of bench.checkout().';
