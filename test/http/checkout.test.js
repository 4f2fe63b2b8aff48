// Checkout: what it answers, what it does, what it refuses and in which order.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertProblem, assertStatus, openShop } from '../lib/shop.js';
import { literal } from '../lib/http.js';

const shop = openShop();

describe('POST /checkout', () => {
  test('makes a pending order, reserves the stock and closes the cart', async () => {
    const userId = shop.newUser();
    const products = [await shop.product({ price: 0.1 }), await shop.product({ price: '19.99' })];
    const cart = await shop.cart(userId, [products[1], 3], [products[0], 1]);
    const answer = await shop.checkout(userId, cart);
    assertStatus(answer, 201);
    assert.equal(answer.headers['idempotent-replayed'], undefined);
    const { order, order_items: items } = answer.json;
    assert.deepEqual(Object.keys(answer.json).sort(), ['order', 'order_items']);
    assert.deepEqual(order, { id: order.id, user_id: userId, total_price: 60.07, status: 'pending' });
    assert.match(literal(answer.text, 'total_price'), /^60\.07$/);
    assert.deepEqual(
      items.map(({ id, ...item }) => item).sort((a, b) => a.product_id - b.product_id),
      [{ order_id: order.id, product_id: products[0], qty: 1, price: 0.1 }, { order_id: order.id, product_id: products[1], qty: 3, price: 19.99 }],
    );
    for (const item of items) assert.ok(Number.isInteger(item.id), answer.text);
    assert.deepEqual(await shop.stock(products[1]), { product_id: products[1], available_qty: 97, on_hand: 100, reserved: 3 });
    assertProblem(await shop.get(`/cart?userId=${userId}`), 404, 'Cart not found');
  });

  test('what is added afterwards goes into a new cart', async () => {
    const [userId, productId] = [shop.newUser(), await shop.product()];
    const cart = await shop.cart(userId, [productId, 1]);
    assertStatus(await shop.checkout(userId, cart), 201);
    const next = await shop.cart(userId, [productId, 1]);
    assert.notEqual(next, cart);
    assertStatus(await shop.checkout(userId, next), 201);
  });

  test('ids may be text', async () => {
    const userId = shop.newUser();
    const cart = await shop.cart(userId, [await shop.product(), 1]);
    assertStatus(await shop.post('/checkout', { userId: String(userId), cartId: String(cart) }, { key: shop.newKey() }), 201);
  });

  test('the price is the one at checkout, and stays with the order', async () => {
    const [userId, productId] = [shop.newUser(), await shop.product({ price: 10 })];
    const cart = await shop.cart(userId, [productId, 2]);
    const price = (value) => shop.gateway.send('PATCH', `/admin/products/${productId}`, { body: { price: value }, token: shop.admin });
    await price(11);
    const bought = await shop.checkout(userId, cart);
    assert.equal(bought.json.order.total_price, 22);
    await price(500);
    assert.equal((await shop.get(`/orders/${bought.json.order.id}`)).json.total_price, 22);
  });

  test('free things can be bought', async () => {
    const userId = shop.newUser();
    const answer = await shop.checkout(userId, await shop.cart(userId, [await shop.product({ price: 0 }), 1]));
    assertStatus(answer, 201);
    assert.equal(answer.json.order.total_price, 0);
  });

  test('a total beyond what money can hold is refused, and nothing is reserved', async () => {
    const [userId, productId] = [shop.newUser(), await shop.product({ price: '9999999999.99' })];
    const cart = await shop.cart(userId, [productId, 2]);
    const answer = await shop.checkout(userId, cart);
    assert.ok(answer.status >= 400 && answer.status < 500, answer.text);
    assertProblem(answer, answer.status);
    assert.equal((await shop.stock(productId)).reserved, 0);
  });
});

