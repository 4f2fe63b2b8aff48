-- The integrity report: empty when all is well, and one row for each thing that a hand or a fault can break.
BEGIN;
SELECT plan(47);
\ir fixture.psql

-- found(statement): what verify() reports after the statement, which is undone then.
CREATE FUNCTION pg_temp.found(statement text, store integer DEFAULT 1) RETURNS text
LANGUAGE plpgsql AS $function$
DECLARE
    report text;
BEGIN
    BEGIN
        EXECUTE statement;
        SELECT string_agg(format('%s of %s', check_name, subject), ', ' ORDER BY check_name, subject)
        INTO report FROM shop.verify(store);
        RAISE EXCEPTION USING ERRCODE = 'ZZ999';
    EXCEPTION WHEN SQLSTATE 'ZZ999' THEN
        RETURN report;
    END;
END
$function$;

-- breaks(description, statement, report)
CREATE FUNCTION pg_temp.breaks(description text, statement text, report text) RETURNS text
LANGUAGE sql AS $$ SELECT is(pg_temp.found(statement), report, 'verify() sees ' || description) $$;

SELECT is_empty('SELECT * FROM shop.verify(1)', 'an empty shop is well');
SELECT pg_temp.product('apple', 1.50, 100) AS apple, pg_temp.product('pear', 2, 100) AS pear,
       pg_temp.product('fig', 3) AS fig \gset
SELECT is_empty('SELECT * FROM shop.verify(1)', 'so are products');
SELECT pg_temp.put(7, :apple, 3) AS cart \gset
SELECT pg_temp.put(7, :pear, 1) \g /dev/null
SELECT order_id AS open FROM shop.checkout(1, NULL, 7, :cart, 'key', NULL, NULL, NULL) \gset
SELECT pg_temp.order_of(7, :apple, 5) AS paid, pg_temp.order_of(7, :apple, 7) AS declined \gset
SELECT shop.settle_payment(1, :paid, true, NULL, NULL, NULL),
    shop.settle_payment(1, :declined, false, NULL, NULL, NULL),
       shop.restock(1, 1, :pear, 4, 'key', NULL, NULL) \g /dev/null
SELECT pg_temp.put(8, :fig) AS open_cart \gset
SELECT is_empty('SELECT * FROM shop.verify(1)', 'so is a shop with open, paid and declined orders, and an open cart');
SELECT id AS line FROM shop.order_items WHERE order_id = :open AND product_id = :apple \gset
SELECT id AS paid_line FROM shop.order_items WHERE order_id = :paid \gset
SELECT id AS declined_line FROM shop.order_items WHERE order_id = :declined \gset
SELECT max(id) AS last_movement, min(id) FILTER (WHERE product_id = :pear) AS pear_movement
    FROM shop.stock_movements \gset
SELECT id AS item FROM shop.cart_items WHERE cart_id = :open_cart \gset

-- Stock against its ledger.
SELECT pg_temp.breaks('units in the house that no movement brought',
    format('UPDATE shop.inventory SET on_hand = on_hand + 1 WHERE product_id = %s', :pear),
    format('stock_level_is_sum_of_movements of product %s', :pear));
SELECT pg_temp.breaks('stock without any movement',
    format('UPDATE shop.inventory SET on_hand = 1 WHERE product_id = %s', :fig),
    format('stock_level_is_sum_of_movements of product %s', :fig));
SELECT pg_temp.breaks('a reservation that no order holds',
    format('UPDATE shop.inventory SET reserved = reserved + 1 WHERE product_id = %s', :pear),
    format('reserved_is_held_by_pending_orders of product %s, stock_level_is_sum_of_movements of product %1$s', :pear));
SELECT pg_temp.breaks('a reservation that is lost',
    format('UPDATE shop.inventory SET reserved = 0 WHERE product_id = %s', :pear),
    format('reserved_is_held_by_pending_orders of product %s, stock_level_is_sum_of_movements of product %1$s', :pear));
