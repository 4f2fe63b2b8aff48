-- Statistics from counters. Orders add a row to order_count_deltas in their own commit, one for all of a batch; folding
-- moves those rows into one counter per hour and the sum of all. Reading adds what is not folded yet, so the numbers are
-- always right and the cost depends on how long ago somebody folded, not on how many orders there are.

CREATE FUNCTION shop.fold_order_counts(store_id integer, row_limit integer) RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $function$
#variable_conflict use_column
DECLARE
    folded integer;
BEGIN
    PERFORM shop.require_migrated();
    WITH taken AS (
        DELETE FROM shop.order_count_deltas delta
        WHERE delta.ctid = ANY (ARRAY(
            SELECT waiting.ctid FROM shop.order_count_deltas waiting
            WHERE waiting.store_id = fold_order_counts.store_id
            LIMIT row_limit
            FOR UPDATE SKIP LOCKED))
        RETURNING delta.at, delta.orders
    ), counted AS (
        INSERT INTO shop.order_counts AS hourly (store_id, hour, orders)
        SELECT fold_order_counts.store_id, sums.hour, sums.orders
        FROM (
            SELECT date_trunc('hour', taken.at, 'UTC') AS hour, sum(taken.orders) AS orders FROM taken GROUP BY 1
            UNION ALL
            SELECT '-infinity', sum(taken.orders) FROM taken HAVING count(*) > 0
        ) sums
        ORDER BY sums.hour -- always in one order, so that two that fold at once do not lock each other out
        ON CONFLICT (store_id, hour) DO UPDATE SET orders = hourly.orders + excluded.orders
    )
    SELECT count(*) FROM taken INTO folded;
    RETURN folded;
END
$function$;
COMMENT ON FUNCTION shop.fold_order_counts(integer, integer) IS 'Folds up to row_limit rows of order_count_deltas into order_counts. Returns how many; safe to run several at once.';
REVOKE ALL ON FUNCTION shop.fold_order_counts(integer, integer) FROM PUBLIC;

CREATE FUNCTION shop.count_orders(store_id integer) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
BEGIN
    PERFORM shop.require_migrated();
    RETURN coalesce((SELECT hourly.orders FROM shop.order_counts hourly
                     WHERE hourly.store_id = count_orders.store_id AND hourly.hour = '-infinity'), 0)
         + coalesce((SELECT sum(delta.orders) FROM shop.order_count_deltas delta
                     WHERE delta.store_id = count_orders.store_id), 0);
END
$function$;
COMMENT ON FUNCTION shop.count_orders(integer) IS 'How many orders there are, from the counters.';
REVOKE ALL ON FUNCTION shop.count_orders(integer) FROM PUBLIC;

CREATE FUNCTION shop.order_statistics(store_id integer, request_id text) RETURNS shop.response
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
AS $function$
#variable_conflict use_column
DECLARE
    this_hour CONSTANT timestamptz := date_trunc('hour', statement_timestamp(), 'UTC');
    answer shop.response;
BEGIN
    PERFORM shop.require_migrated();
    WITH unfolded AS MATERIALIZED (
        SELECT date_trunc('hour', delta.at, 'UTC') AS hour, sum(delta.orders) AS orders
        FROM shop.order_count_deltas delta
        WHERE delta.store_id = order_statistics.store_id
        GROUP BY 1
    ), recent AS (
        SELECT sums.hour, sum(sums.orders) AS orders
        FROM (
            SELECT hourly.hour, hourly.orders FROM shop.order_counts hourly
            WHERE hourly.store_id = order_statistics.store_id AND hourly.hour > this_hour - interval '24 hours'
            UNION ALL
            SELECT unfolded.hour, unfolded.orders FROM unfolded
        ) sums
        GROUP BY sums.hour
    ), by_hour AS (
        SELECT slot.hour, coalesce(recent.orders, 0) AS orders
        FROM generate_series(this_hour - interval '23 hours', this_hour, interval '1 hour') slot (hour)
        LEFT JOIN recent ON recent.hour = slot.hour
    )
    SELECT 200, json_build_object(
               'orders_today', coalesce(sum(by_hour.orders) FILTER (
                   WHERE by_hour.hour >= date_trunc('day', statement_timestamp(), 'UTC')), 0),
               'processing_rate', round(sum(by_hour.orders) / 24.0, 1),
               'queue_depth', shop.queue_depth(order_statistics.store_id),
               'total_orders', coalesce((SELECT hourly.orders FROM shop.order_counts hourly
                                         WHERE hourly.store_id = order_statistics.store_id
                                           AND hourly.hour = '-infinity'), 0)
                             + coalesce((SELECT sum(unfolded.orders) FROM unfolded), 0),
               'orders_by_hour', json_agg(json_build_object(
                   'hour', to_char(by_hour.hour AT TIME ZONE 'UTC', 'HH24":00"'), 'count', by_hour.orders)
                   ORDER BY by_hour.hour))::text,
           false
    FROM by_hour
    INTO answer.status, answer.body, answer.replayed;
    RETURN answer;
