// Faults under load: the database hangs, stops and starts, a product is locked, the gateway is told to end. What was
// acknowledged is there, what was not can be repeated with its key, and /health answers all the time.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Cluster } from '../lib/cluster.js';
import { Database } from '../lib/database.js';
import { Gateway } from '../lib/gateway.js';
import { Journal, Pulse } from '../lib/journal.js';
import { assertProblem, Shop } from '../lib/shop.js';
import { eventually } from '../lib/wait.js';

const buyers = 12;
// A request waits at most 10 s for the database, and once more where it may be repeated; sanitizers and neighbours add to it.
const slowest = 25_000;
const shop = new Shop();
let cluster;
let journal;

before(async () => {
  cluster = await Cluster.create();
});
after(() => cluster?.remove());

/** A database and a gateway of a test's own, and buyers that buy while the test does its worst. */
async function underLoad(worst, environment = {}) {
  shop.database = await Database.create(cluster);
  shop.gateway = await Gateway.start(shop.database, environment);
  journal = new Journal(shop, await shop.product({ stock: 1_000_000 }));
  journal.start(buyers);
  try {
    await eventually('the first checkouts are through', () => journal.acknowledged >= 20);
    await worst();
    await journal.stop();
    await journal.settle(shop.database);
    assert.ok(journal.slowest < slowest, `the slowest answer took ${journal.slowest} ms`);
  } finally {
    journal.running = false;
    await shop.gateway.stop().finally(() => shop.database.drop());
  }
  shop.gateway.assertCleanLog();
}

/** Waits until this many more checkouts are acknowledged. */
async function more(count, seconds = 40) {
  const before = journal.acknowledged;
  await eventually(`${count} checkouts more`, () => journal.acknowledged >= before + count, seconds);
}

describe('the database', () => {
  test('hangs and goes on: 503 with Retry-After meanwhile, /health never waits, nothing is lost or doubled', async () => {
    await underLoad(async () => {
      const pulse = new Pulse(shop.gateway);
      cluster.freeze();
      await eventually('buyers are told to come back', () => (journal.statuses.get(503) ?? 0) > 0, 30);
      const ready = await shop.get('/ready', { seconds: 5 });
      assert.equal(ready.status, 503, ready.text);
      cluster.thaw();
      await eventually('ready again', async () => (await shop.get('/ready')).status === 200, 30);
      await more(20);
      await pulse.stop();
    });
  });

  test('stops and starts: the same', async () => {
    await underLoad(async () => {
      const pulse = new Pulse(shop.gateway);
      await cluster.stop();
      await eventually('buyers are told to come back', () => (journal.statuses.get(503) ?? 0) > 0, 30);
      await cluster.start();
      await more(20);
      await pulse.stop();
    });
  });

  test('restarts twice within the load: the same', async () => {
    await underLoad(async () => {
      for (let round = 0; round < 2; round += 1) {
        await cluster.stop();
        await cluster.start();
        await more(20);
      }
    });
  });
});

test('a product that somebody holds: its buyers are told to come back, all others buy, and reads do not wait', async () => {
  await underLoad(async () => {
    const held = await shop.product({ stock: 100 });
    const carts = [];
    for (let i = 0; i < 8; i += 1) {
      const userId = shop.newUser();
      carts.push({ userId, cartId: await shop.cart(userId, [held, 1]), key: shop.newKey() });
    }
    const session = shop.database.session();
    await session.say(`BEGIN; SELECT FROM shop.inventory WHERE product_id = ${held} FOR UPDATE`);
    const waiting = carts.map((one) => shop.checkout(one.userId, one.cartId, { key: one.key }));
    const times = [];
    for (let i = 0; i < 20; i += 1) {
      const started = performance.now();
      assert.equal((await shop.get(`/products/${held}`)).status, 200);
      times.push(performance.now() - started);
    }
    times.sort((a, b) => a - b);
    assert.ok(times[10] < 500, `reads take ${times[10]} ms`);
    await more(20);
    for (const answer of await Promise.all(waiting)) {
      assertProblem(answer, 503);
      assert.ok(answer.headers['retry-after']);
    }
    await session.end();
    for (const one of carts) {
      const bought = await shop.checkout(one.userId, one.cartId, { key: one.key });
      assert.equal(bought.status, 201, bought.text);
    }
  });
});

describe('SIGTERM', () => {
  for (const round of [1, 2, 3]) {
    test(`under load, round ${round}: every 201 that was sent is in the database, everything else can be repeated with its key`, async () => {
      await underLoad(async () => {
        await more(7 * round); // at another moment of the load each time
        const ending = shop.gateway;
        await ending.stop();
        journal.running = false;
        await journal.done;
        ending.assertCleanLog();
        assert.equal(ending.events('http_request', { status: 500 }).length, 0);
        shop.gateway = await Gateway.start(shop.database);
      });
    });
  }
});
