// The database goes away and comes back; locks that last too long.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { assertProblem, assertStatus, Shop } from '../lib/shop.js';
import { Cluster } from '../lib/cluster.js';
import { Database } from '../lib/database.js';
import { Gateway, gatewayEnvironment } from '../lib/gateway.js';
import { freePort } from '../lib/ports.js';
import { eventually } from '../lib/wait.js';

const shop = new Shop();
let cluster;

before(async () => {
  cluster = await Cluster.create();
  shop.database = await Database.create(cluster);
  shop.gateway = await Gateway.start(shop.database);
});
after(async () => {
  try {
    await shop.gateway?.stop();
    shop.gateway?.assertCleanLog();
    await shop.database?.verify();
  } finally {
    await cluster?.remove();
  }
});

async function readyCart() {
  const [userId, productId] = [shop.newUser(), await shop.product()];
  return { userId, productId, cart: await shop.cart(userId, [productId, 1]) };
}

test('the database stops: 503 with Retry-After and no hang; it starts: all is well again without a restart', async () => {
  const { userId, cart } = await readyCart();
  await cluster.stop();
  for (let round = 0; round < 2; round += 1) {
    for (const path of ['/products', '/orders/1', `/cart?userId=${userId}`]) {
      const answer = await shop.get(path, { seconds: 12 });
      assertProblem(answer, 503);
      assert.match(answer.headers['retry-after'], /^[1-9]\d*$/);
    }
    assertProblem(await shop.checkout(userId, cart, { key: 'outage', seconds: 12 }), 503);
    assertProblem(await shop.post('/auth/login', { username: 'user', password: 'user123' }, { seconds: 12 }), 503);
  }
  const ready = await shop.get('/ready', { seconds: 5 });
  assert.equal(ready.status, 503, ready.text);
  assert.equal(ready.json.status === 'not_ready' || ready.json.code === 'not_ready', true, ready.text);
  assertStatus(await shop.get('/health', { seconds: 1 }), 200);
  const health = await shop.get('/api/health', { seconds: 1.5 });
  assertStatus(health, 503);
  assert.deepEqual([health.json.status, health.json.database.status, health.json.queue.status], ['degraded', 'disconnected', 'disconnected']);
  assert.ok(health.headers['retry-after']);
  await shop.gateway.event('db_connection_lost');

  await cluster.start();
  await eventually('ready again', async () => (await shop.get('/ready')).status === 200);
  await shop.gateway.event('db_connection_restored');
  assertStatus(await shop.get('/products'), 200);
  assertStatus(await shop.checkout(userId, cart, { key: 'outage' }), 201);
  assertStatus(await shop.post('/auth/login', { username: 'user', password: 'user123' }), 200);
});

test('a restart between two requests goes unnoticed', async () => {
  const { userId, cart } = await readyCart();
  await cluster.stop();
  await cluster.start();
  assertStatus(await shop.get('/products'), 200);
  assertStatus(await shop.checkout(userId, cart, { key: 'restart' }), 201);
});

test('sessions that an administrator ends are replaced', async () => {
  const { userId, cart } = await readyCart();
  for (let round = 0; round < 3; round += 1) {
    await shop.database.sql(
      `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '${shop.database.name}' AND pid <> pg_backend_pid()`,
    );
    assertStatus(await shop.get('/products'), 200);
  }
  assertStatus(await shop.checkout(userId, cart, { key: 'ended' }), 201);
});

test('the first of two hosts takes connections and never answers: the second is asked', async () => {
  const silent = createServer(() => {});
  await once(silent.listen(0, '127.0.0.1'), 'listening');
  const sockets = new Set();
  silent.on('connection', (socket) => sockets.add(socket.on('error', () => {})));
  const url = `postgresql://shop_test_gateway@/${shop.database.name}?host=127.0.0.1,${encodeURIComponent(cluster.socket)}` +
    `&port=${silent.address().port},5432&target_session_attrs=read-write`;
  try {
    const gateway = await Gateway.start(shop.database, { DATABASE_URL: url });
    assert.ok(sockets.size > 0);
    assertStatus(await gateway.get('/products'), 200);
    await gateway.stop();
    gateway.assertCleanLog();
  } finally {
    sockets.forEach((socket) => socket.destroy());
    silent.close();
  }
});