SELECT pg_temp.breaks('a reservation in ledger and level that no order holds',
    format($$UPDATE shop.inventory SET reserved = reserved + 1 WHERE product_id = %s;
             INSERT INTO shop.stock_movements (store_id, product_id, kind, on_hand_delta, reserved_delta)
             VALUES (1, %1$s, 'reserve', 0, 1)$$, :pear),
    format('reserved_is_held_by_pending_orders of product %s', :pear));
SELECT pg_temp.breaks('a restock without its movement',
    format($$DELETE FROM shop.stock_movements WHERE kind = 'restock' AND on_hand_delta = 4$$),
    format('stock_level_is_sum_of_movements of product %s', :pear));
SELECT pg_temp.breaks('movements without an inventory row',
    format('DELETE FROM shop.stock_movements WHERE product_id = %s AND id <> %s;
            DELETE FROM shop.inventory WHERE product_id = %1$s;
            DELETE FROM shop.order_items WHERE product_id = %1$s; UPDATE shop.orders SET total_price = 4.50 WHERE id = %3$s',
           :pear, :pear_movement, :open),
    format('movement_has_inventory of movement %s', :pear_movement));

-- Orders against the ledger.
SELECT pg_temp.breaks('a line that was not reserved',
    format($$DELETE FROM shop.stock_movements WHERE kind = 'reserve' AND order_item_id = %s$$, :paid_line),
    format('order_line_movements_match_status of order %s line %s, stock_level_is_sum_of_movements of product %s',
           :paid, :paid_line, :apple));
SELECT pg_temp.breaks('a line that was reserved twice',
    format($$INSERT INTO shop.stock_movements (store_id, product_id, kind, on_hand_delta, reserved_delta, order_id,
        order_item_id)
             VALUES (1, %s, 'reserve', 0, 3, %s, %s);
             UPDATE shop.inventory SET reserved = reserved + 3 WHERE product_id = %1$s$$, :apple, :open, :line),
    format('order_line_movements_match_status of order %s line %s, reserved_is_held_by_pending_orders of product %s',
           :open, :line, :apple));
SELECT pg_temp.breaks('a confirmed line whose units are still there',
    format($$DELETE FROM shop.stock_movements WHERE kind = 'commit' AND order_item_id = %s;
             UPDATE shop.inventory SET on_hand = on_hand + 5, reserved = reserved + 5 WHERE product_id = %s$$,
           :paid_line, :apple),
    format('order_line_movements_match_status of order %s line %s, reserved_is_held_by_pending_orders of product %s',
           :paid, :paid_line, :apple));
SELECT pg_temp.breaks('a cancelled line whose units were not given back',
    format($$DELETE FROM shop.stock_movements WHERE kind = 'release' AND order_item_id = %s;
             UPDATE shop.inventory SET reserved = reserved + 7 WHERE product_id = %s$$, :declined_line, :apple),
    format('order_line_movements_match_status of order %s line %s, reserved_is_held_by_pending_orders of product %s',
           :declined, :declined_line, :apple));
SELECT pg_temp.breaks('a pending line whose units are gone',
    format($$INSERT INTO shop.stock_movements (store_id, product_id, kind, on_hand_delta, reserved_delta, order_id,
        order_item_id)
             VALUES (1, %s, 'commit', -3, -3, %s, %s);
             UPDATE shop.inventory SET on_hand = on_hand - 3, reserved = reserved - 3 WHERE product_id = %1$s$$,
           :apple, :open, :line),
    format('order_line_movements_match_status of order %s line %s, reserved_is_held_by_pending_orders of product %s',
           :open, :line, :apple));
SELECT pg_temp.breaks('a quantity that was changed',
    format('UPDATE shop.order_items SET qty = 6, price = 1.25 WHERE id = %s', :paid_line),
    format('order_line_movements_match_status of order %s line %s', :paid, :paid_line));

SELECT pg_temp.breaks('a return that the ledger does not know',
    format('UPDATE shop.order_items SET returned = 1 WHERE id = %s', :paid_line),
    format('order_line_movements_match_status of order %s line %s', :paid, :paid_line));

