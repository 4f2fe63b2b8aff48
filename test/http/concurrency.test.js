// Many at once: what must hold when buyers and retries race.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertProblem, assertStatus, openShop } from '../lib/shop.js';

const shop = openShop();
const statuses = (answers) => answers.map((answer) => answer.status).sort();
const times = (count, make) => Promise.all(Array.from({ length: count }, (_, i) => make(i)));

test('twenty times the same checkout at once: one order, the same bytes for all', async () => {
  const [userId, productId] = [shop.newUser(), await shop.product({ stock: 100 })];
  const cart = await shop.cart(userId, [productId, 1]);
  const answers = await times(20, () => shop.checkout(userId, cart, { key: 'race' }));
  const made = answers.filter((answer) => answer.status === 201);
  assert.ok(made.length >= 1);
  assert.equal(new Set(made.map((answer) => answer.text)).size, 1);
  assert.equal(made.filter((answer) => answer.headers['idempotent-replayed'] === undefined).length, 1);
  for (const answer of answers.filter((other) => other.status !== 201)) {
    assertProblem(answer, 409);
    assert.match(answer.headers['retry-after'], /^\d+$/);
  }
  assert.equal((await shop.stock(productId)).reserved, 1);
  assert.equal((await shop.get(`/orders?userId=${userId}`)).json.length, 1);
});

test('one cart, twenty keys at once: one order', async () => {
  const [userId, productId] = [shop.newUser(), await shop.product({ stock: 100 })];
  const cart = await shop.cart(userId, [productId, 1]);
  const answers = await times(20, () => shop.checkout(userId, cart));
  assert.deepEqual(statuses(answers), [201, ...Array(19).fill(400)]);
  for (const answer of answers.filter((other) => other.status === 400)) {
    assertProblem(answer, 400, 'Cart is not open (status: checked_out)');
  }
  assert.equal((await shop.stock(productId)).reserved, 1);
});

test('the last unit and twenty buyers: exactly one gets it', async () => {
  const productId = await shop.product({ stock: 1 });
  const buyers = await times(20, async () => {
    const userId = shop.newUser();
    return [userId, await shop.cart(userId, [productId, 1])];
  });
  const answers = await Promise.all(buyers.map(([userId, cart]) => shop.checkout(userId, cart)));
  assert.deepEqual(statuses(answers), [201, ...Array(19).fill(400)]);
  for (const answer of answers.filter((other) => other.status === 400)) {
    assertProblem(answer, 400, `Insufficient stock for product ${productId}. Available: 0, Required: 1`);
  }
  assert.deepEqual(await shop.stock(productId), { product_id: productId, available_qty: 0, on_hand: 1, reserved: 1 });
});

test('ten units and forty buyers: exactly ten get one', async () => {
  const productId = await shop.product({ stock: 10 });
  const buyers = await times(40, async () => {
    const userId = shop.newUser();
    return [userId, await shop.cart(userId, [productId, 1])];
  });
  const answers = await Promise.all(buyers.map(([userId, cart]) => shop.checkout(userId, cart)));
  assert.deepEqual(statuses(answers), [...Array(10).fill(201), ...Array(30).fill(400)]);
});

test('carts filled in every order: no deadlock, all are served', async () => {
  const products = await times(6, () => shop.product({ stock: 1000 }));
  const buyers = await times(30, async (i) => {
    const userId = shop.newUser();
    const turned = [...products.slice(i % 6), ...products.slice(0, i % 6)];
    if (i % 2) turned.reverse();
    return [userId, await shop.cart(userId, ...turned.map((productId) => [productId, 1 + (i % 3)]))];
  });
  const answers = await Promise.all([
    ...buyers.map(([userId, cart]) => shop.checkout(userId, cart)),
    ...products.map((productId) => shop.post('/admin/inventory/restock', { productId, qty: 1 }, { token: shop.admin })),
  ]);
  assert.deepEqual(statuses(answers), [...Array(6).fill(200), ...Array(30).fill(201)]);
  assert.equal(
    await shop.database.value(`SELECT deadlocks::int FROM pg_stat_database WHERE datname = '${shop.database.name}'`),
    0,
  );
});

test('thirty failing checkouts at once hold nothing: /ready and a good one answer', async () => {
  const productId = await shop.product({ stock: 1 });
  const buyers = await times(30, async () => {
    const userId = shop.newUser();
    return [userId, await shop.cart(userId, [productId, 2])];
  });
  const failing = buyers.map(([userId, cart]) => shop.checkout(userId, cart, { seconds: 10 }));
  const ready = await shop.get('/ready', { seconds: 10 });
  for (const answer of await Promise.all(failing)) assertProblem(answer, 400);
  assertStatus(ready, 200);
  assertStatus(await shop.get('/ready', { seconds: 2 }), 200);
  const userId = shop.newUser();
  assertStatus(await shop.checkout(userId, await shop.cart(userId, [productId, 1])), 201);
});

test('adding to a cart while it is checked out: nothing is lost, nothing is bought twice', async () => {
  const [userId, productId] = [shop.newUser(), await shop.product({ stock: 1000 })];
  let added = 1;
  let cart = await shop.cart(userId, [productId, 1]);
  for (let round = 0; round < 5; round += 1) {
    const answers = await Promise.all([
      shop.checkout(userId, cart),
      ...Array.from({ length: 5 }, () => shop.post('/cart/items', { userId, productId, qty: 1 })),
    ]);
    assertStatus(answers[0], 201);
    for (const answer of answers.slice(1)) assertStatus(answer, 201);
    added += 5;
    cart = (await shop.get(`/cart?userId=${userId}`)).json?.cart?.id ?? (added += 1, await shop.cart(userId, [productId, 1]));
  }
  const left = (await shop.get(`/cart?userId=${userId}`)).json.items.reduce((sum, item) => sum + item.qty, 0);
  const { reserved } = await shop.stock(productId);
  assert.equal(reserved + left, added);
});
