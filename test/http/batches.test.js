// Checkouts, and items put into carts, that arrive together go to the database together; nobody may notice but by the speed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertProblem, assertStatus, openShop } from '../lib/shop.js';
import { eventually } from '../lib/wait.js';

const metricsToken = 'metrics-token-of-the-batches';
const shop = openShop({ METRICS_TOKEN: metricsToken });
const times = (count, make) => Promise.all(Array.from({ length: count }, (_, i) => make(i)));
const count = (answers, status) => answers.filter((answer) => answer.status === status).length;

/** Buyers with a filled cart each, made in rounds that do not overload the service. */
async function buyers(many, productId, qty = 1) {
  const all = [];
  while (all.length < many) {
    all.push(...await times(Math.min(40, many - all.length), async () => {
      const userId = shop.newUser();
      return { userId, cart: await shop.cart(userId, [productId, qty]) };
    }));
  }
  return all;
}

test('200 buyers of 50 units: exactly 50 orders', async () => {
  const productId = await shop.product({ stock: 50 });
  const all = await buyers(200, productId);
  const answers = await Promise.all(all.map(({ userId, cart }) => shop.checkout(userId, cart)));
  assert.deepEqual([count(answers, 201), count(answers, 400)], [50, 150]);
  for (const answer of answers.filter((other) => other.status === 400)) {
    assertProblem(answer, 400, `Insufficient stock for product ${productId}. Available: 0, Required: 1`);
  }
  assert.deepEqual(await shop.stock(productId), { product_id: productId, available_qty: 0, on_hand: 50, reserved: 50 });
  assert.equal(new Set(answers.filter((answer) => answer.status === 201).map((answer) => answer.json.order.id)).size, 50);
});

test('each answer belongs to its request', async () => {
  const productId = await shop.product({ stock: 1000 });
  const all = await buyers(60, productId, 2);
  const answers = await Promise.all(all.map(({ userId, cart }, i) =>
    shop.checkout(userId, i % 3 === 0 ? cart + 1_000_000 : cart, { headers: { 'x-request-id': `mine-${i}` } })));
  for (const [i, answer] of answers.entries()) {
    assert.equal(answer.headers['x-request-id'], `mine-${i}`);
    if (i % 3 === 0) {
      assertProblem(answer, 404, 'Cart not found');
    } else {
      assertStatus(answer, 201);
      assert.equal(answer.json.order.user_id, all[i].userId);
    }
  }
});

test('one key many times in one batch: one order, byte-identical replays', async () => {
  const productId = await shop.product({ stock: 1000 });
  const others = await buyers(20, productId);
  const [twin] = await buyers(1, productId);
  const [answers] = await Promise.all([
    times(40, () => shop.checkout(twin.userId, twin.cart, { key: 'twins' })),
    ...others.map(({ userId, cart }) => shop.checkout(userId, cart)),
  ]);
  for (const answer of answers) assertStatus(answer, 201);
  assert.equal(new Set(answers.map((answer) => answer.text)).size, 1);
  assert.equal(answers.filter((answer) => answer.headers['idempotent-replayed'] === undefined).length, 1);
  assert.equal((await shop.get(`/orders?userId=${twin.userId}`)).json.length, 1);
});

test('keys of any characters arrive as they are', async () => {
  const keys = ['a"b', 'a\\b', '\\', '"', "'", '{}', '(a,b)', 'NULL', 'a,b', '\\"', '""', 'é€😀', ' inner  blanks ', '$1', '%s', '{"a":"b"}'];
  const all = await buyers(keys.length, await shop.product({ stock: 1000 }));
  const send = ({ userId, cart }, i) => shop.checkout(userId, cart, { key: Buffer.from(keys[i]).toString('latin1') });
  const answers = await Promise.all(all.map(send));
  const again = await Promise.all(all.map(send));
  for (const [i, answer] of answers.entries()) {
    assert.ok([201, 400].includes(answer.status), answer.text);
    assert.equal(again[i].status, answer.status);
    if (answer.status === 201) assert.equal(again[i].text, answer.text, keys[i]);
  }
  assert.ok(count(answers, 201) >= keys.length - 2, 'only what is an empty key is refused');
});

test('a cart that somebody holds delays the others by no more than the lock limit, and the later ones not at all', async () => {
  const productId = await shop.product({ stock: 1000 });
  const [held, ...others] = await buyers(60, productId);
  const session = shop.database.session();
  const timed = async (buyer, options) => {
    const begin = Date.now();
    const answer = await shop.checkout(buyer.userId, buyer.cart, options);
    return { answer, took: Date.now() - begin };
  };
  let early;
  let late;
  let stuck;
  try {
    await session.say('BEGIN');
    await session.say(`SELECT 1 FROM shop.carts WHERE store_id = 1 AND id = ${held.cart} FOR UPDATE`);
    const burst = others.slice(0, 30).map((buyer) => timed(buyer));
    const blocked = timed(held, { key: 'held' });
    burst.push(...others.slice(30, 40).map((buyer) => timed(buyer)));
    await new Promise((resolve) => setTimeout(resolve, 500));
    late = await Promise.all(others.slice(40).map((buyer) => timed(buyer)));
    early = await Promise.all(burst);
    stuck = await blocked;
  } finally {
    await session.end();
  }
  for (const { answer } of [...early, ...late]) assertStatus(answer, 201);
  assert.ok(Math.max(...early.map(({ took }) => took)) < 2900, `early: ${early.map(({ took }) => took)}`);
  assert.ok(Math.max(...late.map(({ took }) => took)) < 1500, `late: ${late.map(({ took }) => took)}`);
  assertProblem(stuck.answer, 503);
  assert.match(stuck.answer.headers['retry-after'], /^[1-9]\d*$/);
  assertStatus(await shop.checkout(held.userId, held.cart, { key: 'held' }), 201);
});

