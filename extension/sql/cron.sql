-- Scheduled work of pg_shop by pg_cron. Run by a superuser in the database that holds pg_cron (cron.database_name), naming
-- the shop's database:
--   psql -d postgres -v shop_database=shop -f cron.sql
-- Running it again changes the jobs in place. Schedules are in GMT. Debian's pg_cron 1.4 knows minutes, not seconds.
\set ON_ERROR_STOP on

SELECT cron.schedule_in_database('pg_shop maintain', '* * * * *',
                                 'SELECT shop.maintain(1)', :'shop_database');
SELECT cron.schedule_in_database('pg_shop verify', '17 3 * * *',
                                 'DO $$ BEGIN IF EXISTS (SELECT FROM shop.verify(1)) THEN RAISE EXCEPTION ''shop.verify(1) found broken invariants'' USING HINT = ''SELECT * FROM shop.verify(1);''; END IF; END $$',
                                 :'shop_database');
-- pg_cron itself keeps the history of its runs for ever.
SELECT cron.schedule_in_database('pg_shop purge job history', '41 3 * * *',
                                 'DELETE FROM cron.job_run_details WHERE end_time < now() - interval ''14 days''',
                                 current_database());
