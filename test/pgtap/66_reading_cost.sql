-- Lists of orders follow an index, whatever the planner believes of tables that were never analyzed: reading a page costs
-- no more with many orders stored than with few.
BEGIN;
SELECT plan(12);
\ir fixture.psql

INSERT INTO shop.orders (store_id, user_id, cart_id, status, total_price, last_event)
    SELECT 1, 1 + number % 100, number, CASE number % 1000 WHEN 7 THEN 'CANCELLED' ELSE 'CONFIRMED' END, 1, 1
    FROM generate_series(1, 20000) number;
ANALYZE shop.orders;

-- rows_read(call): how many rows of shop.orders the call reads, by whatever way.
CREATE FUNCTION pg_temp.rows_of_orders() RETURNS bigint
LANGUAGE sql VOLATILE AS $$
    SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_all_tables WHERE relid = 'shop.orders'::regclass
$$;
CREATE FUNCTION pg_temp.rows_read(call text) RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    before CONSTANT bigint := pg_temp.rows_of_orders();
    status integer;
BEGIN
    EXECUTE format('SELECT (shop.%s).status', call) INTO status;
    IF status <> 200 THEN
        RAISE 'shop.% answers %', call, status;
    END IF;
    RETURN pg_temp.rows_of_orders() - before;
END
$$;

SELECT cmp_ok(pg_temp.rows_read(call), '<=', most::bigint, format('%s reads few rows', call))
FROM (VALUES ('list_all_orders(1, NULL, NULL, 50, NULL)', 120),
             ('list_all_orders(1, NULL, 10000, 50, NULL)', 120),
             ($$list_all_orders(1, 'CONFIRMED', NULL, 50, NULL)$$, 120),
             ($$list_all_orders(1, 'CANCELLED', NULL, 10, NULL)$$, 40),
             ($$list_all_orders(1, 'REFUNDED', NULL, 50, NULL)$$, 0),
             ($$list_all_orders(1, 'pending', NULL, 50, NULL)$$, 0),
             ('list_intake_orders(1, 1, 50, NULL, NULL)', 120),
             ('list_intake_orders(1, 3, 50, NULL, NULL)', 260),
             ($$list_intake_orders(1, 1, 50, '10000', NULL)$$, 120),
             ('list_orders(1, NULL, 7, NULL, 20, NULL)', 40),
             ($$get_intake_order(1, (SELECT max(id)::text FROM shop.orders WHERE store_id = 1), NULL)$$, 20)) calls (call, most);

SELECT is((SELECT count(*) FROM shop.orders WHERE status = 'CANCELLED'), 20::bigint,
          'a status of few orders was among them');

SELECT * FROM finish();
ROLLBACK;
