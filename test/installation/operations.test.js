// What the README tells a DBA to do: roles.sql again after a restore, and the jobs of cron.sql.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { catalog, contents } from '../lib/catalog.js';
import { Database } from '../lib/database.js';
import { pgBinaries, root, scratch, sharedCluster } from '../lib/settings.js';

const run = promisify(execFile);
const connection = ['-h', sharedCluster.socket, '-p', String(sharedCluster.port), '-U', 'postgres'];
const psql = (database, ...words) =>
  run(`${pgBinaries}/psql`, [...connection, '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', database.name, ...words]);

async function create(context) {
  const database = await Database.create();
  context.after(() => database.drop());
  return database;
}

async function buy(database, user) {
  await database.sql(`SELECT shop.add_cart_item(1, NULL, ${user}, 1, 1, NULL)`);
  const cart = await database.value(`SELECT id FROM shop.carts WHERE user_id = ${user} AND status = 'open'`);
  const { status, body } = (await database.rows(`SELECT * FROM shop.checkout(1, NULL, ${user}, ${cart}, 'k', NULL, NULL, NULL)`))[0];
  assert.equal(status, 201, body);
}

async function stocked(context) {
  const database = await create(context);
  await database.sql("SELECT shop.create_product(1, 'p', 'Product', 1, NULL, NULL); SELECT shop.restock(1, NULL, 1, 50, NULL, NULL, NULL)");
  return database;
}

const check = (database, name) => database.value(`SELECT ok FROM shop.check() WHERE check_name = '${name}'`);

test('a restored shop: check() says that roles.sql must run again, and after it everything is as before', async (context) => {
  const database = await stocked(context);
  await buy(database, 7);
  const [rows, objects] = [await contents(database), await catalog(database)];
  const file = join(scratch, `${database.name}.sql`);
  await run(`${pgBinaries}/pg_dump`, [...connection, '-d', database.name, '-f', file]);
  const restored = new Database(`${database.name}_restored`);
  await new Database('postgres').sql(`CREATE DATABASE ${restored.name} TEMPLATE template0`);
  context.after(() => restored.drop());
  await psql(restored, '-f', file);

  assert.deepEqual(await contents(restored), rows);
  assert.equal(await check(restored, 'owner of tables and functions'), false, 'the functions belong to who restored them');
  await psql(restored, '-f', join(root, 'extension/sql/roles.sql'));
  assert.equal(await check(restored, 'owner of tables and functions'), true);
  assert.deepEqual(await catalog(restored), objects);
  assert.deepEqual(await contents(restored), rows);
  const bought = (await restored.sql("SET ROLE shop_gateway; SELECT (shop.add_cart_item(1, NULL, 8, 1, 1, NULL)).status")).trim();
  assert.equal(bought, '201');
  await restored.verify();
});

/** The jobs that cron.sql schedules, as pg_cron would be told them. */
async function jobs(context, shop) {
  const database = await create(context);
  // A stand-in with the names and types of pg_cron's function: what is tested is what it is told.
  await database.sql(`CREATE SCHEMA cron;
    CREATE TABLE cron.job (jobname text PRIMARY KEY, schedule text, command text, database text);
    CREATE TABLE cron.job_run_details (end_time timestamptz);
    CREATE FUNCTION cron.schedule_in_database(job_name text, schedule text, command text, database text,
        username text DEFAULT NULL, active boolean DEFAULT true) RETURNS bigint LANGUAGE sql
    AS 'INSERT INTO cron.job VALUES ($1, $2, $3, $4) ON CONFLICT (jobname) DO UPDATE
        SET schedule = $2, command = $3, database = $4 RETURNING 1::bigint'`);
  for (let times = 0; times < 2; times += 1) {
    await psql(database, '-o', '/dev/null', '-v', `shop_database=${shop.name}`, '-f', join(root, 'extension/sql/cron.sql'));
  }
  const found = await database.rows('SELECT * FROM cron.job ORDER BY jobname');
  return { database, found: Object.fromEntries(found.map((job) => [job.jobname, job])) };
}

test('cron.sql: run twice it schedules each job once, and each does its work', async (context) => {
  const shop = await stocked(context);
  const { database, found } = await jobs(context, shop);
  const names = ['pg_shop maintain', 'pg_shop purge job history', 'pg_shop verify'];
  assert.deepEqual(Object.keys(found), names);
  assert.deepEqual(names.map((name) => found[name].database), [shop.name, database.name, shop.name]);
  for (const { jobname, schedule } of Object.values(found)) {
    assert.match(schedule, /^[0-9*]+( [0-9*]+){4}$/, `${jobname}: minutes are what Debian's pg_cron knows`);
  }

  await buy(shop, 7);
  await shop.sql(`SELECT shop.mark_outbox_delivered(1, ARRAY(SELECT id FROM shop.outbox));
    UPDATE shop.orders SET created_at = created_at - interval '2 days'`);
  await shop.sql(`SET ROLE shop_maintenance; ${found['pg_shop maintain'].command}`);
  assert.equal(await shop.value('SELECT status FROM shop.orders'), 'CANCELLED', 'an order that nobody paid expired');
  assert.equal(await shop.value('SELECT orders::int FROM shop.order_counts LIMIT 1'), 1, 'and was counted');

  await shop.sql(`SET ROLE shop_maintenance; ${found['pg_shop verify'].command}`);
  await shop.sql('UPDATE shop.inventory SET on_hand = on_hand + 1');
  await assert.rejects(shop.sql(`SET ROLE shop_maintenance; ${found['pg_shop verify'].command}`),
    /found broken invariants[^]*SELECT \* FROM shop\.verify/);

  await database.sql("INSERT INTO cron.job_run_details VALUES (now()), (now() - interval '15 days')");
  await database.sql(found['pg_shop purge job history'].command);
  assert.equal(await database.value("SELECT count(*)::int FROM cron.job_run_details WHERE end_time > now() - interval '1 day'"), 1);
  assert.equal(await database.value('SELECT count(*)::int FROM cron.job_run_details'), 1, 'what is old is gone');
});

test('check() tells whether maintenance runs, also beside a pg_cron that shows nobody its jobs', async (context) => {
  const shop = await stocked(context);
  await shop.sql('CREATE SCHEMA cron; CREATE TABLE cron.job (jobname text, command text, active boolean)');
  const check = () => shop.sql("SET ROLE shop_maintenance; SELECT ok, detail FROM shop.check() WHERE check_name = 'scheduled maintenance'");
  assert.equal(await check(), 'f|shop.maintain() never ran');
  const { found } = await jobs(context, shop);
  await shop.sql(`SET ROLE shop_maintenance; ${found['pg_shop maintain'].command}`);
  assert.match(await check(), /^t\|store 1: \d+ s ago$/);
});
