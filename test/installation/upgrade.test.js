// The extension comes and goes, grows from older versions and moves to a new cluster; the tables and what is in them stay.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { catalog, contents } from '../lib/catalog.js';
import { Cluster } from '../lib/cluster.js';
import { Database } from '../lib/database.js';
import { Planted, plantedVersion } from '../lib/planted.js';
import { pgBinaries, root, sharedCluster } from '../lib/settings.js';
import { eventually } from '../lib/wait.js';

const run = promisify(execFile);
// What a script is without psql's own commands.
const statements = (script) => script.replace(/^\\.*$/gm, '');
const roles = statements(await readFile(join(root, 'extension/sql/roles.sql'), 'utf8'));
let made = 0;

/** An empty database, or a copy of another one, dropped at the end of the test. */
async function empty(context, template = 'template0') {
  made += 1;
  const database = new Database(`t_${process.pid}_empty_${made}`);
  await new Database('postgres').sql(`CREATE DATABASE ${database.name} TEMPLATE ${template}`);
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

/** Puts the rows of one database into another, whose tables may be older and know fewer columns. */
async function copyRows(from, to) {
  const tables = await to.rows(`SELECT relname AS name FROM pg_class
    WHERE relnamespace = 'shop'::regnamespace AND relkind = 'r' AND relname <> 'schema_versions'`);
  for (const { name } of tables) {
    const rows = JSON.stringify(await from.rows(`SELECT * FROM shop.${name}`));
    await to.sql(`SET session_replication_role = replica;
      INSERT INTO shop.${name} SELECT * FROM json_populate_recordset(NULL::shop.${name}, $rows$${rows}$rows$)`);
  }
  for (const { name, value } of await from.rows("SELECT sequencename AS name, last_value AS value FROM pg_sequences WHERE schemaname = 'shop' AND last_value IS NOT NULL")) {
    await to.sql(`SELECT setval('shop.${name}', ${value})`);
  }
}

/** A database that was made by one version, filled and updated to another. */
async function updated(context, from, to, filled) {
  const database = await empty(context);
  await database.sql(`CREATE EXTENSION pg_shop VERSION '${from}'`);
  await database.sql('SELECT shop.migrate()');
  await database.sql(roles);
  await copyRows(filled, database);
  if (from !== to) await database.sql(`ALTER EXTENSION pg_shop UPDATE TO '${to}'`);
  await database.sql('SELECT shop.migrate()');
  await database.sql(roles);
  return database;
}

const standardVersion = () => new Database('postgres').value("SELECT default_version FROM pg_available_extensions WHERE name = 'pg_shop'");

test('every version that there is updates to the newest one, and is then like a fresh install', async (context) => {
  const filled = await fresh(context);
  const expected = await catalog(filled);
  await fill(filled);
  const sold = await buy(filled, 20, 'sold before');
  const rows = await contents(filled, ['schema_versions']);
  const standard = await standardVersion();
  const versions = await new Database('postgres').rows(
    `SELECT version FROM pg_available_extension_versions WHERE name = 'pg_shop' AND version <> '${plantedVersion}' ORDER BY version`);
  for (const { version } of versions) {
    const database = await updated(context, version, standard, filled);
    assert.equal(await database.value("SELECT extversion FROM pg_extension WHERE extname = 'pg_shop'"), standard);
    assert.deepEqual(await catalog(database), expected, `from ${version}`);
    assert.deepEqual(await contents(database, ['schema_versions']), rows, `from ${version}`);
    await goesOn(database, sold);
  }
  assert.ok(versions.some(({ version }) => version === standard), 'the default version can be installed');
  console.log(`    versions installed: ${versions.length}; paths to ${standard} walked: ${versions.length - 1}`);
});

// As long as there is one version, the test above walks no path. These walk one to a version that is made up, and show that
// the comparison sees what an upgrade script may forget.
let planted;
before(async () => {
  planted = await Planted.install(await standardVersion());
});
after(() => planted?.remove());

test('a later version: the update keeps every row and makes what a fresh install has', async (context) => {
  const standard = await standardVersion();
  const filled = await fresh(context);
  await fill(filled);
  const sold = await buy(filled, 20, 'sold before');

  const newest = await empty(context);
  await newest.sql(`CREATE EXTENSION pg_shop VERSION '${plantedVersion}'`);
  assert.deepEqual((await newest.rows('SELECT version FROM shop.migrate()')).map(({ version }) => version), [1, 2]);
  await newest.sql(roles);
  const expected = await catalog(newest);

  const database = await updated(context, standard, plantedVersion, filled);
  assert.deepEqual(await catalog(database), expected);
  assert.equal(await database.value('SELECT shop.planted(1)::int'), 1, 'the step saw the rows that were there');
  assert.equal(await database.value('SELECT planted FROM shop.products'), 'there before');
  await goesOn(database, sold);

  const present = await fresh(context);
  const mistakes = {
    'a comment that is forgotten': [/^COMMENT ON FUNCTION shop\.planted.*$/m, ''],
    'a privilege that is left to all': [/^REVOKE ALL ON FUNCTION shop\.planted.*$/m, ''],
    'a function that is forgotten': [/^CREATE OR REPLACE FUNCTION shop\.planted\([^]*?FROM PUBLIC;$/m, ''],
    'a column of another type': ['ADD COLUMN planted text', 'ADD COLUMN planted varchar(20)'],
    'an index that is forgotten': [/^ *CREATE INDEX planted_notes_by_note.*$/m, ''],
    'another CHECK': ['CHECK (store_id > 0),\n        id bigint', 'CHECK (store_id >= 0),\n        id bigint'],
    'a body that is older': ['FROM shop.planted_notes noted', 'FROM shop.planted_view noted'],
  };
  for (const [mistake, [from, to]] of Object.entries(mistakes)) {
    const text = planted.upgrade.replace(from, to);
    assert.notEqual(text, planted.upgrade, `${mistake}: the script has it`);
    await planted.write(text);
    const wrong = await empty(context, present.name);
    await wrong.sql(`ALTER EXTENSION pg_shop UPDATE TO '${plantedVersion}'`);
    await wrong.sql('SELECT shop.migrate()');
    await wrong.sql(roles);
    assert.notDeepEqual(await catalog(wrong), expected, mistake);
  }
  await planted.write(planted.upgrade);
});

test('a library that is newer than the extension says so, until ALTER EXTENSION UPDATE', async (context) => {
  const database = await fresh(context);
  await database.sql(`ALTER EXTENSION pg_shop UPDATE TO '${plantedVersion}'`);
  await assert.rejects(database.sql('SELECT shop.version()'), /the layout of the tables is 1, but the loaded library of pg_shop is 2/);
  assert.deepEqual((await database.rows('SELECT version FROM shop.migrate()')), [{ version: 2 }]);
  assert.equal(await database.sql('SELECT shop.version()'), plantedVersion);
  await database.sql('DROP EXTENSION pg_shop; CREATE EXTENSION pg_shop');
  await assert.rejects(database.sql('SELECT shop.migrate()'), /the tables are of version 2, this extension knows only 1/);
});

test('a step of migrate() that fails leaves nothing behind, and can be tried again', async (context) => {
  const database = await empty(context);
  await database.sql('CREATE EXTENSION pg_shop');
  const before = await catalog(database);
  await database.sql('CREATE TABLE shop.stuck_orders (in_the_way integer)'); // the last thing that the step makes
  await assert.rejects(database.sql('SELECT shop.migrate()'), /"stuck_orders" already exists/);
  await database.sql('DROP TABLE shop.stuck_orders');
  assert.deepEqual(await catalog(database), before);
  await database.sql('SELECT shop.migrate()');
  await database.sql(roles);
  assert.deepEqual(await catalog(database), await catalog(await fresh(context)));
});

test('two migrate() at once: one makes the tables, the other waits and finds them', async (context) => {
  const database = await empty(context);
  await database.sql('CREATE EXTENSION pg_shop');
  const session = database.session();
  await session.say('BEGIN; SELECT count(*) FROM shop.migrate()');
  const other = database.rows('SELECT version FROM shop.migrate()');
  await eventually('the other waits', async () => (await database.value(
    "SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())")) === 1);
  await session.say('COMMIT');
  assert.deepEqual(await other, []);
  await session.end();
  await database.sql(roles);
  assert.deepEqual(await catalog(database), await catalog(await fresh(context)));
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
