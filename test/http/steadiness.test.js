// 50,000 requests of every sort through the gateway as it is shipped: neither its memory nor its descriptors grow.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { Database } from '../lib/database.js';
import { Gateway } from '../lib/gateway.js';
import { Pipeline, request } from '../lib/pipeline.js';
import { openFiles, residentKilobytes } from '../lib/process.js';
import { shippedGateway } from '../lib/settings.js';
import { Shop } from '../lib/shop.js';
import { sign } from '../lib/tokens.js';
import { eventually } from '../lib/wait.js';

// The heap grows towards its final size for some 45,000 requests, by less than 1 MB after 30,000 (measured).
const warmUp = 30_000;
const wanted = 50_000;
const clients = 16;
const metricsToken = 'a-token-for-the-steady-test';
const allowedGrowth = 2048; // kB: 40 bytes for each request

const shop = new Shop();
let product;

before(async () => {
  shop.database = await Database.create();
  shop.gateway = await Gateway.start(shop.database, { LOG_LEVEL: 'warn', METRICS_TOKEN: metricsToken }, shippedGateway);
  product = await shop.product({ stock: 10_000_000 });
});
after(async () => {
  try {
    await shop.gateway?.stop();
    await shop.database?.verify();
  } finally {
    await shop.database?.drop();
  }
});

/** A connection that sends something and leaves without waiting for the answer. */
function rude(bytes) {
  return new Promise((resolve) => {
    const socket = connect(shop.gateway.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.once('close', resolve);
    socket.once('connect', () => socket.write(bytes, () => socket.destroy()));
  });
}

/** Sends [status, request] pairs at once and holds the answers against the statuses. */
async function expect(pipeline, pairs) {
  const answers = await pipeline.ask(pairs.map((pair) => pair[1]));
  assert.deepEqual(answers.map((answer) => answer.status), pairs.map((pair) => pair[0]));
  return answers;
}

/** What a client does on a connection: ten buyers, and whatever else people send. Gives how many requests that were. */
async function round(pipeline) {
  const users = Array.from({ length: 10 }, () => shop.newUser());
  const forged = sign({ sub: '1', role: 'admin' });
  const first = [
    [200, request('GET', '/health')], [200, request('GET', `/products/${product}`)], [404, request('GET', '/nothing?at=all')],
    [405, request('PUT', '/products')], [204, request('OPTIONS', '/checkout')], [400, request('POST', '/cart/items', { body: '{"userId":' })],
    [401, request('GET', '/admin/inventory/1', { token: forged })], [200, request('GET', `/admin/inventory/${product}`, { token: shop.admin })],
    [400, request('POST', '/checkout', { body: { userId: 1, cartId: 1 } })], [400, request('GET', '/orders?userId=%zz')],
    [200, request('GET', '/metrics', { token: metricsToken })],
    [202, request('POST', '/api/orders', { body: { customer_id: 'c', items: [{ product_id: 'p', quantity: 1, price: 1 }] } })],
  ];
  const adds = users.map((userId) => [201, request('POST', '/cart/items', { body: { userId, productId: product, qty: 1 } })]);
  const answers = await expect(pipeline, [...first, ...adds]);
  const buys = users.flatMap((userId, i) => {
    const key = shop.newKey();
    const cartId = JSON.parse(answers[first.length + i].text).cart.id;
    const checkout = (cart) => request('POST', '/checkout', { body: { userId, cartId: cart }, key });
    return [[200, request('GET', `/cart?userId=${userId}`)], [201, checkout(cartId)], [201, checkout(cartId)], [422, checkout(cartId + 1)],
      [200, request('GET', `/orders?userId=${userId}`)]];
  });
  await expect(pipeline, buys);
  return first.length + adds.length + buys.length;
}

/** A body that is too large, which ends its connection. */
async function large() {
  const pipeline = new Pipeline(shop.gateway.port);
  await expect(pipeline, [[413, request('POST', '/cart/items', { body: 'x'.repeat(110_000) })]]);
  pipeline.end();
}

async function send(count) {
  let sent = 0;
  await Promise.all(Array.from({ length: clients }, async () => {
    while (sent < count) {
      const pipeline = new Pipeline(shop.gateway.port); // a new connection for each round: some come, some go
      const done = await round(pipeline);
      sent += done;
      pipeline.end();
      await large();
      sent += 1;
      for (const bytes of ['GET /products HTTP/1.1\r\nHost: x\r\n\r\n', 'POST /checkout HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{"a', 'no\r\n\r\n']) {
        await rude(bytes);
        sent += 1;
      }
    }
  }));
  return sent;
}

/** The gateway's descriptors but those of its sessions: the pool grows when many calls wait at once, up to DB_POOL_MAX. */
async function descriptors() {
  const sessions = await shop.database.value(
    "SELECT count(*)::int FROM pg_stat_activity WHERE datname = current_database() AND usename = 'shop_test_gateway'");
  return openFiles(shop.gateway.child.pid) - sessions;
}

test(`${wanted} requests leave memory and descriptors as they were`, async () => {
  const { pid } = shop.gateway.child;
  await send(warmUp);
  const before = { memory: residentKilobytes(pid), files: await descriptors() };
  const sent = await send(wanted);
  await eventually('no descriptor is left over', async () => (await descriptors()) <= before.files);
  const growth = residentKilobytes(pid) - before.memory;
  assert.ok(growth < allowedGrowth, `${before.memory} kB after ${warmUp} requests, ${growth} kB more after ${sent} further ones`);
  assert.ok(residentKilobytes(pid) < 30 * 1024, `${residentKilobytes(pid)} kB`);
  console.log(`    ${warmUp} requests: ${before.memory} kB; ${sent} more: ${before.memory + growth} kB`);
});
