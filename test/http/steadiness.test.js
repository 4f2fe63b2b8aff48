// 50,000 requests of every sort through the gateway as it is shipped: neither its memory nor its descriptors grow.
import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { Database } from '../lib/database.js';
import { Gateway } from '../lib/gateway.js';
import { openFiles, residentKilobytes } from '../lib/process.js';
import { shippedGateway } from '../lib/settings.js';
import { Shop } from '../lib/shop.js';
import { sign } from '../lib/tokens.js';
import { eventually } from '../lib/wait.js';

const wanted = 50_000;
const warmUp = 15_000;
const clients = 16;
const allowedGrowth = 2048; // kB

const shop = new Shop();
let product;
let agent;

before(async () => {
  shop.database = await Database.create();
  shop.gateway = await Gateway.start(shop.database, { LOG_LEVEL: 'warn', METRICS_TOKEN: 'a-token-for-the-steady-test' }, shippedGateway);
  product = await shop.product({ stock: 10_000_000 });
  agent = new Agent({ keepAlive: true, maxSockets: clients });
});
after(async () => {
  agent?.destroy();
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

/** One round of a client; gives how many requests it sent. */
async function round(number) {
  const options = { agent };
  const userId = shop.newUser();
  const key = shop.newKey();
  const expect = async (status, answer) => assert.equal((await answer).status, status);
  await expect(200, shop.get('/health', options));
  await expect(200, shop.get(`/products/${product}`, options));
  await expect(404, shop.get('/nothing?at=all', options));
  await expect(405, shop.gateway.send('PUT', '/products', options));
  await expect(204, shop.gateway.send('OPTIONS', '/checkout', options));
  await expect(400, shop.post('/cart/items', '{"userId":', options));
  await expect(401, shop.get('/admin/inventory/1', { ...options, token: sign({ sub: '1' }) }));
  await expect(200, shop.get(`/admin/inventory/${product}`, { ...options, token: shop.admin }));
  const added = await shop.post('/cart/items', { userId, productId: product, qty: 1 }, options);
  const cartId = added.json.cart.id;
  await expect(200, shop.get(`/cart?userId=${userId}`, options));
  await expect(400, shop.post('/checkout', { userId, cartId }, options));
  await expect(201, shop.post('/checkout', { userId, cartId }, { ...options, key }));
  await expect(201, shop.post('/checkout', { userId, cartId }, { ...options, key }));
  await expect(422, shop.post('/checkout', { userId, cartId: cartId + 1 }, { ...options, key }));
  await expect(200, shop.get(`/orders?userId=${userId}`, options));
  await expect(202, shop.post('/api/orders', { customer_id: 'c', items: [{ product_id: 'p', quantity: 1, price: 1 }] }, options));
  await expect(200, shop.get('/metrics', { ...options, token: 'a-token-for-the-steady-test' }));
  if (number % 8 === 0) {
    await rude('GET /products HTTP/1.1\r\nHost: x\r\n\r\n');
    await rude('POST /checkout HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\n{"a');
    await rude('nonsense\r\n\r\n');
    await expect(413, shop.post('/cart/items', 'x'.repeat(110_000), options));
    return 21;
  }
  return 17;
}

async function send(count) {
  let sent = 0;
  let number = 0;
  await Promise.all(Array.from({ length: clients }, async () => {
    while (sent < count) sent += await round((number += 1));
  }));
  return sent;
}

test(`${wanted} requests leave memory and descriptors as they were`, async () => {
  const { pid } = shop.gateway.child;
  let sent = await send(warmUp);
  const before = { memory: residentKilobytes(pid), files: openFiles(pid) };
  while (sent < wanted) sent += await send(5000);
  await eventually('no descriptor is left over', () => openFiles(pid) <= before.files);
  const growth = residentKilobytes(pid) - before.memory;
  assert.ok(growth < allowedGrowth, `${before.memory} kB after ${warmUp} requests, ${growth} kB more after ${sent}`);
  assert.ok(residentKilobytes(pid) < 30 * 1024, `${residentKilobytes(pid)} kB`);
  console.log(`    ${sent} requests: ${before.memory} kB after ${warmUp}, ${before.memory + growth} kB at the end`);
});
