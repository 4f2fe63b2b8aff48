-- Orders in bulk, as checkout and settlement would have left them: a checked out cart with its lines, the order with its
-- lines and history, the stock that was reserved and sold, the payment; delivered messages and stored answers for the newest
-- ones only, because the rest would have been purged. Ten orders for each user. shop.verify() stays empty.
CREATE FUNCTION bench.store_orders(first bigint, last bigint, products integer, newest bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    request CONSTANT text := '7f1c9a60-93a5-4a53-9a0e-3f8f2c1d5b77';
    since CONSTANT timestamptz := clock_timestamp() - interval '400 days';
    step CONSTANT interval := interval '380 days' / greatest(newest, 1);
BEGIN
    -- Foreign keys and their order hold by construction.
    SET LOCAL session_replication_role = replica;
    INSERT INTO shop.carts (store_id, id, user_id, status, created_at, updated_at)
        SELECT 1, n, 1000000 + n / 10, 'checked_out', since + n * step, since + n * step FROM generate_series(first, last) n;
    INSERT INTO shop.cart_items (store_id, cart_id, product_id, qty, created_at, updated_at)
        SELECT 1, line.n, line.product_id, 1, since + line.n * step, since + line.n * step
        FROM bench.order_lines(first, last, products) line;
    INSERT INTO shop.orders (store_id, id, user_id, cart_id, status, total_price, last_event, created_at, updated_at)
        SELECT 1, sums.n, 1000000 + sums.n / 10, sums.n, 'CONFIRMED', sums.total, 2, since + sums.n * step, since + sums.n * step
        FROM (SELECT line.n, sum(product.price) AS total
              FROM bench.order_lines(first, last, products) line
              JOIN shop.products product ON product.store_id = 1 AND product.id = line.product_id
              GROUP BY line.n) sums
        ORDER BY sums.n;
    INSERT INTO shop.order_items (store_id, id, order_id, product_id, qty, price)
        SELECT 1, line.item_id, line.n, line.product_id, 1, product.price
        FROM bench.order_lines(first, last, products) line
        JOIN shop.products product ON product.store_id = 1 AND product.id = line.product_id
        ORDER BY line.item_id;
    INSERT INTO shop.order_events (store_id, order_id, seq, from_status, to_status, event, actor, reason, request_id, at)
        SELECT 1, n, seq, CASE seq WHEN 2 THEN 'pending' END, CASE seq WHEN 1 THEN 'pending' ELSE 'CONFIRMED' END,
               CASE seq WHEN 1 THEN 'placed' ELSE 'payment_captured' END, CASE seq WHEN 1 THEN 'user:1' ELSE 'payment' END,
               CASE seq WHEN 2 THEN 'payment accepted' END, request, since + n * step
        FROM generate_series(first, last) n, generate_series(1, 2) seq;
    INSERT INTO shop.stock_movements (store_id, id, product_id, kind, on_hand_delta, reserved_delta, order_id, order_item_id,
                                      actor, request_id, at)
        SELECT 1, 1000000 + 2 * line.item_id + half, line.product_id, CASE half WHEN 0 THEN 'reserve' ELSE 'commit' END, -half, 1 - 2 * half,
               line.n, line.item_id, CASE half WHEN 0 THEN 'user:1' ELSE 'payment' END, request, since + line.n * step
        FROM bench.order_lines(first, last, products) line, generate_series(0, 1) half
        ORDER BY line.item_id, half;
    INSERT INTO shop.payment_attempts (store_id, id, order_id, provider, status, amount, captured_amount, request_id,
                                       created_at, updated_at)
        SELECT 1, purchase.id, purchase.id, 'simulation', 'captured', purchase.total_price, purchase.total_price, request,
               purchase.created_at, purchase.created_at
        FROM shop.orders purchase
        WHERE purchase.store_id = 1 AND purchase.id BETWEEN first AND last
        ORDER BY purchase.id;
    INSERT INTO shop.outbox (store_id, id, topic, order_id, body, request_id, status, attempts, created_at, finished_at)
        SELECT 1, n, 'payment', n, '{"orderId": ' || n || '}', request, 'delivered', 1, since + n * step, since + n * step
        FROM generate_series(greatest(first, newest - newest / 50), last) n;
    INSERT INTO shop.idempotency_keys (store_id, user_id, route, key, fingerprint, status, body, order_id, created_at)
        SELECT 1, 1000000 + n / 10, 'checkout', 'grown-0000-4000-8000-' || n, sha256(convert_to('cart=' || n, 'UTF8')), 201,
               repeat('x', 300), n, since + n * step
        FROM generate_series(greatest(first, newest - newest / 50), last) n;
END
$function$;
COMMENT ON FUNCTION bench.store_orders(bigint, bigint, integer, bigint) IS 'Stores settled orders with these numbers, all in numbers that no other order has. newest: the last number of all.';

CREATE FUNCTION bench.order_lines(first bigint, last bigint, products integer)
RETURNS TABLE (n bigint, product_id bigint, item_id bigint)
LANGUAGE sql IMMUTABLE
AS $function$
    SELECT number, 1 + (number * 7 + line * 13) % products, 3 * number + line
    FROM generate_series(first, last) number, generate_series(0, (number % 3)::integer) line
$function$;
COMMENT ON FUNCTION bench.order_lines(bigint, bigint, integer) IS 'The one to three lines of each order: product and number of the line.';

CREATE FUNCTION bench.finish_orders(last bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    -- What was sold had come in before.
    INSERT INTO shop.stock_movements (store_id, id, product_id, kind, on_hand_delta, reserved_delta, actor)
        SELECT 1, 2000000 + 8 * last + sold.product_id, sold.product_id, 'restock', sold.units, 0, 'bench'
        FROM (SELECT item.product_id, count(*) AS units FROM shop.order_items item WHERE item.store_id = 1 GROUP BY 1) sold;
    INSERT INTO shop.order_counts (store_id, hour, orders)
        SELECT 1, date_trunc('hour', purchase.created_at, 'UTC'), count(*) FROM shop.orders purchase
        WHERE purchase.store_id = 1 GROUP BY 2
        UNION ALL
        SELECT 1, '-infinity', count(*) FROM shop.orders purchase WHERE purchase.store_id = 1;
    PERFORM setval('shop.carts_id_seq', last + 1), setval('shop.orders_id_seq', last + 1),
            setval('shop.order_items_id_seq', 3 * last + 10), setval('shop.stock_movements_id_seq', 3000000 + 8 * last),
            setval('shop.payment_attempts_id_seq', last + 1), setval('shop.outbox_id_seq', last + 1);
END
$function$;
COMMENT ON FUNCTION bench.finish_orders(bigint) IS 'After bench.store_orders(): goods in for what was sold, counters, and sequences that go on above.';

CREATE FUNCTION bench.add_carts(first bigint, last bigint, products integer) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    SET LOCAL session_replication_role = replica;
    INSERT INTO shop.carts (store_id, id, user_id) SELECT 1, n, n FROM generate_series(first, last) n;
    INSERT INTO shop.cart_items (store_id, cart_id, product_id, qty)
        SELECT 1, line.n, line.product_id, 1 FROM bench.order_lines(first, last, products) line;
END
$function$;
COMMENT ON FUNCTION bench.add_carts(bigint, bigint, integer) IS 'Open carts with lines, to be checked out.';
