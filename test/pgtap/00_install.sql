-- The extension as it is installed: version, members, comments, privileges and settings of its functions.
BEGIN;
SELECT plan(38);

SELECT is(shop.version(), (SELECT extversion FROM pg_extension WHERE extname = 'pg_shop'),
          'the library is of the extension''s version');
SELECT is((SELECT extversion FROM pg_extension WHERE extname = 'pg_shop'),
          (SELECT default_version FROM pg_available_extensions WHERE name = 'pg_shop'),
          'the extension is of the version that the control file names');
SELECT matches(shop.version(), '^\d+\.\d+\.\d+$', 'the version has three numbers');
SELECT results_eq(
    $$SELECT extnamespace::regnamespace::text, extrelocatable FROM pg_extension WHERE extname = 'pg_shop'$$,
    $$VALUES ('shop', false)$$, 'the extension is in schema shop and stays there');
SELECT results_eq(
    $$SELECT superuser, trusted, requires FROM pg_available_extension_versions
      WHERE name = 'pg_shop' AND version = shop.version()$$,
    $$VALUES (true, false, NULL::name[])$$, 'only a superuser installs it, and it needs no other extension');

-- Data lives outside the extension.
SELECT is_empty(
    $$SELECT objid::regclass FROM pg_depend
      JOIN pg_class ON classid = 'pg_class'::regclass AND pg_class.oid = objid
      WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
        AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_shop') AND relkind NOT IN ('c', 'v')$$,
    'no table, index or sequence is a member of the extension');
SELECT is((SELECT extconfig FROM pg_extension WHERE extname = 'pg_shop'), NULL,
          'no table needs pg_extension_config_dump');

-- The functions that gateway, poller and DBAs call.
SELECT is_empty(
    $$SELECT wanted FROM unnest(ARRAY[
        'shop.list_products(integer, bigint, integer, text)', 'shop.get_product(integer, bigint, text)',
        'shop.create_product(integer, text, text, numeric, text, text)',
        'shop.update_product(integer, bigint, text, text, numeric, text, text)',
        'shop.restock(integer, bigint, bigint, integer, text, text, text)',
        'shop.get_inventory(integer, bigint, text)', 'shop.get_cart(integer, bigint, bigint, text)',
        'shop.add_cart_item(integer, bigint, bigint, bigint, integer, text)',
        'shop.remove_cart_item(integer, bigint, bigint, bigint, text)',
        'shop.checkout(integer, bigint, bigint, bigint, text, numeric, text, text)',
        'shop.get_order(integer, bigint, bigint, text)',
        'shop.list_orders(integer, bigint, bigint, bigint, integer, text)',
        'shop.order_events(integer, bigint, bigint, text)']) wanted
      WHERE to_regprocedure(wanted) IS NULL
         OR (SELECT prorettype <> 'shop.response'::regtype OR proretset FROM pg_proc
             WHERE oid = to_regprocedure(wanted))$$,
    'every function behind a route exists and returns shop.response');
SELECT is_empty(
    $$SELECT wanted FROM unnest(ARRAY[
        'shop.find_account(integer, text)', 'shop.record_login(integer, text, boolean)',
        'shop.put_demo_account(integer, bigint, text, text, text)', 'shop.version()',
        'shop.claim_outbox(integer, integer, integer)',
        'shop.settle_payment(integer, bigint, boolean, text, text, bigint)',
        'shop.mark_outbox_delivered(integer, bigint[])', 'shop.release_outbox(integer, bigint[], text, integer, boolean)',
        'shop.record_dead_letter(integer, text, text, text, text, text, text, integer, bigint, text, bigint)',
        'shop.mark_dead_letter_moved(integer, bigint, text)', 'shop.verify(integer)', 'shop.migrate()']) wanted
      WHERE to_regprocedure(wanted) IS NULL$$,
    'every function for accounts, poller and DBA exists');
-- A body is looked at only when it runs, so CREATE EXTENSION on an old server does not tell.
SELECT is_empty(
    $$SELECT oid::regprocedure FROM pg_proc
      WHERE pronamespace = 'shop'::regnamespace AND prosrc ~* ('\m(date_bin|string_to_table|trim_array|bit_count|unistr|'
        'regexp_(count|instr|like|substr)|array_(sample|shuffle|sort|reverse)|random_normal|any_value|json_(array|scalar|serialize|'
        'exists|query|value|table)|uuidv[47]|casefold|merge\s+into)\M')$$,
    'no function uses what PostgreSQL 13 does not have');
SELECT columns_are('shop', 'response', ARRAY['status', 'body', 'replayed', 'order_id', 'retry_after', 'location'],
                   'shop.response has its fields');
SELECT is_empty(
    $$SELECT oid::regprocedure FROM pg_proc
      WHERE pronamespace = 'shop'::regnamespace AND obj_description(oid, 'pg_proc') IS NULL$$,
    'every function has a comment');
SELECT is_empty(
    $$SELECT format('shop.response.%s', attname) FROM pg_attribute
      WHERE attrelid = 'shop.response'::regclass AND attnum > 0 AND col_description(attrelid, attnum) IS NULL
      UNION ALL SELECT 'shop.response' WHERE obj_description('shop.response'::regtype, 'pg_type') IS NULL
      UNION ALL SELECT 'shop' WHERE obj_description('shop'::regnamespace, 'pg_namespace') IS NULL$$,
    'the schema, type shop.response and its fields have comments');

-- Privileges and settings.
SELECT is_empty(
    $$SELECT oid::regprocedure FROM pg_proc, aclexplode(coalesce(proacl, acldefault('f', proowner)))
      WHERE pronamespace = 'shop'::regnamespace AND grantee = 0$$,
    'PUBLIC may execute no function');
