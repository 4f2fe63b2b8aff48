-- Accounts: finding them, counting failures, locking, the demo accounts.
BEGIN;
SELECT plan(63);

SELECT is((SELECT id FROM shop.find_account(1, 'nobody')), NULL, 'an unknown name has no account');
SELECT lives_ok($$SELECT shop.put_demo_account(1, 1, 'boss', 'admin', 'hash-1')$$, 'demo account 1');
SELECT lives_ok($$SELECT shop.put_demo_account(1, 2, 'client', 'user', 'hash-2')$$, 'demo account 2');
SELECT results_eq(
    $$SELECT id, username COLLATE "default", role, password_hash, locked FROM shop.find_account(1, 'boss')$$,
    $$VALUES (1::bigint, 'boss', 'admin', 'hash-1', false)$$, 'find_account() answers all that sign-in needs');
SELECT is((SELECT id FROM shop.find_account(1, 'BOSS')), NULL, 'names are case-sensitive');
SELECT is((SELECT id FROM shop.find_account(1, NULL)), NULL, 'no name, no account');
SELECT is((SELECT id FROM shop.find_account(1, ''' OR true --')), NULL, 'a name is only a name');

-- failures(): the counter and whether sign-in is locked.
CREATE FUNCTION pg_temp.failures(name text) RETURNS text
LANGUAGE sql AS $$
    SELECT format('%s %s', coalesce(max(failures), 0), coalesce(bool_or(locked_until IS NOT NULL), false))
    FROM shop.failed_logins WHERE store_id = 1 AND username_digest = sha256(convert_to(name, 'UTF8'))
$$;
-- unlock(): as if the five minutes had passed.
CREATE FUNCTION pg_temp.unlock() RETURNS void
LANGUAGE sql AS $$ UPDATE shop.failed_logins SET locked_until = clock_timestamp() - interval '1 second' $$;
CREATE FUNCTION pg_temp.locked(name text) RETURNS boolean
LANGUAGE sql AS $$ SELECT locked FROM shop.find_account(1, name) $$;

-- Failures in a row.
SELECT count(shop.record_login(1, 'boss', false)) FROM generate_series(1, 9) \g /dev/null
SELECT is(pg_temp.failures('boss'), '9 f', 'nine failures are counted');
SELECT is(pg_temp.locked('boss'), false, 'and do not lock');
SELECT shop.record_login(1, 'boss', true) \g /dev/null
SELECT is(pg_temp.failures('boss'), '0 f', 'a success starts the count anew');
SELECT count(shop.record_login(1, 'boss', false)) FROM generate_series(1, 9) \g /dev/null
SELECT is(pg_temp.locked('boss'), false, 'nine more do not lock');
SELECT shop.record_login(1, 'boss', false) \g /dev/null
SELECT is(pg_temp.locked('boss'), true, 'the tenth in a row does');
SELECT is(pg_temp.locked('client'), false, 'other accounts are not locked');
SELECT is(pg_temp.failures('client'), '0 f', 'nor counted');
SELECT ok((SELECT locked_until - clock_timestamp() BETWEEN interval '4 minutes' AND interval '5 minutes'
           FROM shop.failed_logins), 'for five minutes');
SELECT ok((SELECT locked_seconds BETWEEN 240 AND 300 FROM shop.find_account(1, 'boss')), 'and says how many seconds are left');
SELECT is((SELECT locked_seconds FROM shop.find_account(1, 'client')), 0, 'which are none where nothing is locked');
SELECT shop.record_login(1, 'boss', false) \g /dev/null
SELECT is(pg_temp.locked('boss'), true, 'a failure meanwhile does not unlock');
SELECT pg_temp.unlock() \g /dev/null
SELECT is(pg_temp.locked('boss'), false, 'the lock ends by itself');
SELECT count(shop.record_login(1, 'boss', false)) FROM generate_series(1, 8) \g /dev/null
SELECT is(pg_temp.locked('boss'), false, 'after it one has ten failures again');
SELECT shop.record_login(1, 'boss', false) \g /dev/null
SELECT is(pg_temp.locked('boss'), true, 'no more');
SELECT pg_temp.unlock() \g /dev/null
SELECT shop.record_login(1, 'boss', true) \g /dev/null
SELECT is(pg_temp.failures('boss'), '0 f', 'a success after the lock clears it');

-- A success writes nothing where there is nothing to clear.
SELECT shop.record_login(1, 'client', true) \g /dev/null
SELECT is_empty('SELECT * FROM shop.failed_logins', 'an ordinary sign-in writes nothing');

-- Names without an account are counted and locked as those with one are.
SELECT count(shop.record_login(1, repeat('nobody ', 10000), false)) FROM generate_series(1, 9) \g /dev/null
SELECT is(pg_temp.failures(repeat('nobody ', 10000)), '9 f', 'failures with a name that nobody has are counted');
SELECT shop.record_login(1, repeat('nobody ', 10000), false) \g /dev/null
SELECT results_eq($$SELECT id, locked, locked_seconds BETWEEN 240 AND 300 FROM shop.find_account(1, repeat('nobody ', 10000))$$,
    $$VALUES (NULL::bigint, true, true)$$, 'the tenth locks it');
SELECT is(pg_temp.locked('nobody'), false, 'but no other name');

-- Old failures are forgotten.
SELECT is(shop.purge_failed_logins(1, 10), 0, 'failures of the last hour are kept');
UPDATE shop.failed_logins SET updated_at = clock_timestamp() - interval '61 minutes';
SELECT is(shop.purge_failed_logins(2, 10), 0, 'another store keeps its own');
SELECT is(shop.purge_failed_logins(1, 10), 1, 'older ones are forgotten');
SELECT is_empty('SELECT * FROM shop.failed_logins', 'with their lock');

-- Demo accounts are renewed, not doubled.
SELECT count(shop.record_login(1, 'customer', false)) FROM generate_series(1, 10) \g /dev/null
SELECT lives_ok($$SELECT shop.put_demo_account(1, 2, 'customer', 'user', 'hash-3')$$, 'a demo account is renewed');
SELECT results_eq(
    $$SELECT id, role, password_hash, locked FROM shop.find_account(1, 'customer')$$,
    $$VALUES (2::bigint, 'user', 'hash-3', false)$$, 'with its new name and hash, unlocked');
SELECT is((SELECT id FROM shop.find_account(1, 'client')), NULL, 'the old name is gone');
SELECT throws_ok(format($$SELECT shop.put_demo_account(1, %s, 'x', 'admin', 'h')$$, coalesce(account::text, 'NULL')),
                 'SH005', 'invalid argument "account_id"',
                 format('account %s is no demo account', coalesce(account::text, 'NULL')))
FROM (VALUES (0), (3), (-1), (NULL)) accounts (account);
SELECT throws_ok($$SELECT shop.put_demo_account(1, 1, 'x', 'root', 'h')$$, '23514', NULL, 'an unknown role is refused');
SELECT throws_ok($$SELECT shop.put_demo_account(1, 1, 'customer', 'admin', 'h')$$, '23505', NULL,
                 'two accounts cannot have one name');

-- Accounts made by hand.
INSERT INTO shop.accounts (store_id, username, role, password_hash) VALUES (1, 'third', 'user', 'h')
RETURNING id AS third \gset
SELECT cmp_ok(:third::bigint, '>', 2::bigint, 'other accounts begin after the demo accounts');

-- shop.create_account and shop.set_password: hashes of libxcrypt, a password of some length, one account to a name.
SELECT shop.create_account(1, 'clerk', 'correct horse', 'admin') AS clerk \gset
SELECT results_eq($$SELECT id, role, locked FROM shop.find_account(1, 'clerk')$$,
    format($$VALUES (%s::bigint, 'admin', false)$$, :clerk), 'an account that is made can be found');
CREATE FUNCTION pg_temp.hash(account bigint) RETURNS text
LANGUAGE sql AS $$ SELECT password_hash FROM shop.accounts WHERE store_id = 1 AND id = account $$;
SELECT matches(pg_temp.hash(:clerk), '^\$y\$[./A-Za-z0-9]+\$[./A-Za-z0-9]{1,86}\$[./A-Za-z0-9]{43}$', 'its hash is yescrypt''s');
SELECT isnt(shop.hash_password('correct horse'), pg_temp.hash(:clerk), 'the same password has another hash each time');
SELECT is(shop.hash_password(NULL), NULL, 'no password has none');
SELECT throws_ok(format('SELECT shop.create_account(1, %L, %L, %L)', name, password, role), state, message, what)
FROM (VALUES ('clerk', 'correct horse', 'user', 'SH005', 'invalid argument "account_name"', 'a name is taken once'),
             ('other', 'seven..', 'user', 'SH005', 'invalid argument "password"', 'seven characters are too short'),
             ('other', repeat('ä', 128), 'user', 'SH005', 'invalid argument "password"', '256 bytes are too long'),
             ('other', NULL, 'user', 'SH005', 'invalid argument "password"', 'a password is required'),
             ('other', 'correct horse', 'root', '23514', NULL, 'an unknown role is refused'),
             ('', 'correct horse', 'user', '23514', NULL, 'so is a name of no letters'),
             (NULL, 'correct horse', 'user', '23502', NULL, 'so is none')) refused (name, password, role, state, message, what);
SELECT is(shop.create_account(1, 'edge' || length(password), password, 'user') > 0, true, format('%s bytes are enough and not too many',
    octet_length(password))) FROM (VALUES ('eight...'), (repeat('ä', 127))) passwords (password);
SELECT isnt(shop.create_account(2, 'clerk', 'correct horse', 'user'), NULL, 'another store has its own names');
SELECT count(shop.record_login(1, 'newcomer', false)) FROM generate_series(1, 10) \g /dev/null
SELECT shop.create_account(1, 'newcomer', 'correct horse', 'user') \g /dev/null
SELECT is(pg_temp.locked('newcomer'), false, 'failures before an account was made do not lock it');
SELECT count(shop.record_login(1, 'clerk', false)) FROM generate_series(1, 10) \g /dev/null
SELECT pg_temp.hash(:clerk) AS old_hash \gset
SELECT lives_ok(format($$SELECT shop.set_password(1, %s, 'another one')$$, :clerk), 'an account gets a new password');
SELECT isnt(pg_temp.hash(:clerk), :'old_hash', 'its hash is another one');
SELECT is(pg_temp.locked('clerk'), false, 'and it is not locked any more');
SELECT throws_ok(format('SELECT shop.set_password(%s, %s, %L)', store, coalesce(account::text, 'NULL'), password), 'SH005', message, what)
FROM (VALUES (1, 987654321, 'another one', 'invalid argument "account_id"', 'an unknown account gets none'),
             (2, :clerk, 'another one', 'invalid argument "account_id"', 'nor does one of another store'),
             (1, NULL, 'another one', 'invalid argument "account_id"', 'nor does nobody'),
             (1, :clerk, 'short', 'invalid argument "password"', 'a short password is refused'),
             (1, :clerk, NULL, 'invalid argument "password"', 'so is none')) refused (store, account, password, message, what);

SELECT * FROM finish();
ROLLBACK;
