// Many sessions do random things at once. Afterwards the integrity report must be empty and every answer must fit a model of
// a shop: for each user, each order and each key there is an order of events, compatible with when they ran, in which the
// model gives the same answers and ends in what the tables say.
//
// HISTORY_OPERATIONS: how many in all (6000). HISTORY_SEED: which choices; not the order in which sessions get their turn.
// HISTORY_FORGED=0 leaves out messages with a known order_id and other content.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { trade } from '../lib/buyers.js';
import { Database } from '../lib/database.js';
import { linearize } from '../lib/linearize.js';
import { newOrder, newRestock, newUser, orderStep, refundName, restockStep, stockOf, userStep } from '../lib/model.js';
import { scratch } from '../lib/settings.js';

const operations = Number(process.env.HISTORY_OPERATIONS ?? 6000);
const seed = Number(process.env.HISTORY_SEED ?? Math.floor(Math.random() * 1e6));
const sessions = 16;
const productCount = 5;
const prices = {};
const facts = {};
const finalOrders = new Map();
let database;
let world;
let deadlocks;

const cents = (amount) => Math.round(Number(amount) * 100);
const countDeadlocks = () => database.value('SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()');

async function readFacts() {
  facts.orders = await database.rows(`SELECT id, status, total_price, intake.external_id,
      (SELECT json_agg(event ORDER BY seq) FROM shop.order_events WHERE order_id = ordered.id) AS history,
      (SELECT json_object_agg(product_id, returned) FROM shop.order_items
       WHERE order_id = ordered.id AND product_id IS NOT NULL AND returned > 0) AS returned
      FROM shop.orders ordered LEFT JOIN shop.intake_orders intake ON intake.order_id = ordered.id ORDER BY id`);
  facts.attempts = await database.rows('SELECT * FROM shop.payment_attempts ORDER BY id');
  facts.refunds = await database.rows('SELECT * FROM shop.refunds ORDER BY id');
  facts.carts = await database.rows(`SELECT id, user_id,
      (SELECT json_object_agg(product_id, qty) FROM shop.cart_items WHERE cart_id = cart.id) AS items
      FROM shop.carts cart WHERE status = 'open'`);
  facts.inventory = await database.rows('SELECT product_id, on_hand, reserved FROM shop.inventory ORDER BY product_id');
}

before(async () => {
  database = await Database.create();
  for (let number = 1; number <= productCount; number += 1) {
    prices[number] = 25 * (number + 3);
    await database.sql(`SELECT shop.create_product(1, 'p${number}', 'Product', ${prices[number] / 100}, NULL, NULL)`);
  }
  deadlocks = await countDeadlocks();
  const connection = { host: database.cluster.socket, port: database.cluster.port, user: 'postgres', database: database.name };
  const started = performance.now();
  world = await trade({ connection, sessions, operations, seed, prices, forged: process.env.HISTORY_FORGED !== '0' });
  await writeFile(join(scratch, 'history.jsonl'), world.journal.map((entry) => JSON.stringify(entry)).join('\n'));
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const failed = world.journal.filter(({ error }) => error !== undefined).length;
  console.log(`    HISTORY_SEED=${seed}: ${world.journal.length} operations of ${sessions} sessions in ${seconds} s, ` +
    `${world.orders.length} orders, ${failed} lock timeouts`);
  await readFacts();
});

after(() => database?.drop());

/** Operations that took effect, or could have; what was told to come again had none. */
function effective() {
  const journal = world.journal.flatMap(({ requests, answer, ...entry }) =>
    requests === undefined ? [{ ...entry, answer }]
      : requests.map((request, index) => ({ ...entry, ...request, answer: answer?.[index] })));
  const scope = ({ name, user, order, external, key }) => (key == null && external === undefined ? undefined
    : `${name === 'checkout' || name === 'restock' || name === 'refund' ? name : 'intake'} ${user} ${order} ${external} ${external === undefined ? key : ''}`);
  return journal.filter((entry) => {
    if (entry.error !== undefined) return false;
    const { status, code, result } = entry.answer;
    const told = status === 0 || code === 'idempotency_key_in_use' || result === 'busy';
    if (!told) return true;
    const twin = journal.some((other) => other !== entry && scope(other) === scope(entry) &&
      other.start <= entry.end && entry.start <= other.end);
    assert.ok(twin, `nobody else used the key at that moment: ${JSON.stringify(entry)}`);
    return false;
  });
}

/** An entry of the journal in few words. */
function brief({ prices: _, start, end, answer: { text, body, ...answer } = {}, ...entry }) {
  const message = body?.message ?? (answer.status < 300 ? text : undefined);
  return `${start.toFixed(1)}..${end.toFixed(1)} ${JSON.stringify(entry)} -> ${JSON.stringify({ ...answer, message })}`;
}

/** An order of the operations that explains the answers, or a failure that shows what cannot be explained. */
function explain(what, found, state, step) {
  const { stuck, state: end } = linearize(found, state, step);
  if (stuck === undefined) return end;
  const told = stuck.slice(0, 12).map(brief).join('\n');
  const before = found.filter((entry) => !stuck.includes(entry)).slice(-12).map(brief).join('\n');
  return assert.fail(`HISTORY_SEED=${seed}: no order of events explains the answers about ${what}.\n` +
    `Explained, the newest:\n${before}\nState then: ${JSON.stringify(end)}\nNot explained:\n${told}`);
}

