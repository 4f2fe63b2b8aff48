// CUSTOMER_AUTH=jwt: a buyer is who the token says, an administrator may act for anyone.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertProblem, assertStatus, openShop } from '../lib/shop.js';
import { token } from '../lib/tokens.js';

let productId;
const shop = openShop({ CUSTOMER_AUTH: 'jwt' }, async () => {
  productId = await shop.product();
});
const [mine, other] = [token('user', 7), token('user', 8)];

const add = (userId, who) => shop.post('/cart/items', { userId, productId, qty: 1 }, { token: who });

test('no token, a bad one: 401 on every customer route', async () => {
  const routes = [['GET', '/cart?userId=7'], ['POST', '/cart/items'], ['DELETE', '/cart/items/1?userId=7'], ['POST', '/checkout'],
    ['GET', '/orders/1'], ['GET', '/orders?userId=7'], ['GET', '/orders/1/events'], ['POST', '/orders/1/cancel']];
  for (const [method, path] of routes) {
    const body = method === 'POST' ? { userId: 7 } : undefined;
    assertProblem(await shop.gateway.send(method, path, { body, key: 'k' }), 401, 'Missing or invalid Authorization header');
    assertProblem(await shop.gateway.send(method, path, { body, key: 'k', token: 'x.y.z' }), 401, 'Invalid or expired token');
  }
});

test('the catalogue stays open', async () => {
  assertStatus(await shop.get('/products'), 200);
});

test('buyers act for themselves', async () => {
  const added = await add(7, mine);
  assertStatus(added, 201);
  assertStatus(await shop.get('/cart?userId=7', { token: mine }), 200);
  const bought = await shop.post('/checkout', { userId: 7, cartId: added.json.cart.id }, { token: mine, key: 'mine' });
  assertStatus(bought, 201);
  assertStatus(await shop.get(`/orders/${bought.json.order.id}`, { token: mine }), 200);
  assertStatus(await shop.get(`/orders/${bought.json.order.id}/events`, { token: mine }), 200);
  assert.equal((await shop.get('/orders?userId=7', { token: mine })).json.length, 1);
});

test('whose subject is no number is no buyer; an administrator may be called anything', async () => {
  const [stranger, root] = [token('user', 'someone'), token('admin', 'root')];
  assertProblem(await add(7, stranger), 403);
  assertProblem(await shop.get('/cart?userId=7', { token: stranger }), 403);
  assertProblem(await shop.get('/orders?userId=7', { token: stranger }), 403);
  assertProblem(await shop.get('/orders/1', { token: stranger }), 404, 'Order not found');
  assertProblem(await shop.post('/checkout', { userId: 7, cartId: 1 }, { token: stranger, key: 'stranger' }), 403);
  assertStatus(await shop.get('/orders?userId=7', { token: root }), 200);
  const restock = () => shop.post('/admin/inventory/restock', { productId, qty: 1 }, { token: root, key: 'root' });
  assertStatus(await restock(), 200);
  assert.equal((await restock()).headers['idempotent-replayed'], 'true');
});

describe('another buyer', () => {
  test('may not name somebody else: 403', async () => {
    assertProblem(await add(7, other), 403);
    assertProblem(await shop.get('/cart?userId=7', { token: other }), 403);
    assertProblem(await shop.gateway.send('DELETE', `/cart/items/${productId}?userId=7`, { token: other }), 403);
    assertProblem(await shop.get('/orders?userId=7', { token: other }), 403);
    assertProblem(await shop.post('/checkout', { userId: 7, cartId: 1 }, { token: other, key: 'k' }), 403);
  });

  test('does not find somebody else’s order or cart: 404', async () => {
    const cart = (await add(7, mine)).json.cart.id;
    assertProblem(await shop.post('/checkout', { userId: 8, cartId: cart }, { token: other, key: 'k2' }), 404, 'Cart not found');
    const bought = await shop.post('/checkout', { userId: 7, cartId: cart }, { token: mine, key: 'k2' });
    assertStatus(bought, 201);
    assertProblem(await shop.get(`/orders/${bought.json.order.id}`, { token: other }), 404, 'Order not found');
    assertProblem(await shop.get(`/orders/${bought.json.order.id}/events`, { token: other }), 404, 'Order not found');
  });
});

test('an order is cancelled by its buyer or an administrator, and not found by anybody else', async () => {
  for (const who of [mine, shop.admin]) {
    const cart = (await add(7, mine)).json.cart.id;
    const { order } = (await shop.post('/checkout', { userId: 7, cartId: cart }, { token: mine, key: shop.newKey() })).json;
    assertProblem(await shop.post(`/orders/${order.id}/cancel`, undefined, { token: other }), 404, 'Order not found');
    const answer = await shop.post(`/orders/${order.id}/cancel`, undefined, { token: who });
    assertStatus(answer, 200);
    assert.equal(answer.json.status, 'CANCELLED');
  }
});

test('an administrator acts for anyone', async () => {
  const added = await add(9, shop.admin);
  assertStatus(added, 201);
  const bought = await shop.post('/checkout', { userId: 9, cartId: added.json.cart.id }, { token: shop.admin, key: 'for nine' });
  assertStatus(bought, 201);
  assertStatus(await shop.get(`/orders/${bought.json.order.id}`, { token: shop.admin }), 200);
  assertStatus(await shop.get('/orders?userId=9', { token: shop.admin }), 200);
});

test('a token whose sub is no user id is nobody', async () => {
  for (const sub of ['seven', '', '7 ', '1e1', '-7', '99999999999999999999']) {
    const answer = await shop.get('/cart?userId=7', { token: token('user', sub) });
    assert.ok([401, 403].includes(answer.status), `${sub}: ${answer.text}`);
  }
});
