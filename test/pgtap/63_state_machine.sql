-- The state machine of orders, every state by every event: the event moves the order, is a quiet success, or is refused and
-- changes nothing. Orders of carts and of intake reach different states and are named by different calls.
BEGIN;
SELECT plan(105);
\ir fixture.psql

SELECT pg_temp.product('apple', 1.00, 100) AS apple \gset
SELECT set_config('test.apple', :'apple', true) \g /dev/null

-- document(id): an intake order of two apples.
CREATE FUNCTION pg_temp.document(id text) RETURNS text
LANGUAGE sql AS $$ SELECT format('{"order_id":"%s","customer_id":"c","total_amount":2,'
    '"items":[{"product_id":"apple","quantity":2,"price":1}]}', id) $$;
CREATE FUNCTION pg_temp.apple() RETURNS bigint LANGUAGE sql AS $$ SELECT current_setting('test.apple')::bigint $$;

-- bring(kind, state): an order in this state; a number that no order has for state "none".
CREATE FUNCTION pg_temp.bring(kind text, state text) RETURNS bigint
LANGUAGE plpgsql AS $function$
DECLARE
    number bigint := 9000000000000000000;
BEGIN
    IF state = 'none' THEN
        RETURN number;
    ELSIF kind = 'intake' THEN
        number := (shop.accept_order(1, pg_temp.document('doc'), NULL, NULL, NULL)).order_id;
        IF state <> 'QUEUED' THEN
            PERFORM shop.ingest_order(1, pg_temp.document('doc'), NULL, NULL);
        END IF;
    ELSE
        number := pg_temp.order_of(7, pg_temp.apple(), 2);
        IF state IN ('CONFIRMED', 'FULFILLED', 'REFUNDED') THEN
            PERFORM shop.settle_payment(1, number, true, NULL, NULL, NULL);
        END IF;
    END IF;
    CASE state
        WHEN 'FULFILLED' THEN PERFORM shop.fulfil_order(1, number, NULL, NULL);
        WHEN 'CANCELLED' THEN PERFORM shop.cancel_order(1, NULL, true, number, NULL, NULL, NULL);
        WHEN 'REFUNDED' THEN
            PERFORM shop.refund_order(1, NULL, number, NULL, NULL, NULL, NULL, NULL, NULL);
            PERFORM shop.settle_refund(1, max(id), 'completed', NULL, NULL, NULL, NULL) FROM shop.refunds;
        ELSE
    END CASE;
    ASSERT (SELECT status FROM shop.orders WHERE id = number) = state, format('the order is not %s', state);
    RETURN number;
END
$function$;

-- told(answer): the status, with the code of a refusal or "again" for what was answered before.
CREATE FUNCTION pg_temp.told(answer shop.response) RETURNS text
LANGUAGE sql AS $$ SELECT concat_ws(' ', answer.status, answer.body::json ->> 'code', CASE WHEN answer.replayed THEN 'again' END) $$;

-- happen(kind, number, event): lets the event happen to the order and tells what the caller was told.
CREATE FUNCTION pg_temp.happen(kind text, number bigint, event text) RETURNS text
LANGUAGE plpgsql AS $function$
DECLARE
    document CONSTANT text := pg_temp.document(CASE kind WHEN 'intake' THEN 'doc' ELSE number::text END);
    bought shop.orders%ROWTYPE;
    answer shop.response;
