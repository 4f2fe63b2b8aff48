-- Accounts for the gateway's sign-in. Hashes are made and checked by the gateway: hashing is slow on purpose and must not
-- occupy a database backend.

CREATE FUNCTION shop.find_account(store_id integer, account_name text)
RETURNS TABLE (id bigint, username text, role text, password_hash text, locked boolean, locked_seconds integer)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
BEGIN
    PERFORM shop.require_migrated();
    RETURN QUERY
        SELECT account.id, account.username, account.role, account.password_hash, lock.seconds > 0, lock.seconds
        FROM (SELECT max(failed.locked_until) AS locked_until FROM shop.failed_logins failed
              WHERE failed.store_id = find_account.store_id
                AND failed.username_digest = sha256(convert_to(account_name, 'UTF8'))) failures,
             -- Clocks run on: one reading decides both.
             LATERAL (SELECT greatest(0, coalesce(ceil(extract(epoch FROM failures.locked_until - clock_timestamp())), 0))::integer
                      AS seconds OFFSET 0) lock
             LEFT JOIN shop.accounts account
                ON account.store_id = find_account.store_id AND account.username = account_name;
END
$function$;
COMMENT ON FUNCTION shop.find_account(integer, text) IS 'One row: the account with this name and its hash, NULL where there is none, and whether sign-in with this name is locked after too many failures and for how many seconds more (0: it is not).';
REVOKE ALL ON FUNCTION shop.find_account(integer, text) FROM PUBLIC;

CREATE FUNCTION shop.forget_failed_logins(store_id integer, account_name text) RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $function$
    DELETE FROM shop.failed_logins failed
    WHERE failed.store_id = forget_failed_logins.store_id
      AND failed.username_digest = sha256(convert_to(account_name, 'UTF8'))
$function$;
COMMENT ON FUNCTION shop.forget_failed_logins(integer, text) IS 'Unlocks sign-in with a name and starts its count of failures anew.';
REVOKE ALL ON FUNCTION shop.forget_failed_logins(integer, text) FROM PUBLIC;

CREATE FUNCTION shop.record_login(store_id integer, account_name text, succeeded boolean) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $function$
#variable_conflict use_column
DECLARE
    failures_allowed CONSTANT integer := 10;
    lock_time CONSTANT interval := '5 minutes';
BEGIN
    PERFORM shop.require_migrated();
    IF succeeded THEN
        PERFORM shop.forget_failed_logins(store_id, account_name);
    ELSE
        INSERT INTO shop.failed_logins AS failed (store_id, username_digest, failures)
        VALUES (record_login.store_id, sha256(convert_to(account_name, 'UTF8')), 1)
        ON CONFLICT (store_id, username_digest) DO UPDATE
        SET failures = CASE WHEN failed.failures + 1 >= failures_allowed THEN 0 ELSE failed.failures + 1 END,
            locked_until = CASE WHEN failed.failures + 1 >= failures_allowed
                                THEN clock_timestamp() + lock_time ELSE failed.locked_until END,
            updated_at = clock_timestamp();
    END IF;
END
$function$;
COMMENT ON FUNCTION shop.record_login(integer, text, boolean) IS 'Counts a sign-in. Ten failures in a row lock the name for five minutes, whether there is an account of that name or not; a success starts the count anew.';
REVOKE ALL ON FUNCTION shop.record_login(integer, text, boolean) FROM PUBLIC;

CREATE FUNCTION shop.put_demo_account(store_id integer, account_id bigint, username text, role text, password_hash text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $function$
#variable_conflict use_column
BEGIN
    PERFORM shop.require_migrated();
    IF account_id IS NULL OR account_id NOT BETWEEN 1 AND 2 THEN
        RAISE EXCEPTION 'invalid argument "account_id"'
            USING ERRCODE = 'SH005', DETAIL = 'The demo accounts are 1 and 2.';
    END IF;
    INSERT INTO shop.accounts AS account (store_id, id, username, role, password_hash)
    VALUES (put_demo_account.store_id, account_id, put_demo_account.username, put_demo_account.role,
            put_demo_account.password_hash)
    ON CONFLICT (store_id, id) DO UPDATE
    SET username = excluded.username, role = excluded.role, password_hash = excluded.password_hash;
    PERFORM shop.forget_failed_logins(store_id, username);
END
$function$;
COMMENT ON FUNCTION shop.put_demo_account(integer, bigint, text, text, text) IS 'Makes or renews one of the two demo accounts (1 and 2). The gateway calls it outside production or where a demo password is set, and in production to give an account that still has the well-known password one that nobody knows.';
REVOKE ALL ON FUNCTION shop.put_demo_account(integer, bigint, text, text, text) FROM PUBLIC;

CREATE FUNCTION shop.hash_password(password text) RETURNS text
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'shop_hash_password';
COMMENT ON FUNCTION shop.hash_password(text) IS 'crypt(5) hash of a password with a new salt: yescrypt, libxcrypt''s preference.';
REVOKE ALL ON FUNCTION shop.hash_password(text) FROM PUBLIC;

CREATE FUNCTION shop.create_account(store_id integer, account_name text, password text, account_role text) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $function$
#variable_conflict use_column
DECLARE
    account_id bigint;
BEGIN
    PERFORM shop.require_migrated();
    IF password IS NULL OR length(password) < 8 OR octet_length(password) > 255 THEN
        RAISE EXCEPTION 'invalid argument "password"'
            USING ERRCODE = 'SH005', DETAIL = 'It must have at least 8 characters and at most 255 bytes.';
    END IF;
    INSERT INTO shop.accounts AS account (store_id, username, role, password_hash)
    VALUES (create_account.store_id, account_name, account_role, shop.hash_password(password))
    ON CONFLICT (store_id, username) DO NOTHING
    RETURNING account.id INTO account_id;
    IF account_id IS NULL THEN
        RAISE EXCEPTION 'invalid argument "account_name"'
            USING ERRCODE = 'SH005', DETAIL = 'There is an account with this name already.';
    END IF;
    PERFORM shop.forget_failed_logins(store_id, account_name);
    RETURN account_id;
END
$function$;
COMMENT ON FUNCTION shop.create_account(integer, text, text, text) IS 'Makes an account for the gateway''s sign-in, with role admin or user. Returns its id, the subject of its tokens. Give the password in a way that no log keeps: from a psql variable, with log_statement = none.';
REVOKE ALL ON FUNCTION shop.create_account(integer, text, text, text) FROM PUBLIC;

CREATE FUNCTION shop.set_password(store_id integer, account_id bigint, password text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $function$
#variable_conflict use_column
DECLARE
    account_name text;
BEGIN
    PERFORM shop.require_migrated();
    IF password IS NULL OR length(password) < 8 OR octet_length(password) > 255 THEN
        RAISE EXCEPTION 'invalid argument "password"'
            USING ERRCODE = 'SH005', DETAIL = 'It must have at least 8 characters and at most 255 bytes.';
    END IF;
    UPDATE shop.accounts account
    SET password_hash = shop.hash_password(password)
    WHERE account.store_id = set_password.store_id AND account.id = account_id
    RETURNING account.username INTO account_name;
    IF account_name IS NULL THEN
        RAISE EXCEPTION 'invalid argument "account_id"'
            USING ERRCODE = 'SH005', DETAIL = 'There is no such account.';
    END IF;
    PERFORM shop.forget_failed_logins(store_id, account_name);
END
$function$;
COMMENT ON FUNCTION shop.set_password(integer, bigint, text) IS 'Gives an account a new password and unlocks it.';
REVOKE ALL ON FUNCTION shop.set_password(integer, bigint, text) FROM PUBLIC;
