// What happens to an order after it was placed: cancel, fulfil, refund, and the list of all for administrators.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertProblem, assertStatus, openShop } from '../lib/shop.js';
import { token } from '../lib/tokens.js';

const shop = openShop();
const noPositive = ['abc', '0', '-1', '1.5', '99999999999999999999'];

async function newOrder(qty = 2, paid = false) {
  const [userId, productId] = [shop.newUser(), await shop.product({ price: '9.50' })];
  const id = await shop.order(userId, [productId, qty]);
  if (paid) await shop.database.sql(`SELECT shop.settle_payment(1, ${id}, true, NULL, NULL, NULL)`);
  return { id, userId, productId };
}

const asAdmin = () => ({ token: shop.admin });

describe('POST /orders/:id/cancel', () => {
  test('a pending order: its stock is released, the reason and the request are in its history', async () => {
    const { id, productId } = await newOrder();
    const answer = await shop.post(`/orders/${id}/cancel`, { reason: 'changed my mind' }, { headers: { 'x-request-id': 'c-1' } });
    assertStatus(answer, 200);
    assert.equal(answer.json.status, 'CANCELLED');
    assert.equal(answer.json.id, id);
    assert.deepEqual(await shop.stock(productId), { product_id: productId, available_qty: 100, on_hand: 100, reserved: 0 });
    const last = (await shop.get(`/orders/${id}/events`)).json.at(-1);
    assert.deepEqual([last.to, last.reason, last.request_id], ['CANCELLED', 'changed my mind', 'c-1']);
    await shop.gateway.event('http_request', { path: `/orders/${id}/cancel`, orderId: id });
  });

  test('no body is needed; twice is a success too', async () => {
    const { id } = await newOrder();
    for (let round = 0; round < 2; round += 1) {
      const answer = await shop.post(`/orders/${id}/cancel`);
      assertStatus(answer, 200);
      assert.equal(answer.json.status, 'CANCELLED');
    }
    assert.equal((await shop.get(`/orders/${id}/events`)).json.length, 2);
  });

  test('a paid order: refused without an administrator, refunded with one', async () => {
    const { id } = await newOrder(2, true);
    assert.ok([403, 409].includes((await shop.post(`/orders/${id}/cancel`)).status));
    assert.ok([403, 409].includes((await shop.post(`/orders/${id}/cancel`, undefined, { token: token('user', 2) })).status));
    const answer = await shop.post(`/orders/${id}/cancel`, undefined, asAdmin());
    assertStatus(answer, 200);
    assert.equal(answer.json.status, 'CANCELLED');
    assert.equal((await shop.get(`/orders/${id}/events`)).json.at(-1).actor, 'admin-1');
  });

  test('a token that is sent must be good, although none is asked for', async () => {
    const { id } = await newOrder();
    assertProblem(await shop.post(`/orders/${id}/cancel`, undefined, { token: 'x.y.z' }), 401, 'Invalid or expired token');
    const other = await shop.post(`/orders/${id}/cancel`, undefined, { headers: { Authorization: 'Basic YTpi' } });
    assertProblem(other, 401, 'Missing or invalid Authorization header');
    assert.equal((await shop.get(`/orders/${id}`)).json.status, 'pending');
  });

  test('unknown: 404; not an id, a reason that is no text: 400; a body that is no object: 400', async () => {
    assertProblem(await shop.post('/orders/987654321/cancel'), 404, 'Order not found');
    for (const id of noPositive) assertProblem(await shop.post(`/orders/${id}/cancel`), 400, 'id must be a positive integer');
    assertProblem(await shop.post('/orders/1/cancel', { reason: 5 }), 400, 'reason must be a string');
    assertProblem(await shop.post('/orders/1/cancel', '[]'), 400, 'Invalid JSON body');
  });
});

describe('POST /admin/orders/:id/fulfil', () => {
  test('a paid order leaves; then it cannot be cancelled any more', async () => {
    const { id } = await newOrder(1, true);
    const answer = await shop.post(`/admin/orders/${id}/fulfil`, undefined, asAdmin());
    assertStatus(answer, 200);
    assert.equal(answer.json.status, 'FULFILLED');
    assertProblem(await shop.post(`/orders/${id}/cancel`, undefined, asAdmin()), 409);
  });

  test('a pending order: 409 illegal transition; unknown 404; not an id 400', async () => {
    const { id } = await newOrder();
    const answer = await shop.post(`/admin/orders/${id}/fulfil`, undefined, asAdmin());
    assertProblem(answer, 409);
    assert.equal(answer.json.message, 'illegal transition');
    assert.equal(answer.json.orderStatus, 'pending');
    assertProblem(await shop.post('/admin/orders/987654321/fulfil', undefined, asAdmin()), 404, 'Order not found');
    for (const bad of noPositive) assertProblem(await shop.post(`/admin/orders/${bad}/fulfil`, undefined, asAdmin()), 400);
  });
});

