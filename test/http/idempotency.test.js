// One key, one effect.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertProblem, assertStatus, openShop } from '../lib/shop.js';

const shop = openShop();

async function readyCart(stock = 10) {
  const [userId, productId] = [shop.newUser(), await shop.product({ stock })];
  return { userId, productId, cart: await shop.cart(userId, [productId, 1]) };
}

describe('the same key and the same meaning', () => {
  test('gives the very same bytes, marked as a replay', async () => {
    const { userId, productId, cart } = await readyCart();
    const first = await shop.checkout(userId, cart, { key: 'same' });
    assertStatus(first, 201);
    for (let i = 0; i < 3; i += 1) {
      const again = await shop.checkout(userId, cart, { key: 'same' });
      assertStatus(again, 201);
      assert.equal(again.text, first.text);
      assert.equal(again.headers['idempotent-replayed'], 'true');
      assert.notEqual(again.headers['x-request-id'], first.headers['x-request-id']);
    }
    assert.equal((await shop.stock(productId)).reserved, 1);
    assert.equal((await shop.get(`/orders?userId=${userId}`)).json.length, 1);
  });

  test('quotes around the key make no difference', async () => {
    const { userId, cart } = await readyCart();
    const first = await shop.checkout(userId, cart, { key: 'quoted' });
    const again = await shop.checkout(userId, cart, { key: '"quoted"' });
    assert.equal(again.text, first.text);
    assert.equal(again.headers['idempotent-replayed'], 'true');
  });

  test('ids as text mean the same as numbers', async () => {
    const { userId, cart } = await readyCart();
    const first = await shop.checkout(userId, cart, { key: 'text' });
    const again = await shop.checkout(String(userId), String(cart), { key: 'text' });
    assert.equal(again.text, first.text);
  });

  test('the stored status is answered even when the order has moved on', async () => {
    const { userId, cart } = await readyCart();
    const first = await shop.checkout(userId, cart, { key: 'moved' });
    await shop.database.sql(`SELECT shop.settle_payment(1, ${first.json.order.id}, true, NULL, 'test', NULL)`);
    const again = await shop.checkout(userId, cart, { key: 'moved' });
    assert.equal(again.text, first.text);
    assert.equal((await shop.get(`/orders/${first.json.order.id}`)).json.status, 'CONFIRMED');
  });
});

describe('the same key and another meaning', () => {
  test('another cart: 422', async () => {
    const { userId, productId, cart } = await readyCart();
    assertStatus(await shop.checkout(userId, cart, { key: 'other' }), 201);
    const next = await shop.cart(userId, [productId, 1]);
    assertProblem(await shop.checkout(userId, next, { key: 'other' }), 422);
    assertStatus(await shop.checkout(userId, next), 201);
  });

  test('another expectedTotal: 422', async () => {
    const { userId, cart } = await readyCart();
    assertStatus(await shop.checkout(userId, cart, { key: 'total', body: { expectedTotal: 10 } }), 201);
    assertProblem(await shop.checkout(userId, cart, { key: 'total', body: { expectedTotal: 11 } }), 422);
  });

  test('another user has keys of his own', async () => {
    const [one, other] = [await readyCart(), await readyCart()];
    const first = await shop.checkout(one.userId, one.cart, { key: 'shared' });
    const second = await shop.checkout(other.userId, other.cart, { key: 'shared' });
    assertStatus(second, 201);
    assert.equal(second.headers['idempotent-replayed'], undefined);
    assert.notEqual(second.json.order.id, first.json.order.id);
    assert.equal(second.json.order.user_id, other.userId);
  });

  test('another route has keys of its own', async () => {
    const { userId, productId, cart } = await readyCart();
    assertStatus(await shop.checkout(userId, cart, { key: 'route' }), 201);
    const restocked = await shop.post('/admin/inventory/restock', { productId, qty: 1 }, { token: shop.admin, key: 'route' });
    assertStatus(restocked, 200);
    assert.equal(restocked.headers['idempotent-replayed'], undefined);
  });
});

describe('refusals are not stored', () => {
  test('short stock, then a restock, then the same key', async () => {
    const { userId, productId, cart } = await readyCart(0);
    assertProblem(await shop.checkout(userId, cart, { key: 'later' }), 400);
    await shop.restock(productId, 1);
    const answer = await shop.checkout(userId, cart, { key: 'later' });
    assertStatus(answer, 201);
    assert.equal(answer.headers['idempotent-replayed'], undefined);
  });

  test('a wrong body, then the right one with the same key', async () => {
    const { userId, cart } = await readyCart();
    assertProblem(await shop.checkout(userId, 'abc', { key: 'fixed' }), 400);
    assertProblem(await shop.checkout(userId, 987654321, { key: 'fixed' }), 404);
    assertStatus(await shop.checkout(userId, cart, { key: 'fixed' }), 201);
  });
});
