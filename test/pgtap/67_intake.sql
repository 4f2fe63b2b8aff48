-- Intake: orders that are accepted at once and processed when their message arrives, and orders that producers queue.
BEGIN;
SELECT plan(109);
\ir fixture.psql

SELECT pg_temp.product('SKU-1', 2.50, 10) AS first, pg_temp.product('77', 1, 5) AS second \gset
-- Times do not depend on the session.
SET LOCAL TimeZone = 'Asia/Tokyo';

CREATE FUNCTION pg_temp.accept(body text, key text DEFAULT NULL) RETURNS shop.response
LANGUAGE sql AS $$ SELECT shop.accept_order(1, body, key, 'test-request', '00-trace') $$;
CREATE FUNCTION pg_temp.ingest(body text, outbox bigint DEFAULT NULL) RETURNS text
LANGUAGE sql AS $$
    SELECT concat_ws(' | ', result, order_status, detail) FROM shop.ingest_order(1, body, 'queue-request', outbox)
$$;
CREATE FUNCTION pg_temp.seen(id text) RETURNS jsonb
LANGUAGE sql AS $$ SELECT (shop.get_intake_order(1, id, NULL)).body::jsonb -> 'data' $$;

-- Accepting.
SELECT * FROM pg_temp.accept('{"customer_id": "ann", "items": [
    {"product_id": "SKU-1", "quantity": "2", "price": 2.5, "colour": "réd", "tags": [1, {"a": null}]},
    {"product_id": 77, "quantity": 1, "price": "0.10"}, {"product_id": "unknown", "quantity": 3, "price": 0}]}') \gset made_
SELECT :'made_body'::json ->> 'order_id' AS uuid \gset
SELECT is(:made_status, 202, 'an order is accepted');
SELECT is(:'made_body'::text,
    format('{"message":"Order accepted for processing","order_id":"%s","status":"queued","total_amount":5.10}',
                               :'uuid'), 'the answer names it and its exact total');
SELECT matches(:'uuid'::text, '^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$', 'by a UUID');
SELECT is(:'made_location'::text, '/api/orders/' || :'uuid', 'with its path');
SELECT is(pg_temp.seen(:'uuid') - 'created_at' - 'updated_at', jsonb_build_object('id', :'uuid', 'order_id', :'uuid',
    'customer_id', 'ann', 'total_amount', 5.10, 'status', 'queued', 'items', '[
    {"product_id": "SKU-1", "quantity": 2, "price": 2.50, "colour": "réd", "tags": [1, {"a": null}]},
    {"product_id": 77, "quantity": 1, "price": 0.10}, {"product_id": "unknown", "quantity": 3, "price": 0.00}]'::jsonb),
    'it can be read at once, with the other members of its items');
SELECT matches(pg_temp.seen(:'uuid') ->> 'created_at', '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$',
    'with a time of UTC');
SELECT ok(abs(extract(epoch FROM clock_timestamp() - (pg_temp.seen(:'uuid') ->> 'created_at')::timestamptz)) < 60,
    'of now');
SELECT results_eq(
    $$SELECT topic, order_id, request_id, traceparent, status, body::jsonb - 'created_at' - 'items' FROM shop.outbox$$,
    format($$VALUES ('intake', %s::bigint, 'test-request', '00-trace', 'pending',
        '{"order_id": "%s", "customer_id": "ann", "total_amount": 5.10, "status": "pending"}'::jsonb)$$,
            :made_order_id, :'uuid'),
    'a message is due');
SELECT is((SELECT string_agg(pg_temp.stock(product), ' ') FROM unnest(ARRAY[:first, :second]::bigint[]) product),
    '10/0 5/0',
          'no stock is taken yet');

