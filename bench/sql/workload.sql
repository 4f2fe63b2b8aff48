-- What the arms work on. bench.reset() puts the shop back to the same beginning before every measurement: a catalogue, stock,
-- a few thousand orders (so that no table is empty and plans are stable), and carts to check out that nobody used yet.
-- User n has cart n. Carts 1 to the number of seed orders became orders; the others are open.
CREATE SCHEMA bench;
GRANT USAGE ON SCHEMA bench TO PUBLIC;

CREATE FUNCTION bench.truncate_all() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    names text;
BEGIN
    SELECT string_agg(format('%I.%I', nsp.nspname, rel.relname), ', ')
    FROM pg_class rel
    JOIN pg_namespace nsp ON nsp.oid = rel.relnamespace
    WHERE nsp.nspname IN ('shop', 'express') AND rel.relkind = 'r' AND rel.relname NOT IN ('accounts', 'schema_versions')
    INTO names;
    EXECUTE 'TRUNCATE ' || names || ' RESTART IDENTITY';
END
$function$;
COMMENT ON FUNCTION bench.truncate_all() IS 'Empties the tables of both schemas; accounts and versions stay.';

CREATE FUNCTION bench.choose_product(load text, line integer, products integer, weights double precision[]) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF load = 'hot' AND line = 1 THEN
        RETURN 1;
    ELSIF load = 'zipf' THEN
        RETURN 1 + width_bucket(random() * weights[products], weights);
    END IF;
    RETURN 1 + floor(random() * products);
END
$function$;
COMMENT ON FUNCTION bench.choose_product(text, integer, integer, double precision[]) IS 'The product of a cart''s line: spread, by Zipf''s law with exponent 1 (weights are the running sums), or product 1 in every cart.';

CREATE FUNCTION bench.reset(load text, products integer, stock integer, hot_stock integer, seed_orders integer,
                            carts integer, filled boolean) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    weights double precision[];
BEGIN
    PERFORM setseed(0.5);
    PERFORM bench.truncate_all();
    -- Foreign keys hold by construction here; checking them one by one would take most of the preparation.
    SET LOCAL session_replication_role = replica;
    INSERT INTO shop.products (store_id, id, sku, name, price)
        SELECT 1, n, 'SKU-' || n, 'Product ' || n, 1 + n % 100 + 0.99 FROM generate_series(1, products) n;
    INSERT INTO shop.inventory (store_id, product_id, on_hand, reserved)
        SELECT 1, n, CASE WHEN n = 1 THEN hot_stock ELSE stock END, 0 FROM generate_series(1, products) n;
    INSERT INTO shop.stock_movements (store_id, product_id, kind, on_hand_delta, reserved_delta, actor)
        SELECT 1, level.product_id, 'restock', level.on_hand, 0, 'bench' FROM shop.inventory level;
    SELECT array_agg(running.weight ORDER BY running.n)
    FROM (SELECT n, sum(1.0::double precision / n) OVER (ORDER BY n) AS weight FROM generate_series(1, products) n) running
    INTO weights;
    -- The weights' last element is the sum of all; a random number below it falls into one of the buckets before it.
    INSERT INTO shop.carts (store_id, id, user_id)
        SELECT 1, n, n FROM generate_series(1, CASE WHEN filled THEN carts ELSE 0 END + seed_orders) n;
    INSERT INTO shop.cart_items (store_id, cart_id, product_id, qty)
        SELECT 1, cart.id, bench.choose_product(load, line, products, weights), 1
        FROM shop.carts cart, generate_series(1, 1 + (cart.id % 3)::integer) line
        ORDER BY cart.id
        ON CONFLICT DO NOTHING;
    PERFORM setval('shop.products_id_seq', products), setval('shop.carts_id_seq', greatest(1, carts + seed_orders));
    SET LOCAL session_replication_role = origin;
    PERFORM bench.seed(seed_orders);
END
$function$;
COMMENT ON FUNCTION bench.reset(text, integer, integer, integer, integer, integer, boolean) IS 'Puts the shop back to its beginning. stock: units of each product, hot_stock: of product 1. carts: unused carts after those of the seed orders; not filled: none, they will be made by adding to them.';

CREATE FUNCTION bench.seed(seed_orders integer) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    first integer;
BEGIN
    FOR first IN SELECT generate_series(1, seed_orders, 500) LOOP
        PERFORM shop.checkout_batch(1, array_agg(ROW(NULL, n, n, 'seed-' || n, NULL, 'seed', NULL)::shop.checkout_request ORDER BY n))
        FROM generate_series(first, least(first + 499, seed_orders)) n;
    END LOOP;
    PERFORM shop.settle_payment(1, message.order_id, true, 'seed', 'seed', message.id)
    FROM shop.outbox message
    WHERE message.store_id = 1 AND message.status = 'pending';
END
$function$;
COMMENT ON FUNCTION bench.seed(integer) IS 'Makes orders of the first carts and settles them.';