test('only lock timeouts fail, and nothing deadlocks', async () => {
  const others = world.journal.filter(({ error }) => error !== undefined && !error.startsWith('55P03'));
  assert.deepEqual(others, [], `HISTORY_SEED=${seed}`);
  assert.equal(await countDeadlocks(), deadlocks);
});

test('carts, checkouts and their keys: every answer of every user fits', () => {
  const journal = effective();
  for (const user of world.users) {
    const found = journal.filter((entry) => entry.user === user).map((entry) => ({ ...entry, prices }));
    const cart = facts.carts.find((open) => open.user_id === user);
    found.push({ name: 'final', start: Infinity, end: Infinity, open: cart?.id ?? null, items: cart?.items ?? {} });
    explain(`user ${user}`, found, newUser(), userStep);
  }
});

test('orders, payments, refunds and returns: every answer about every order fits', () => {
  const journal = effective();
  const known = new Map(world.orders.map((order) => [order.id, order]));
  const documents = new Map(world.documents.map((document) => [document.id, document]));
  const sweeps = journal.filter(({ name, answer }) => (name === 'expire' || name === 'maintain') && answer.expired > 0);
  let expired = 0;
  for (const fact of facts.orders) {
    const document = documents.get(fact.external_id);
    const lines = document === undefined ? known.get(fact.id)?.lines : { [document.productId]: document.qty };
    assert.ok(lines, `order ${fact.id} was answered to somebody`);
    const attempts = facts.attempts.filter((attempt) => attempt.order_id === fact.id);
    const refunds = facts.refunds.filter((refund) => refund.order_id === fact.id);
    const found = journal.filter(({ order, external, name, answer }) => order === fact.id ||
      (external !== undefined && external === fact.external_id) ||
      (name === 'checkout' && !answer.replayed && answer.status === 201 && answer.orderId === fact.id))
      .map((entry) => (entry.name === 'checkout' ? { ...entry, name: 'placed' } : entry));
    for (const { name, answer } of found) {
      if (name === 'accept' && answer.status === 202) assert.equal(answer.orderId, fact.id, 'one order per order_id');
    }
    if (fact.history.includes('expired')) {
      expired += 1;
      found.push({ name: 'expire', start: Math.min(...sweeps.map(({ start }) => start)), end: Math.max(...sweeps.map(({ end }) => end)), answer: {} });
    }
    found.push({
      name: 'final', start: Infinity, end: Infinity, answer: {},
      facts: {
        status: fact.status, history: fact.history, returned: fact.returned ?? {},
        attempts: attempts.map(({ id, status, captured_amount: captured, refunded_amount: refunded }) =>
          ({ id, status, captured: cents(captured), refunded: cents(refunded) })),
        refunds: Object.fromEntries(refunds.map((refund) => [refundName({ ...refund, amount: cents(refund.amount) }),
          { attempt: refund.attempt_id, kind: refund.kind, amount: cents(refund.amount), status: refund.status }])),
      },
    });
    const start = newOrder({ total: cents(fact.total_price), lines, attemptIds: attempts.map(({ id }) => id) });
    finalOrders.set(fact.id, explain(`order ${fact.id}`, found, start, orderStep));
    for (const { captured, refunded } of finalOrders.get(fact.id).attempts) assert.ok(refunded <= captured);
  }
  assert.equal(sweeps.reduce((sum, { answer }) => sum + answer.expired, 0), expired, 'orders that sweepers say they expired');
});

test('the stock is what was acknowledged: deliveries, counts, sales, returns', () => {
  const stock = Object.fromEntries(Object.keys(prices).map((id) => [id, { on_hand: 0, reserved: 0 }]));
  const restocks = new Map();
  for (const entry of effective()) {
    const { name, productId, qty, key, answer } = entry;
    if (name === 'restock' && answer.status === 200 && !answer.replayed) stock[productId].on_hand += qty;
    if (name === 'restock' && key !== null) restocks.set(key, [...(restocks.get(key) ?? []), entry]);
    if (name === 'adjust' && answer.status === 200) stock[productId].on_hand += entry.counted - entry.expected;
  }
  for (const [key, found] of restocks) explain(`key ${key}`, found, newRestock(), restockStep);
  assert.equal(finalOrders.size, facts.orders.length, 'every order was explained');
  for (const order of finalOrders.values()) {
    for (const [id, { taken, held }] of Object.entries(stockOf(order))) {
      stock[id].on_hand -= taken;
      stock[id].reserved += held;
    }
  }
  for (const { product_id: id, on_hand, reserved } of facts.inventory) {
    assert.deepEqual({ on_hand, reserved }, stock[id], `HISTORY_SEED=${seed}: stock of product ${id}`);
  }
});

test('the integrity report names only cancelled or refunded orders with a refund that failed', async () => {
  const kept = [...finalOrders].filter(([, { status, attempts }]) =>
    ['CANCELLED', 'REFUNDED'].includes(status) && attempts.some((attempt) => attempt.status === 'captured' && attempt.refunded < attempt.captured));
  const report = await database.rows('SELECT check_name, subject FROM shop.verify(1)');
  const expected = kept.map(([id]) => ({ check_name: 'confirmed_order_is_paid_once', subject: `order ${id}` }));
  const sorted = (rows) => rows.map((row) => JSON.stringify(row)).sort();
  assert.deepEqual(sorted(report), sorted(expected), `HISTORY_SEED=${seed}`);
});
