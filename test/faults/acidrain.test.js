// The attacks of the ACIDRain paper (Warszawski and Bailis, SIGMOD 2017) and their like, as named cases: on stock, on the
// cart, and on what may be used once. Two gateways serve one shop; a fault point holds the first request in the middle of its
// work, and the second comes then.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { library, openCluster, record } from '../lib/faults/cases.js';
import { Stand } from '../lib/faults/stand.js';
import { Shop } from '../lib/shop.js';
import { eventually } from '../lib/wait.js';

const group = 'Races';
const one = new Shop();
const other = new Shop();
let stand;

openCluster({
  prepare: async (cluster) => {
    stand = await Stand.open(cluster, { library: await library(cluster, 'fault-points'), queue: false, poller: false });
    Object.assign(one, { gateway: stand.gateways[0], database: stand.database });
    Object.assign(other, { gateway: stand.gateways[1], database: stand.database });
  },
  clean: async () => {
    await stand?.close();
  },
});

/**
 * Holds first() at a place, begins second(), and lets the first go on once the second is done or waits for a lock. Gives the
 * answers of both.
 */
async function meanwhile(place, first, second) {
  await stand.arm(place, 'pause');
  const early = first();
  try {
    await eventually(`the first is held at ${place}`, () => stand.paused());
    let done = false;
    const late = second().finally(() => {
      done = true;
    });
    late.catch(() => {});
    await eventually('the second is done or waits', async () =>
      done || (await stand.query("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'")).length > 0);
    await stand.release();
    return [await early, await late];
  } finally {
    await stand.disarm();
    await stand.release();
  }
}

/** A test whose result goes into the table, and after which the integrity report is empty. */
function race(name, body) {
  test(name, async (context) => {
    await body();
    await stand.database.verify();
    record(group, context.name, { count: 1, lost: 0, doubled: 0 });
  });
}

const statuses = (answers) => answers.map(({ status }) => status);
const settle = (id, paid = true) => stand.query(`SELECT result FROM shop.settle_payment(1, ${id}, ${paid}, NULL, NULL, NULL)`)
  .then(([{ result }]) => result);
const admin = (shop) => ({ token: shop.admin });

async function buyers(stock, qty = 1) {
  const productId = await one.product({ stock });
  const [first, second] = [one.newUser(), one.newUser()];
  return { productId, first, second, carts: [await one.cart(first, [productId, qty]), await one.cart(second, [productId, qty])] };
}

race('stock: the last unit, asked for while another checkout holds it', async () => {
  const { productId, first, second, carts } = await buyers(1);
  const answers = await meanwhile('checkout.stock_locked', () => one.checkout(first, carts[0]), () => other.checkout(second, carts[1]));
  assert.deepEqual(statuses(answers), [201, 400]);
  assert.deepEqual(await one.stock(productId), { product_id: productId, available_qty: 0, on_hand: 1, reserved: 1 });
});

race('stock: the last unit, taken by another before the first has locked it', async () => {
  const { productId, first, second, carts } = await buyers(1);
  const answers = await meanwhile('checkout.carts_locked', () => one.checkout(first, carts[0]), () => other.checkout(second, carts[1]));
  assert.deepEqual(statuses(answers), [400, 201]);
  assert.equal((await one.stock(productId)).available_qty, 0);
});

race('stock: a delivery while a checkout holds the level', async () => {
  const { productId, first, carts } = await buyers(5, 2);
  const answers = await meanwhile('checkout.levels_written', () => one.checkout(first, carts[0]),
    () => other.post('/admin/inventory/restock', { productId, qty: 10 }, admin(other)));
  assert.deepEqual(statuses(answers), [201, 200]);
  assert.deepEqual(await one.stock(productId), { product_id: productId, available_qty: 13, on_hand: 15, reserved: 2 });
});

