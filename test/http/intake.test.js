// The routes of Intake's clients: an order is accepted at once, and found from then on.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { describe, test } from 'node:test';
import { assertProblem, assertStatus, openShop } from '../lib/shop.js';
import { eventually } from '../lib/wait.js';

const shop = openShop();
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const items = [{ product_id: 'A-1', quantity: 2, price: 19.99 }, { product_id: 7, quantity: '3', price: 0, note: 'gift' }];
const send = (more = {}, options = {}) => shop.post('/api/orders', { customer_id: 'c-1', items, ...more }, options);

/** The answer is a problem that Intake's clients can read too. */
function assertApiProblem(answer, status, message) {
  assertProblem(answer, status, message);
  assert.equal(typeof answer.json.error, 'string', answer.text);
}

describe('POST /api/orders', () => {
  test('202 with the exact total and Location; found right after', async () => {
    const answer = await send();
    assertStatus(answer, 202);
    const { order_id: id, ...rest } = answer.json;
    assert.match(id, uuid);
    assert.deepEqual(rest, { message: 'Order accepted for processing', status: 'queued', total_amount: 39.98 });
    assert.equal(answer.headers.location, `/api/orders/${id}`);
    const found = await shop.get(answer.headers.location);
    assertStatus(found, 200);
    assert.equal(found.json.data.order_id, id);
    assert.equal(found.json.data.id, id);
    assert.equal(found.json.data.status, 'queued');
    assert.equal(found.json.data.customer_id, 'c-1');
    assert.deepEqual(found.json.data.items.map((item) => item.note), [undefined, 'gift']);
  });

  test('a quantity in a string may begin with zeros, and so says the document', async () => {
    assertStatus(await send({ items: [{ product_id: 'A-1', quantity: '00000000000002', price: 1 }] }), 202);
  });

  test('the same key, or the same order_id, again: the same order', async () => {
    const first = await send({}, { key: 'again' });
    const second = await send({}, { key: 'again' });
    assertStatus(second, 202);
    assert.equal(second.text, first.text);
    assert.equal(second.headers['idempotent-replayed'], 'true');
    assert.equal(second.headers.location, first.headers.location);
    assertApiProblem(await send({ items: items.slice(1) }, { key: 'again' }), 422);
    assertApiProblem(await send({ order_id: 'ORD-another' }, { key: 'again' }), 422);
    const named = await send({ order_id: 'ORD-named' }, { key: 'named' });
    assert.equal((await send({ order_id: 'ORD-named' }, { key: 'named' })).text, named.text);
    for (const other of [{ order_id: 'ORD-other' }, {}]) assertApiProblem(await send(other, { key: 'named' }), 422);
    assertApiProblem(await shop.get('/api/orders/ORD-other'), 404);
    const own = await send({ order_id: 'ORD-1A2B3C4D' });
    assert.equal(own.json.order_id, 'ORD-1A2B3C4D');
    assert.equal((await send({ order_id: 'ORD-1A2B3C4D' })).json.order_id, 'ORD-1A2B3C4D');
    assertApiProblem(await send({ order_id: 'ORD-1A2B3C4D', customer_id: 'other' }), 422);
  });

  test('numbers that make megabytes of kilobytes are refused', async () => {
    const expanding = (note) => `{"customer_id":"c-1","items":[{"product_id":"p","quantity":1,"price":1,"x":[${Array(95_000).fill('1e99')}],"note":"${note}"}]}`;
    assertApiProblem(await shop.post('/api/orders', expanding('x'.repeat(3 << 20))), 400,
      'items must take at most 12 MB with their numbers written out');
    assertStatus(await shop.post('/api/orders', expanding('')), 202);
  });

  test('what cannot be processed later is refused now', async () => {
    assertApiProblem(await send({ items: undefined }), 400, 'customer_id and items array are required');
    assertApiProblem(await send({ customer_id: undefined }), 400, 'customer_id and items array are required');
    assertApiProblem(await send({ items: [{ product_id: 'a', quantity: 1 }] }), 400, 'Each item must have product_id, quantity, and price');
    assertApiProblem(await send({ items: [{ product_id: 'a', quantity: 0, price: 1 }] }), 400,
      'Quantity must be positive and price must be non-negative');
    assertApiProblem(await send({ items: [{ product_id: 'a', quantity: 1.5, price: 1 }] }), 400);
    assertApiProblem(await shop.post('/api/orders', 'nonsense'), 400, 'Invalid JSON body');
    assertApiProblem(await shop.post('/api/orders'), 400, 'Invalid JSON body');
    assertApiProblem(await send({}, { key: '' }), 400);
  });

  test('a body of some megabytes is taken; over ten it is too large', async () => {
    const wide = Array.from({ length: 500 }, (_, i) => ({ product_id: `p${i}`, quantity: 1, price: 1, note: 'x'.repeat(8000) }));
    assertStatus(await send({ items: wide }), 202);
    assertApiProblem(await send({ note: 'x'.repeat(11 << 20) }), 413);
  });

  test('a thousand items with two dozen members each are taken; a hundred thousand values are too many', async () => {
    const more = Object.fromEntries(Array.from({ length: 21 }, (_, i) => [`member_${i}`, i % 2 === 0 ? i : `text ${i}`]));
    assertStatus(await send({ items: Array.from({ length: 1000 }, () => ({ ...items[0], ...more })) }), 202);
    for (const value of [{}, [], 0]) {
      assertApiProblem(await send({ items: Array(100_000).fill(value) }), 400, 'Invalid JSON body');
    }
    assertProblem(await shop.post('/auth/login', { username: 'a', password: 'b', c: Array(40_000).fill(0) }), 401);
  });
});

