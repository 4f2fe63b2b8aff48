-- Scheduled work that deletes what is old: each call one batch with SKIP LOCKED, so that it never waits for anybody
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

CREATE FUNCTION shop.purge_poller_reports(store_id integer, row_limit integer) RETURNS integer
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $function$
    SELECT shop.purge_batch('poller_reports', $condition$
        old.reported_at < clock_timestamp() - interval '1 day'
        -- The newest stays: it tells what the queue was like when the last poller went.
        AND EXISTS (SELECT FROM shop.poller_reports newer
                    WHERE newer.store_id = old.store_id AND newer.reported_at > old.reported_at)
    $condition$, store_id, row_limit)
$function$;
COMMENT ON FUNCTION shop.purge_poller_reports(integer, integer) IS 'Deletes up to row_limit reports of pollers that have been silent for a day, but for the newest of all; each start of a poller begins one. Returns how many.';
REVOKE ALL ON FUNCTION shop.purge_poller_reports(integer, integer) FROM PUBLIC;

CREATE FUNCTION shop.maintain(store_id integer) RETURNS TABLE (task text, rows integer)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $function$
#variable_conflict use_column
DECLARE
    batch integer;
BEGIN
    PERFORM shop.require_migrated();
    -- Expiry comes last: it locks products, and buyers wait for those until all of this commits.
    FOR task, batch IN VALUES
        ('fold_order_counts', 100000),
        ('purge_idempotency_keys', 100000),
        ('purge_outbox', 100000),
        ('purge_inbox', 100000),
        ('purge_dead_letters', 1000),
        ('purge_failed_logins', 10000),
        ('purge_poller_reports', 1000),
        ('expire_pending_orders', 1000)
    LOOP
        BEGIN
            EXECUTE format('SELECT shop.%I($1, $2)', task) INTO rows USING maintain.store_id, batch;
        EXCEPTION WHEN OTHERS THEN -- all but a cancelled query: who cancels means all of it
            RAISE WARNING 'shop.maintain(): % failed: %', task, SQLERRM;
            rows := NULL;
        END;
        RETURN NEXT;
    END LOOP;
    -- Another run that is about to commit tells the same, and is not waited for.
    IF pg_try_advisory_xact_lock(hashtextextended('pg_shop maintain', maintain.store_id)) THEN
        INSERT INTO shop.maintenance_runs AS last_run (store_id, ran_at) VALUES (maintain.store_id, clock_timestamp())
        ON CONFLICT (store_id) DO UPDATE SET ran_at = excluded.ran_at;
    END IF;
END
$function$;
COMMENT ON FUNCTION shop.maintain(integer) IS 'One batch of all scheduled work, for pg_cron or the poller to call every minute. Returns how many rows each task was about; NULL for one that failed, which is a warning and undoes no other. Orders expire last, because their products stay locked until the end. Notes in shop.maintenance_runs that it ran.';
REVOKE ALL ON FUNCTION shop.maintain(integer) FROM PUBLIC;