BEGIN
    CASE event
    WHEN 'placed' THEN
        SELECT * FROM shop.orders WHERE id = number INTO bought;
        bought.cart_id := coalesce(bought.cart_id, CASE WHEN bought.id IS NULL THEN pg_temp.put(7, pg_temp.apple()) ELSE number END);
        RETURN pg_temp.told(shop.checkout(1, NULL, 7, bought.cart_id, 'order of cart ' || bought.cart_id, NULL, NULL, NULL));
    WHEN 'accepted' THEN
        RETURN pg_temp.told(shop.accept_order(1, document, NULL, NULL, NULL));
    WHEN 'processed' THEN
        RETURN (SELECT result FROM shop.ingest_order(1, document, NULL, NULL));
    WHEN 'failed' THEN
        PERFORM shop.adjust_stock(1, product_id, on_hand, reserved, NULL, NULL) FROM shop.inventory;
        RETURN (SELECT result FROM shop.ingest_order(1, document, NULL, NULL));
    WHEN 'payment_captured', 'payment_declined' THEN
        RETURN (SELECT result FROM shop.settle_payment(1, number, event = 'payment_captured', NULL, NULL, NULL));
    WHEN 'cancelled' THEN
        RETURN pg_temp.told(shop.cancel_order(1, NULL, true, number, NULL, NULL, NULL));
    WHEN 'expired' THEN
        UPDATE shop.orders SET created_at = created_at - interval '2 days';
        PERFORM shop.mark_outbox_delivered(1, array_agg(id)) FROM shop.outbox;
        RETURN format('%s expired', shop.expire_pending_orders(1, 10));
    WHEN 'fulfilled' THEN
        RETURN pg_temp.told(shop.fulfil_order(1, number, NULL, NULL));
    WHEN 'refunded' THEN
        answer := shop.refund_order(1, NULL, number, NULL, NULL, NULL, NULL, NULL, NULL);
        PERFORM shop.settle_refund(1, max(id), 'completed', NULL, NULL, NULL, NULL) FROM shop.refunds;
        RETURN pg_temp.told(answer);
    END CASE;
END
$function$;

-- outcome(kind, state, event): what the caller was told, and the state after it where that is another one. The history must
-- have grown by one transition for each move and by none for anything else. All of it is undone.
CREATE FUNCTION pg_temp.outcome(kind text, state text, event text) RETURNS text
LANGUAGE plpgsql AS $function$
DECLARE
    number bigint;
    seen text;
    after text;
    moves bigint;
    expected bigint;
    broken bigint;
BEGIN
    BEGIN
        number := pg_temp.bring(kind, state);
        SELECT count(*) FROM shop.order_events WHERE order_id = number INTO moves;
        seen := pg_temp.happen(kind, number, event);
        IF state = 'none' THEN
            SELECT max(id) FROM shop.orders INTO number;
        END IF;
        SELECT status FROM shop.orders WHERE id = number INTO after;
        SELECT count(*) - moves FROM shop.order_events WHERE order_id = number INTO moves;
        SELECT count(*) FROM shop.verify(1) INTO broken;
        RAISE EXCEPTION USING ERRCODE = 'ZZ999';
    EXCEPTION WHEN SQLSTATE 'ZZ999' THEN
    END;
    after := coalesce(nullif(after, state), '');
    expected := CASE WHEN after = '' THEN 0 WHEN state = 'none' AND event IN ('processed', 'failed') THEN 2 ELSE 1 END;
    RETURN concat_ws(' ', seen, CASE WHEN after <> '' THEN '-> ' || after END,
        CASE WHEN moves <> expected THEN format('with %s transitions', moves) END,
        CASE WHEN broken > 0 THEN 'and verify() complains' END);
END
$function$;

