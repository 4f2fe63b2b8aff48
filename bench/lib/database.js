// The server under measurement: reset, counters, integrity.
import { readFileSync } from 'node:fs';
import pg from 'pg';
import { settings } from './settings.js';

pg.types.setTypeParser(pg.types.builtins.INT8, Number);
pg.types.setTypeParser(pg.types.builtins.NUMERIC, Number);

let database;
let client;

/** Connects to a database of the cluster, to which everything from now on refers. */
export async function openDatabase(name = 'bench') {
  database = name;
  client = new pg.Client({ host: settings.socket, port: 5432, user: 'postgres', database });
  await client.connect();
}
export const closeDatabase = () => client.end();

/** Goes to another database; the first time it is made, as a copy of the one at hand. Tells whether it was. */
export async function changeDatabase(name) {
  const source = database;
  await closeDatabase();
  await openDatabase('postgres');
  const known = await query('SELECT FROM pg_database WHERE datname = $1', [name]);
  const isNew = known.length === 0;
  if (isNew) await query(`CREATE DATABASE ${name} TEMPLATE ${source}`);
  await closeDatabase();
  await openDatabase(name);
  return isNew;
}

export async function query(text, values) {
  return (await client.query(text, values)).rows;
}

export async function queryOne(text, values) {
  return (await query(text, values))[0];
}

/** libpq's address of the database; with delay, the port of the proxy that delays what goes through it. */
export function connectionString(role, delayPort) {
  const place = delayPort ? `host=127.0.0.1 port=${delayPort}` : `host=${settings.socket} port=5432`;
  return `${place} dbname=${database} user=${role} sslmode=disable gssencmode=disable`;
}

/** The same for node-postgres, which reads URLs. */
export function connectionUrl(role, delayPort) {
  return delayPort
    ? `postgresql://${role}@127.0.0.1:${delayPort}/${database}`
    : `postgresql://${role}@/${database}?host=${encodeURIComponent(settings.socket)}`;
}

export const postmaster = () => Number(readFileSync(`${settings.folder}/data/postmaster.pid`, 'utf8').split('\n')[0]);

/** Installs what the arms need besides the shop. */
export async function installArms() {
  for (const name of ['workload', 'plpgsql', 'express', 'growth']) {
    await query(readFileSync(`${settings.root}/bench/sql/${name}.sql`, 'utf8'));
  }
  await query('CREATE EXTENSION pg_walinspect');
}

/** Puts the shop back to its beginning, with this many unused carts. */
export async function reset({
  load,
  carts,
  filled = true,
  hotStock = settings.stock,
  seedOrders = settings.seedOrders,
  express = false,
}) {
  await query('SELECT bench.reset($1, $2, $3, $4, $5, $6, $7)', [
    load,
    settings.products,
    settings.stock,
    hotStock,
    seedOrders,
    carts,
    filled,
  ]);
  if (express) await query('SELECT express.copy_workload()');
  await vacuumAll();
}

/** Vacuums everything and writes it out, so that nothing of a load is left to do. */
export async function vacuumAll() {
  await analyzeFilled('VACUUM (ANALYZE)');
  await query('CHECKPOINT');
}

/** Statistics for tables that hold something. An empty table that was analyzed would get plans for an empty table. */
async function analyzeFilled(command) {
  const tables = await query(
    `SELECT format('%I.%I', nsp.nspname, rel.relname) AS name FROM pg_class rel JOIN pg_namespace nsp ON nsp.oid = rel.relnamespace
     WHERE nsp.nspname IN ('shop', 'express') AND rel.relkind = 'r' AND pg_relation_size(rel.oid) > 0`,
  );
  await query(`${command} ${tables.map(({ name }) => name).join(', ')}`);
}

/** The server's counters now. */
export async function counters() {
  return queryOne(
    `SELECT clock_timestamp()::text AS at, pg_current_wal_insert_lsn()::text AS lsn, activity.deadlocks, activity.xact_rollback AS rollbacks
     FROM pg_stat_database activity WHERE activity.datname = current_database()`,
  );
}

/** Bytes of WAL between two places: records, and the images of whole pages that follow a checkpoint. */
export async function walBetween(from, to) {
  // Only what is on disk can be read; a commit of ours brings all that was written before to it.
  await query("SELECT pg_logical_emit_message(true, 'bench', '')");
  return queryOne(
    `SELECT coalesce(sum(record_size), 0)::float8 AS records, coalesce(sum(fpi_size), 0)::float8 AS images,
            pg_wal_lsn_diff($2, $1)::float8 AS total FROM pg_get_wal_stats($1, $2)`,
    [from, to],
  );
}

/** How many orders were placed between two times of the server. */
export async function ordersBetween(schema, from, to) {
  const { orders } = await queryOne(
    `SELECT count(*) AS orders FROM ${schema}.orders WHERE created_at >= $1 AND created_at < $2`,
    [from, to],
  );
  return orders;
}

/** The integrity report of what an arm has written; empty when all is well. */
export async function verify(schema) {
  await analyzeFilled('ANALYZE');
  return schema === 'express' ? query('SELECT * FROM express.verify()') : query('SELECT * FROM shop.verify(1)');
}

/** Settings worth knowing of the server. */
export async function serverSettings() {
  const names = [
    'fsync',
    'synchronous_commit',
    'full_page_writes',
    'wal_level',
    'shared_buffers',
    'max_wal_size',
    'checkpoint_timeout',
    'wal_buffers',
    'max_connections',
    'autovacuum',
    'jit',
    'wal_compression',
    'wal_sync_method',
  ];
  const rows = await query(
    'SELECT name, current_setting(name) AS value FROM pg_settings WHERE name = ANY ($1) ORDER BY name',
    [names],
  );
  return Object.fromEntries(rows.map(({ name, value }) => [name, value]));
}