race('stock: a count while a checkout holds the level', async () => {
  const { productId, first, carts } = await buyers(5, 2);
  const answers = await meanwhile('checkout.levels_written', () => one.checkout(first, carts[0]),
    () => other.post('/admin/inventory/adjust', { productId, expectedOnHand: 5, counted: 1 }, admin(other)));
  assert.deepEqual(statuses(answers), [201, 409]);
  assert.deepEqual(await one.stock(productId), { product_id: productId, available_qty: 3, on_hand: 5, reserved: 2 });
});

race('stock: an order is cancelled while its payment is settled', async () => {
  const productId = await one.product({ stock: 5 });
  const id = await one.order(one.newUser(), [productId, 2]);
  const [settled, cancelled] = await meanwhile('settle.order_changed', () => settle(id), () => other.post(`/orders/${id}/cancel`, {}));
  assert.equal(settled, 'settled');
  assert.equal(cancelled.status, 403, cancelled.text); // by then it is paid, and only an administrator may
  assert.deepEqual(await one.stock(productId), { product_id: productId, available_qty: 3, on_hand: 3, reserved: 0 });
});

race('stock: a payment is settled while its order is cancelled', async () => {
  const productId = await one.product({ stock: 5 });
  const id = await one.order(one.newUser(), [productId, 2]);
  const [cancelled, settled] = await meanwhile('cancel.order_changed', () => one.post(`/orders/${id}/cancel`, {}), () => settle(id));
  assert.equal(cancelled.status, 200, cancelled.text);
  assert.equal(settled, 'already_settled');
  assert.deepEqual(await one.stock(productId), { product_id: productId, available_qty: 5, on_hand: 5, reserved: 0 });
});

race('stock: an order is cancelled twice at once', async () => {
  const productId = await one.product({ stock: 5 });
  const id = await one.order(one.newUser(), [productId, 2]);
  const cancel = (shop) => shop.post(`/orders/${id}/cancel`, {});
  assert.deepEqual(statuses(await meanwhile('cancel.order_locked', () => cancel(one), () => cancel(other))), [200, 200]);
  assert.equal((await one.stock(productId)).available_qty, 5);
});

race('cart: an item is added while the cart is checked out', async () => {
  const { productId, first, carts } = await buyers(100);
  const [bought, added] = await meanwhile('checkout.stock_locked', () => one.checkout(first, carts[0]),
    () => other.post('/cart/items', { userId: first, productId, qty: 7 }));
  assert.deepEqual(statuses([bought, added]), [201, 201]);
  assert.deepEqual(bought.json.order_items.map(({ qty }) => qty), [1]);
  assert.notEqual(added.json.cart.id, carts[0], 'it is in the next cart, not free in the order');
});

race('cart: an item is taken out while the cart is checked out', async () => {
  const { productId, first, carts } = await buyers(100);
  const [bought, removed] = await meanwhile('checkout.stock_locked', () => one.checkout(first, carts[0]),
    () => other.gateway.send('DELETE', `/cart/items/${productId}?userId=${first}`));
  assert.deepEqual(statuses([bought, removed]), [201, 404]);
  assert.equal((await one.get(`/orders/${bought.json.order.id}`)).json.items.length, 1);
});

race('cart: the price changes while the cart is checked out', async () => {
  const { productId, first, carts } = await buyers(100, 3);
  const [bought, changed] = await meanwhile('checkout.items_written', () => one.checkout(first, carts[0], { body: { expectedTotal: 30 } }),
    () => other.gateway.send('PATCH', `/admin/products/${productId}`, { body: { price: 99 }, ...admin(other) }));
  assert.deepEqual(statuses([bought, changed]), [201, 200]);
  assert.deepEqual([bought.json.order.total_price, bought.json.order_items[0].price], [30, 10]);
});

race('cart: the price changed before the stock was locked, and the buyer said what he expects', async () => {
  const { productId, first, carts } = await buyers(100, 3);
  const [bought] = await meanwhile('checkout.carts_locked', () => one.checkout(first, carts[0], { body: { expectedTotal: 30 } }),
    () => other.gateway.send('PATCH', `/admin/products/${productId}`, { body: { price: 99 }, ...admin(other) }));
  assert.equal(bought.status, 409, bought.text);
  assert.equal(bought.json.code, 'total_changed');
});

