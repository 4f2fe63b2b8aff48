// Backup: a plain pg_dump, restored elsewhere, is the same shop and goes on working.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { assertStatus, openShop, Shop } from '../lib/shop.js';
import { Database } from '../lib/database.js';
import { Gateway } from '../lib/gateway.js';
import { pgBinaries, scratch } from '../lib/settings.js';

const shop = openShop();
const run = promisify(execFile);

/** Number of rows and a digest of each table of the schema. */
async function contents(database) {
  const tables = await database.rows(
    "SELECT relname AS name FROM pg_class WHERE relnamespace = 'shop'::regnamespace AND relkind = 'r' ORDER BY relname",
  );
  const found = {};
  for (const { name } of tables) {
    [found[name]] = await database.rows(
      `SELECT count(*)::int AS rows, md5(coalesce(string_agg(t::text, chr(10) ORDER BY t::text COLLATE "C"), '')) AS digest FROM shop.${name} t`,
    );
  }
  return found;
}

async function fill() {
  const products = [await shop.product({ price: '0.10' }), await shop.product({ price: '9999999.99', name: "Ñ 'quoted' \\ 🐘" })];
  const paid = await shop.order(shop.newUser(), [products[0], 3]);
  const declined = await shop.order(shop.newUser(), [products[0], 2], [products[1], 1]);
  await shop.order(shop.newUser(), [products[1], 1]);
  await shop.cart(shop.newUser(), [products[0], 5]);
  await shop.database.sql(`SELECT shop.settle_payment(1, ${paid}, true, NULL, 'r1', NULL)`);
  await shop.database.sql(`SELECT shop.settle_payment(1, ${declined}, false, 'declined', 'r2', NULL)`);
  await shop.database.sql(
    "SELECT shop.record_dead_letter(1, 'sqs', 'message-1', 'not json', '{\"a\": \"b\"}', 'invalid_message_body', 'x', 1, NULL, NULL, NULL)",
  );
  return products;
}

test('dump, restore, compare every row, go on selling', async () => {
  const products = await fill();
  const key = 'before the dump';
  const [userId, productId] = [shop.newUser(), products[0]];
  const cart = await shop.cart(userId, [productId, 1]);
  const first = await shop.checkout(userId, cart, { key });

  const connection = ['-h', shop.database.cluster.socket, '-p', String(shop.database.cluster.port), '-U', 'postgres'];
  const file = join(scratch, `${shop.database.name}.sql`);
  const { stdout } = await run(`${pgBinaries}/pg_dump`, [...connection, '-d', shop.database.name], { maxBuffer: 1 << 28 });
  await writeFile(file, stdout);
  const name = `${shop.database.name}_restored`;
  await new Database('postgres').sql(`CREATE DATABASE ${name} TEMPLATE template0`);
  const restored = new Database(name);
  try {
    await run(`${pgBinaries}/psql`, [...connection, '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', name, '-f', file], { maxBuffer: 1 << 28 });
    const [before, after] = [await contents(shop.database), await contents(restored)];
    for (const table of ['products', 'inventory', 'stock_movements', 'orders', 'order_items', 'order_events', 'outbox', 'idempotency_keys', 'dead_letters', 'accounts']) {
      assert.ok(before[table].rows > 0, `the test has rows in ${table}`);
    }
    assert.deepEqual(after, before);
    await restored.verify();

    const again = new Shop();
    again.database = restored;
    again.gateway = await Gateway.start(restored);
    const replay = await again.checkout(userId, cart, { key });
    assert.equal(replay.text, first.text);
    assert.equal(replay.headers['idempotent-replayed'], 'true');
    const order = await again.order(500_000, [productId, 1], [await again.product({ sku: 'made after the restore' }), 2]);
    assert.ok(order > first.json.order.id);
    assertStatus(await again.get(`/orders/${order}`), 200);
    assert.deepEqual(await restored.rows('SELECT * FROM shop.migrate()'), [], 'nothing is left to migrate');
    await again.gateway.stop();
    await restored.verify();
  } finally {
    await restored.drop();
    await rm(file, { force: true });
  }
});

test('DROP EXTENSION deletes no order; CREATE EXTENSION brings the functions back', async () => {
  const before = await contents(shop.database);
  await shop.database.sql('DROP EXTENSION pg_shop');
  assert.deepEqual(await contents(shop.database), before);
  await shop.database.sql('CREATE EXTENSION pg_shop; SELECT shop.migrate()');
  assert.deepEqual(await contents(shop.database), before);
  assertStatus(await shop.get('/products'), 200);
});
