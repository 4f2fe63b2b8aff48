-- Dead letters as administrators see and close them.

CREATE FUNCTION shop.dead_letter_json(store_id integer, dead_letter_id bigint) RETURNS json
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
    iso_time CONSTANT text := 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"';
BEGIN
    RETURN (
        SELECT json_build_object(
            'id', letter.id, 'status', letter.status, 'source', letter.source, 'message_key', letter.message_key,
            'body', letter.body, 'attributes', letter.attributes::json, 'reason', letter.reason,
            'error', letter.error, 'attempts', letter.receive_count, 'order_id', letter.order_id,
            'request_id', letter.request_id, 'resolution', letter.resolution,
            'dlq_message_id', letter.dlq_message_id,
            'dlq_moved_at', to_char(letter.dlq_moved_at AT TIME ZONE 'UTC', iso_time),
            'created_at', to_char(letter.created_at AT TIME ZONE 'UTC', iso_time),
            'updated_at', to_char(letter.updated_at AT TIME ZONE 'UTC', iso_time))
        FROM shop.dead_letters letter
        WHERE letter.store_id = dead_letter_json.store_id AND letter.id = dead_letter_id);
END
$function$;
COMMENT ON FUNCTION shop.dead_letter_json(integer, bigint) IS 'A dead letter as administrators read it; NULL when there is none.';
REVOKE ALL ON FUNCTION shop.dead_letter_json(integer, bigint) FROM PUBLIC;

CREATE FUNCTION shop.dead_letter_answer(store_id integer, dead_letter_id bigint, request_id text) RETURNS shop.response
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    document CONSTANT json := shop.dead_letter_json(store_id, dead_letter_id);
BEGIN
    IF coalesce(dead_letter_id, 0) < 1 THEN
        RETURN shop.problem('invalid_field', 'id must be a positive integer', request_id);
    ELSIF document IS NULL THEN
        RETURN shop.problem('dead_letter_not_found', 'Dead letter not found', request_id);
    END IF;
    RETURN (200, document::text, false, (document ->> 'order_id')::bigint, NULL, NULL)::shop.response;
END
$function$;
COMMENT ON FUNCTION shop.dead_letter_answer(integer, bigint, text) IS 'A dead letter as answer: 200, 400, 404.';
REVOKE ALL ON FUNCTION shop.dead_letter_answer(integer, bigint, text) FROM PUBLIC;

CREATE FUNCTION shop.get_dead_letter(store_id integer, dead_letter_id bigint, request_id text) RETURNS shop.response
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM shop.require_migrated();
    RETURN shop.dead_letter_answer(store_id, dead_letter_id, request_id);
END
$function$;
COMMENT ON FUNCTION shop.get_dead_letter(integer, bigint, text) IS 'One dead letter. 200, 400, 404.';
REVOKE ALL ON FUNCTION shop.get_dead_letter(integer, bigint, text) FROM PUBLIC;

CREATE FUNCTION shop.list_dead_letters(store_id integer, status text, before_id bigint, row_limit integer,
                                       request_id text) RETURNS shop.response
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
    answer shop.response := shop.refuse_page(before_id, row_limit, list_dead_letters.request_id);
BEGIN
    PERFORM shop.require_migrated();
    IF answer.status IS NOT NULL THEN
        RETURN answer;
    ELSIF list_dead_letters.status NOT IN ('open', 'redriven', 'discarded') THEN
        RETURN shop.problem('invalid_field', 'status must be open, redriven or discarded', list_dead_letters.request_id);
    END IF;
    SELECT 200, coalesce(json_agg(shop.dead_letter_json(list_dead_letters.store_id, listed.id)
                                  ORDER BY listed.id DESC), '[]')::text, false
    FROM (SELECT letter.id FROM shop.dead_letters letter
          WHERE letter.store_id = list_dead_letters.store_id
            AND letter.id < coalesce(before_id, 9223372036854775807)
            AND (list_dead_letters.status IS NULL OR letter.status = list_dead_letters.status)
          ORDER BY letter.id DESC LIMIT coalesce(row_limit, 100)) listed
    INTO answer.status, answer.body, answer.replayed;
    RETURN answer;