-- Refusals, with the words that Intake's clients know.
SELECT * INTO TEMPORARY before FROM pg_temp.row_counts();
SELECT pg_temp.refuses(pg_temp.accept(body), 400, 'invalid_field', message, body || ' is refused')
FROM (VALUES
    ('[]', 'customer_id and items array are required'), ('{}', 'customer_id and items array are required'),
    ('{"customer_id": "a"}', 'customer_id and items array are required'),
    ('{"customer_id": "a", "items": {}}', 'customer_id and items array are required'),
    ('{"customer_id": "a", "items": []}', 'customer_id and items array are required'),
    ('{"customer_id": "", "items": [1]}', 'customer_id and items array are required'),
    ('{"customer_id": null, "items": [1]}', 'customer_id and items array are required'),
    ('{"customer_id": "a", "items": [{"product_id": "", "quantity": 1, "price": 1}]}',
     'items[0].product_id must have 1 to 255 characters'),
    ('{"customer_id": "a", "items": [{"product_id": "' || repeat('ä', 256) || '", "quantity": 1, "price": 1}]}',
     'items[0].product_id must have 1 to 255 characters'),
    ('{"order_id": "a/b", "customer_id": "a", "items": [{"product_id": "p", "quantity": 1, "price": 1}]}',
     'order_id must be a string of 1 to 128 letters, digits, ''.'', ''_'', '':'' or ''-'''),
    ('{"order_id": 5, "customer_id": "a", "items": [{"product_id": "p", "quantity": 1, "price": 1}]}',
     'order_id must be a string of 1 to 128 letters, digits, ''.'', ''_'', '':'' or ''-'''),
    ('{"order_id": "5", "customer_id": "a", "items": [{"product_id": "p", "quantity": 1, "price": 1}]}',
     'order_id must not consist of digits only: the orders of carts have such ids'),
    ('{"order_id": "007", "customer_id": "a", "items": [{"product_id": "p", "quantity": 1, "price": 1}]}',
     'order_id must not consist of digits only: the orders of carts have such ids'),
    -- A short number may be long in print: a body of 10 MB with a million of these would print in 131 GB.
    ('{"customer_id": "a", "items": [{"product_id": "p", "quantity": 1, "price": 1, "size": 1e131071}]}',
     'numbers must have at most 100 digits before and after the decimal point'),
    ('{"customer_id": "a", "items": [{"product_id": "p", "quantity": 1, "price": 1, "size": [{"of": [-1e100]}]}]}',
     'numbers must have at most 100 digits before and after the decimal point'),
    ('{"customer_id": "a", "items": [{"product_id": "p", "quantity": 1, "price": 1, "size": {"a": 1e-101}}]}',
     'numbers must have at most 100 digits before and after the decimal point'),
    ('{"customer_id": 5, "items": [1]}', 'customer_id must be a string of 1 to 255 characters'),
    ('{"customer_id": "a", "items": [1]}', 'Each item must have product_id, quantity, and price'),
    ('{"customer_id": "a", "items": [{"product_id": "p", "quantity": 1}]}',
        'Each item must have product_id, quantity, and price'),
    ('{"customer_id": "a", "items": [{"product_id": "p", "quantity": 0, "price": 1}]}',
     'Quantity must be positive and price must be non-negative'),
    ('{"customer_id": "a", "items": [{"product_id": "p", "quantity": 1, "price": -1}]}',
     'Quantity must be positive and price must be non-negative'),
    ('{"customer_id": "a", "items": [{"product_id": true, "quantity": 1, "price": 1}]}',
     'items[0].product_id must be a string or an integer'),
    ('{"customer_id": "a", "items": [{"product_id": "p", "quantity": 1.5, "price": 1}]}',
     'items[0].quantity must be an integer between 1 and 1000000'),
    ('{"customer_id": "a", "items": [{"product_id": "p", "quantity": "0x1", "price": 1}]}',
     'items[0].quantity must be an integer between 1 and 1000000'),
    ('{"customer_id": "a", "items": [{"product_id": "p", "quantity": 1000001, "price": 1}]}',
     'items[0].quantity must be an integer between 1 and 1000000'),
    ('{"customer_id": "a", "items": [{"product_id": "p", "quantity": [5], "price": 1}]}',
     'items[0].quantity must be an integer between 1 and 1000000'),
    ('{"customer_id": "a", "items": [{"product_id": "p", "quantity": 1, "price": 0.001}]}',
     'items[0].price must be a non-negative number with at most two decimals'),
    ('{"customer_id": "a", "items": [{"product_id": "p", "quantity": 1, "price": true}]}',
     'items[0].price must be a non-negative number with at most two decimals'),
    ('{"customer_id": "a", "items": [{"product_id": "p", "quantity": 1, "price": ""}]}',
     'items[0].price must be a non-negative number with at most two decimals'),
    ('{"customer_id": "a", "items": [{"product_id": "p", "quantity": 2, "price": 9999999999.99}]}',
     'The order''s total is over 9999999999.99')) bodies (body, message);
SELECT is((pg_temp.accept(format('{"customer_id": "%s", "items": [{"product_id": "p", "quantity": 1, "price": 1}]}',
          repeat('ü', 256)))).status, 400, 'a customer of 256 characters is refused');
SELECT matches((pg_temp.accept(format('{"customer_id": "a", "items": [%s]}',
    (SELECT string_agg('{"product_id": "p", "quantity": 1, "price": 1}', ',') FROM generate_series(1, 1001))))).body,
    'items must have 1 to 1000 entries', 'so are 1001 items');
