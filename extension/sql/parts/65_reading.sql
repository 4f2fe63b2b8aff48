-- What administrators and Intake's clients read. Plain queries that print JSON; nothing here changes anything.

CREATE FUNCTION shop.iso_time(at timestamptz) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $function$ SELECT to_char($1 AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') $function$;
COMMENT ON FUNCTION shop.iso_time(timestamptz) IS 'ISO 8601 in UTC with milliseconds and Z, as the API prints times.';
REVOKE ALL ON FUNCTION shop.iso_time(timestamptz) FROM PUBLIC;

CREATE FUNCTION shop.problem(code text, message text, request_id text) RETURNS shop.response
LANGUAGE c IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'shop_problem';
COMMENT ON FUNCTION shop.problem(text, text, text) IS 'A problem document (RFC 9457) as answer, for functions in SQL; status and title go with the code.';
REVOKE ALL ON FUNCTION shop.problem(text, text, text) FROM PUBLIC;

CREATE FUNCTION shop.refuse_page(before_id bigint, row_limit integer, request_id text) RETURNS shop.response
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT CASE WHEN $2 NOT BETWEEN 1 AND 1000
                THEN shop.problem('invalid_field', 'limit must be an integer between 1 and 1000', $3)
                WHEN $1 < 1 THEN shop.problem('invalid_field', 'before must be a positive integer', $3) END
$function$;
COMMENT ON FUNCTION shop.refuse_page(bigint, integer, text) IS 'The refusal of a page before before_id with row_limit rows; NULL when both, as far as given, are in range.';
REVOKE ALL ON FUNCTION shop.refuse_page(bigint, integer, text) FROM PUBLIC;

CREATE FUNCTION shop.intake_status(status text, has_dead_letter boolean) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT CASE WHEN $1 IN ('pending', 'QUEUED') AND $2 THEN 'failed'
                WHEN $1 = 'QUEUED' THEN 'queued'
                WHEN $1 = 'pending' THEN 'pending'
                WHEN $1 = 'CANCELLED' THEN 'failed'
                ELSE 'completed' END
$function$;
COMMENT ON FUNCTION shop.intake_status(text, boolean) IS 'The word that Intake''s clients know for an order''s status.';
REVOKE ALL ON FUNCTION shop.intake_status(text, boolean) FROM PUBLIC;

CREATE FUNCTION shop.intake_order_json(store_id integer, order_id bigint) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
    document text;
BEGIN
    SELECT format('{"id":%1$s,"order_id":%1$s,"customer_id":%2$s,"total_amount":%3$s,"items":%4$s,"status":"%5$s",'
                  '"created_at":"%6$s","updated_at":"%7$s"%8$s}',
                  to_json(coalesce(intake.external_id, purchase.id::text)),
                  to_json(coalesce(intake.customer_id, purchase.user_id::text)), purchase.total_price,
                  coalesce(intake.items, line.items, '[]'),
                  shop.intake_status(purchase.status, letter.reason IS NOT NULL),
                  shop.iso_time(purchase.created_at), shop.iso_time(purchase.updated_at),
                  CASE shop.intake_status(purchase.status, letter.reason IS NOT NULL) WHEN 'failed' THEN
                      ',"failure_reason":' || to_json(coalesce(last_event.reason, letter.reason, last_event.event))
                  ELSE '' END)
    FROM shop.orders purchase
    LEFT JOIN shop.intake_orders intake ON intake.store_id = purchase.store_id AND intake.order_id = purchase.id
    LEFT JOIN LATERAL (
        SELECT '[' || string_agg(format('{"product_id":%s,"quantity":%s,"price":%s}', to_json(product.sku), item.qty,
                                        item.price), ',' ORDER BY item.id) || ']' AS items
        FROM shop.order_items item
        JOIN shop.products product ON product.store_id = item.store_id AND product.id = item.product_id
        WHERE intake.order_id IS NULL AND item.store_id = purchase.store_id AND item.order_id = purchase.id
    ) line ON true
    LEFT JOIN shop.order_events last_event ON purchase.status = 'CANCELLED'
        AND last_event.store_id = purchase.store_id AND last_event.order_id = purchase.id
        AND last_event.seq = purchase.last_event
    LEFT JOIN LATERAL (
        SELECT dead.reason FROM shop.dead_letters dead
        WHERE purchase.status IN ('pending', 'QUEUED') AND dead.store_id = purchase.store_id
          AND dead.order_id = purchase.id AND dead.status = 'open'
        ORDER BY dead.id LIMIT 1
    ) letter ON true
    WHERE purchase.store_id = intake_order_json.store_id AND purchase.id = intake_order_json.order_id
    INTO document;
    RETURN document;
END
$function$;
COMMENT ON FUNCTION shop.intake_order_json(integer, bigint) IS 'An order as Intake''s clients read it; orders of carts too, with the SKU as product_id.';
REVOKE ALL ON FUNCTION shop.intake_order_json(integer, bigint) FROM PUBLIC;

CREATE FUNCTION shop.get_intake_order(store_id integer, external_id text, request_id text) RETURNS shop.response
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
    found_id bigint;
    answer shop.response;
BEGIN
    PERFORM shop.require_migrated();
    SELECT intake.order_id FROM shop.intake_orders intake
    WHERE intake.store_id = get_intake_order.store_id AND intake.external_id = get_intake_order.external_id
    INTO found_id;
    IF found_id IS NULL AND get_intake_order.external_id ~ '^[1-9][0-9]{0,17}$' THEN
        SELECT purchase.id FROM shop.orders purchase
        WHERE purchase.store_id = get_intake_order.store_id
          AND purchase.id = get_intake_order.external_id::bigint AND purchase.cart_id IS NOT NULL
        INTO found_id;
    END IF;
    IF found_id IS NULL THEN
        RETURN shop.problem('order_not_found', 'Order not found', get_intake_order.request_id);
    END IF;
    answer.status := 200;
    answer.body := format('{"data":%s}', shop.intake_order_json(store_id, found_id));
    answer.replayed := false;
    answer.order_id := found_id;
    RETURN answer;
END
$function$;
COMMENT ON FUNCTION shop.get_intake_order(integer, text, text) IS 'One order by the order_id that Intake''s clients know, from the moment it was accepted; for an order of a cart that is its number, unless a producer queued an order with the same digits as its id. 200 {data}, 404.';
REVOKE ALL ON FUNCTION shop.get_intake_order(integer, text, text) FROM PUBLIC;

CREATE FUNCTION shop.list_intake_orders(store_id integer, page bigint, row_limit bigint, after text, request_id text)
RETURNS shop.response
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
    page_number CONSTANT bigint := coalesce(list_intake_orders.page, 1);
    page_size CONSTANT bigint := coalesce(row_limit, 50);
    below bigint := 9223372036854775807;
    skipped bigint := 0;
    answer shop.response;
    last_id bigint;
    listed bigint;
    documents text;
BEGIN
    PERFORM shop.require_migrated();
    IF page_number < 1 THEN
        RETURN shop.problem('invalid_field', 'Page must be greater than 0', list_intake_orders.request_id);
    ELSIF page_size NOT BETWEEN 1 AND 100 THEN
        RETURN shop.problem('invalid_field', 'Limit must be between 1 and 100', list_intake_orders.request_id);
    ELSIF after IS NOT NULL AND after !~ '^[1-9][0-9]{0,17}$' THEN
        RETURN shop.problem('invalid_field', 'after must be a value of "next"', list_intake_orders.request_id);
    END IF;
    IF after IS NOT NULL THEN
        below := after::bigint;
    ELSE
        -- Pages beyond what an offset can express are as empty as any other page out of range.
        skipped := least((page_number - 1)::numeric * page_size, 9223372036854775807);
    END IF;
    SELECT string_agg(shop.intake_order_json(list_intake_orders.store_id, listed.id), ',' ORDER BY listed.id DESC),
           min(listed.id), count(*)
    FROM (SELECT purchase.id FROM shop.orders purchase
          WHERE purchase.store_id = list_intake_orders.store_id AND purchase.id < below
          ORDER BY purchase.id DESC OFFSET skipped LIMIT page_size) listed
    INTO documents, last_id, listed;
    answer.status := 200;
    answer.replayed := false;
    answer.body := format('{"orders":[%s],"total":%s,"page":%s,"limit":%s,"next":%s}', coalesce(documents, ''),
                          shop.count_orders(store_id), page_number, page_size,
                          CASE WHEN listed = page_size THEN to_json(last_id::text)::text ELSE 'null' END);
    RETURN answer;
END
$function$;
COMMENT ON FUNCTION shop.list_intake_orders(integer, bigint, bigint, text, text) IS 'All orders, newest first, as Intake''s clients read them: page and row_limit (1 to 100), or what follows the cursor "next" of the page before, at a cost that does not grow with its depth. 200 {orders,total,page,limit,next}, 400.';
REVOKE ALL ON FUNCTION shop.list_intake_orders(integer, bigint, bigint, text, text) FROM PUBLIC;

CREATE FUNCTION shop.list_all_orders(store_id integer, status text, before_id bigint, row_limit integer, request_id text)
RETURNS shop.response
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
    answer shop.response := shop.refuse_page(before_id, row_limit, list_all_orders.request_id);
BEGIN
    PERFORM shop.require_migrated();
    IF answer.status IS NOT NULL THEN
        RETURN answer;
    ELSIF list_all_orders.status NOT IN ('QUEUED', 'pending', 'CONFIRMED', 'CANCELLED', 'FULFILLED', 'REFUNDED') THEN
        RETURN shop.problem('invalid_field', 'status must be QUEUED, pending, CONFIRMED, CANCELLED, FULFILLED or REFUNDED',
                            list_all_orders.request_id);
    END IF;
    SELECT 200, coalesce(json_agg(json_build_object(
               'id', listed.id, 'user_id', listed.user_id, 'order_id', listed.external_id,
               'customer_id', listed.customer_id, 'status', listed.status, 'total_price', listed.total_price,
               'created_at', shop.iso_time(listed.created_at), 'updated_at', shop.iso_time(listed.updated_at))
               ORDER BY listed.id DESC), '[]')::text, false
    FROM (SELECT purchase.*, intake.external_id, intake.customer_id FROM shop.orders purchase
          LEFT JOIN shop.intake_orders intake ON intake.store_id = purchase.store_id AND intake.order_id = purchase.id
          WHERE purchase.store_id = list_all_orders.store_id
            AND purchase.id < coalesce(before_id, 9223372036854775807)
            AND (list_all_orders.status IS NULL OR purchase.status = list_all_orders.status)
          ORDER BY purchase.id DESC LIMIT coalesce(row_limit, 100)) listed
    INTO answer.status, answer.body, answer.replayed;
    RETURN answer;
END
$function$;
COMMENT ON FUNCTION shop.list_all_orders(integer, text, bigint, integer, text) IS 'Orders of all users, newest first, for administrators: of one status or all, 100 or row_limit (1 to 1000) before before_id. 200, 400.';
REVOKE ALL ON FUNCTION shop.list_all_orders(integer, text, bigint, integer, text) FROM PUBLIC;

CREATE FUNCTION shop.order_as_of(store_id integer, order_id bigint, at timestamptz) RETURNS TABLE (
    id bigint, status text, event text, actor text, reason text, since timestamptz)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
BEGIN
    PERFORM shop.require_migrated();
    RETURN QUERY
        SELECT history.order_id, history.to_status, history.event, history.actor, history.reason, history.at
        FROM shop.order_events history
        WHERE history.store_id = order_as_of.store_id AND history.order_id = order_as_of.order_id
          AND history.at <= order_as_of.at
        ORDER BY history.seq DESC LIMIT 1;
END
$function$;
COMMENT ON FUNCTION shop.order_as_of(integer, bigint, timestamptz) IS 'The state an order was in at some time, and the transition that had brought it there; no row before it was placed.';
REVOKE ALL ON FUNCTION shop.order_as_of(integer, bigint, timestamptz) FROM PUBLIC;
