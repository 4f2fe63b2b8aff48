-- Accounts: finding them, counting failures, locking, the demo accounts.
BEGIN;
SELECT plan(56);

SELECT is_empty($$SELECT * FROM shop.find_account(1, 'nobody')$$, 'an unknown name has no account');
SELECT lives_ok($$SELECT shop.put_demo_account(1, 1, 'boss', 'admin', 'hash-1')$$, 'demo account 1');
SELECT lives_ok($$SELECT shop.put_demo_account(1, 2, 'client', 'user', 'hash-2')$$, 'demo account 2');
SELECT results_eq(
    $$SELECT id, username COLLATE "default", role, password_hash, locked FROM shop.find_account(1, 'boss')$$,
    $$VALUES (1::bigint, 'boss', 'admin', 'hash-1', false)$$, 'find_account() answers all that sign-in needs');
SELECT is_empty($$SELECT * FROM shop.find_account(1, 'BOSS')$$, 'names are case-sensitive');
SELECT is_empty($$SELECT * FROM shop.find_account(1, NULL)$$, 'no name, no account');
SELECT is_empty($$SELECT * FROM shop.find_account(1, $q$' OR true --$q$)$$, 'a name is only a name');

-- failures(): the counter and whether sign-in is locked.
CREATE FUNCTION pg_temp.failures(account bigint) RETURNS text
LANGUAGE sql AS $$
    SELECT format('%s %s', failed_logins, locked_until IS NOT NULL) FROM shop.accounts
    WHERE store_id = 1 AND id = account
$$;
CREATE FUNCTION pg_temp.locked(name text) RETURNS boolean
LANGUAGE sql AS $$ SELECT locked FROM shop.find_account(1, name) $$;

-- Failures in a row.
SELECT count(shop.record_login(1, 1, false)) FROM generate_series(1, 9) \g /dev/null
SELECT is(pg_temp.failures(1), '9 f', 'nine failures are counted');
SELECT is(pg_temp.locked('boss'), false, 'and do not lock');
SELECT shop.record_login(1, 1, true) \g /dev/null
SELECT is(pg_temp.failures(1), '0 f', 'a success starts the count anew');
SELECT count(shop.record_login(1, 1, false)) FROM generate_series(1, 9) \g /dev/null
SELECT is(pg_temp.locked('boss'), false, 'nine more do not lock');
SELECT shop.record_login(1, 1, false) \g /dev/null
SELECT is(pg_temp.locked('boss'), true, 'the tenth in a row does');
SELECT is(pg_temp.locked('client'), false, 'other accounts are not locked');
SELECT is(pg_temp.failures(2), '0 f', 'nor counted');
SELECT ok((SELECT locked_until - clock_timestamp() BETWEEN interval '4 minutes' AND interval '5 minutes'
           FROM shop.accounts WHERE store_id = 1 AND id = 1), 'for five minutes');
SELECT ok((SELECT locked_seconds BETWEEN 240 AND 300 FROM shop.find_account(1, 'boss')), 'and says how many seconds are left');
SELECT is((SELECT locked_seconds FROM shop.find_account(1, 'client')), 0, 'which are none where nothing is locked');
SELECT shop.record_login(1, 1, false) \g /dev/null
SELECT is(pg_temp.locked('boss'), true, 'a failure meanwhile does not unlock');
UPDATE shop.accounts SET locked_until = clock_timestamp() - interval '1 second' WHERE store_id = 1 AND id = 1;
SELECT is(pg_temp.locked('boss'), false, 'the lock ends by itself');
SELECT count(shop.record_login(1, 1, false)) FROM generate_series(1, 8) \g /dev/null
SELECT is(pg_temp.locked('boss'), false, 'after it one has ten failures again');
SELECT shop.record_login(1, 1, false) \g /dev/null
SELECT is(pg_temp.locked('boss'), true, 'no more');
UPDATE shop.accounts SET locked_until = clock_timestamp() - interval '1 second', failed_logins = 3
WHERE store_id = 1 AND id = 1;
SELECT shop.record_login(1, 1, true) \g /dev/null
SELECT is(pg_temp.failures(1), '0 f', 'a success after the lock clears it');

-- A success writes nothing where there is nothing to clear.
SELECT ctid AS place FROM shop.accounts WHERE store_id = 1 AND id = 2 \gset
SELECT shop.record_login(1, 2, true) \g /dev/null
SELECT is((SELECT ctid FROM shop.accounts WHERE store_id = 1 AND id = 2), :'place'::tid,
          'an ordinary sign-in writes nothing');
SELECT lives_ok('SELECT shop.record_login(1, 99, false)', 'an unknown account does no harm');

-- Demo accounts are renewed, not doubled.
SELECT count(shop.record_login(1, 2, false)) FROM generate_series(1, 10) \g /dev/null
SELECT lives_ok($$SELECT shop.put_demo_account(1, 2, 'customer', 'user', 'hash-3')$$, 'a demo account is renewed');
SELECT results_eq(
    $$SELECT id, role, password_hash, locked FROM shop.find_account(1, 'customer')$$,
    $$VALUES (2::bigint, 'user', 'hash-3', false)$$, 'with its new name and hash, unlocked');
SELECT is_empty($$SELECT * FROM shop.find_account(1, 'client')$$, 'the old name is gone');
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
SELECT count(shop.record_login(1, :clerk, false)) FROM generate_series(1, 10) \g /dev/null
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