END
$function$;
COMMENT ON FUNCTION shop.order_statistics(integer, text) IS 'Orders of today (UTC), per hour over the last 24 hours, in each of those hours, and in all; messages waiting. 200 {orders_today,processing_rate,queue_depth,total_orders,orders_by_hour}.';
REVOKE ALL ON FUNCTION shop.order_statistics(integer, text) FROM PUBLIC;

CREATE FUNCTION shop.queue_depth(store_id integer) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
BEGIN
    PERFORM shop.require_migrated();
    RETURN coalesce((SELECT report.queue_depth FROM shop.poller_reports report
                     WHERE report.store_id = queue_depth.store_id
                       AND report.backend = 'sqs' AND report.reported_at > statement_timestamp() - interval '60 seconds'
                     ORDER BY report.reported_at DESC LIMIT 1), 0)
         + (SELECT count(*) FROM shop.outbox message
            WHERE message.store_id = queue_depth.store_id AND message.status = 'pending');
END
$function$;
COMMENT ON FUNCTION shop.queue_depth(integer) IS 'Messages that wait: in the outbox, and on the queue as far as a poller has told within the last minute.';
REVOKE ALL ON FUNCTION shop.queue_depth(integer) FROM PUBLIC;

CREATE FUNCTION shop.report_poller(store_id integer, poller text, backend text, queue_depth bigint, dlq_depth bigint,
                                   oldest_message_age_seconds bigint, last_poll_at timestamptz) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $function$
#variable_conflict use_column
BEGIN
    PERFORM shop.require_migrated();
    INSERT INTO shop.poller_reports (store_id, poller, backend, queue_depth, dlq_depth, oldest_message_age_seconds,
                                     last_poll_at)
    VALUES (report_poller.store_id, report_poller.poller, report_poller.backend, report_poller.queue_depth,
            report_poller.dlq_depth, report_poller.oldest_message_age_seconds, report_poller.last_poll_at)
    ON CONFLICT (store_id, poller) DO UPDATE
    SET backend = excluded.backend, queue_depth = excluded.queue_depth, dlq_depth = excluded.dlq_depth,
        oldest_message_age_seconds = excluded.oldest_message_age_seconds, last_poll_at = excluded.last_poll_at,
        reported_at = clock_timestamp();
END
$function$;
COMMENT ON FUNCTION shop.report_poller(integer, text, text, bigint, bigint, bigint, timestamptz) IS 'A poller says that it lives and what it knows of its queue.';
REVOKE ALL ON FUNCTION shop.report_poller(integer, text, text, bigint, bigint, bigint, timestamptz) FROM PUBLIC;

CREATE FUNCTION shop.queue_status(store_id integer)
RETURNS TABLE (backend text, depth bigint, dlq_depth bigint, oldest_message_age_seconds bigint, last_poll_at timestamptz,
               connected boolean)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
BEGIN
    PERFORM shop.require_migrated();
    RETURN QUERY
        SELECT report.backend, shop.queue_depth(queue_status.store_id),
               coalesce(report.dlq_depth, (SELECT count(*) FROM shop.dead_letters letter
                                           WHERE letter.store_id = queue_status.store_id AND letter.status = 'open')),
               coalesce(report.oldest_message_age_seconds,
                        (SELECT floor(extract(epoch FROM statement_timestamp() - min(message.created_at)))::bigint
                         FROM shop.outbox message
                         WHERE message.store_id = queue_status.store_id AND message.status = 'pending')),
               report.last_poll_at, coalesce(report.reported_at > statement_timestamp() - interval '60 seconds', false)
        FROM (SELECT) always
        LEFT JOIN LATERAL (SELECT * FROM shop.poller_reports newest
                           WHERE newest.store_id = queue_status.store_id
                           ORDER BY newest.reported_at DESC LIMIT 1) report ON true;
END
$function$;
COMMENT ON FUNCTION shop.queue_status(integer) IS 'The queue as the poller that reported last sees it; one row. connected: some poller reported within 60 seconds.';
REVOKE ALL ON FUNCTION shop.queue_status(integer) FROM PUBLIC;
