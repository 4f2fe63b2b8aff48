-- Scheduled work: orders that nobody pays expire, what is old and finished is purged, nothing else.
BEGIN;
SELECT plan(41);
\ir fixture.psql
-- All of it also where every table is replicated logically, which needs to know each row that is changed or deleted.
SET LOCAL client_min_messages = error; -- the publication warns where nobody replicates
CREATE PUBLICATION everything FOR ALL TABLES;
RESET client_min_messages;

SELECT pg_temp.product('apple', 1, 50) AS apple \gset
SELECT pg_temp.order_of(1, :apple) AS young, pg_temp.order_of(2, :apple) AS queued,
    pg_temp.order_of(3, :apple) AS paying,
       pg_temp.order_of(4, :apple) AS unpaid, pg_temp.order_of(5, :apple) AS paid,
           pg_temp.order_of(6, :apple) AS other_unpaid \gset
SELECT shop.settle_payment(1, :paid, true, NULL, NULL, NULL) \g /dev/null
SELECT attempt_id AS attempt FROM shop.begin_payment(1, :paying, 'simulation', NULL) \gset
SELECT shop.mark_outbox_delivered(1, (SELECT array_agg(id) FROM shop.outbox WHERE order_id <> :queued)) \g /dev/null
UPDATE shop.orders SET created_at = clock_timestamp() - interval '25 hours' WHERE id <> :young;

CREATE FUNCTION pg_temp.states() RETURNS text
LANGUAGE sql AS $$ SELECT string_agg(status, ' ' ORDER BY user_id) FROM shop.orders $$;

-- Expiry.
SET LOCAL shop.pending_order_ttl = 0;
SELECT is(shop.expire_pending_orders(1, 100), 0, 'with the limit at 0 nothing expires');
SET LOCAL shop.pending_order_ttl = '1d';
SELECT is(shop.expire_pending_orders(2, 100), 0, 'another store has nothing to expire');
SELECT is(shop.expire_pending_orders(1, 1), 1, 'one at a time');
SELECT is(pg_temp.states(), 'pending pending pending CANCELLED CONFIRMED pending', 'the oldest unpaid order expires');
SELECT is(shop.expire_pending_orders(1, 100), 1, 'then the rest');
SELECT is(pg_temp.states(), 'pending pending pending CANCELLED CONFIRMED CANCELLED',
          'but none that is young, whose message waits, whose payment is under way, or that is paid');
SELECT is(pg_temp.stock(:apple), '49/3', 'their units are free again');
SELECT results_eq(
    format('SELECT event, actor, reason FROM shop.order_events WHERE order_id = %s AND seq = 2', :unpaid),
    $$VALUES ('expired', 'maintenance', 'not paid in time')$$, 'the history says so');
SELECT is(shop.expire_pending_orders(1, 100), 0, 'once');
SELECT shop.apply_payment(1, :attempt, 'declined', NULL, NULL, NULL, NULL, NULL, NULL, NULL) \g /dev/null
SELECT throws_ok('SELECT shop.expire_pending_orders(1, 0)', 'SH005', NULL, 'a batch has at least one order');

-- Purging the outbox: finished, old, and not about an unfinished order.
SELECT is(shop.purge_outbox(1, 100), 0, 'what is finished since today is kept');
UPDATE shop.outbox SET created_at = clock_timestamp() - interval '8 days',
    finished_at = CASE WHEN status <> 'pending' THEN clock_timestamp() - interval '8 days' END;
SELECT is(shop.purge_outbox(2, 100), 0, 'so is that of another store');
SELECT is(shop.purge_outbox(1, 1), 1, 'old messages are purged in batches');
SELECT is(shop.purge_outbox(1, 100), 3, 'and all of them');
SELECT set_eq('SELECT order_id FROM shop.outbox', ARRAY[:young, :queued]::bigint[],
    'but for those of unfinished orders');