SELECT matches((pg_temp.accept('{"order_id": "a/b", "customer_id": "a", "items": [{"product_id": "p", "quantity": 1, "price": 1}]}')).body,
    'order_id must be a string of', 'and an order_id that fits in no path');
SELECT matches((pg_temp.accept('{"order_id": "..", "customer_id": "a", "items": [{"product_id": "p", "quantity": 1, "price": 1}]}')).body,
    'order_id must be a string of', 'or leads out of it');
SELECT results_eq('SELECT * FROM pg_temp.row_counts()', 'SELECT * FROM before', 'refusals wrote nothing');

SELECT is((pg_temp.accept('{"customer_id": "a", "items": [{"product_id": "p", "quantity": 1, "price": 1, "size": [9.9e99, -1e-100]}]}')).status,
    202, 'long numbers are kept');
-- 5 bytes each, 102 in print: what is accepted must not become a message that is too large to be processed.
CREATE FUNCTION pg_temp.expanding(count integer) RETURNS text LANGUAGE sql AS $$
    SELECT format('{"order_id": "ORD-LONG", "customer_id": "a", "total_amount": 1, "items": [
        {"product_id": "p", "quantity": 1, "price": 1, "sizes": [1e99%s]}]}', repeat(',1e99', count - 1))
$$;
SELECT pg_temp.refuses(pg_temp.accept(pg_temp.expanding(130000)), 400, 'invalid_field',
    'items must take at most 12 MB with their numbers written out', 'numbers that are much longer in print are limited');
SELECT is(pg_temp.ingest(pg_temp.expanding(130000)),
    'invalid_message_body | items must take at most 12 MB with their numbers written out', 'in a producer''s message, too');

-- The same again: by order_id, by key.
SELECT '{"order_id": "ORD-1A2B3C4D", "customer_id": "bob", "items": [{"product_id": "SKU-1", "quantity": 4, "price": 1}]}' AS mine \gset
SELECT is((pg_temp.accept(:'mine')).status, 202, 'a client may choose the order_id');
SELECT * FROM pg_temp.accept(:'mine') \gset again_
SELECT is(format('%s %s', :again_status, :'again_replayed'), '202 t', 'the same again is a replay');
SELECT is(:'again_location'::text, '/api/orders/ORD-1A2B3C4D', 'of the same order');
SELECT pg_temp.refuses(pg_temp.accept(replace(:'mine', '"quantity": 4', '"quantity": 5')), 422, 'order_id_reused',
    'This order_id was already used for a different order', 'another order with its id is refused');
SELECT '{"customer_id": "bob", "items": [{"product_id": "x", "quantity": 1, "price": 1}]}' AS keyed \gset
SELECT body AS keyed_body FROM pg_temp.accept(:'keyed', 'key') \gset
SELECT is((pg_temp.accept(:'keyed', 'key')).body, :'keyed_body', 'a key answers the same order again');
SELECT is((pg_temp.accept(:'keyed', 'key')).replayed, true, 'as a replay');
SELECT is((pg_temp.accept(replace(:'keyed', '"price": 1', '"price": 2'), 'key')).status, 422, 'and no other');
SELECT isnt((pg_temp.accept(replace(:'keyed', 'bob', 'eve'), 'key')).body, :'keyed_body',
    'another customer''s key is another key');
SELECT isnt((pg_temp.accept(:'keyed')).body, :'keyed_body', 'without a key it is another order');

-- Processing: the message as the queue brings it.
SELECT body AS message, id AS message_id FROM shop.outbox WHERE order_id = :made_order_id \gset
SELECT is(pg_temp.ingest(:'message', :message_id), 'processed | CONFIRMED', 'the order is processed');
SELECT is((SELECT status FROM shop.outbox WHERE id = :message_id), 'delivered', 'and its message finished');
SELECT is((SELECT string_agg(pg_temp.stock(product), ' ') FROM unnest(ARRAY[:first, :second]::bigint[]) product),
    '8/0 4/0',
          'items of the catalogue took stock');
SELECT is(pg_temp.seen(:'uuid') ->> 'status', 'completed', 'the client sees it completed');
SELECT is(pg_temp.ingest(:'message'), 'already_processed | CONFIRMED', 'a second delivery changes nothing');
SELECT is((SELECT string_agg(pg_temp.stock(product), ' ') FROM unnest(ARRAY[:first, :second]::bigint[]) product),
    '8/0 4/0',
          'not even the stock');
SELECT is((SELECT string_agg(event, ' ' ORDER BY seq) FROM shop.order_events WHERE order_id = :made_order_id),
    'accepted processed',
          'its history has two transitions');