CREATE TEMPORARY TABLE pairs (position serial, kind text, state text, event text, expected text);
INSERT INTO pairs (kind, state, event, expected) VALUES
    ('cart', 'none', 'placed', '201 -> pending'),
    ('intake', 'none', 'accepted', '202 -> QUEUED'),
    ('intake', 'none', 'processed', 'processed -> CONFIRMED'), -- a producer put it on the queue: accepted and processed
    ('intake', 'none', 'failed', 'failed -> CANCELLED'),
    ('cart', 'none', 'payment_captured', 'order_not_found'),
    ('cart', 'none', 'payment_declined', 'order_not_found'),
    ('cart', 'none', 'cancelled', '404 order_not_found'),
    ('cart', 'none', 'expired', '0 expired'),
    ('cart', 'none', 'fulfilled', '404 order_not_found'),
    ('cart', 'none', 'refunded', '404 order_not_found'),

    ('cart', 'pending', 'placed', '201 again'),
    ('cart', 'pending', 'accepted', '400 invalid_field'), -- digits alone are the numbers of cart orders
    ('cart', 'pending', 'processed', 'processed'),
    ('cart', 'pending', 'failed', 'failed'),
    ('cart', 'pending', 'payment_captured', 'settled -> CONFIRMED'),
    ('cart', 'pending', 'payment_declined', 'settled -> CANCELLED'),
    ('cart', 'pending', 'cancelled', '200 -> CANCELLED'),
    ('cart', 'pending', 'expired', '1 expired -> CANCELLED'),
    ('cart', 'pending', 'fulfilled', '409 illegal_transition'),
    ('cart', 'pending', 'refunded', '409 illegal_transition'),

    ('cart', 'CONFIRMED', 'placed', '201 again'),
    ('cart', 'CONFIRMED', 'accepted', '400 invalid_field'),
    ('cart', 'CONFIRMED', 'processed', 'processed'),
    ('cart', 'CONFIRMED', 'failed', 'failed'),
    ('cart', 'CONFIRMED', 'payment_captured', 'already_settled'),
    ('cart', 'CONFIRMED', 'payment_declined', 'already_settled'),
    ('cart', 'CONFIRMED', 'cancelled', '200 -> CANCELLED'),
    ('cart', 'CONFIRMED', 'expired', '0 expired'),
    ('cart', 'CONFIRMED', 'fulfilled', '200 -> FULFILLED'),
    ('cart', 'CONFIRMED', 'refunded', '200 -> REFUNDED'),

    ('cart', 'FULFILLED', 'placed', '201 again'),
    ('cart', 'FULFILLED', 'accepted', '400 invalid_field'),
    ('cart', 'FULFILLED', 'processed', 'processed'),
    ('cart', 'FULFILLED', 'failed', 'failed'),
    ('cart', 'FULFILLED', 'payment_captured', 'already_settled'),
    ('cart', 'FULFILLED', 'payment_declined', 'already_settled'),
    ('cart', 'FULFILLED', 'cancelled', '409 illegal_transition'),
    ('cart', 'FULFILLED', 'expired', '0 expired'),
    ('cart', 'FULFILLED', 'fulfilled', '200'),
    ('cart', 'FULFILLED', 'refunded', '200 -> REFUNDED'),

    ('cart', 'CANCELLED', 'placed', '201 again'),
    ('cart', 'CANCELLED', 'accepted', '400 invalid_field'),
    ('cart', 'CANCELLED', 'processed', 'processed'),
    ('cart', 'CANCELLED', 'failed', 'failed'),
    ('cart', 'CANCELLED', 'payment_captured', 'already_settled'),
    ('cart', 'CANCELLED', 'payment_declined', 'already_settled'),
    ('cart', 'CANCELLED', 'cancelled', '200'),
    ('cart', 'CANCELLED', 'expired', '0 expired'),
    ('cart', 'CANCELLED', 'fulfilled', '409 illegal_transition'),
    ('cart', 'CANCELLED', 'refunded', '409 nothing_to_refund'),

    ('cart', 'REFUNDED', 'placed', '201 again'),
    ('cart', 'REFUNDED', 'accepted', '400 invalid_field'),
    ('cart', 'REFUNDED', 'processed', 'processed'),
    ('cart', 'REFUNDED', 'failed', 'failed'),
    ('cart', 'REFUNDED', 'payment_captured', 'already_settled'),
    ('cart', 'REFUNDED', 'payment_declined', 'already_settled'),
    ('cart', 'REFUNDED', 'cancelled', '409 illegal_transition'),
    ('cart', 'REFUNDED', 'expired', '0 expired'),
    ('cart', 'REFUNDED', 'fulfilled', '409 illegal_transition'),
    ('cart', 'REFUNDED', 'refunded', '409 illegal_transition'),

    ('intake', 'QUEUED', 'placed', '404 cart_not_found'), -- it came from no cart
    ('intake', 'QUEUED', 'accepted', '202 again'),
    ('intake', 'QUEUED', 'processed', 'processed -> CONFIRMED'),
    ('intake', 'QUEUED', 'failed', 'failed -> CANCELLED'),
    ('intake', 'QUEUED', 'payment_captured', 'already_settled'), -- intake orders are paid elsewhere
    ('intake', 'QUEUED', 'payment_declined', 'already_settled'),
    ('intake', 'QUEUED', 'cancelled', '409 illegal_transition'),
    ('intake', 'QUEUED', 'expired', '0 expired'),
    ('intake', 'QUEUED', 'fulfilled', '409 illegal_transition'),
    ('intake', 'QUEUED', 'refunded', '409 illegal_transition'),

    ('intake', 'CONFIRMED', 'placed', '404 cart_not_found'),
    ('intake', 'CONFIRMED', 'accepted', '202 again'),
    ('intake', 'CONFIRMED', 'processed', 'already_processed'),
    ('intake', 'CONFIRMED', 'failed', 'already_processed'),
    ('intake', 'CONFIRMED', 'payment_captured', 'already_settled'),
    ('intake', 'CONFIRMED', 'payment_declined', 'already_settled'),
    ('intake', 'CONFIRMED', 'cancelled', '200 -> CANCELLED'),
    ('intake', 'CONFIRMED', 'expired', '0 expired'),
    ('intake', 'CONFIRMED', 'fulfilled', '200 -> FULFILLED'),
    ('intake', 'CONFIRMED', 'refunded', '409 nothing_to_refund'),

    ('intake', 'FULFILLED', 'placed', '404 cart_not_found'),
    ('intake', 'FULFILLED', 'accepted', '202 again'),
    ('intake', 'FULFILLED', 'processed', 'already_processed'),
    ('intake', 'FULFILLED', 'failed', 'already_processed'),
    ('intake', 'FULFILLED', 'payment_captured', 'already_settled'),
    ('intake', 'FULFILLED', 'payment_declined', 'already_settled'),
    ('intake', 'FULFILLED', 'cancelled', '409 illegal_transition'),
    ('intake', 'FULFILLED', 'expired', '0 expired'),
    ('intake', 'FULFILLED', 'fulfilled', '200'),
    ('intake', 'FULFILLED', 'refunded', '409 nothing_to_refund'),

    ('intake', 'CANCELLED', 'placed', '404 cart_not_found'),
    ('intake', 'CANCELLED', 'accepted', '202 again'),
    ('intake', 'CANCELLED', 'processed', 'already_processed'),
    ('intake', 'CANCELLED', 'failed', 'already_processed'),
    ('intake', 'CANCELLED', 'payment_captured', 'already_settled'),
    ('intake', 'CANCELLED', 'payment_declined', 'already_settled'),
    ('intake', 'CANCELLED', 'cancelled', '200'),
    ('intake', 'CANCELLED', 'expired', '0 expired'),
    ('intake', 'CANCELLED', 'fulfilled', '409 illegal_transition'),
    ('intake', 'CANCELLED', 'refunded', '409 nothing_to_refund');