-- Purging dead letters: closed and old.
SELECT id AS open FROM shop.record_dead_letter(1, 'sqs', 'a', 'b', NULL, 'r', NULL, 1, NULL, NULL, NULL) \gset
SELECT id AS closed FROM shop.record_dead_letter(1, 'sqs', 'b', 'b', NULL, 'r', NULL, 1, NULL, NULL, NULL) \gset
SELECT shop.discard(1, :closed, 'spam', 'boss', NULL) \g /dev/null
SELECT is(shop.purge_dead_letters(1, 100), 0, 'young dead letters are kept');
SELECT id AS about FROM shop.record_dead_letter(1, 'sqs', 'c', 'b', NULL, 'r', NULL, 1, :queued, NULL, NULL) \gset
SELECT shop.discard(1, :about, 'spam', 'boss', NULL) \g /dev/null
UPDATE shop.dead_letters SET updated_at = clock_timestamp() - interval '91 days',
    created_at = clock_timestamp() - interval '91 days';
SELECT is(shop.purge_dead_letters(1, 100), 1, 'old ones are purged');
SELECT set_eq('SELECT id FROM shop.dead_letters', ARRAY[:open, :about]::bigint[], 
    'but for open ones and those of unfinished orders');

-- Counters: folding them changes no count.
SET LOCAL timezone = 'Asia/Kolkata';
SELECT is(shop.count_orders(1), 6::bigint, 'six orders are counted');
SELECT cmp_ok(shop.fold_order_counts(1, 100), '>', 0, 'the log of counters is folded');
SELECT is(shop.count_orders(1), 6::bigint, 'there are still six');
SELECT is_empty(
    $$SELECT hour FROM shop.order_counts WHERE hour <> '-infinity' AND extract(minute FROM hour AT TIME ZONE 'UTC') <> 0$$,
    'by hours of UTC, also where those of the session begin at half past');

-- Reports of pollers: those that have been silent for a day, but for the newest.
SELECT shop.report_poller(1, poller, 'embedded', NULL, NULL, NULL, NULL) FROM unnest(ARRAY['a', 'b', 'c']) poller \g /dev/null
UPDATE shop.poller_reports SET reported_at = reported_at - interval '23 hours' WHERE poller <> 'c';
SELECT is(shop.purge_poller_reports(1, 100), 0, 'reports of today are kept');
UPDATE shop.poller_reports SET reported_at = reported_at - interval '2 hours' WHERE poller <> 'c';
SELECT is(shop.purge_poller_reports(2, 100), 0, 'so are those of another store');
SELECT is(shop.purge_poller_reports(1, 1), 1, 'older ones are purged in batches');
UPDATE shop.poller_reports SET reported_at = reported_at - interval '2 days';
SELECT is(shop.purge_poller_reports(1, 100), 1, 'and all of them');
SELECT results_eq('SELECT poller COLLATE "default" FROM shop.poller_reports', ARRAY['c'],
    'but for the newest, which tells what the queue was like when the last poller went');

-- All at once, and enough of it in a minute.
CREATE FUNCTION pg_temp.maintained() RETURNS text
LANGUAGE sql AS $$ SELECT string_agg(format('%s %s', task, coalesce(rows::text, 'failed')), ', ') FROM shop.maintain(1) $$;
INSERT INTO shop.inbox (store_id, source, message_key, received_at)
SELECT 1, 'stripe', number::text, clock_timestamp() - interval '1 year' FROM generate_series(1, 20000) number;
SELECT pg_temp.product('plum', 1, 150) AS plum \gset
SELECT pg_temp.order_of(1000 + number, :plum) FROM generate_series(1, 150) number \g /dev/null
SELECT shop.mark_outbox_delivered(1, ARRAY(SELECT id FROM shop.outbox WHERE order_id <> :queued)) \g /dev/null
UPDATE shop.orders SET created_at = clock_timestamp() - interval '25 hours' WHERE user_id > 1000;
SELECT is(pg_temp.maintained(), 'fold_order_counts 150, purge_idempotency_keys 0, purge_outbox 0, purge_inbox 20000, '
    'purge_dead_letters 0, purge_failed_logins 0, purge_poller_reports 0, expire_pending_orders 150',
    'maintain() does all of it, and last what locks products');