-- Messages of other producers, and what can never be processed.
SELECT is(pg_temp.ingest('{"order_id": "ORD-9", "customer_id": "c", "total_amount": 3.00, "status": "pending",
    "items": [{"product_id": "SKU-1", "quantity": 1, "price": 3}], "created_at": "2024-01-01T00:00:00"}'),
        'processed | CONFIRMED',
    'an order that a producer queued is taken and processed');
SELECT is(pg_temp.seen('ORD-9') ->> 'status', 'completed', 'and can be read');
SELECT is(pg_temp.ingest('{"order_id": "ORD-10", "customer_id": "c", "total_amount": 3.01,
    "items": [{"product_id": "x", "quantity": 1, "price": 3}]}'),
        'total_mismatch | total_amount is 3.01, the items sum to 3.00',
    'a total that is not the sum is not processed');
SELECT is((shop.get_intake_order(1, 'ORD-10', NULL)).status, 404, 'nor kept');
SELECT is(pg_temp.ingest(body), 'invalid_message_body | ' || detail, detail)
FROM (VALUES ('{"customer_id": "c", "total_amount": 3, "items": [{"product_id": "x", "quantity": 1, "price": 3}]}',
              'order_id is required'),
             ('{"order_id": "o", "customer_id": "c", "items": [{"product_id": "x", "quantity": 1, "price": 3}]}',
              'total_amount is required'),
             ('{"orderId": 5}', 'customer_id and items array are required')) bodies (body, detail);

-- Short stock: the order fails, with the reason, and takes nothing; several items of one product count together.
SELECT is(split_part(pg_temp.ingest('{"order_id": "ORD-11", "customer_id": "c", "total_amount": 3, "items": [
    {"product_id": "77", "quantity": 1, "price": 1}, {"product_id": "SKU-1", "quantity": 4, "price": 0.25},
    {"product_id": "SKU-1", "quantity": 4, "price": 0.25}]}'), ' | ', 1), 'failed',
        'an order that stock is short for fails');
SELECT is((SELECT string_agg(pg_temp.stock(product), ' ') FROM unnest(ARRAY[:first, :second]::bigint[]) product),
    '7/0 4/0',
          'and leaves the stock');
SELECT is(pg_temp.seen('ORD-11') ->> 'status', 'failed', 'the client sees that it failed');
SELECT matches(pg_temp.seen('ORD-11') ->> 'failure_reason', 'stock', 'and why');

-- A dead letter: failed in the eyes of the client.
SELECT shop.record_dead_letter(1, 'sqs', 'm', 'b', NULL, 'max_retries_exceeded', 'e', 3, order_id, NULL, NULL)
FROM shop.intake_orders WHERE external_id = 'ORD-1A2B3C4D' \g /dev/null
SELECT is(pg_temp.seen('ORD-1A2B3C4D') ->> 'status', 'failed', 'an order that was given up has failed');
SELECT is(pg_temp.seen('ORD-1A2B3C4D') ->> 'failure_reason', 'max_retries_exceeded',
    'for the reason of the dead letter');

-- Reading: orders of carts too, pages, cursors.
SELECT pg_temp.order_of(5, :first, 2) AS carted \gset
SELECT is(pg_temp.seen(:'carted') - 'created_at' - 'updated_at',
    jsonb_build_object('id', :'carted', 'order_id', :'carted',
    'customer_id', '5', 'total_amount', 5.00, 'status', 'pending',
    'items', '[{"product_id": "SKU-1", "quantity": 2, "price": 2.50}]'::jsonb),
        'an order of a cart, with SKU and user');
SELECT pg_temp.refuses(shop.get_intake_order(1, id, 'test-request'), 404, 'order_not_found', 'Order not found',
    format('no order %L', id))
FROM (VALUES ('nothing'), ('99999999999999999999'), (NULL)) ids (id);
SELECT is((shop.get_intake_order(2, :'uuid', NULL)).status, 404, 'nor ours in another store');
SELECT is((shop.list_intake_orders(1, 1, 2, NULL, NULL)).body::jsonb #> '{orders,0,id}', to_jsonb(:'carted'::text),
    'the list begins with the newest');
SELECT is((SELECT body::jsonb - 'orders' - 'next' FROM shop.list_intake_orders(1, NULL, NULL, NULL, NULL)),
          jsonb_build_object('total', (SELECT count(*) FROM shop.orders), 'page', 1, 'limit', 50),
              'page 1 of 50 unless asked');