test('a batch whose session is ended is repeated, each request alone', async () => {
  const productId = await shop.product({ stock: 1000 });
  const all = await buyers(30, productId);
  const session = shop.database.session();
  await session.say('BEGIN');
  await session.say('LOCK TABLE shop.inventory IN ACCESS EXCLUSIVE MODE');
  const answers = all.map(({ userId, cart }) => shop.checkout(userId, cart));
  const waiting = `FROM pg_stat_activity WHERE datname = '${shop.database.name}' AND wait_event_type = 'Lock' AND query LIKE '%checkout%'`;
  await eventually('checkouts wait for the lock', async () => (await shop.database.value(`SELECT count(*)::int ${waiting}`)) >= 2);
  await shop.database.sql(`SELECT pg_terminate_backend(pid) ${waiting}`);
  await session.end();
  for (const answer of await Promise.all(answers)) assertStatus(answer, 201);
  assert.equal((await shop.stock(productId)).reserved, 30);
});

test('items put into many carts at once: each answer is its own, and nothing is counted twice', async () => {
  const [apple, pear] = [await shop.product({ stock: 1 }), await shop.product({ stock: 1 })];
  const users = Array.from({ length: 40 }, () => shop.newUser());
  const calls = users.flatMap((userId) => [[userId, apple, 1], [userId, pear, 2], [userId, apple, 3], [userId, 999_999_999, 1], [userId, pear, 0]]);
  const answers = await Promise.all(calls.map(([userId, productId, qty]) => shop.post('/cart/items', { userId, productId, qty })));
  for (const [i, answer] of answers.entries()) {
    const [userId, productId, qty] = calls[i];
    if (qty === 0) {
      assertProblem(answer, 400, 'qty must be an integer greater than 0');
    } else if (productId === 999_999_999) {
      assertProblem(answer, 404, 'Product not found');
    } else {
      assertStatus(answer, 201);
      assert.deepEqual([answer.json.cart.user_id, answer.json.item.product_id], [userId, productId]);
    }
  }
  for (const userId of users) {
    const { items } = (await shop.get(`/cart?userId=${userId}`)).json;
    assert.deepEqual(items.map(({ product_id, qty }) => [product_id, qty]).sort(), [[apple, 4], [pear, 2]].sort());
  }
  const metrics = (await shop.get('/metrics', { token: metricsToken })).text;
  const made = Number(/shop_gateway_cart_item_batch_size_count (\d+)/.exec(metrics)[1]);
  const requests = Number(/shop_gateway_cart_item_batch_size_sum (\d+)/.exec(metrics)[1]);
  assert.ok(requests >= calls.length && made < requests, `${made} calls for ${requests} requests`);
});

test('a cart that somebody holds delays its own item, and the items of others not at all', async () => {
  const productId = await shop.product({ stock: 1 });
  const [held, ...others] = Array.from({ length: 30 }, () => shop.newUser());
  const add = (userId) => shop.post('/cart/items', { userId, productId, qty: 1 });
  await times(30, (i) => add([held, ...others][i]));
  const session = shop.database.session();
  let stuck;
  try {
    await session.say('BEGIN');
    await session.say(`SELECT 1 FROM shop.carts WHERE store_id = 1 AND user_id = ${held} FOR UPDATE`);
    const begin = Date.now();
    stuck = add(held);
    for (const answer of await Promise.all(others.map(add))) assertStatus(answer, 201);
    assert.ok(Date.now() - begin < 1500, `${Date.now() - begin} ms`);
  } finally {
    await session.end();
  }
  assertStatus(await stuck, 201);
});

test('items whose session is ended are not put in twice', async () => {
  const productId = await shop.product({ stock: 1 });
  const users = Array.from({ length: 30 }, () => shop.newUser());
  const session = shop.database.session();
  await session.say('BEGIN');
  await session.say('LOCK TABLE shop.cart_items IN ACCESS EXCLUSIVE MODE');
  const answers = users.map((userId) => shop.post('/cart/items', { userId, productId, qty: 1 }));
  const waiting = `FROM pg_stat_activity WHERE datname = '${shop.database.name}' AND wait_event_type = 'Lock' AND query LIKE '%add_cart_item%'`;
  await eventually('items wait for the lock', async () => (await shop.database.value(`SELECT count(*)::int ${waiting}`)) >= 2);
  await shop.database.sql(`SELECT pg_terminate_backend(pid) ${waiting}`);
  await session.end();
  for (const [i, answer] of (await Promise.all(answers)).entries()) {
    const cart = await shop.get(`/cart?userId=${users[i]}`);
    if (answer.status === 201) assert.deepEqual(cart.json.items.map(({ qty }) => qty), [1]);
    else assert.ok(answer.status === 503 && (cart.status === 404 || cart.json.items.length === 0), `${answer.status} ${cart.text}`);
  }
});
