-- What the poller calls around shop.settle_payment: claiming and finishing outbox messages, and dead letters.

CREATE FUNCTION shop.claim_outbox(store_id integer, row_limit integer, lease_ms integer)
RETURNS TABLE (id bigint, topic text, order_id bigint, body text, request_id text, traceparent text, attempts integer,
               created_at timestamptz)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' SET plan_cache_mode = force_generic_plan
AS $function$
#variable_conflict use_column
DECLARE
    -- A body may have megabytes, and a caller holds in memory what it claims.
    most_bytes CONSTANT integer := 4 * 1024 * 1024;
BEGIN
    PERFORM shop.require_migrated();
    -- Pollers ask all the time, mostly in vain: that must not cost an UPDATE that finds nothing.
    IF NOT EXISTS (SELECT FROM shop.outbox message
                   WHERE message.store_id = claim_outbox.store_id AND message.status = 'pending'
                     AND message.next_attempt_at <= clock_timestamp()) THEN
        RETURN;
    END IF;
    -- Claimed by a pending flag and SKIP LOCKED, never by "id above the last one": ids are not in the order of commits.
    -- What is too much is left to the next claim; its locks end with this one. The length of a body is known without
    -- reading it.
    RETURN QUERY
        UPDATE shop.outbox message
        SET attempts = message.attempts + 1,
            next_attempt_at = clock_timestamp() + lease_ms * interval '1 millisecond'
        WHERE message.ctid = ANY (ARRAY(
            SELECT counted.place
            FROM (SELECT locked.place, locked.bytes,
                         sum(locked.bytes) OVER (ORDER BY locked.next_attempt_at ROWS UNBOUNDED PRECEDING) AS total
                  FROM (SELECT due.ctid AS place, due.next_attempt_at, octet_length(due.body) AS bytes
                        FROM shop.outbox due
                        WHERE due.store_id = claim_outbox.store_id AND due.status = 'pending'
                          AND due.next_attempt_at <= clock_timestamp()
                        ORDER BY due.next_attempt_at
                        LIMIT row_limit
                        FOR UPDATE SKIP LOCKED) locked) counted
            WHERE counted.total <= most_bytes OR counted.total = counted.bytes))
        RETURNING message.id, message.topic, message.order_id, message.body, message.request_id, message.traceparent,
                  message.attempts, message.created_at;
END
$function$;
COMMENT ON FUNCTION shop.claim_outbox(integer, integer, integer) IS 'Takes up to row_limit due messages for lease_ms milliseconds, those that are due longest: as many as have 4 MiB of bodies together, and one that is larger alone. Several callers share the work; what a caller does not finish or give back is due again when its lease ends.';
REVOKE ALL ON FUNCTION shop.claim_outbox(integer, integer, integer) FROM PUBLIC;

CREATE FUNCTION shop.lock_outbox(store_id integer, ids bigint[]) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
BEGIN
    PERFORM FROM shop.outbox message
    WHERE message.store_id = lock_outbox.store_id AND message.id = ANY (ids) AND message.status = 'pending'
    ORDER BY message.id
    FOR UPDATE;
END
$function$;
COMMENT ON FUNCTION shop.lock_outbox(integer, bigint[]) IS 'Locks those of the messages that are pending, in ascending order, as everybody does who waits for several: an UPDATE alone takes them in the order of its plan, and two pollers that hold the same messages, after a lease that ran out, might wait for each other.';
REVOKE ALL ON FUNCTION shop.lock_outbox(integer, bigint[]) FROM PUBLIC;

CREATE FUNCTION shop.mark_outbox_delivered(store_id integer, ids bigint[]) RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $function$
#variable_conflict use_column
DECLARE
    changed integer;