-- The table is complete, and what moves in it is what the extension says.
SELECT is_empty(
    $$SELECT state, event FROM (SELECT 'none' AS state UNION SELECT to_status FROM shop.order_transitions) states
      CROSS JOIN (SELECT DISTINCT event FROM shop.order_transitions) events
      EXCEPT SELECT state, event FROM pairs$$, 'no pair of a state and an event is left out');
SELECT set_eq(
    $$SELECT state, event, substring(expected FROM '-> (\w+)') FROM pairs WHERE expected LIKE '%->%'
        AND NOT (state = 'none' AND event IN ('processed', 'failed'))$$,
    $$SELECT coalesce(from_status, 'none'), event, to_status FROM shop.order_transitions$$,
    'the pairs that move are the transitions of shop.order_transitions');
SELECT set_eq(
    $$SELECT DISTINCT (regexp_matches(pg_get_constraintdef(oid), '''(\w+)''', 'g'))[1] FROM pg_constraint
      WHERE conrelid = 'shop.orders'::regclass AND contype = 'c' AND pg_get_constraintdef(oid) LIKE '%status%ANY%'$$,
    'SELECT DISTINCT to_status FROM shop.order_transitions', 'the states are those that the table takes');

SELECT is(pg_temp.outcome(kind, state, event), expected, format('%s order %s: %s', kind, state, event))
FROM pairs ORDER BY position;

-- Who may cancel depends on the state.
SELECT pg_temp.bring('cart', 'CONFIRMED') AS paid \gset
SELECT is(pg_temp.told(shop.cancel_order(1, 7, false, :paid, NULL, NULL, NULL)), '403 admin_required',
    'a customer cannot cancel what is paid');

SELECT is_empty('SELECT * FROM shop.verify(1)', 'verify() finds nothing wrong');
SELECT * FROM finish();
ROLLBACK;
