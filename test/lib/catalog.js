// What a database has of the shop, as text to compare: members of the extension and tables, with definitions, owners,
// rights and comments.
const queries = {
  members: `SELECT pg_describe_object(classid, objid, objsubid) AS name FROM pg_depend
            WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
              AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_shop')`,
  functions: `SELECT oid::regprocedure AS name, pg_get_functiondef(oid) AS definition, proowner::regrole AS owner,
                     array(SELECT unnest(proacl)::text ORDER BY 1) AS rights, obj_description(oid, 'pg_proc') AS comment
              FROM pg_proc WHERE pronamespace = 'shop'::regnamespace`,
  relations: `SELECT oid::regclass AS name, relkind, relowner::regrole AS owner, reloptions, relreplident,
                     array(SELECT unnest(relacl)::text ORDER BY 1) AS rights, obj_description(oid, 'pg_class') AS comment,
                     CASE relkind WHEN 'v' THEN pg_get_viewdef(oid) WHEN 'i' THEN pg_get_indexdef(oid) END AS definition
              FROM pg_class WHERE relnamespace = 'shop'::regnamespace`,
  columns: `SELECT attrelid::regclass || '.' || attname AS name, attnum, format_type(atttypid, atttypmod) AS type, attnotnull,
                   attidentity, attcollation::regcollation AS collation, pg_get_expr(adbin, adrelid) AS preset,
                   array(SELECT unnest(attacl)::text ORDER BY 1) AS rights, col_description(attrelid, attnum) AS comment
            FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
            LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
            WHERE relnamespace = 'shop'::regnamespace AND attnum > 0 AND NOT attisdropped AND relkind IN ('r', 'v', 'c')`,
  constraints: `SELECT conrelid::regclass || ' ' || conname AS name, pg_get_constraintdef(oid) AS definition,
                       obj_description(oid, 'pg_constraint') AS comment
                FROM pg_constraint WHERE connamespace = 'shop'::regnamespace`,
  types: `SELECT oid::regtype AS name, typowner::regrole AS owner, array(SELECT unnest(typacl)::text ORDER BY 1) AS rights,
                 obj_description(oid, 'pg_type') AS comment
          FROM pg_type WHERE typnamespace = 'shop'::regnamespace`,
  schema: `SELECT nspname AS name, nspowner::regrole AS owner, array(SELECT unnest(nspacl)::text ORDER BY 1) AS rights,
                  obj_description(oid, 'pg_namespace') AS comment
           FROM pg_namespace WHERE nspname = 'shop'`,
  sequences: `SELECT sequencename AS name, data_type, start_value, min_value, max_value, increment_by, cycle, cache_size
              FROM pg_sequences WHERE schemaname = 'shop'`,
};

/** An object of sorted lines of JSON by kind. */
export async function catalog(database) {
  const found = {};
  for (const [kind, query] of Object.entries(queries)) {
    found[kind] = (await database.rows(query)).map((row) => JSON.stringify(row)).sort();
  }
  return found;
}

/** Number of rows and a digest of each table of the schema. */
export async function contents(database, leaveOut = []) {
  const tables = await database.rows(
    "SELECT relname AS name FROM pg_class WHERE relnamespace = 'shop'::regnamespace AND relkind = 'r' ORDER BY relname",
  );
  const found = {};
  for (const { name } of tables.filter((table) => !leaveOut.includes(table.name))) {
    [found[name]] = await database.rows(
      `SELECT count(*)::int AS rows, md5(coalesce(string_agg(t::text, chr(10) ORDER BY t::text COLLATE "C"), '')) AS digest FROM shop.${name} t`,
    );
  }
  return found;
}
