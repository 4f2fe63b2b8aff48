// The extension comes and goes, grows from older versions and moves to a new cluster; the tables and what is in them stay.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { catalog, contents } from '../lib/catalog.js';
import { Cluster } from '../lib/cluster.js';
import { Database } from '../lib/database.js';
import { pgBinaries, root, sharedCluster } from '../lib/settings.js';

const run = promisify(execFile);
// What a script is without psql's own commands.
const statements = (script) => script.replace(/^\\.*$/gm, '');
const roles = statements(await readFile(join(root, 'extension/sql/roles.sql'), 'utf8'));
let made = 0;

/** An empty database, dropped at the end of the test. */
async function empty(context) {
  made += 1;
  const database = new Database(`t_${process.pid}_empty_${made}`);
  await new Database('postgres').sql(`CREATE DATABASE ${database.name} TEMPLATE template0`);
  context.after(() => database.drop());
  return database;
}

async function fresh(context) {
  const database = await empty(context);
  await database.sql('CREATE EXTENSION pg_shop');
  await database.sql('SELECT shop.migrate()');
  await database.sql(roles);
  return database;
}

const answer = (database, call) => database.rows(`SELECT status, body, replayed FROM ${call}`).then(([row]) => row);

/** Buys as the role of the gateway; gives the answer. */
async function buy(database, user, key) {
  await database.sql(`SET ROLE shop_gateway; SELECT shop.add_cart_item(1, NULL, ${user}, 1, 2, NULL)`);
  const cart = await database.value(`SELECT id FROM shop.carts WHERE user_id = ${user} AND status = 'open'`);
  const call = `shop.checkout(1, NULL, ${user}, ${cart}, '${key}', NULL, NULL, NULL)`;
  const bought = await answer(database, call);
  assert.equal(bought.status, 201, bought.body);
  return { ...bought, call };
}

async function fill(database) {
  await database.sql("SELECT shop.create_product(1, 'p1', 'Thing', 1.50, NULL, NULL); SELECT shop.restock(1, NULL, 1, 500, 'k', NULL, NULL)");
  for (const user of [7, 8, 9]) await buy(database, user, `key of ${user}`);
  await database.sql("SELECT shop.settle_payment(1, 1, true, NULL, NULL, NULL); SELECT shop.settle_payment(1, 2, false, 'no', NULL, NULL)");
  await database.sql(`SELECT shop.accept_order(1, '{"order_id":"a","customer_id":"c","items":[{"product_id":"p1","quantity":1,"price":1.5}]}', NULL, NULL, NULL)`);
  await database.sql("SELECT shop.record_dead_letter(1, 'sqs', 'm', 'body', NULL, 'why', NULL, 1, NULL, NULL, NULL)");
}

/** The shop goes on: the same key has the same answer, and a new customer buys. */
async function goesOn(database, sold) {
  const again = await answer(database, sold.call);
  assert.deepEqual([again.status, again.replayed, again.body], [201, true, sold.body]);
  await buy(database, Number(sold.call.match(/NULL, (\d+)/)[1]) + 100, 'a new key');
  assert.deepEqual(await database.rows('SELECT * FROM shop.migrate()'), [], 'nothing is left to migrate');
  await database.verify();
}

test('DROP EXTENSION and CREATE EXTENSION: every row stays, and the shop goes on', async (context) => {
  const database = await fresh(context);
  await fill(database);
  const sold = await buy(database, 20, 'sold before');
  const [rows, objects] = [await contents(database), await catalog(database)];
  await database.sql('DROP EXTENSION pg_shop');
  assert.deepEqual(await contents(database), rows);
  await database.sql('CREATE EXTENSION pg_shop');
  assert.deepEqual(await database.rows('SELECT * FROM shop.migrate()'), []);
  await database.sql(roles);
  assert.deepEqual(await contents(database), rows);
  assert.deepEqual(await catalog(database), objects);
  await goesOn(database, sold);
});

test('every version that there is updates to the newest one, and is then like a fresh install', async (context) => {
  const expected = await catalog(await fresh(context));
  const { name, standard } = (await new Database('postgres').rows(
    "SELECT name, default_version AS standard FROM pg_available_extensions WHERE name = 'pg_shop'"))[0];
  const versions = await new Database('postgres').rows(
    `SELECT version FROM pg_available_extension_versions WHERE name = '${name}' ORDER BY version <> '${standard}', version`);
  let updated = 0;
  for (const { version } of versions) {
    const database = await empty(context);
    await database.sql(`CREATE EXTENSION pg_shop VERSION '${version}'`);
    await database.sql('SELECT shop.migrate()');
    await database.sql(roles);
    if (version !== standard) {
      await fill(database);
      await database.sql('ALTER EXTENSION pg_shop UPDATE');
      updated += 1;
    }
    await database.sql('SELECT shop.migrate()');
    await database.sql(roles);
    assert.equal(await database.value("SELECT extversion FROM pg_extension WHERE extname = 'pg_shop'"), standard);
    assert.deepEqual(await catalog(database), expected, `from ${version}`);
    await database.verify();
  }
  assert.ok(versions.some(({ version }) => version === standard), 'the default version can be installed');
  console.log(`    versions installed: ${versions.length}; paths to ${standard} walked: ${updated}`);
});

test('migrate() makes the newest tables from every older layout', async (context) => {
  const newest = await fresh(context);
  const expected = await catalog(newest);
  const steps = await newest.rows('SELECT version, step FROM shop.schema_versions ORDER BY version');
  const connection = ['-h', sharedCluster.socket, '-p', String(sharedCluster.port), '-U', 'postgres'];
  const { stdout: versionsTable } = await run(`${pgBinaries}/pg_dump`,
    [...connection, '-d', newest.name, '--schema-only', '--no-owner', '--no-acl', '-t', 'shop.schema_versions']);
  for (let layout = 0; layout <= steps.length; layout += 1) {
    const database = await empty(context);
    await database.sql('CREATE EXTENSION pg_shop');
    if (layout > 0) await database.sql(statements(versionsTable));
    for (const { version, step } of steps.slice(0, layout)) {
      await database.sql(`SELECT shop.migrate_${String(version).padStart(4, '0')}();
        INSERT INTO shop.schema_versions (version, step) VALUES (${version}, '${step}')`);
    }
    const done = await database.rows('SELECT version, step FROM shop.migrate()');
    assert.deepEqual(done, steps.slice(layout), `from layout ${layout}`);
    await database.sql(roles);
    assert.deepEqual(await catalog(database), expected, `from layout ${layout}`);
    await fill(database);
    await database.verify();
  }
  console.log(`    layouts migrated: ${steps.length + 1} (none to ${steps.length})`);
});

test('pg_upgrade to a new cluster: every row is there, no preload is needed, and the shop goes on', async (context) => {
  const cluster = await Cluster.create();
  context.after(() => cluster.remove());
  let database = await Database.create(cluster);
  await fill(database);
  const sold = await buy(database, 20, 'sold before');
  const [rows, objects] = [await contents(database), await catalog(database)];
  await cluster.stop();
  await run(join(root, 'test/lib/upgrade'), [cluster.folder]);
  await cluster.start();
  database = new Database(database.name, cluster);
  assert.equal(await database.sql('SHOW shared_preload_libraries'), '');
  assert.deepEqual(await contents(database), rows);
  assert.deepEqual(await catalog(database), objects);
  await goesOn(database, sold);
});
