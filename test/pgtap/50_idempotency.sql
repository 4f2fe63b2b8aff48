-- Idempotency keys: what a key means, what it is scoped to, what is kept.
BEGIN;
SELECT plan(47);
\ir fixture.psql

SELECT pg_temp.product('widget', 9.99, 1000) AS widget \gset

-- check_out(user, cart, key, expected total)
CREATE FUNCTION pg_temp.check_out(customer bigint, cart bigint, key text, expected numeric DEFAULT NULL)
RETURNS shop.response
LANGUAGE sql AS $$ SELECT shop.checkout(1, NULL, customer, cart, key, expected, 'test-request', NULL) $$;

-- The same request again.
SELECT pg_temp.put(7, :widget, 2) AS cart \gset
SELECT * FROM pg_temp.check_out(7, :cart, 'abc') \gset first_
SELECT shop.update_product(1, :widget, 'renamed', 'Renamed', 1, NULL, NULL),
    shop.settle_payment(1, :first_order_id, true,
    NULL, NULL, NULL) \g /dev/null
SELECT * INTO TEMPORARY before FROM pg_temp.row_counts();
SELECT * FROM shop.checkout(1, NULL, 7, :cart, 'abc', NULL, 'another-request', 'another-trace') \gset again_
SELECT is(:again_status, 201, 'the same request again has the same status');
SELECT is(:'again_body'::text, :'first_body', 'and the very same bytes, though product and order changed since');
SELECT is(:again_order_id, :first_order_id, 'and the same order');
SELECT ok(:'again_replayed'::boolean AND NOT :'first_replayed'::boolean, 'marked as a replay, as the first was not');
SELECT is((pg_temp.check_out(7, :cart, 'abc')).retry_after, NULL, 'with nothing to wait for');
SELECT results_eq('SELECT * FROM pg_temp.row_counts()', 'SELECT * FROM before', 'and it wrote nothing');

-- Quotes: the header is a structured-field string, and clients in the wild leave them out.
SELECT is((pg_temp.check_out(7, :cart, key)).replayed, wanted, format('%s is%s the key abc', key,
          CASE WHEN NOT wanted THEN ' not' END))
FROM (VALUES ('"abc"', true), ('abc', true), ('"abc', false), ('abc"', false), (' abc', false), ('ABC', false),
             ('''abc''', false), ('""abc""', false)) keys (key, wanted);
SELECT pg_temp.put(8, :widget) AS quoted \gset
SELECT is((pg_temp.check_out(8, :quoted, '"a\"b\\c"')).status, 201, 'a quoted key with escapes');
SELECT is((pg_temp.check_out(8, :quoted, 'a"b\c')).replayed, true, 'is the same without them');
SELECT is((SELECT key FROM shop.idempotency_keys WHERE user_id = 8), 'a"b\c', 'and is kept without them');

-- Other meanings.
SELECT pg_temp.put(7, :widget) AS next_cart \gset
SELECT pg_temp.refuses(pg_temp.check_out(7, :next_cart, 'abc'), 422, 'idempotency_key_reused',
    'This Idempotency-Key was already used for a different request', 'another cart is another meaning');
SELECT pg_temp.refuses(pg_temp.check_out(7, :cart, 'abc', 19.98), 422, 'idempotency_key_reused',
    'This Idempotency-Key was already used for a different request', 'so is an expected total');
SELECT pg_temp.refuses(pg_temp.check_out(7, 9223372036854775807, 'abc'), 422, 'idempotency_key_reused',
    'This Idempotency-Key was already used for a different request', 'a known key is looked at before the cart');
SELECT is((SELECT status FROM shop.carts WHERE id = :next_cart), 'open', 'and the other cart stays open');
SELECT is((pg_temp.check_out(7, :next_cart, 'total', 1.00)).status, 201, 'a checkout with an expected total');
SELECT is((pg_temp.check_out(7, :next_cart, 'total', 1)).replayed, true, '1 is the same total as 1.00');