describe('large bodies that arrive slowly', () => {
  const part = Buffer.alloc(9 << 20, 'x');

  /** Sends the head and most of a large order, and no more. */
  async function begin() {
    const socket = connect(shop.gateway.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(`POST /api/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${10 << 20}\r\n\r\n`);
    await new Promise((resolve) => socket.write(part, resolve));
    return socket;
  }

  test('take no more than 32 MB together: another is refused, small ones are served', async () => {
    const large = { items: [{ ...items[0], note: 'x'.repeat(9 << 20) }] };
    const sockets = [];
    for (let i = 0; i < 3; i += 1) sockets.push(await begin());
    await eventually('the next one is refused', async () => {
      const answer = await send(large);
      if (answer.status === 202) return false;
      assertApiProblem(answer, 503);
      assert.equal(answer.json.code, 'overloaded');
      assert.ok(Number(answer.headers['retry-after']) > 0);
      return true;
    });
    assertStatus(await send(), 202);
    for (const socket of sockets) socket.destroy();
    await eventually('there is room again', async () => (await send(large)).status === 202);
    const taken = (await Promise.all(Array.from({ length: 12 }, () => send(large)))).filter((answer) => answer.status === 202).length;
    assert.ok(taken >= 3, `${taken} of 12 at once are taken: those that are refused do not keep what they hold`);
  });
});

describe('GET /api/orders', () => {
  test('newest first, in pages, or by cursor', async () => {
    const made = [];
    for (let i = 0; i < 5; i += 1) made.unshift((await send()).json.order_id);
    const answer = await shop.get('/api/orders');
    assertStatus(answer, 200);
    assert.deepEqual([answer.json.page, answer.json.limit], [1, 50]);
    assert.deepEqual(answer.json.orders.slice(0, 5).map((order) => order.order_id), made);
    assert.equal(answer.json.total, answer.json.orders.length);
    const second = await shop.get('/api/orders?page=2&limit=2');
    assert.deepEqual(second.json.orders.map((order) => order.order_id), made.slice(2, 4));
    const deep = await shop.get(`/api/orders?limit=2&after=${second.json.next}`);
    assert.deepEqual(deep.json.orders[0].order_id, made[4]);
  });

  test('no number: the default; out of range: an empty list; not positive: 400', async () => {
    for (const query of ['page=abc', 'page=', 'page=1.5', 'page=1&page=2', 'limit=abc', 'limit=']) {
      const answer = await shop.get(`/api/orders?${query}`);
      assertStatus(answer, 200);
      assert.deepEqual([answer.json.page, answer.json.limit], [1, 50], query);
    }
    for (const page of ['1000000', '9223372036854775807', '99999999999999999999999999']) {
      const answer = await shop.get(`/api/orders?page=${page}`);
      assertStatus(answer, 200);
      assert.deepEqual(answer.json.orders, []);
    }
    for (const page of ['0', '-1', '-99999999999999999999999']) {
      assertApiProblem(await shop.get(`/api/orders?page=${page}`), 400, 'Page must be greater than 0');
    }
    for (const limit of ['0', '-1', '101', '99999999999999999999999']) {
      assertApiProblem(await shop.get(`/api/orders?limit=${limit}`), 400, 'Limit must be between 1 and 100');
    }
    assertApiProblem(await shop.get('/api/orders?after=x'), 400);
  });

  test('orders of carts are listed too, with the SKU', async () => {
    const [userId, sku] = [shop.newUser(), shop.newSku()];
    const id = await shop.order(userId, [await shop.product({ sku, price: 2 }), 3]);
    const answer = await shop.get(`/api/orders/${id}`);
    assertStatus(answer, 200);
    assert.equal(answer.json.data.customer_id, String(userId));
    assert.deepEqual(answer.json.data.items, [{ product_id: sku, quantity: 3, price: 2 }]);
    assert.equal(answer.json.data.status, 'pending');
  });
});

test('GET /api/orders/:orderId: unknown is 404, whatever it looks like', async () => {
  for (const id of ['nothing', '0', '-1', '99999999999999999999999', 'a%20b', '%F0%9F%98%80', "';--"]) {
    assertApiProblem(await shop.get(`/api/orders/${id}`), 404, 'Order not found');
  }
  assertApiProblem(await shop.get('/api/nothing'), 404);
});

test('GET /api/stats counts', async () => {
  const before = (await shop.get('/api/stats')).json;
  await send();
  const answer = await shop.get('/api/stats');
  assertStatus(answer, 200);
  assert.equal(answer.json.total_orders, before.total_orders + 1);
  assert.equal(answer.json.orders_by_hour.length, 24);
  assert.match(answer.json.orders_by_hour[0].hour, /^\d\d:00$/);
  for (const name of ['orders_today', 'processing_rate', 'queue_depth']) assert.equal(typeof answer.json[name], 'number', name);
});