describe('POST /admin/orders/:id/refund', () => {
  test('all of it, without a body', async () => {
    const { id } = await newOrder(2, true);
    const answer = await shop.post(`/admin/orders/${id}/refund`, undefined, asAdmin());
    assertStatus(answer, 200);
    assert.equal(answer.json.id, id);
    assert.equal(await shop.database.value(`SELECT sum(amount)::text FROM shop.refunds WHERE order_id = ${id}`), '19.00');
  });

  test('a part, with the goods back in stock; the same key again is a replay, another amount 422', async () => {
    const { id, productId } = await newOrder(2, true);
    const send = (amount) => shop.post(`/admin/orders/${id}/refund`, { amount, restock: true }, { ...asAdmin(), key: 'part' });
    const first = await send('9.50');
    assertStatus(first, 200);
    const second = await send(9.5);
    assertStatus(second, 200);
    assert.equal(second.text, first.text);
    assert.equal(second.headers['idempotent-replayed'], 'true');
    assertProblem(await send(1), 422);
    assert.equal((await shop.stock(productId)).on_hand, 100);
    assert.equal(await shop.database.value(`SELECT count(*)::int FROM shop.refunds WHERE order_id = ${id}`), 1);
  });

  test('restock must be a boolean, amount an amount, and not too much', async () => {
    const { id } = await newOrder(1, true);
    for (const restock of [1, 'true', [], {}]) {
      assertProblem(await shop.post(`/admin/orders/${id}/refund`, { restock }, asAdmin()), 400, 'restock must be a boolean');
    }
    for (const amount of [0, -1, 'x', 1.234, true]) {
      assertProblem(await shop.post(`/admin/orders/${id}/refund`, { amount }, asAdmin()), 400);
    }
    assert.ok([400, 409].includes((await shop.post(`/admin/orders/${id}/refund`, { amount: 1000 }, asAdmin())).status));
    assertProblem(await shop.post('/admin/orders/987654321/refund', undefined, asAdmin()), 404, 'Order not found');
  });
});

describe('GET /admin/orders', () => {
  test('all users, newest first, by status, in pages', async () => {
    const made = [(await newOrder()).id, (await newOrder(1, true)).id].reverse();
    const all = await shop.get('/admin/orders', asAdmin());
    assertStatus(all, 200);
    assert.deepEqual(all.json.slice(0, 2).map((order) => order.id), made);
    const paid = await shop.get('/admin/orders?status=CONFIRMED&limit=1', asAdmin());
    assert.deepEqual(paid.json.map((order) => [order.id, order.status]), [[made[0], 'CONFIRMED']]);
    const next = await shop.get(`/admin/orders?limit=1&before=${made[0]}`, asAdmin());
    assert.deepEqual(next.json.map((order) => order.id), [made[1]]);
    for (const query of ['status=nothing', 'status=', 'status=pending&status=CONFIRMED', 'limit=0', 'limit=1001', 'limit=x', 'before=0', 'before=x']) {
      assertProblem(await shop.get(`/admin/orders?${query}`, asAdmin()), 400);
    }
  });
});

test('only an administrator may: 401 without a token, 403 with a buyer’s', async () => {
  for (const [method, path] of [['POST', '/admin/orders/1/fulfil'], ['POST', '/admin/orders/1/refund'], ['GET', '/admin/orders'],
    ['POST', '/admin/inventory/adjust'], ['GET', '/admin/verify'], ['GET', '/admin/dead-letters']]) {
    assertProblem(await shop.gateway.send(method, path), 401, 'Missing or invalid Authorization header');
    assertProblem(await shop.gateway.send(method, path, { token: token('user', 2) }), 403, 'Requires admin role');
  }
});

describe('POST /admin/inventory/adjust', () => {
  test('sets what was counted, if the stock is still what the counter believed', async () => {
    const productId = await shop.product({ stock: 10 });
    const count = (expectedOnHand, counted) => shop.post('/admin/inventory/adjust', { productId, expectedOnHand, counted }, asAdmin());
    const answer = await count(10, 7);
    assertStatus(answer, 200);
    assert.equal((await shop.stock(productId)).on_hand, 7);
    assertProblem(await count(10, 6), 409);
    for (const bad of [[7, -1], [7, '-0'], ['x', 5], [7, undefined]]) assertProblem(await count(...bad), 400);
    assertProblem(await shop.post('/admin/inventory/adjust', { productId: 987654321, expectedOnHand: 1, counted: 1 }, asAdmin()), 404);
  });
});
