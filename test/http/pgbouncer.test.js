// Through PgBouncer in transaction mode: each call may reach another server session.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { assertProblem, assertStatus, Shop } from '../lib/shop.js';
import { Database } from '../lib/database.js';
import { Gateway } from '../lib/gateway.js';
import { PgBouncer, pgbouncerMissing } from '../lib/pgbouncer.js';
import { sharedCluster } from '../lib/settings.js';
import { eventually } from '../lib/wait.js';

describe('behind PgBouncer', { skip: pgbouncerMissing }, () => {
  const shop = new Shop();
  let bouncer;
  before(async () => {
    bouncer = await PgBouncer.start(sharedCluster);
    shop.database = await Database.create();
    shop.gateway = await Gateway.start(shop.database, { DATABASE_URL: bouncer.url(shop.database, 'gateway') });
  });
  after(async () => {
    try {
      await shop.gateway?.stop();
      shop.gateway?.assertCleanLog();
      await shop.database?.verify();
    } finally {
      await bouncer?.stop();
      await shop.database?.drop();
    }
  });

  test('many at once: every request is served, though sessions change under it', async () => {
    const products = await Promise.all(Array.from({ length: 5 }, () => shop.product({ stock: 1000 })));
    for (let round = 0; round < 5; round += 1) {
      const answers = await Promise.all(Array.from({ length: 60 }, (_, i) => shop.get(i % 2 ? '/products' : `/products/${products[i % 5]}`)));
      for (const answer of answers) assertStatus(answer, 200);
    }
    const orders = await Promise.all(Array.from({ length: 40 }, () => shop.order(shop.newUser(), [products[0], 1], [products[1], 2])));
    assert.equal(new Set(orders).size, 40);
    assert.equal((await shop.stock(products[0])).reserved, 40);
    const sessions = await shop.database.value(
      `SELECT count(*)::int FROM pg_stat_activity WHERE datname = '${shop.database.name}' AND usename = 'shop_test_gateway'`);
    assert.ok(sessions > 1 && sessions <= 3, `${sessions} sessions`);
  });

  test('it noticed once, and prepares no more', async () => {
    await shop.gateway.event('db_pooler_noticed');
    assert.equal(shop.gateway.events('db_pooler_noticed').length, 1);
    assert.deepEqual(shop.gateway.events('http_error').filter(({ path }) => path !== '/ready'), []);
  });

  test('sign-in, replay and conflict work as ever', async () => {
    assertStatus(await shop.post('/auth/login', { username: 'admin', password: 'admin123' }), 200);
    const userId = shop.newUser();
    const cart = await shop.cart(userId, [await shop.product(), 1]);
    const [first, second] = [await shop.checkout(userId, cart, { key: 'k' }), await shop.checkout(userId, cart, { key: 'k' })];
    assert.equal(first.text, second.text);
    assert.equal(second.headers['idempotent-replayed'], 'true');
  });

  test('a lock that is held: 503 in time, and nothing is stuck afterwards', async () => {
    const userId = shop.newUser();
    const cart = await shop.cart(userId, [await shop.product(), 1]);
    const session = shop.database.session();
    try {
      await session.say('BEGIN');
      await session.say('LOCK TABLE shop.inventory IN ACCESS EXCLUSIVE MODE');
      assertProblem(await shop.checkout(userId, cart, { key: 'locked', seconds: 20 }), 503);
    } finally {
      await session.end();
    }
    assertStatus(await shop.checkout(userId, cart, { key: 'locked' }), 201);
  });

  test('a call over its time is cancelled on the server, through PgBouncer', async () => {
    const session = shop.database.session();
    const waiting = () => shop.database.value(
      `SELECT count(*)::int FROM pg_stat_activity WHERE datname = '${shop.database.name}' AND wait_event_type = 'Lock'`);
    try {
      await session.say('BEGIN');
      await session.say('LOCK TABLE shop.poller_reports IN ACCESS EXCLUSIVE MODE');
      const health = await shop.get('/api/health', { seconds: 5 });
      assert.equal(health.status, 503, health.text);
      await eventually('nothing waits any more', async () => (await waiting()) === 0, 10);
    } finally {
      await session.end();
    }
    assertStatus(await shop.get('/api/health'), 200);
  });

  test('the server ends the sessions behind PgBouncer: the next request is served', async () => {
    await shop.database.sql(`SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
      WHERE datname = '${shop.database.name}' AND pid <> pg_backend_pid()`);
    assertStatus(await shop.get('/products'), 200);
  });
});