SELECT is_empty(
    $$SELECT nspname FROM pg_namespace, aclexplode(coalesce(nspacl, acldefault('n', nspowner)))
      WHERE nspname = 'shop' AND (grantee = 0 OR (privilege_type = 'CREATE' AND grantee <> nspowner))$$,
    'PUBLIC may not use the schema, and only its owner may create in it');
SELECT is_empty(
    $$SELECT oid::regprocedure FROM pg_proc
      WHERE pronamespace = 'shop'::regnamespace
        AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (proconfig), false)$$,
    'every function, SECURITY DEFINER above all, has search_path = pg_catalog, pg_temp');
SELECT isnt_empty(
    $$SELECT FROM pg_proc WHERE pronamespace = 'shop'::regnamespace AND prosecdef$$,
    'there are SECURITY DEFINER functions to look at');
SELECT is_empty(
    $$SELECT oid::regprocedure FROM pg_proc, aclexplode(coalesce(proacl, acldefault('f', proowner)))
      WHERE pronamespace = 'shop'::regnamespace AND NOT prosecdef AND grantee <> proowner
        AND proname <> 'list_order_transitions'$$,
    'what a role may call does not work with that role''s rights, but for a list that is in the library');
SELECT is_empty(
    $$SELECT oid::regprocedure FROM pg_proc
      WHERE pronamespace = 'shop'::regnamespace AND prosecdef AND provolatile = 'v'
        AND NOT EXISTS (SELECT FROM unnest(proconfig) setting WHERE setting ~ '^lock_timeout=[1-9]')$$,
    'every function that writes has a lock_timeout');
SELECT is_empty(
    $$SELECT oid::regprocedure FROM pg_proc
      WHERE pronamespace = 'shop'::regnamespace AND (proname ~ '^(get|list|find)_' OR proname IN ('order_events',
        'verify', 'version')) AND provolatile = 'v'$$,
    'functions that only read are STABLE');
SELECT is_empty(
    $$SELECT oid::regprocedure FROM pg_proc
      WHERE pronamespace = 'shop'::regnamespace AND proowner <> 'shop_owner'::regrole$$,
    'roles.sql gave every function to shop_owner');
SELECT is_empty(
    $$SELECT oid::regclass FROM pg_class
      WHERE relnamespace = 'shop'::regnamespace AND relkind IN ('r', 'S', 'v') AND relowner <> 'shop_owner'::regrole$$,
    'roles.sql gave every table and sequence to shop_owner');
SELECT is_empty(
    $$SELECT rolname FROM pg_roles WHERE rolname ~ '^shop_(owner|gateway|poller|maintenance|read)$'
        AND (rolsuper OR rolcanlogin OR rolcreaterole OR rolcreatedb OR rolbypassrls OR rolreplication)$$,
    'no role of roles.sql may log in or do more than it is granted');

-- The settings.
SELECT results_eq(
    $$SELECT unit, boot_val, context, vartype FROM pg_settings WHERE name = 'shop.idempotency_wait'$$,
    $$VALUES ('ms', '2000', 'superuser', 'integer')$$,
    'shop.idempotency_wait is in milliseconds, 2000 unless set, and not for clients to change');
SELECT is((SELECT boot_val::integer * ('1 ' || unit)::interval FROM pg_settings
    WHERE name = 'shop.idempotency_retention'),
          interval '72 hours', 'shop.idempotency_retention is 72 hours unless set');
SELECT is_empty($$SELECT name FROM pg_settings WHERE name LIKE 'shop.%' AND context <> 'superuser'$$,
                'no setting is for clients to change');
SELECT throws_ok('SET LOCAL shop.idempotency_wait = -1', '22023', NULL, 'shop.idempotency_wait cannot be negative');
-- Before 15 PostgreSQL takes any setting with a dot in its name.
SELECT CASE WHEN current_setting('server_version_num')::integer < 150000
            THEN lives_ok('SET LOCAL shop.idempotency_wiat = 1', 'a misspelt setting is not noticed')
            ELSE throws_ok('SET LOCAL shop.idempotency_wiat = 1', '42602', NULL, 'a misspelt setting is refused') END;

SELECT is_empty('SELECT * FROM shop.migrate()', 'migrate() again has nothing to do');

-- Dropping the extension drops no data, and installing it anew finds the tables.
SELECT lives_ok($$SELECT shop.create_product(1, 'kept', 'Kept', 1, 'tester', NULL)$$, 'there is a product');
SELECT lives_ok('DROP EXTENSION pg_shop', 'the extension can be dropped without CASCADE');
SELECT is((SELECT count(*) FROM shop.products WHERE sku = 'kept'), 1::bigint, 'the product is still there');
SELECT lives_ok('CREATE EXTENSION pg_shop', 'the extension can be created again');
SELECT is_empty('SELECT * FROM shop.migrate()', 'migrate() finds the tables complete');
SELECT matches((shop.list_products(1, NULL, NULL, NULL)).body, '"sku":"kept"', 'and the functions find the product');
SELECT ok(has_function_privilege('shop_gateway', 'shop.get_product(integer, bigint, text)', 'EXECUTE'),
          'migrate() granted the roles what they had');

-- A schema that somebody else prepared is refused.
SET LOCAL client_min_messages = warning;
SELECT lives_ok('DROP SCHEMA shop CASCADE', 'everything goes with the schema');
CREATE ROLE stranger;
CREATE SCHEMA shop AUTHORIZATION stranger;
SELECT throws_ok('CREATE EXTENSION pg_shop', '42501', 'schema "shop" belongs to another role',
                 'the schema of another role is refused');

SELECT * FROM finish();
ROLLBACK;