END
$function$;
COMMENT ON FUNCTION shop.list_dead_letters(integer, text, bigint, integer, text) IS 'Dead letters, newest first: of one status or all, 100 or row_limit (1 to 1000) before before_id. 200, 400.';
REVOKE ALL ON FUNCTION shop.list_dead_letters(integer, text, bigint, integer, text) FROM PUBLIC;

CREATE FUNCTION shop.redrive(store_id integer, dead_letter_id bigint, actor text, request_id text)
RETURNS shop.response
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $function$
#variable_conflict use_column
DECLARE
    letter shop.dead_letters%ROWTYPE;
BEGIN
    PERFORM shop.require_migrated();
    SELECT * FROM shop.dead_letters found
    WHERE found.store_id = redrive.store_id AND found.id = dead_letter_id
    FOR NO KEY UPDATE INTO letter;
    IF letter.status = 'discarded' THEN
        RETURN shop.problem('dead_letter_closed', 'A discarded dead letter cannot be redriven', redrive.request_id);
    ELSIF letter.status = 'open' THEN
        -- A message of our own again, in the outbox; what it leads to happens once, however often it is delivered.
        INSERT INTO shop.outbox (store_id, topic, order_id, body, request_id, traceparent)
        VALUES (letter.store_id, 'redrive', letter.order_id, letter.body, coalesce(letter.request_id, redrive.request_id),
                substring(letter.attributes FROM '"traceparent":\s*\{[^{}]*"StringValue":\s*"([0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(?:-[^"\\]*)?)"'));
        UPDATE shop.dead_letters closed
        SET status = 'redriven', resolution = format('redriven by %s', coalesce(actor, 'a DBA')),
            updated_at = clock_timestamp()
        WHERE closed.store_id = letter.store_id AND closed.id = letter.id;
    END IF;
    RETURN shop.dead_letter_answer(store_id, dead_letter_id, redrive.request_id);
END
$function$;
COMMENT ON FUNCTION shop.redrive(integer, bigint, text, text) IS 'Lets an open dead letter be tried again, through the outbox; pressing twice does nothing the second time. 200 dead letter, 404, 409 when it was discarded.';
REVOKE ALL ON FUNCTION shop.redrive(integer, bigint, text, text) FROM PUBLIC;

CREATE FUNCTION shop.discard(store_id integer, dead_letter_id bigint, reason text, actor text, request_id text)
RETURNS shop.response
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $function$
#variable_conflict use_column
DECLARE
    letter shop.dead_letters%ROWTYPE;
BEGIN
    PERFORM shop.require_migrated();
    IF dead_letter_id > 0 AND coalesce(discard.reason, '') = '' THEN
        RETURN shop.problem('invalid_field', 'reason is required', discard.request_id);
    END IF;
    SELECT * FROM shop.dead_letters found
    WHERE found.store_id = discard.store_id AND found.id = dead_letter_id
    FOR NO KEY UPDATE INTO letter;
    IF letter.status = 'redriven' THEN
        RETURN shop.problem('dead_letter_closed', 'A redriven dead letter cannot be discarded', discard.request_id);
    ELSIF letter.status = 'open' THEN
        UPDATE shop.dead_letters closed
        SET status = 'discarded', resolution = format('discarded by %s: %s', coalesce(actor, 'a DBA'), discard.reason),
            updated_at = clock_timestamp()
        WHERE closed.store_id = letter.store_id AND closed.id = letter.id;
    END IF;
    RETURN shop.dead_letter_answer(store_id, dead_letter_id, discard.request_id);
END
$function$;
COMMENT ON FUNCTION shop.discard(integer, bigint, text, text, text) IS 'Closes an open dead letter for good, with a reason; its row stays. 200 dead letter, 400, 404, 409 when it was redriven.';
REVOKE ALL ON FUNCTION shop.discard(integer, bigint, text, text, text) FROM PUBLIC;