-- Totals.
SELECT pg_temp.breaks('a total that was changed',
    format('UPDATE shop.orders SET total_price = 7.51 WHERE id = %s', :paid),
    format('order_total_is_sum_of_lines of order %s', :paid));
SELECT pg_temp.breaks('a price that was changed',
    format('UPDATE shop.order_items SET price = 1.49 WHERE id = %s', :paid_line),
    format('order_total_is_sum_of_lines of order %s', :paid));
SELECT pg_temp.breaks('an order without lines',
    format($$DELETE FROM shop.order_items WHERE order_id = %s; UPDATE shop.orders SET total_price = 0
        WHERE id = %1$s$$, :paid),
    format('order_total_is_sum_of_lines of order %s', :paid));

-- History.
SELECT pg_temp.breaks('a status that was changed by hand',
    format($$UPDATE shop.orders SET status = 'CANCELLED' WHERE id = %s$$, :paid),
    format('confirmed_order_is_paid_once of order %s, order_history_leads_to_status of order %1$s, '
           'order_line_movements_match_status of order %1$s line %2$s', :paid, :paid_line));
SELECT pg_temp.breaks('a transition that is missing',
    format('DELETE FROM shop.order_events WHERE order_id = %s AND seq = 2', :paid),
    format('order_history_leads_to_status of order %s', :paid));
SELECT pg_temp.breaks('a history without its beginning',
    format('DELETE FROM shop.order_events WHERE order_id = %s AND seq = 1', :paid),
    format('order_history_leads_to_status of order %s', :paid));
SELECT pg_temp.breaks('an order without a history', format('DELETE FROM shop.order_events WHERE order_id = %s', :open),
    format('order_history_leads_to_status of order %s', :open));
SELECT pg_temp.breaks('a broken link in the history',
    format($$UPDATE shop.order_events SET from_status = 'CANCELLED' WHERE order_id = %s AND seq = 2$$, :paid),
    format('order_history_leads_to_status of order %s', :paid));
SELECT pg_temp.breaks('a wrong number of transitions',
    format('UPDATE shop.orders SET last_event = 3 WHERE id = %s', :paid),
    format('order_history_leads_to_status of order %s', :paid));
SELECT pg_temp.breaks('transitions with wrong numbers',
    format('UPDATE shop.order_events SET seq = 5 WHERE order_id = %s AND seq = 2', :paid),
    format('order_history_leads_to_status of order %s', :paid));

-- Carts and orders.
SELECT pg_temp.breaks('a checked-out cart without an order',
    format($$UPDATE shop.carts SET status = 'checked_out' WHERE id = %s$$, :open_cart),
    format('checked_out_cart_has_order of cart %s', :open_cart));
SELECT pg_temp.breaks('an ordered cart that is open',
    format($$UPDATE shop.carts SET status = 'open' WHERE id = %s$$, :cart),
    format('checked_out_cart_has_order of cart %s', :cart));
SELECT pg_temp.breaks('an order without its cart',
    format('DELETE FROM shop.cart_items WHERE cart_id = %s; DELETE FROM shop.carts WHERE id = %1$s', :cart),
    format('checked_out_cart_has_order of cart %s', :cart));
SELECT pg_temp.breaks('an order of another user than its cart''s',
    format('UPDATE shop.orders SET user_id = 8 WHERE cart_id = %s', :cart),
    format('checked_out_cart_has_order of cart %s, checked_out_cart_has_order of cart %1$s', :cart));

-- Rows without their parent.
SELECT pg_temp.breaks('all that an order leaves behind',
    format('DELETE FROM shop.orders WHERE id = %s', :declined),
    format('checked_out_cart_has_order of cart %s, order_counts_match of statistics, row_has_its_parent of event of order %s, '
           'row_has_its_parent of event of order %2$s, row_has_its_parent of line of order %2$s, '
           'row_has_its_parent of message of order %2$s, row_has_its_parent of movement of order %2$s, '
           'row_has_its_parent of movement of order %2$s, row_has_its_parent of payment attempt of order %2$s, '
           'row_has_its_parent of stored answer of order %2$s',
           (SELECT cart_id FROM shop.orders WHERE id = :declined), :declined));
