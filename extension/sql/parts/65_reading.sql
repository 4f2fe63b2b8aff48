-- What administrators and Intake's clients read. Plain queries that print JSON; nothing here changes anything.

CREATE FUNCTION shop.problem(code text, message text, request_id text) RETURNS shop.response
LANGUAGE c IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'shop_problem';
COMMENT ON FUNCTION shop.problem(text, text, text) IS 'A problem document (RFC 9457) as answer, for functions in SQL; status and title go with the code.';
REVOKE ALL ON FUNCTION shop.problem(text, text, text) FROM PUBLIC;

CREATE FUNCTION shop.refuse_page(before_id bigint, row_limit integer, request_id text) RETURNS shop.response
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF row_limit NOT BETWEEN 1 AND 1000 THEN
        RETURN shop.problem('invalid_field', 'limit must be an integer between 1 and 1000', request_id);
    ELSIF before_id < 1 THEN
        RETURN shop.problem('invalid_field', 'before must be a positive integer', request_id);
    END IF;
    RETURN NULL;
END
$function$;
COMMENT ON FUNCTION shop.refuse_page(bigint, integer, text) IS 'The refusal of a page before before_id with row_limit rows; NULL when both, as far as given, are in range.';
REVOKE ALL ON FUNCTION shop.refuse_page(bigint, integer, text) FROM PUBLIC;

CREATE FUNCTION shop.order_page(store_id integer, status text, below_id bigint, skipped bigint, row_limit bigint)
RETURNS bigint[]
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
-- The planner does not know that a page is short. Sorting all orders may seem cheaper to it than following an index.
SET enable_sort = off SET max_parallel_workers_per_gather = 0
AS $function$
#variable_conflict use_column
BEGIN
    IF order_page.status IS NULL THEN
        RETURN ARRAY(SELECT purchase.id FROM shop.orders purchase
                     WHERE purchase.store_id = order_page.store_id AND purchase.id < below_id
                     ORDER BY purchase.id DESC OFFSET skipped LIMIT row_limit);
    END IF;
    RETURN ARRAY(SELECT purchase.id FROM shop.orders purchase
                 WHERE purchase.store_id = order_page.store_id AND purchase.status COLLATE "C" = order_page.status
                   AND purchase.id < below_id
                 ORDER BY purchase.id DESC OFFSET skipped LIMIT row_limit);
END
$function$;
COMMENT ON FUNCTION shop.order_page(integer, text, bigint, bigint, bigint) IS 'Numbers of orders, newest first, of one status or (NULL) all: row_limit of those below below_id after skipped ones, at a cost that does not grow with how many orders there are.';
REVOKE ALL ON FUNCTION shop.order_page(integer, text, bigint, bigint, bigint) FROM PUBLIC;

CREATE FUNCTION shop.intake_documents(store_id integer, ids bigint[]) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan SET jit = off
AS $function$
#variable_conflict use_column
DECLARE
    iso_time CONSTANT text := 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"';
