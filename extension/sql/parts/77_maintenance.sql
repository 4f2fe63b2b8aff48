-- Scheduled work that deletes what is old: each call one small batch with SKIP LOCKED, so that it never waits for anybody
-- and several may run at once. pg_cron calls shop.maintain() (cron.sql), or the poller does where pg_cron is not.

CREATE FUNCTION shop.purge_idempotency_keys(store_id integer, row_limit integer) RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $function$
#variable_conflict use_column
DECLARE
    purged integer;
BEGIN
    PERFORM shop.require_migrated();
    DELETE FROM shop.idempotency_keys answer
    WHERE answer.ctid = ANY (ARRAY(
        SELECT old.ctid FROM shop.idempotency_keys old
        WHERE old.store_id = purge_idempotency_keys.store_id
          AND old.created_at < clock_timestamp() - current_setting('shop.idempotency_retention')::interval
        LIMIT row_limit
        FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS purged = ROW_COUNT;
    RETURN purged;
END
$function$;
COMMENT ON FUNCTION shop.purge_idempotency_keys(integer, integer) IS 'Deletes up to row_limit stored answers that are older than shop.idempotency_retention. Returns how many.';
REVOKE ALL ON FUNCTION shop.purge_idempotency_keys(integer, integer) FROM PUBLIC;

CREATE FUNCTION shop.purge_outbox(store_id integer, row_limit integer) RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $function$
#variable_conflict use_column
DECLARE
    purged integer;
BEGIN
    PERFORM shop.require_migrated();
    -- What is about an unfinished order stays: it tells why the order waits.
    DELETE FROM shop.outbox message
    WHERE message.ctid = ANY (ARRAY(
        SELECT old.ctid FROM shop.outbox old
        WHERE old.store_id = purge_outbox.store_id AND old.status <> 'pending'
          AND old.created_at < clock_timestamp() - current_setting('shop.outbox_retention')::interval
          AND old.finished_at < clock_timestamp() - current_setting('shop.outbox_retention')::interval
          AND NOT EXISTS (SELECT FROM shop.orders purchase
                          WHERE purchase.store_id = old.store_id AND purchase.id = old.order_id
                            AND purchase.status IN ('pending', 'QUEUED'))
        LIMIT row_limit
        FOR UPDATE OF old SKIP LOCKED));
    GET DIAGNOSTICS purged = ROW_COUNT;
    RETURN purged;
END
$function$;
COMMENT ON FUNCTION shop.purge_outbox(integer, integer) IS 'Deletes up to row_limit finished messages that are older than shop.outbox_retention, but for those of unfinished orders. Returns how many.';
REVOKE ALL ON FUNCTION shop.purge_outbox(integer, integer) FROM PUBLIC;

CREATE FUNCTION shop.purge_inbox(store_id integer, row_limit integer) RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $function$
#variable_conflict use_column
DECLARE
    purged integer;
BEGIN
    PERFORM shop.require_migrated();
    DELETE FROM shop.inbox event
    WHERE event.ctid = ANY (ARRAY(
        SELECT old.ctid FROM shop.inbox old
        WHERE old.store_id = purge_inbox.store_id
          AND old.received_at < clock_timestamp() - current_setting('shop.inbox_retention')::interval
        LIMIT row_limit
        FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS purged = ROW_COUNT;
    RETURN purged;
END
$function$;
COMMENT ON FUNCTION shop.purge_inbox(integer, integer) IS 'Forgets up to row_limit events that are older than shop.inbox_retention. Returns how many.';
REVOKE ALL ON FUNCTION shop.purge_inbox(integer, integer) FROM PUBLIC;

CREATE FUNCTION shop.purge_dead_letters(store_id integer, row_limit integer) RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $function$
#variable_conflict use_column
DECLARE
    purged integer;
BEGIN
    PERFORM shop.require_migrated();
    DELETE FROM shop.dead_letters letter
    WHERE letter.ctid = ANY (ARRAY(
        SELECT old.ctid FROM shop.dead_letters old
        WHERE old.store_id = purge_dead_letters.store_id AND old.status <> 'open'
          AND old.updated_at < clock_timestamp() - current_setting('shop.dead_letter_retention')::interval
        LIMIT row_limit
        FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS purged = ROW_COUNT;
    RETURN purged;
END
$function$;
COMMENT ON FUNCTION shop.purge_dead_letters(integer, integer) IS 'Deletes up to row_limit closed dead letters that are older than shop.dead_letter_retention. Returns how many.';
REVOKE ALL ON FUNCTION shop.purge_dead_letters(integer, integer) FROM PUBLIC;

CREATE FUNCTION shop.maintain(store_id integer) RETURNS TABLE (task text, rows integer)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $function$
BEGIN
    RETURN QUERY VALUES
        ('expire_pending_orders', shop.expire_pending_orders(store_id, 100)),
        ('fold_order_counts', shop.fold_order_counts(store_id, 100000)),
        ('purge_idempotency_keys', shop.purge_idempotency_keys(store_id, 10000)),
        ('purge_outbox', shop.purge_outbox(store_id, 10000)),
        ('purge_inbox', shop.purge_inbox(store_id, 10000)),
        ('purge_dead_letters', shop.purge_dead_letters(store_id, 1000));
END
$function$;
COMMENT ON FUNCTION shop.maintain(integer) IS 'One batch of all scheduled work, for pg_cron or the poller to call every minute. Returns what it did.';
REVOKE ALL ON FUNCTION shop.maintain(integer) FROM PUBLIC;