SELECT pg_temp.breaks('items of a cart that is gone', format('DELETE FROM shop.carts WHERE id = %s', :open_cart),
    format('row_has_its_parent of item %s of cart %s', :item, :open_cart));
SELECT pg_temp.breaks('a refund of a payment that is gone',
    format($$INSERT INTO shop.refunds (store_id, id, order_id, attempt_id, kind, amount, status)
             VALUES (1, 4711, %s, 4712, 'void', 1, 'requested')$$, :paid),
    'row_has_its_parent of refund 4711 of payment attempt 4712');

-- Orders on their way.
SELECT pg_temp.breaks('a pending order that nothing will settle',
    format('DELETE FROM shop.outbox WHERE order_id = %s', :open),
    format('pending_order_has_message of order %s', :open));
SELECT is(pg_temp.found(format($$DELETE FROM shop.outbox WHERE order_id = %s;
    SELECT shop.record_dead_letter(1, 'sqs', 'k', 'b', NULL, 'r', NULL, 5, %1$s, NULL, NULL)$$, :open)), NULL,
    'a dead letter explains a pending order');
SELECT is(pg_temp.found(format('DELETE FROM shop.outbox WHERE order_id = %s', :paid)), NULL,
    'a settled order needs no message any more');

-- Money, answers, statistics.
SELECT pg_temp.breaks('a confirmed order that nobody paid',
    format('DELETE FROM shop.payment_attempts WHERE order_id = %s', :paid),
    format('confirmed_order_is_paid_once of order %s', :paid));
SELECT pg_temp.breaks('a pending order that is paid already',
    format($$INSERT INTO shop.payment_attempts (store_id, order_id, provider, status, amount, captured_amount)
             VALUES (1, %s, 'x', 'captured', 6.50, 6.50)$$, :open),
    format('confirmed_order_is_paid_once of order %s', :open));
SELECT pg_temp.breaks('a refund that nobody asked for',
    format('UPDATE shop.payment_attempts SET refunded_amount = 1 WHERE order_id = %s', :paid),
    format('refunds_sum_to_attempt of payment attempt %s',
        (SELECT id FROM shop.payment_attempts WHERE order_id = :paid)));
SELECT pg_temp.breaks('a stored answer without its order',
    $$UPDATE shop.idempotency_keys SET order_id = NULL WHERE user_id = 7 AND key = 'key' AND route = 'checkout'$$,
    'stored_answer_names_order of key of user 7 on checkout');
SELECT pg_temp.breaks('an order without a source',
    format('UPDATE shop.orders SET cart_id = NULL, user_id = NULL WHERE id = %s', :paid),
    format('checked_out_cart_has_order of cart %s, order_has_its_source of order %s',
           (SELECT cart_id FROM shop.orders WHERE id = :paid), :paid));
SELECT pg_temp.breaks('statistics that count wrong',
    'DELETE FROM shop.order_count_deltas; DELETE FROM shop.order_counts', 'order_counts_match of statistics');

-- The report is of one store.
SELECT pg_temp.product('apple', 1, 5, 2) AS elsewhere \gset
SELECT is(pg_temp.found(format('UPDATE shop.inventory SET on_hand = 6 WHERE product_id = %s', :elsewhere)), NULL,
    'what is broken in store 2 is not in the report of store 1');
SELECT is(pg_temp.found(format('UPDATE shop.inventory SET on_hand = 6 WHERE product_id = %s', :elsewhere), 2),
    format('stock_level_is_sum_of_movements of product %s', :elsewhere), 'but in that of store 2');

SELECT results_eq(
    format($$UPDATE shop.inventory SET on_hand = on_hand + 1 WHERE product_id = %s RETURNING NULL::text$$, :fig),
    'SELECT NULL::text', 'something is broken');
SELECT results_eq('SELECT detail FROM shop.verify(1)', $$VALUES ('on_hand 1, reserved 0; movements sum to 0, 0')$$,
    'the report tells the values');

SELECT * FROM finish();
ROLLBACK;