BEGIN
    PERFORM shop.require_migrated();
    PERFORM shop.lock_outbox(mark_outbox_delivered.store_id, ids);
    UPDATE shop.outbox message SET status = 'delivered', finished_at = clock_timestamp(), last_error = NULL
    WHERE message.store_id = mark_outbox_delivered.store_id AND message.id = ANY (ids) AND message.status = 'pending';
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN changed;
END
$function$;
COMMENT ON FUNCTION shop.mark_outbox_delivered(integer, bigint[]) IS 'Finishes messages that the queue has taken. Returns how many were still pending.';
REVOKE ALL ON FUNCTION shop.mark_outbox_delivered(integer, bigint[]) FROM PUBLIC;

CREATE FUNCTION shop.release_outbox(store_id integer, ids bigint[], error text, retry_after_ms integer, tried boolean)
RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $function$
#variable_conflict use_column
DECLARE
    changed integer;
BEGIN
    PERFORM shop.require_migrated();
    PERFORM shop.lock_outbox(release_outbox.store_id, ids);
    UPDATE shop.outbox message
    SET attempts = message.attempts - CASE WHEN tried THEN 0 ELSE 1 END,
        last_error = coalesce(error, message.last_error),
        next_attempt_at = clock_timestamp() + retry_after_ms * interval '1 millisecond'
    WHERE message.store_id = release_outbox.store_id AND message.id = ANY (ids) AND message.status = 'pending'
      AND message.attempts > 0;
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN changed;
END
$function$;
COMMENT ON FUNCTION shop.release_outbox(integer, bigint[], text, integer, boolean) IS 'Gives claimed messages back, due again after retry_after_ms milliseconds. tried: whether what they ask for was tried, so that the attempt counts; it was not where they were never used, or where the queue did not take them. An error is kept, NULL leaves the older one.';
REVOKE ALL ON FUNCTION shop.release_outbox(integer, bigint[], text, integer, boolean) FROM PUBLIC;

CREATE FUNCTION shop.defer_message(store_id integer, outbox_id bigint, topic text, order_id bigint, body text,
                                   request_id text, traceparent text, reason text, retry_after_ms integer) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $function$
#variable_conflict use_column
DECLARE
    due CONSTANT timestamptz := clock_timestamp() + retry_after_ms * interval '1 millisecond';
BEGIN
    PERFORM shop.require_migrated();
    -- A message that is still the outbox's was not tried; one that came over the queue begins anew, and its receives too.
    UPDATE shop.outbox message
    SET attempts = greatest(message.attempts - 1, 0), last_error = defer_message.reason, next_attempt_at = due
    WHERE message.store_id = defer_message.store_id AND message.id = defer_message.outbox_id
      AND message.status = 'pending';
    IF defer_message.outbox_id IS NULL THEN
        INSERT INTO shop.outbox (store_id, topic, order_id, body, request_id, traceparent, next_attempt_at, last_error)
        VALUES (defer_message.store_id, defer_message.topic, defer_message.order_id, defer_message.body,
                defer_message.request_id, defer_message.traceparent, due, defer_message.reason);
    END IF;
END
$function$;
COMMENT ON FUNCTION shop.defer_message(integer, bigint, text, bigint, text, text, text, text, integer) IS 'Puts a message off that waits for somebody else (a payment provider) and not for another try: due again after retry_after_ms milliseconds, without an attempt being counted. outbox_id NULL: it came over the queue, and goes back to the outbox, whence it is sent again; the caller deletes it from the queue after this has committed.';
REVOKE ALL ON FUNCTION shop.defer_message(integer, bigint, text, bigint, text, text, text, text, integer) FROM PUBLIC;