BEGIN
    -- All that belongs to an order is looked up order by order (LATERAL), whatever the planner believes of the tables.
    RETURN (SELECT string_agg(format('{"id":%1$s,"order_id":%1$s,"customer_id":%2$s,"total_amount":%3$s,"items":%4$s,"status":"%5$s",'
                             '"created_at":"%6$s","updated_at":"%7$s"%8$s}',
                             to_json(coalesce(intake.external_id, page.id::text)),
                             to_json(coalesce(intake.customer_id, page.user_id::text)), page.total_price,
                             coalesce(intake.items, line.items, '[]'), word.status,
                             to_char(page.created_at AT TIME ZONE 'UTC', iso_time),
                             to_char(page.updated_at AT TIME ZONE 'UTC', iso_time),
                             CASE WHEN word.status = 'failed' THEN ',"failure_reason":'
                                  || to_json(coalesce(cancelled.reason, letter.reason, cancelled.event)) END),
                      ',' ORDER BY page.id DESC)
    FROM unnest(ids) AS wanted (id)
    CROSS JOIN LATERAL (
        SELECT purchase.* FROM shop.orders purchase
        WHERE purchase.store_id = intake_documents.store_id AND purchase.id = wanted.id LIMIT 1
    ) page
    LEFT JOIN LATERAL (
        SELECT document.external_id, document.customer_id, document.items FROM shop.intake_orders document
        WHERE document.store_id = page.store_id AND document.order_id = page.id LIMIT 1
    ) intake ON true
    LEFT JOIN LATERAL (
        SELECT '[' || string_agg(format('{"product_id":%s,"quantity":%s,"price":%s}', to_json(product.sku), item.qty,
                                        item.price), ',' ORDER BY item.id) || ']' AS items
        FROM shop.order_items item
        CROSS JOIN LATERAL (
            SELECT named.sku FROM shop.products named
            WHERE named.store_id = item.store_id AND named.id = item.product_id LIMIT 1
        ) product
        WHERE intake.external_id IS NULL AND item.store_id = page.store_id AND item.order_id = page.id
    ) line ON true
    LEFT JOIN LATERAL (
        SELECT change.reason, change.event FROM shop.order_events change
        WHERE page.status = 'CANCELLED' AND change.store_id = page.store_id AND change.order_id = page.id
          AND change.seq = page.last_event LIMIT 1
    ) cancelled ON true
    LEFT JOIN LATERAL (
        SELECT dead.reason FROM shop.dead_letters dead
        WHERE page.status IN ('pending', 'QUEUED') AND dead.store_id = page.store_id AND dead.order_id = page.id
          AND dead.status <> 'redriven'
        ORDER BY dead.id LIMIT 1
    ) letter ON true
    CROSS JOIN LATERAL (
        SELECT CASE WHEN page.status = 'CANCELLED' OR letter.reason IS NOT NULL THEN 'failed'
                    WHEN page.status = 'QUEUED' THEN 'queued'
                    WHEN page.status = 'pending' THEN 'pending'
                    ELSE 'completed' END AS status
    ) word);
END
$function$;
COMMENT ON FUNCTION shop.intake_documents(integer, bigint[]) IS 'The orders with these numbers as Intake''s clients read them, newest first, separated by commas; NULL for none. Orders of carts too, with the SKU as product_id.';
REVOKE ALL ON FUNCTION shop.intake_documents(integer, bigint[]) FROM PUBLIC;

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
    answer.body := format('{"data":%s}', shop.intake_documents(store_id, ARRAY[found_id]));
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
    ids bigint[];
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
    ids := shop.order_page(list_intake_orders.store_id, NULL, below, skipped, page_size);
    answer.status := 200;
    answer.replayed := false;
    answer.body := format('{"orders":[%s],"total":%s,"page":%s,"limit":%s,"next":%s}',
                          coalesce(shop.intake_documents(list_intake_orders.store_id, ids), ''),
                          shop.count_orders(store_id), page_number, page_size,
                          CASE WHEN cardinality(ids) = page_size THEN to_json(ids[page_size]::text)::text ELSE 'null' END);
    RETURN answer;
END
$function$;
COMMENT ON FUNCTION shop.list_intake_orders(integer, bigint, bigint, text, text) IS 'All orders, newest first, as Intake''s clients read them: page and row_limit (1 to 100), or what follows the cursor "next" of the page before, at a cost that does not grow with its depth. 200 {orders,total,page,limit,next}, 400.';
REVOKE ALL ON FUNCTION shop.list_intake_orders(integer, bigint, bigint, text, text) FROM PUBLIC;

CREATE FUNCTION shop.list_all_orders(store_id integer, status text, before_id bigint, row_limit integer, request_id text)
RETURNS shop.response
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan SET jit = off
AS $function$
#variable_conflict use_column
DECLARE
    iso_time CONSTANT text := 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"';
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
               'id', page.id, 'user_id', page.user_id, 'order_id', intake.external_id,
               'customer_id', intake.customer_id, 'status', page.status, 'total_price', page.total_price,
               'created_at', to_char(page.created_at AT TIME ZONE 'UTC', iso_time),
               'updated_at', to_char(page.updated_at AT TIME ZONE 'UTC', iso_time))
               ORDER BY page.id DESC), '[]')::text, false
    FROM unnest(shop.order_page(list_all_orders.store_id, list_all_orders.status,
                                coalesce(before_id, 9223372036854775807), 0, coalesce(row_limit, 100))) AS wanted (id)
    CROSS JOIN LATERAL (
        SELECT purchase.* FROM shop.orders purchase
        WHERE purchase.store_id = list_all_orders.store_id AND purchase.id = wanted.id LIMIT 1
    ) page
    LEFT JOIN LATERAL (
        SELECT document.external_id, document.customer_id FROM shop.intake_orders document
        WHERE document.store_id = page.store_id AND document.order_id = page.id LIMIT 1
    ) intake ON true
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