-- Scope: user, route, store.
SELECT pg_temp.put(9, :widget) AS other_cart \gset
SELECT is((pg_temp.check_out(9, :other_cart, 'abc')).replayed, false, 'the same key of another user is another key');
SELECT isnt((pg_temp.check_out(9, :other_cart, 'abc')).body, :'first_body', 'and answers his own order');
SELECT is((shop.restock(1, 7, :widget, 5, 'abc', NULL, NULL)).replayed, false,
    'the same key on another route is another key');
SELECT pg_temp.product('widget', 1, 10, 2) AS elsewhere \gset
SELECT pg_temp.put(7, :elsewhere, 1, 2) AS far_cart \gset
SELECT is((shop.checkout(2, NULL, 7, :far_cart, 'abc', NULL, NULL, NULL)).replayed, false,
          'the same key in another store is another key');
SELECT is((pg_temp.check_out(7, :cart, 'abc')).body, :'first_body', 'and the first answer is as it was');

-- What a key may be.
SELECT pg_temp.put(10, :widget) AS cart \gset
SELECT is((pg_temp.check_out(10, :cart, key)).status, wanted, format('a key %s', what))
FROM (VALUES (repeat('k', 256), 400, 'of 256 characters is refused'),
             ('"' || repeat('k', 256) || '"', 400, 'of 256 characters in quotes too'),
             ('', 400, 'that is empty too'), ('""', 400, 'that is empty in quotes too'),
             (E'a\nb', 400, 'with a line feed too'), (E'a\u007fb', 400, 'with a delete character too'),
             (E'"\u0001"', 400, 'with a control character in quotes too'),
             ('"' || repeat('ü', 255) || '"', 201, 'of 255 characters in quotes is fine')) keys (key, wanted, what);
SELECT is((SELECT length(key) FROM shop.idempotency_keys WHERE user_id = 10), 255, 'and is kept whole');

-- Refusals are not kept.
SELECT pg_temp.product('rare', 1, 0) AS rare \gset
SELECT pg_temp.put(11, :rare) AS cart \gset
SELECT is((pg_temp.check_out(11, :cart, 'retry')).status, 400, 'short stock is refused');
SELECT shop.restock(1, NULL, :rare, 1, NULL, NULL, NULL) \g /dev/null
SELECT is((pg_temp.check_out(11, :cart, 'retry')).status, 201, 'the same key succeeds once there is stock');
SELECT pg_temp.put(11, :widget) AS cart \gset
SELECT is((pg_temp.check_out(11, :cart, 'total', 7)).status, 409, 'another total is refused');
SELECT is((pg_temp.check_out(11, :cart, 'total', 1)).status, 201, 'and the key may be used with the right one');

-- Kept for a while.
SELECT count(*) AS kept FROM shop.idempotency_keys WHERE store_id = 1 \gset
UPDATE shop.idempotency_keys SET created_at = clock_timestamp() - interval '71 hours';
SELECT is(shop.purge_idempotency_keys(1, 1000), 0, 'answers of 71 hours ago are kept');
UPDATE shop.idempotency_keys SET created_at = clock_timestamp() - interval '73 hours';
SELECT is(shop.purge_idempotency_keys(1, 2), 2, 'answers of 73 hours ago are purged, as many as asked for');
SELECT is(shop.purge_idempotency_keys(1, 1000), :kept - 2, 'in batches');
SELECT is((SELECT count(*) FROM shop.idempotency_keys WHERE store_id = 2), 1::bigint, 'those of another store stay');
SELECT is((pg_temp.check_out(11, :cart, 'total', 1)).body::json ->> 'code', 'cart_not_open',
          'the key is new then, but a cart is one order, ever');

SELECT is_empty('SELECT * FROM shop.verify(1)', 'verify() finds nothing wrong');
SELECT * FROM finish();
ROLLBACK;
