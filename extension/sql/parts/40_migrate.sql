CREATE FUNCTION shop.migrate() RETURNS TABLE (version integer, step text)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    steps CONSTANT text[] := ARRAY['tables of 1.0.0'];
    done integer;
    owner oid;
    made record;
BEGIN
    -- One at a time: two sessions that migrate at once must not both see the old state.
    PERFORM pg_advisory_xact_lock(hashtextextended('pg_shop migrate', 0));
    IF to_regclass('shop.schema_versions') IS NULL THEN
        CREATE TABLE shop.schema_versions (
            version integer PRIMARY KEY,
            step text NOT NULL,
            applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
        );
        COMMENT ON TABLE shop.schema_versions IS 'steps of shop.migrate() that this database has';
        COMMENT ON COLUMN shop.schema_versions.version IS 'number of the step';
        COMMENT ON COLUMN shop.schema_versions.step IS 'what it made';
        COMMENT ON COLUMN shop.schema_versions.applied_at IS 'when it was done';
    END IF;
    SELECT coalesce(max(applied.version), 0) INTO done FROM shop.schema_versions applied;
    IF done > cardinality(steps) THEN
        RAISE EXCEPTION 'the tables are of version %, this extension knows only %', done, cardinality(steps)
            USING ERRCODE = 'SH002', HINT = 'Install the newer version of pg_shop that made them.';
    END IF;
    FOR step_number IN done + 1 .. cardinality(steps) LOOP
        EXECUTE format('SELECT shop.migrate_%s()', lpad(step_number::text, 4, '0'));
        INSERT INTO shop.schema_versions (version, step) VALUES (step_number, steps[step_number]);
        version := step_number;
        step := steps[step_number];
        RETURN NEXT;
    END LOOP;
    -- What a later step made belongs to whom the tables belong to, whoever ran it.
    SELECT relation.relowner INTO owner FROM pg_class relation WHERE relation.oid = 'shop.schema_versions'::regclass;
    FOR made IN
        SELECT relation.oid::regclass AS name FROM pg_class relation
        WHERE relation.relnamespace = 'shop'::regnamespace AND relation.relkind IN ('r', 'v') AND relation.relowner <> owner
    LOOP
        EXECUTE format('ALTER TABLE %s OWNER TO %I', made.name, pg_get_userbyid(owner));
    END LOOP;
    PERFORM shop.grant_roles();
END
$function$;
COMMENT ON FUNCTION shop.migrate() IS 'Makes or upgrades the tables of pg_shop and returns the steps that were done; none when all is up to date. Run it as the role that is to own the tables, after CREATE EXTENSION and after ALTER EXTENSION UPDATE. Grants to the roles of roles.sql where they exist.';
REVOKE ALL ON FUNCTION shop.migrate() FROM PUBLIC;
