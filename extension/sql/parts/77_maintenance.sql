-- Scheduled work that deletes what is old: each call one small batch with SKIP LOCKED, so that it never waits for anybody
-- and several may run at once. pg_cron calls shop.maintain() (cron.sql), or the poller does where pg_cron is not.

CREATE FUNCTION shop.purge_batch(table_name text, condition text, store_id integer, row_limit integer) RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    purged integer;
BEGIN
    PERFORM shop.require_migrated();
    EXECUTE format($query$
        DELETE FROM shop.%1$I purged
        WHERE purged.ctid = ANY (ARRAY(
            SELECT old.ctid FROM shop.%1$I old
            WHERE old.store_id = $1 AND %2$s
            LIMIT $2
            FOR UPDATE OF old SKIP LOCKED))
        $query$, table_name, condition) USING store_id, row_limit;
    GET DIAGNOSTICS purged = ROW_COUNT;
    RETURN purged;
END
$function$;
COMMENT ON FUNCTION shop.purge_batch(text, text, integer, integer) IS 'Deletes up to row_limit rows "old" of a table that meet the condition and that nobody holds. Returns how many. For the functions below, which say what may go.';
REVOKE ALL ON FUNCTION shop.purge_batch(text, text, integer, integer) FROM PUBLIC;

CREATE FUNCTION shop.purge_idempotency_keys(store_id integer, row_limit integer) RETURNS integer
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $function$
    SELECT shop.purge_batch('idempotency_keys', $condition$
        old.created_at < clock_timestamp() - current_setting('shop.idempotency_retention')::interval
    $condition$, store_id, row_limit)
$function$;
COMMENT ON FUNCTION shop.purge_idempotency_keys(integer, integer) IS 'Deletes up to row_limit stored answers that are older than shop.idempotency_retention. Returns how many.';
REVOKE ALL ON FUNCTION shop.purge_idempotency_keys(integer, integer) FROM PUBLIC;

CREATE FUNCTION shop.purge_outbox(store_id integer, row_limit integer) RETURNS integer
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $function$
    SELECT shop.purge_batch('outbox', $condition$
        old.status <> 'pending'
        AND old.created_at < clock_timestamp() - current_setting('shop.outbox_retention')::interval
        AND old.finished_at < clock_timestamp() - current_setting('shop.outbox_retention')::interval
        -- What is about an unfinished order stays: it tells why the order waits.
        AND NOT EXISTS (SELECT FROM shop.orders purchase
                        WHERE purchase.store_id = old.store_id AND purchase.id = old.order_id
                          AND purchase.status IN ('pending', 'QUEUED'))
    $condition$, store_id, row_limit)
$function$;
COMMENT ON FUNCTION shop.purge_outbox(integer, integer) IS 'Deletes up to row_limit finished messages that are older than shop.outbox_retention, but for those of unfinished orders. Returns how many.';
REVOKE ALL ON FUNCTION shop.purge_outbox(integer, integer) FROM PUBLIC;

CREATE FUNCTION shop.purge_inbox(store_id integer, row_limit integer) RETURNS integer
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $function$
    SELECT shop.purge_batch('inbox', $condition$
        old.note IS NULL AND old.received_at < clock_timestamp() - current_setting('shop.inbox_retention')::interval
    $condition$, store_id, row_limit)
$function$;
COMMENT ON FUNCTION shop.purge_inbox(integer, integer) IS 'Forgets up to row_limit events that are older than shop.inbox_retention, but for those that found nothing to apply to. Returns how many.';
REVOKE ALL ON FUNCTION shop.purge_inbox(integer, integer) FROM PUBLIC;

CREATE FUNCTION shop.purge_dead_letters(store_id integer, row_limit integer) RETURNS integer
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $function$
    SELECT shop.purge_batch('dead_letters', $condition$
        old.status <> 'open' AND old.updated_at < clock_timestamp() - current_setting('shop.dead_letter_retention')::interval
        -- What is about an unfinished order stays: it tells why the order goes no further.
        AND NOT EXISTS (SELECT FROM shop.orders purchase
                        WHERE purchase.store_id = old.store_id AND purchase.id = old.order_id
                          AND purchase.status IN ('pending', 'QUEUED'))
    $condition$, store_id, row_limit)
$function$;
COMMENT ON FUNCTION shop.purge_dead_letters(integer, integer) IS 'Deletes up to row_limit closed dead letters that are older than shop.dead_letter_retention, but for those of unfinished orders. Returns how many.';
REVOKE ALL ON FUNCTION shop.purge_dead_letters(integer, integer) FROM PUBLIC;

CREATE FUNCTION shop.purge_failed_logins(store_id integer, row_limit integer) RETURNS integer
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $function$
    -- Longer than any lock, and short: anybody can add rows, each at the price of a password hash.
    SELECT shop.purge_batch('failed_logins', $condition$
        old.updated_at < clock_timestamp() - interval '1 hour'
    $condition$, store_id, row_limit)
$function$;
COMMENT ON FUNCTION shop.purge_failed_logins(integer, integer) IS 'Forgets up to row_limit names with failed sign-ins, the last of them an hour ago. Returns how many.';
REVOKE ALL ON FUNCTION shop.purge_failed_logins(integer, integer) FROM PUBLIC;

CREATE FUNCTION shop.maintain(store_id integer) RETURNS TABLE (task text, rows integer)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $function$
#variable_conflict use_column
BEGIN
    RETURN QUERY VALUES
        ('expire_pending_orders', shop.expire_pending_orders(maintain.store_id, 100)),
        ('fold_order_counts', shop.fold_order_counts(maintain.store_id, 100000)),
        ('purge_idempotency_keys', shop.purge_idempotency_keys(maintain.store_id, 10000)),
        ('purge_outbox', shop.purge_outbox(maintain.store_id, 10000)),
        ('purge_inbox', shop.purge_inbox(maintain.store_id, 10000)),
        ('purge_dead_letters', shop.purge_dead_letters(maintain.store_id, 1000)),
        ('purge_failed_logins', shop.purge_failed_logins(maintain.store_id, 10000));
    -- Another run that is about to commit tells the same, and is not waited for.
    IF pg_try_advisory_xact_lock(hashtextextended('pg_shop maintain', maintain.store_id)) THEN
        INSERT INTO shop.maintenance_runs AS last_run (store_id, ran_at) VALUES (maintain.store_id, clock_timestamp())
        ON CONFLICT (store_id) DO UPDATE SET ran_at = excluded.ran_at;
    END IF;
END
$function$;
COMMENT ON FUNCTION shop.maintain(integer) IS 'One batch of all scheduled work, for pg_cron or the poller to call every minute. Returns what it did, and notes in shop.maintenance_runs that it ran.';
REVOKE ALL ON FUNCTION shop.maintain(integer) FROM PUBLIC;
