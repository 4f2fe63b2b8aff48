CREATE FUNCTION shop.verify(store_id integer)
RETURNS TABLE (check_name text, subject text, detail text)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
BEGIN
    PERFORM shop.require_migrated();

    -- Sums of the ledger are the levels.
    RETURN QUERY
        SELECT 'stock_level_is_sum_of_movements', format('product %s', level.product_id),
               format('on_hand %s, reserved %s; movements sum to %s, %s', level.on_hand, level.reserved,
                      coalesce(ledger.on_hand, 0), coalesce(ledger.reserved, 0))
        FROM shop.inventory level
        LEFT JOIN (
            SELECT movement.product_id, sum(movement.on_hand_delta) AS on_hand,
                   sum(movement.reserved_delta) AS reserved
            FROM shop.stock_movements movement
            WHERE movement.store_id = verify.store_id
            GROUP BY movement.product_id
        ) ledger ON ledger.product_id = level.product_id
        WHERE level.store_id = verify.store_id
          AND (level.on_hand <> coalesce(ledger.on_hand, 0) OR level.reserved <> coalesce(ledger.reserved, 0));

    -- No movement is about a product without a level.
    RETURN QUERY
        SELECT 'movement_has_inventory', format('movement %s', movement.id),
               format('product %s has no inventory row', movement.product_id)
        FROM shop.stock_movements movement
        LEFT JOIN shop.inventory level ON level.store_id = movement.store_id AND level.product_id = movement.product_id
        WHERE movement.store_id = verify.store_id AND level.product_id IS NULL;

    -- What pending orders hold is what is reserved.
    RETURN QUERY
        SELECT 'reserved_is_held_by_pending_orders', format('product %s', level.product_id),
               format('reserved %s, pending orders hold %s', level.reserved, coalesce(held.qty, 0))
        FROM shop.inventory level
        LEFT JOIN (
            SELECT item.product_id, sum(item.qty) AS qty
            FROM shop.order_items item
            JOIN shop.orders purchase ON purchase.store_id = item.store_id AND purchase.id = item.order_id
            WHERE item.store_id = verify.store_id AND purchase.status = 'pending'
            GROUP BY item.product_id
        ) held ON held.product_id = level.product_id
        WHERE level.store_id = verify.store_id AND level.reserved <> coalesce(held.qty, 0);

    -- What an order line holds, has taken and has given back is what the order's status says.
    RETURN QUERY
        SELECT 'order_line_movements_match_status', format('order %s line %s', item.order_id, item.id),
               format('status %s, qty %s, returned %s; movements: holds %s, took %s, gave back %s', purchase.status,
                      item.qty, item.returned, moved.held, moved.taken, moved.returned)
        FROM shop.order_items item
        JOIN shop.orders purchase ON purchase.store_id = item.store_id AND purchase.id = item.order_id
        LEFT JOIN (
            SELECT movement.order_item_id,
                   sum(movement.reserved_delta) AS held,
                   -sum(movement.on_hand_delta) FILTER (WHERE movement.kind IN ('commit', 'sell')) AS taken,
                   sum(movement.on_hand_delta) FILTER (WHERE movement.kind = 'return') AS returned
            FROM shop.stock_movements movement
            WHERE movement.store_id = verify.store_id AND movement.order_item_id IS NOT NULL
            GROUP BY movement.order_item_id
        ) moved ON moved.order_item_id = item.id
        WHERE item.store_id = verify.store_id AND item.product_id IS NOT NULL
          AND (coalesce(moved.held, 0) <> CASE WHEN purchase.status = 'pending' THEN item.qty ELSE 0 END
               OR coalesce(moved.returned, 0) <> item.returned
               OR CASE WHEN purchase.status IN ('CONFIRMED', 'FULFILLED', 'REFUNDED')
                       THEN coalesce(moved.taken, 0) <> item.qty
                       WHEN purchase.status = 'CANCELLED'
                       THEN coalesce(moved.taken, 0) <> coalesce(moved.returned, 0)
                       ELSE coalesce(moved.taken, 0) <> 0 END);

    -- An order's total is the sum of its lines, and it has lines.
    RETURN QUERY
        SELECT 'order_total_is_sum_of_lines', format('order %s', purchase.id),
               format('total %s, lines sum to %s', purchase.total_price, coalesce(line.total::text, 'nothing'))
        FROM shop.orders purchase
        LEFT JOIN (
            SELECT item.order_id, sum(item.qty * item.price) AS total
            FROM shop.order_items item
            WHERE item.store_id = verify.store_id
            GROUP BY item.order_id
        ) line ON line.order_id = purchase.id
        WHERE purchase.store_id = verify.store_id AND purchase.total_price IS DISTINCT FROM line.total
          -- Intake orders get their lines when they are processed.
          AND NOT (line.total IS NULL AND purchase.cart_id IS NULL AND purchase.status IN ('QUEUED', 'CANCELLED'));

    -- The newest history row says what the order's status is, and the history is an unbroken chain.
    RETURN QUERY
        SELECT 'order_history_leads_to_status', format('order %s', purchase.id),
               format('status %s after %s events; history ends with %s after %s, %s broken links', purchase.status,
                      purchase.last_event, coalesce(history.last_status, 'nothing'), coalesce(history.events, 0),
                      coalesce(history.breaks, 0))
        FROM shop.orders purchase
        LEFT JOIN (
            SELECT link.order_id, count(*) AS events, max(link.seq) AS last_seq,
                   (array_agg(link.to_status ORDER BY link.seq DESC))[1] AS last_status,
                   count(*) FILTER (WHERE link.from_status IS DISTINCT FROM link.previous) AS breaks
            FROM (
                SELECT event.order_id, event.seq, event.from_status, event.to_status,
                       lag(event.to_status) OVER (PARTITION BY event.order_id ORDER BY event.seq) AS previous
                FROM shop.order_events event
                WHERE event.store_id = verify.store_id
            ) link
            GROUP BY link.order_id
        ) history ON history.order_id = purchase.id
        WHERE purchase.store_id = verify.store_id
          AND (history.last_status IS DISTINCT FROM purchase.status OR history.events <> purchase.last_event
               OR history.last_seq <> purchase.last_event OR history.breaks > 0);

    -- A cart that became an order is checked out, and a cart that is checked out became an order.
    RETURN QUERY
        SELECT 'checked_out_cart_has_order', format('cart %s', coalesce(cart.id, purchase.cart_id)),
               format('cart is %s, order is %s', coalesce(cart.status, 'missing'), coalesce(purchase.id::text, 'missing'))
        FROM (SELECT * FROM shop.carts WHERE carts.store_id = verify.store_id) cart
        FULL JOIN (SELECT * FROM shop.orders WHERE orders.store_id = verify.store_id AND orders.cart_id IS NOT NULL) purchase
             ON purchase.cart_id = cart.id AND purchase.user_id = cart.user_id
        WHERE (cart.id IS NULL OR purchase.id IS NULL OR cart.status <> 'checked_out')
          AND NOT (purchase.id IS NULL AND cart.status = 'open');

    -- Nothing hangs in the air: rows that no foreign key holds belong to something.
    RETURN QUERY
        SELECT 'row_has_its_parent', format('%s of order %s', child.kind, child.order_id), 'the order is missing'
        FROM (
            SELECT 'line' AS kind, item.order_id FROM shop.order_items item WHERE item.store_id = verify.store_id
            UNION ALL
            SELECT 'event', event.order_id FROM shop.order_events event WHERE event.store_id = verify.store_id
            UNION ALL
            SELECT 'message', message.order_id FROM shop.outbox message
            WHERE message.store_id = verify.store_id AND message.order_id IS NOT NULL
            UNION ALL
            SELECT 'payment attempt', attempt.order_id FROM shop.payment_attempts attempt
            WHERE attempt.store_id = verify.store_id
            UNION ALL
            SELECT 'refund', refund.order_id FROM shop.refunds refund WHERE refund.store_id = verify.store_id
            UNION ALL
            SELECT 'intake document', intake.order_id FROM shop.intake_orders intake
            WHERE intake.store_id = verify.store_id
            UNION ALL
            SELECT 'movement', movement.order_id FROM shop.stock_movements movement
            WHERE movement.store_id = verify.store_id AND movement.order_id IS NOT NULL
            UNION ALL
            SELECT 'stored answer', answer.order_id FROM shop.idempotency_keys answer
            WHERE answer.store_id = verify.store_id AND answer.order_id IS NOT NULL
        ) child
        LEFT JOIN shop.orders purchase ON purchase.store_id = verify.store_id AND purchase.id = child.order_id
        WHERE purchase.id IS NULL;
    -- The same for the lines of carts.
    RETURN QUERY
        SELECT 'row_has_its_parent', format('item %s of cart %s', item.id, item.cart_id), 'the cart is missing'
        FROM shop.cart_items item
        LEFT JOIN shop.carts cart ON cart.store_id = item.store_id AND cart.id = item.cart_id
        WHERE item.store_id = verify.store_id AND cart.id IS NULL;
    -- The same for refunds: without the payment there is nothing to give back.
    RETURN QUERY
        SELECT 'row_has_its_parent', format('refund %s of payment attempt %s', refund.id, refund.attempt_id),
               'the payment attempt is missing'
        FROM shop.refunds refund
        LEFT JOIN shop.payment_attempts attempt ON attempt.store_id = refund.store_id AND attempt.id = refund.attempt_id
        WHERE refund.store_id = verify.store_id AND attempt.id IS NULL;

    -- An order came from a cart or from intake.
    RETURN QUERY
        SELECT 'order_has_its_source', format('order %s', purchase.id), 'neither a cart nor an intake document'
        FROM shop.orders purchase
        LEFT JOIN shop.intake_orders intake ON intake.store_id = purchase.store_id AND intake.order_id = purchase.id
        WHERE purchase.store_id = verify.store_id AND (purchase.cart_id IS NULL) = (intake.order_id IS NULL);

    -- What refunds ask of a payment attempt is what it says, failed refunds aside.
    RETURN QUERY
        SELECT 'refunds_sum_to_attempt', format('payment attempt %s', attempt.id),
               format('refunded_amount %s, refunds sum to %s', attempt.refunded_amount, coalesce(asked.total, 0))
        FROM shop.payment_attempts attempt
        LEFT JOIN (
            SELECT refund.attempt_id, sum(refund.amount) AS total FROM shop.refunds refund
            WHERE refund.store_id = verify.store_id AND refund.kind = 'refund' AND refund.status <> 'failed'
            GROUP BY refund.attempt_id
        ) asked ON asked.attempt_id = attempt.id
        WHERE attempt.store_id = verify.store_id AND attempt.refunded_amount <> coalesce(asked.total, 0);
    -- A confirmed order of a cart was paid, and the money is kept once; a pending one was not paid yet, or another amount
    -- than was asked for and a person decides; of a cancelled or refunded one nothing is kept. A refund that failed shows up
    -- here until it is asked for again.
    RETURN QUERY
        SELECT 'confirmed_order_is_paid_once', format('order %s', purchase.id),
               format('status %s, %s captured payments that are kept', purchase.status, coalesce(paid.kept, 0))
        FROM shop.orders purchase
        LEFT JOIN (
            SELECT attempt.order_id, count(*) AS captured,
                   count(*) FILTER (WHERE attempt.refunded_amount < attempt.captured_amount
                                          OR attempt.captured_amount = 0) AS kept,
                   count(*) FILTER (WHERE attempt.captured_amount = attempt.amount) AS in_full,
                   sum(attempt.captured_amount - attempt.refunded_amount) AS money
            FROM shop.payment_attempts attempt
            WHERE attempt.store_id = verify.store_id AND attempt.status = 'captured'
            GROUP BY attempt.order_id
        ) paid ON paid.order_id = purchase.id
        WHERE purchase.store_id = verify.store_id AND purchase.cart_id IS NOT NULL
          AND CASE WHEN purchase.status IN ('CONFIRMED', 'FULFILLED')
                   THEN coalesce(paid.captured, 0) = 0 OR coalesce(paid.kept, 0) > 1
                   WHEN purchase.status = 'pending' THEN coalesce(paid.in_full, 0) > 0
                   WHEN purchase.status IN ('CANCELLED', 'REFUNDED') THEN coalesce(paid.money, 0) > 0
                   ELSE false END;

    -- A stored answer that says "made" names the order.
    RETURN QUERY
        SELECT 'stored_answer_names_order', format('key of user %s on %s', answer.user_id, answer.route),
               format('status %s without an order', answer.status)
        FROM shop.idempotency_keys answer
        WHERE answer.store_id = verify.store_id AND answer.status IN (201, 202) AND answer.order_id IS NULL;
    -- The counters of the statistics count the orders that are there.
    RETURN QUERY
        SELECT 'order_counts_match', 'statistics', format('%s orders, counted %s', there.orders, counted.orders)
        FROM (SELECT count(*) AS orders FROM shop.orders purchase WHERE purchase.store_id = verify.store_id) there
        CROSS JOIN (SELECT shop.count_orders(verify.store_id) AS orders) counted
        WHERE there.orders <> counted.orders;

    -- A pending order is on its way: a message asks for its payment, or a dead letter says why not.
    RETURN QUERY
        SELECT 'pending_order_has_message', format('order %s', purchase.id),
               'no message, payment attempt or dead letter will ever settle it'
        FROM shop.orders purchase
        WHERE purchase.store_id = verify.store_id AND purchase.status IN ('pending', 'QUEUED')
          AND NOT EXISTS (SELECT FROM shop.outbox message
                          WHERE message.store_id = purchase.store_id AND message.order_id = purchase.id)
          AND NOT EXISTS (SELECT FROM shop.payment_attempts attempt
                          WHERE attempt.store_id = purchase.store_id AND attempt.order_id = purchase.id)
          AND NOT EXISTS (SELECT FROM shop.dead_letters letter
                          WHERE letter.store_id = purchase.store_id AND letter.order_id = purchase.id);
END
$function$;
COMMENT ON FUNCTION shop.verify(integer) IS 'The integrity report: one row per broken invariant, none when all is well. Reads whole tables; safe to run at any time.';
REVOKE ALL ON FUNCTION shop.verify(integer) FROM PUBLIC;