SELECT is(pg_temp.stock(:plum), '150/0', 'all that nobody paid is free again');

-- A task that fails undoes no other.
INSERT INTO shop.inbox (store_id, source, message_key, received_at)
VALUES (1, 'stripe', 'old', clock_timestamp() - interval '1 year');
UPDATE shop.idempotency_keys SET created_at = clock_timestamp() - interval '1 year' WHERE order_id = :paid;
SELECT shop.record_login(1, 'name', false) \g /dev/null
UPDATE shop.failed_logins SET updated_at = clock_timestamp() - interval '1 year';
DELETE FROM shop.maintenance_runs;
CREATE FUNCTION pg_temp.fails() RETURNS trigger
LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'disk on fire' USING ERRCODE = TG_ARGV[0]; END $$;
CREATE TRIGGER fails BEFORE DELETE ON shop.inbox FOR EACH ROW EXECUTE FUNCTION pg_temp.fails('58030');
SET LOCAL client_min_messages = error;
SELECT is(pg_temp.maintained(), 'fold_order_counts 0, purge_idempotency_keys 1, purge_outbox 0, purge_inbox failed, '
    'purge_dead_letters 0, purge_failed_logins 1, purge_poller_reports 0, expire_pending_orders 0',
    'a task that fails is told');
RESET client_min_messages;
SELECT is_empty($$SELECT FROM shop.failed_logins$$, 'what comes after it is done');
SELECT is((SELECT count(*) FROM shop.idempotency_keys WHERE order_id = :paid), 0::bigint, 'and what came before');
SELECT is((SELECT count(*) FROM shop.inbox), 1::bigint, 'its own work is undone');
SELECT is((SELECT count(*) FROM shop.maintenance_runs), 1::bigint, 'and maintenance ran');
DROP TRIGGER fails ON shop.inbox;
CREATE TRIGGER fails BEFORE DELETE ON shop.inbox FOR EACH ROW EXECUTE FUNCTION pg_temp.fails('57014');
-- cancelled(): throws_ok() does not catch it.
CREATE FUNCTION pg_temp.cancelled() RETURNS boolean
LANGUAGE plpgsql AS $$ BEGIN PERFORM shop.maintain(1); RETURN false; EXCEPTION WHEN query_canceled THEN RETURN true; END $$;
SELECT ok(pg_temp.cancelled(), 'who cancels the query ends all of it');
DROP TRIGGER fails ON shop.inbox;
SELECT matches(pg_temp.maintained(), 'purge_inbox 1,', 'the next run does what was left');

-- shop.check() goes by when it last ran.
CREATE FUNCTION pg_temp.checked() RETURNS text
LANGUAGE sql AS $$
    SELECT concat_ws(', ', ok, detail, hint) FROM shop.check() WHERE check_name = 'scheduled maintenance'
$$;
SELECT matches(pg_temp.checked(), '^t, store 1: \d s ago$', 'that it ran is noted');
SELECT shop.maintain(2) \g /dev/null
SELECT matches(pg_temp.checked(), '^t, store 1: \d s ago, store 2: \d s ago$', 'of every store');
UPDATE shop.maintenance_runs SET ran_at = clock_timestamp() - interval '601 seconds' WHERE store_id = 1;
SELECT matches(pg_temp.checked(), '^f, store 1: 60\d s ago, store 2: \d s ago, .*MAINTENANCE_INTERVAL_SECONDS',
    'a store that nobody maintains is told, with what to do');
SELECT shop.maintain(1) \g /dev/null
SELECT matches(pg_temp.checked(), '^t, store 1: \d s ago', 'until somebody does again');
DELETE FROM shop.maintenance_runs;
SELECT matches(pg_temp.checked(), '^f, shop.maintain\(\) never ran, ', 'so is a shop that nobody ever maintained');

SELECT * FROM finish();
ROLLBACK;