race('once: one cart, two keys, through two gateways', async () => {
  const { first, carts } = await buyers(100);
  const [bought, refused] = await meanwhile('checkout.cart_closed', () => one.checkout(first, carts[0]), () => other.checkout(first, carts[0]));
  assert.deepEqual(statuses([bought, refused]), [201, 400]);
  assert.equal(refused.json.orderId, bought.json.order.id);
});

race('once: one key twice at once, through two gateways', async () => {
  const { first, carts } = await buyers(100);
  const key = one.newKey();
  const [bought, again] = await meanwhile('checkout.answer_stored', () => one.checkout(first, carts[0], { key }),
    () => other.checkout(first, carts[0], { key }));
  assert.deepEqual(statuses([bought, again]), [201, 201]);
  assert.equal(again.text, bought.text);
  assert.equal(again.headers['idempotent-replayed'], 'true');
});

race('once: a key of another user gets nothing of his', async () => {
  const { first, second, carts } = await buyers(100);
  const key = one.newKey();
  const answers = await meanwhile('checkout.keys_locked', () => one.checkout(first, carts[0], { key }), () => other.checkout(second, carts[1], { key }));
  assert.deepEqual(statuses(answers), [201, 201]);
  assert.deepEqual(answers.map(({ json }) => json.order.user_id), [first, second]);
});

race('once: a payment is told twice at once', async () => {
  const id = await one.order(one.newUser(), [await one.product(), 1]);
  assert.deepEqual(await meanwhile('settle.attempt_written', () => settle(id), () => settle(id)), ['settled', 'already_settled']);
  assert.equal(await stand.database.value(`SELECT count(*)::int FROM shop.payment_attempts WHERE order_id = ${id}`), 1);
});

race('once: success and refusal of a payment are told at once', async () => {
  const id = await one.order(one.newUser(), [await one.product(), 1]);
  assert.deepEqual(await meanwhile('settle.order_changed', () => settle(id, false), () => settle(id, true)), ['settled', 'already_settled']);
  assert.equal((await one.get(`/orders/${id}`)).json.status, 'CANCELLED');
});

race('once: the whole amount is refunded twice at once, with two keys', async () => {
  const id = await one.order(one.newUser(), [await one.product({ price: 10 }), 1]);
  await settle(id);
  const refund = (shop) => shop.post(`/admin/orders/${id}/refund`, {}, { ...admin(shop), key: shop.newKey() });
  const answers = await Promise.all([refund(one), refund(other), refund(one), refund(other)]);
  assert.deepEqual(statuses(answers).sort(), [200, 409, 409, 409], answers.map(({ text }) => text).join('\n'));
  assert.equal(Number(await stand.database.value(`SELECT sum(amount) FROM shop.refunds WHERE order_id = ${id}`)), 10);
});

race('once: a delivery is booked twice at once under one key', async () => {
  const productId = await one.product({ stock: 0 });
  const key = one.newKey();
  const restock = (shop) => shop.post('/admin/inventory/restock', { productId, qty: 10 }, { ...admin(shop), key });
  assert.deepEqual(statuses(await meanwhile('restock.level_written', () => restock(one), () => restock(other))), [200, 200]);
  assert.equal((await one.stock(productId)).on_hand, 10);
});

race('once: an intake order is sent twice at once', async () => {
  const body = { order_id: one.newKey(), customer_id: 'twice', items: [{ product_id: 'X', quantity: 1, price: 5 }] };
  const answers = await meanwhile('accept.message_written', () => one.post('/api/orders', body), () => other.post('/api/orders', body));
  assert.deepEqual(statuses(answers), [202, 202]);
  assert.equal(await stand.database.value("SELECT count(*)::int FROM shop.intake_orders WHERE customer_id = 'twice'"), 1);
});