// A session keeps what it began with, so the gateway's go on taking no writes when new ones do: as after a switch-over, when the
// old primary lives on as a standby and its name leads to the new one.
test('connections to a server that takes no writes are replaced: reads go on, writes come back without a restart', async () => {
  const { userId, productId } = await readyCart();
  const put = () => gateway.post('/cart/items', { userId, productId, qty: 1 });
  await shop.database.sql('ALTER ROLE shop_test_gateway SET default_transaction_read_only = on');
  const gateway = await Gateway.start(shop.database);
  try {
    const refused = await put();
    assertProblem(refused, 503);
    assert.equal(refused.json.code, 'database_read_only');
    assertStatus(await gateway.get('/products'), 200);
    await shop.database.sql('ALTER ROLE shop_test_gateway RESET default_transaction_read_only');
    await eventually('writes are taken', async () => {
      assertStatus(await gateway.get('/products'), 200);
      return (await put()).status < 300;
    });
    await gateway.event('db_read_only');
  } finally {
    await shop.database.sql('ALTER ROLE shop_test_gateway RESET default_transaction_read_only');
    await gateway.stop();
  }
});

describe('a lock that somebody holds', () => {
  test('over the limit: 503 with Retry-After, nothing remembered, and the key may be used again', async () => {
    const { userId, productId, cart } = await readyCart();
    const session = shop.database.session();
    try {
      await session.say('BEGIN');
      await session.say('LOCK TABLE shop.inventory IN ACCESS EXCLUSIVE MODE');
      const answer = await shop.checkout(userId, cart, { key: 'locked', seconds: 20 });
      assertProblem(answer, 503);
      assert.match(answer.headers['retry-after'], /^[1-9]\d*$/);
      assertStatus(await shop.get('/ready', { seconds: 5 }), 200);
    } finally {
      await session.end();
    }
    const answer = await shop.checkout(userId, cart, { key: 'locked' });
    assertStatus(answer, 201);
    assert.equal((await shop.stock(productId)).reserved, 1);
  });

  test('as many waiting as there are connections, and more: none hangs, all recovers', async () => {
    const carts = await Promise.all(Array.from({ length: 40 }, readyCart));
    const session = shop.database.session();
    let answers;
    try {
      await session.say('BEGIN');
      await session.say('LOCK TABLE shop.inventory IN ACCESS EXCLUSIVE MODE');
      answers = await Promise.all(carts.map(({ userId, cart }, i) => shop.checkout(userId, cart, { key: `many ${i}`, seconds: 25 })));
    } finally {
      await session.end();
    }
    for (const answer of answers) assertProblem(answer, 503);
    await eventually('ready again', async () => (await shop.get('/ready')).status === 200);
    for (const [i, { userId, cart }] of carts.entries()) {
      assertStatus(await shop.checkout(userId, cart, { key: `many ${i}` }), 201);
    }
  });
});

test('a database without the tables is not ready, and becomes so by shop.migrate()', async () => {
  const bare = new Database('bare', cluster);
  await new Database('postgres', cluster).sql('CREATE DATABASE bare');
  await bare.sql('CREATE EXTENSION pg_shop; SELECT shop.grant_roles()');
  const port = await freePort();
  const gateway = new Gateway(port, gatewayEnvironment(bare, port));
  await gateway.event('gateway_started');
  assert.equal((await gateway.get('/ready')).status, 503);
  assertProblem(await gateway.get('/products'), 503);
  await bare.sql('SELECT shop.migrate()');
  await eventually('ready', async () => (await gateway.get('/ready')).status === 200);
  assertStatus(await gateway.get('/products'), 200);
  await gateway.stop();
});
