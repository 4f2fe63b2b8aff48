// Orders: one, all of a user, and their history.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertProblem, assertStatus, openShop } from '../lib/shop.js';

const shop = openShop();
const instant = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const noPositive = ['abc', '0', '-1', '1.5', '0x1', '99999999999999999999'];

describe('GET /orders/:id', () => {
  test('gives the order with its lines', async () => {
    const [userId, productId] = [shop.newUser(), await shop.product({ price: '19.90' })];
    const id = await shop.order(userId, [productId, 2]);
    const answer = await shop.get(`/orders/${id}`);
    assertStatus(answer, 200);
    const { created_at: created, updated_at: updated, items, ...order } = answer.json;
    assert.deepEqual(order, { id, user_id: userId, status: 'pending', total_price: 39.8 });
    assert.match(created, instant);
    assert.match(updated, instant);
    assert.ok(Math.abs(Date.parse(created) - Date.now()) < 60_000);
    assert.deepEqual(items, [{ id: items[0].id, order_id: id, product_id: productId, qty: 2, price: 19.9 }]);
  });

  test('not an id: 400; unknown: 404', async () => {
    for (const id of noPositive) assertProblem(await shop.get(`/orders/${id}`), 400, 'id must be a positive integer');
    assertProblem(await shop.get('/orders/987654321'), 404, 'Order not found');
  });
});

describe('GET /orders?userId=', () => {
  test('the newest first, without lines; pages by limit and before cover all', async () => {
    const [userId, productId] = [shop.newUser(), await shop.product()];
    const made = [];
    for (let i = 0; i < 5; i += 1) made.unshift(await shop.order(userId, [productId, 1]));
    const answer = await shop.get(`/orders?userId=${userId}`);
    assertStatus(answer, 200);
    assert.deepEqual(answer.json.map((order) => order.id), made);
    for (const order of answer.json) {
      assert.deepEqual(Object.keys(order).sort(), ['created_at', 'id', 'status', 'total_price', 'updated_at', 'user_id']);
    }
    const first = await shop.get(`/orders?userId=${userId}&limit=2`);
    assert.deepEqual(first.json.map((order) => order.id), made.slice(0, 2));
    const second = await shop.get(`/orders?userId=${userId}&limit=2&before=${first.json[1].id}`);
    assert.deepEqual(second.json.map((order) => order.id), made.slice(2, 4));
    const third = await shop.get(`/orders?userId=${userId}&limit=2&before=${second.json[1].id}`);
    assert.deepEqual(third.json.map((order) => order.id), made.slice(4));
  });

  test('a user without orders has an empty list', async () => {
    const answer = await shop.get(`/orders?userId=${shop.newUser()}`);
    assertStatus(answer, 200);
    assert.deepEqual(answer.json, []);
  });

  test('not a user, or a limit out of range: 400', async () => {
    for (const id of ['', ...noPositive]) assertProblem(await shop.get(`/orders?userId=${id}`), 400, 'userId must be a positive integer');
    assertProblem(await shop.get('/orders'), 400, 'userId must be a positive integer');
    for (const query of ['limit=0', 'limit=1001', 'limit=abc', 'before=abc', 'before=1.5']) {
      assertProblem(await shop.get(`/orders?userId=1&${query}`), 400);
    }
  });
});

describe('GET /orders/:id/events', () => {
  test('every transition, with the request that caused it', async () => {
    const [userId, productId] = [shop.newUser(), await shop.product()];
    const cart = await shop.cart(userId, [productId, 1]);
    const bought = await shop.checkout(userId, cart, { headers: { 'x-request-id': 'the-checkout' } });
    const { id } = bought.json.order;
    await shop.database.sql(`SELECT shop.settle_payment(1, ${id}, false, 'card declined', 'the-payment', NULL)`);
    const answer = await shop.get(`/orders/${id}/events`);
    assertStatus(answer, 200);
    assert.equal(answer.json.length, 2, answer.text);
    for (const [i, event] of answer.json.entries()) {
      assert.deepEqual(Object.keys(event).sort(), ['actor', 'at', 'event', 'from', 'reason', 'request_id', 'seq', 'to']);
      assert.equal(event.seq, i + 1);
      assert.match(event.at, instant);
      assert.equal(typeof event.event, 'string');
    }
    const [placed, declined] = answer.json;
    assert.deepEqual([placed.from, placed.to, placed.request_id], [null, 'pending', 'the-checkout']);
    assert.deepEqual([declined.from, declined.to, declined.request_id], ['pending', 'CANCELLED', 'the-payment']);
    assert.equal(declined.reason, 'card declined');
    assert.equal((await shop.get(`/orders/${id}`)).json.status, 'CANCELLED');
    assert.deepEqual(await shop.stock(productId), { product_id: productId, available_qty: 100, on_hand: 100, reserved: 0 });
  });

  test('a paid order has left the stock', async () => {
    const [userId, productId] = [shop.newUser(), await shop.product()];
    const id = await shop.order(userId, [productId, 3]);
    await shop.database.sql(`SELECT shop.settle_payment(1, ${id}, true, NULL, NULL, NULL)`);
    assert.equal((await shop.get(`/orders/${id}`)).json.status, 'CONFIRMED');
    assert.deepEqual(await shop.stock(productId), { product_id: productId, available_qty: 97, on_hand: 97, reserved: 0 });
  });

  test('unknown: 404; not an id: 400', async () => {
    assertProblem(await shop.get('/orders/987654321/events'), 404, 'Order not found');
    for (const id of noPositive) assertProblem(await shop.get(`/orders/${id}/events`), 400);
  });
});