describe('refusals', () => {
  const cartOfOne = async (userId) => shop.cart(userId, [await shop.product(), 1]);

  test('no key: 400 before everything else', async () => {
    const answer = await shop.post('/checkout', {});
    assertProblem(answer, 400);
    assert.equal(answer.json.error, 'Missing Idempotency-Key');
    assert.match(answer.json.message, /Idempotency-Key/);
  });

  test('an empty, a too long and a strange key: 400', async () => {
    const userId = shop.newUser();
    const cart = await cartOfOne(userId);
    for (const key of ['', '""', ' ', 'x'.repeat(256), 'a\tb']) {
      assertProblem(await shop.checkout(userId, cart, { key }), 400);
    }
    const controls = await shop.gateway.raw(
      `POST /checkout HTTP/1.1\r\nHost: x\r\nIdempotency-Key: a\x01b\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}`,
    );
    assert.match(controls, /^HTTP\/1\.1 400/);
    assertStatus(await shop.checkout(userId, cart, { key: 'x'.repeat(255) }), 201);
  });

  test('bad ids: 400, user first', async () => {
    const userId = shop.newUser();
    const cart = await cartOfOne(userId);
    for (const bad of [undefined, null, true, '', 'abc', '0x1', 1.5, '1.5', [5], {}, 0, -1, '99999999999999999999']) {
      assertProblem(await shop.checkout(bad, bad), 400, 'userId must be a positive integer');
      assertProblem(await shop.checkout(userId, bad), 400, 'cartId must be a positive integer');
    }
    assertStatus(await shop.checkout(userId, cart), 201);
  });

  test('an unknown cart: 404; another’s cart: 403', async () => {
    const [userId, other] = [shop.newUser(), shop.newUser()];
    const cart = await cartOfOne(other);
    assertProblem(await shop.checkout(userId, 987654321), 404, 'Cart not found');
    assertProblem(await shop.checkout(userId, cart), 403, 'Cart does not belong to this user');
    assertStatus(await shop.checkout(other, cart), 201);
  });

  test('a cart that is checked out: 400, and the answer names the order', async () => {
    const userId = shop.newUser();
    const cart = await cartOfOne(userId);
    const bought = await shop.checkout(userId, cart);
    const again = await shop.checkout(userId, cart);
    assertProblem(again, 400, 'Cart is not open (status: checked_out)');
    const named = Object.entries(again.json).find(([name, value]) => /order/i.test(name) && Number(value) === bought.json.order.id);
    assert.ok(named, `the order ${bought.json.order.id} is named: ${again.text}`);
  });

  test('an empty cart: 400', async () => {
    const [userId, productId] = [shop.newUser(), await shop.product()];
    const cart = await shop.cart(userId, [productId, 1]);
    await shop.gateway.send('DELETE', `/cart/items/${productId}?userId=${userId}`);
    assertProblem(await shop.checkout(userId, cart), 400, 'Cart is empty');
  });

  test('short stock: 400 with the first short line, every short line in the body, and nothing taken', async () => {
    const userId = shop.newUser();
    const enough = await shop.product({ stock: 5 });
    const [short, none] = [await shop.product({ stock: 1 }), await shop.product({ stock: 0 })];
    const cart = await shop.cart(userId, [none, 2], [short, 3], [enough, 5]);
    const answer = await shop.checkout(userId, cart);
    assertProblem(answer, 400, `Insufficient stock for product ${short}. Available: 1, Required: 3`);
    const lines = Object.values(answer.json).find(Array.isArray);
    assert.equal(lines?.length, 2, answer.text);
    assert.match(JSON.stringify(lines[0]), new RegExp(`\\b${short}\\b`));
    assert.match(JSON.stringify(lines[1]), new RegExp(`\\b${none}\\b`));
    assert.equal((await shop.stock(enough)).reserved, 0);
    assert.equal((await shop.get(`/cart?userId=${userId}`)).json.cart.id, cart, 'the cart is still open');
  });

  test('expectedTotal: another total is 409 total_changed; the same is fine, as number or text', async () => {
    const [userId, productId] = [shop.newUser(), await shop.product({ price: 19.99 })];
    const cart = await shop.cart(userId, [productId, 2]);
    for (const expectedTotal of [39.99, '0', 40]) {
      const answer = await shop.checkout(userId, cart, { body: { expectedTotal } });
      assertProblem(answer, 409);
      assert.equal(answer.json.code, 'total_changed');
    }
    for (const expectedTotal of ['abc', true, [39.98], -1, '', 39.985]) {
      assertProblem(await shop.checkout(userId, cart, { body: { expectedTotal } }), 400);
    }
    assertStatus(await shop.checkout(userId, cart, { body: { expectedTotal: '39.98' } }), 201);
    const next = await shop.cart(userId, [productId, 2]);
    assertStatus(await shop.checkout(userId, next, { body: { expectedTotal: 39.98 } }), 201);
    const third = await shop.cart(userId, [productId, 1]);
    assertStatus(await shop.checkout(userId, third, { body: { expectedTotal: null } }), 201);
  });
});