SELECT is((SELECT string_agg(jsonb_array_length(body::jsonb -> 'orders')::text, ' ' ORDER BY page)
           FROM generate_series(1, 5) page, shop.list_intake_orders(1, page, 3, NULL, NULL)), '3 3 3 0 0',
               'pages of three');
SELECT is((SELECT (shop.list_intake_orders(1, NULL, 3, body::json ->> 'next', NULL)).body::jsonb -> 'orders'
           FROM shop.list_intake_orders(1, 1, 3, NULL, NULL)),
          (SELECT body::jsonb -> 'orders' FROM shop.list_intake_orders(1, 2, 3, NULL, NULL)),
              'the cursor leads to page 2');
SELECT is((shop.list_intake_orders(1, 9223372036854775807, 100, NULL, NULL)).body::jsonb -> 'orders', '[]',
    'a page far out is empty');
SELECT pg_temp.refuses(shop.list_intake_orders(1, page, row_limit, after, 'test-request'), 400, 'invalid_field',
    message, message)
FROM (VALUES (0, 50, NULL, 'Page must be greater than 0'), (1, 0, NULL, 'Limit must be between 1 and 100'),
             (1, 101, NULL, 'Limit must be between 1 and 100'), (1, 1, 'x', 'after must be a value of "next"'))
     bad (page, row_limit, after, message);

-- Ids of digits only are those of the orders of carts.
SELECT pg_temp.refuses(pg_temp.accept(format('{"order_id": "%s", "customer_id": "c",
    "items": [{"product_id": "x", "quantity": 1, "price": 3}]}', :'carted')), 400, 'invalid_field',
    'order_id must not consist of digits only: the orders of carts have such ids',
    'no client can put an order in front of a cart''s');
SELECT is((pg_temp.accept(format('{"order_id": "A%s", "customer_id": "c",
    "items": [{"product_id": "x", "quantity": 1, "price": 3}]}', :'carted'))).status, 202,
    'a letter makes it an id of one''s own');
SELECT is(pg_temp.ingest(format('{"order_id": "%s", "customer_id": "c", "total_amount": 3.00,
    "items": [{"product_id": "x", "quantity": 1, "price": 3}]}', :'carted')), 'processed | CONFIRMED',
    'a producer''s order with such an id is not lost');
SELECT is(pg_temp.seen(:'carted') ->> 'customer_id', 'c', 'it is what is read under /api/orders then');
SELECT is((shop.get_order(1, NULL, :carted, NULL)).body::json ->> 'user_id', '5', 'and the cart''s under /orders');

SELECT is((pg_temp.accept(format('{"total_amount": %s, "customer_id": "a", "items": [{"product_id": "p", "quantity": 1, "price": 1}]}', total))).status,
    202, format('a client''s total of %s is of no interest', total)) FROM (VALUES ('"abc"'), ('7')) totals (total);
-- A total that was summed in binary floating point is the amount beside it; nothing else is rounded.
SELECT is(pg_temp.ingest(format('{"order_id": "ORD-F%s", "customer_id": "c", "total_amount": %s, "items": [%s]}',
    number, total, '{"product_id": "x", "quantity": 3, "price": 0.10}')), result, format('a total of %s', total))
FROM (VALUES
    (1, '0.30000000000000004', 'processed | CONFIRMED'), (2, '0.29999999999999998', 'processed | CONFIRMED'),
    (3, '3.0000000000000004e-1', 'processed | CONFIRMED'),
    (4, '0.31000000000000004', 'total_mismatch | total_amount is 0.31, the items sum to 0.30'),
    (5, '0.305', 'invalid_message_body | total_amount must be a non-negative number with at most two decimals'),
    (6, '0.3001', 'invalid_message_body | total_amount must be a non-negative number with at most two decimals'),
    (7, '0.30001', 'invalid_message_body | total_amount must be a non-negative number with at most two decimals'),
    (8, '"0.30000000000000004"', 'invalid_message_body | total_amount must be a non-negative number with at most two decimals'),
    (9, '-0.30000000000000004', 'invalid_message_body | total_amount must be a non-negative number with at most two decimals'),
    (10, '1e60', 'invalid_message_body | total_amount must be a non-negative number with at most two decimals'))
    totals (number, total, result);
SELECT is((SELECT string_agg(DISTINCT total_price::text, ' ') FROM shop.orders purchase
           JOIN shop.intake_orders intake ON intake.order_id = purchase.id WHERE intake.external_id LIKE 'ORD-F%'),
    '0.30', 'what is stored is the exact sum');

SELECT is_empty('SELECT * FROM shop.verify(1)', 'verify() finds nothing wrong');
SELECT * FROM finish();
ROLLBACK;