CREATE FUNCTION shop.begin_refund(store_id integer, refund_id bigint, outbox_id bigint, OUT refund_status text,
                                  OUT kind text, OUT amount numeric, OUT refund_reference text, OUT order_id bigint,
                                  OUT attempt_id bigint, OUT attempt_provider text, OUT provider_reference text,
                                  OUT age_seconds bigint, OUT order_status text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $function$
#variable_conflict use_column
BEGIN
    PERFORM shop.require_migrated();
    SELECT refund.status, refund.kind, refund.amount, refund.provider_reference, refund.order_id, attempt.id,
           attempt.provider, attempt.provider_reference,
           floor(extract(epoch FROM clock_timestamp() - refund.created_at)), purchase.status
    FROM shop.refunds refund
    JOIN shop.payment_attempts attempt ON attempt.store_id = refund.store_id AND attempt.id = refund.attempt_id
    JOIN shop.orders purchase ON purchase.store_id = refund.store_id AND purchase.id = refund.order_id
    WHERE refund.store_id = begin_refund.store_id AND refund.id = begin_refund.refund_id
    INTO refund_status, kind, amount, refund_reference, order_id, attempt_id, attempt_provider, provider_reference,
         age_seconds, order_status;
    IF refund_status IN ('completed', 'failed') THEN
        UPDATE shop.outbox message SET status = 'delivered', finished_at = clock_timestamp()
        WHERE message.store_id = begin_refund.store_id AND message.id = begin_refund.outbox_id
          AND message.status = 'pending';
    END IF;
END
$function$;
COMMENT ON FUNCTION shop.begin_refund(integer, bigint, bigint) IS 'What the provider has to be told of a refund or void that is already committed: its id is the key to call with. All NULL: there is no such refund. One that is completed or failed already finishes the message outbox_id.';
REVOKE ALL ON FUNCTION shop.begin_refund(integer, bigint, bigint) FROM PUBLIC;

CREATE FUNCTION shop.extend_outbox(store_id integer, ids bigint[], lease_ms integer) RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $function$
#variable_conflict use_column
DECLARE
    changed integer;
BEGIN
    PERFORM shop.require_migrated();
    PERFORM shop.lock_outbox(extend_outbox.store_id, ids);
    UPDATE shop.outbox message SET next_attempt_at = clock_timestamp() + lease_ms * interval '1 millisecond'
    WHERE message.store_id = extend_outbox.store_id AND message.id = ANY (ids) AND message.status = 'pending'
      AND message.next_attempt_at > clock_timestamp(); -- one that is due again is nobody's any more
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN changed;
END
$function$;
COMMENT ON FUNCTION shop.extend_outbox(integer, bigint[], integer) IS 'Lets a claim last for lease_ms milliseconds from now on: for what takes longer than putting a message on a queue. Returns how many were still claimed.';
REVOKE ALL ON FUNCTION shop.extend_outbox(integer, bigint[], integer) FROM PUBLIC;

CREATE FUNCTION shop.record_dead_letter(store_id integer, source text, message_key text, body text, attributes text,
                                        reason text, error text, receive_count integer, order_id bigint,
                                        request_id text, outbox_id bigint, OUT id bigint, OUT moved boolean,
                                        OUT first_reason text, OUT first_error text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $function$
#variable_conflict use_column
DECLARE
    known_order_id bigint := record_dead_letter.order_id;
    named_id text;
    about_order boolean;
    order_status text;
BEGIN
    PERFORM shop.require_migrated();
    -- What the message says of itself: the members of its items are free, and may be called the same.
    BEGIN
        SELECT CASE WHEN json_typeof(content -> 'order_id') = 'string' THEN content ->> 'order_id' END,
               (content -> 'orderId' IS NOT NULL OR content -> 'order_id' IS NOT NULL) AND content -> 'refundId' IS NULL
        FROM (SELECT record_dead_letter.body::json) message (content)
        INTO named_id, about_order;
    EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
        about_order := false; -- No JSON, or such as was never taken for an order: recorded as it is.
    END;
    -- A message of an intake order names the order by the id that its client knows.
    IF known_order_id IS NULL THEN
        SELECT intake.order_id FROM shop.intake_orders intake
        WHERE intake.store_id = record_dead_letter.store_id AND intake.external_id = named_id
        INTO known_order_id;
    END IF;
    -- A try that nobody heard of again may have had its effect: then there is nothing to give up. One that is just now
    -- having it holds the order, and is waited for.
    IF reason = 'max_retries_exceeded' AND about_order
       AND NOT EXISTS (SELECT FROM shop.dead_letters letter
                       WHERE letter.store_id = record_dead_letter.store_id AND letter.source = record_dead_letter.source
                         AND letter.message_key = record_dead_letter.message_key
                         AND letter.reason <> 'max_retries_exceeded') THEN
        SELECT purchase.status FROM shop.orders purchase
        WHERE purchase.store_id = record_dead_letter.store_id AND purchase.id = known_order_id
        FOR SHARE
        INTO order_status;
        IF order_status NOT IN ('QUEUED', 'pending') THEN
            UPDATE shop.outbox message SET status = 'delivered', finished_at = clock_timestamp()
            WHERE message.store_id = record_dead_letter.store_id AND message.status = 'pending'
              AND message.id = CASE WHEN source = 'outbox' AND message_key ~ '^[0-9]{1,18}$' THEN message_key::bigint
                                    ELSE outbox_id END;
            RETURN;
        END IF;
    END IF;
    -- The same message again (the poller died between row and delete, or the dead-letter queue was away) keeps its row.
    INSERT INTO shop.dead_letters AS letter (store_id, source, message_key, body, attributes, reason, error,
                                             receive_count, order_id, request_id)
    VALUES (record_dead_letter.store_id, record_dead_letter.source, record_dead_letter.message_key,
            record_dead_letter.body, record_dead_letter.attributes, record_dead_letter.reason,
            record_dead_letter.error, coalesce(record_dead_letter.receive_count, 0), known_order_id,
            record_dead_letter.request_id)
    ON CONFLICT (store_id, source, message_key) DO UPDATE
    SET receive_count = greatest(letter.receive_count, excluded.receive_count), updated_at = clock_timestamp()
    RETURNING letter.id, letter.dlq_moved_at IS NOT NULL, letter.reason, letter.error
    INTO id, moved, first_reason, first_error;

    UPDATE shop.outbox message SET status = 'dead', finished_at = clock_timestamp(), last_error = error
    WHERE message.store_id = record_dead_letter.store_id AND message.id = outbox_id AND message.status = 'pending';
END
$function$;
COMMENT ON FUNCTION shop.record_dead_letter(integer, text, text, text, text, text, text, integer, bigint, text, bigint) IS 'Writes down a message that is given up, before it leaves its queue; once per (source, message_key). moved: it is already on the dead-letter queue. first_reason, first_error: why it was given up the first time, which counts. id NULL: nothing was written, because a try that seemed to have failed has settled the order after all; the message is done. With outbox_id that message is finished as dead in the same commit; one that goes on to a dead-letter queue is finished by shop.mark_dead_letter_moved().';
REVOKE ALL ON FUNCTION shop.record_dead_letter(integer, text, text, text, text, text, text, integer, bigint, text, bigint) FROM PUBLIC;

CREATE FUNCTION shop.mark_dead_letter_moved(store_id integer, dead_letter_id bigint, dlq_message_id text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $function$
#variable_conflict use_column
DECLARE
    moved shop.dead_letters%ROWTYPE;
BEGIN
    PERFORM shop.require_migrated();
    UPDATE shop.dead_letters letter
    SET dlq_message_id = mark_dead_letter_moved.dlq_message_id, dlq_moved_at = clock_timestamp(),
        updated_at = clock_timestamp()
    WHERE letter.store_id = mark_dead_letter_moved.store_id AND letter.id = dead_letter_id
      AND letter.dlq_moved_at IS NULL
    RETURNING * INTO moved;
    IF moved.source = 'outbox' AND moved.message_key ~ '^[0-9]{1,18}$' THEN
        UPDATE shop.outbox message SET status = 'dead', finished_at = clock_timestamp(), last_error = moved.error
        WHERE message.store_id = moved.store_id AND message.id = moved.message_key::bigint
          AND message.status = 'pending';
    END IF;
END
$function$;
COMMENT ON FUNCTION shop.mark_dead_letter_moved(integer, bigint, text) IS 'Notes that a dead letter is on the dead-letter queue, under this MessageId. A message of the outbox is finished as dead by that.';
REVOKE ALL ON FUNCTION shop.mark_dead_letter_moved(integer, bigint, text) FROM PUBLIC;
