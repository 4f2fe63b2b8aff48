-- SH004: what waits for locks must see what others committed meanwhile, so it refuses a snapshot of the whole
-- transaction.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT plan(13);
\ir fixture.psql

SELECT pg_temp.product('widget', 1) AS widget \gset
INSERT INTO shop.carts (store_id, user_id) VALUES (1, 7) RETURNING id AS cart \gset
SELECT * INTO TEMPORARY before FROM pg_temp.row_counts();

SELECT throws_ok(format('SELECT shop.%s', call), 'SH004',
                 format('shop.%s must run in a READ COMMITTED transaction', substring(call FROM '^\w+')),
                 format('%s is refused in REPEATABLE READ', call))
FROM (VALUES (format($$restock(1, NULL, %s, 1, NULL, NULL, NULL)$$, :widget)),
             (format($$restock(1, NULL, %s, 1, 'key', NULL, NULL)$$, :widget)),
             (format('add_cart_item(1, NULL, 7, %s, 1, NULL)', :widget)),
             (format('remove_cart_item(1, NULL, 7, %s, NULL)', :widget)),
             (format($$checkout(1, NULL, 7, %s, 'key', NULL, NULL, NULL)$$, :cart)),
             ('settle_payment(1, 1, true, NULL, NULL, NULL)')) calls (call);
SELECT results_eq('SELECT * FROM pg_temp.row_counts()', 'SELECT * FROM before', 'and wrote nothing');

-- An argument that is wrong anyway is answered as ever, and reading is fine.
SELECT is((shop.checkout(1, NULL, 7, NULL, 'key', NULL, NULL, NULL)).status, 400,
    'a wrong argument is refused as ever');
SELECT is((shop.get_product(1, :widget, NULL)).status, 200, 'reading a product works');
SELECT is((shop.get_cart(1, NULL, 7, NULL)).status, 200, 'reading a cart works');
SELECT is((shop.list_orders(1, NULL, 7, NULL, NULL, NULL)).status, 200, 'reading orders works');
SELECT lives_ok('SELECT shop.version()', 'the version can be asked for');
SELECT is_empty('SELECT * FROM shop.verify(1)', 'and the integrity report too, of one moment as in a dump');

SELECT * FROM finish();
ROLLBACK;
