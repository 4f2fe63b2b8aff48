CREATE FUNCTION shop.planted(store_id integer) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
BEGIN
    PERFORM shop.require_migrated();
    RETURN (SELECT count(*) FROM shop.planted_notes noted WHERE noted.store_id = planted.store_id);
END
$function$;
COMMENT ON FUNCTION shop.planted(integer) IS 'A function that a later version might have.';
REVOKE ALL ON FUNCTION shop.planted(integer) FROM PUBLIC;
