// Without a queue: the poller settles straight from the outbox.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openSettling } from '../lib/settling.js';
import { eventually } from '../lib/wait.js';

const settling = openSettling();
const { shop } = settling;

describe('the simulated provider', () => {
  test('rule_based: even orders are paid, odd ones are not; stock follows', async () => {
    await settling.poller();
    const productId = await shop.product({ stock: 100 });
    const ids = [];
    for (let i = 0; i < 6; i += 1) ids.push(await settling.buy({ productId }));
    await settling.settledByRule(ids);
    const paid = ids.filter((id) => id % 2 === 0).length;
    assert.deepEqual(await shop.stock(productId), { product_id: productId, available_qty: 100 - paid, on_hand: 100 - paid, reserved: 0 });
    await settling.outboxDone();
  });

  for (const [rate, wanted] of [['1', 'CONFIRMED'], ['0', 'CANCELLED']]) {
    test(`random with rate ${rate}: every order is ${wanted}`, async () => {
      await settling.poller({ PAYMENT_SIMULATION_MODE: 'random', PAYMENT_SUCCESS_RATE: rate });
      const ids = await Promise.all(Array.from({ length: 8 }, () => settling.buy()));
      for (const id of ids) await eventually(`order ${id} is ${wanted}`, async () => (await settling.status(id)) === wanted);
    });
  }
});

test('orders placed while no poller runs are settled when one comes', async () => {
  const ids = [await settling.buy(), await settling.buy(), await settling.buy()];
  for (const id of ids) assert.equal(await settling.status(id), 'pending');
  await settling.poller();
  await settling.settledByRule(ids);
});

test('orders that are claimed together are settled in one commit', async () => {
  const ids = await Promise.all(Array.from({ length: 12 }, () => settling.buy()));
  await settling.poller();
  await settling.settledByRule(ids);
  const commits = await shop.database.value(
    `SELECT count(DISTINCT xmin::text)::int FROM shop.orders WHERE id IN (${ids.join(',')})`,
  );
  assert.equal(commits, 1);
});

test('a new order is settled soon, without a busy poller', async () => {
  const poller = await settling.poller();
  await settling.settledByRule([await settling.buy()], 3);
  const used = async () => (await import('node:fs/promises')).readFile(`/proc/${poller.child.pid}/stat`, 'utf8');
  const ticks = (stat) => stat.slice(stat.lastIndexOf(')') + 2).split(' ').slice(11, 13).reduce((sum, part) => sum + Number(part), 0);
  const [start, before] = [Date.now(), ticks(await used())];
  await eventually('two seconds of rest', () => Date.now() - start > 2000, 5);
  assert.ok(ticks(await used()) - before < 60, 'an idle poller uses little CPU, even with sanitizers');
});

test('what cannot be settled now is tried again', async () => {
  await settling.forbid();
  const poller = await settling.poller();
  const id = await settling.buy();
  const failed = await poller.event('order_process_failed', { orderId: id });
  assert.equal(typeof failed.error, 'string');
  assert.equal(await settling.status(id), 'pending');
  await settling.allow();
  await settling.settledByRule([id], 30);
});

test('what fails again and again becomes a dead letter, once, and nothing is dropped', async () => {
  await settling.forbid();
  const poller = await settling.poller({ SQS_WORKER_MAX_RECEIVE_COUNT: '2' });
  const id = await settling.buy();
  const [letter] = await eventually(
    'a dead letter',
    async () => {
      const rows = await shop.database.rows(`SELECT * FROM shop.dead_letters WHERE order_id = ${id}`);
      return rows.length > 0 && rows;
    },
    40,
  );
  assert.equal(letter.source, 'outbox');
  assert.equal(letter.reason, 'max_retries_exceeded');
  assert.deepEqual(JSON.parse(letter.body), { orderId: id });
  assert.equal(letter.status, 'open');
  assert.ok(letter.error);
  assert.equal(await shop.database.value(`SELECT status FROM shop.outbox WHERE order_id = ${id}`), 'dead');
  await settling.allow();
  const next = await settling.buy();
  await settling.settledByRule([next]);
  assert.equal(await settling.status(id), 'pending');
  assert.ok(poller.events('order_process_failed', { orderId: id }).length >= 2);
});

test('what was claimed more often than it may be tried is given up before its body is read, which may be what kills', async () => {
  const body = '{"order_id": "worn-out", "customer_id": "customer-1", "items": []}';
  await shop.database.sql(`INSERT INTO shop.outbox (store_id, topic, body, attempts) VALUES (1, 'intake', '${body}', 1000), (1, 'redrive', 'worn out', 1000)`);
  const poller = await settling.poller();
  await settling.outboxDone();
  const letters = await shop.database.rows("SELECT reason, attributes, receive_count FROM shop.dead_letters WHERE body ~ 'worn.out'");
  assert.deepEqual(letters, [1, 2].map(() => ({ reason: 'max_retries_exceeded', attributes: null, receive_count: 1001 })));
  assert.deepEqual(poller.events('invalid_message_body'), []);
  assert.deepEqual(poller.events('message_moved_to_dlq').map(({ worker }) => worker).sort(), ['intake', 'payment']);
});

test('two pollers share the work; each order is settled once', async () => {
  const ids = [];
  for (let i = 0; i < 40; i += 1) ids.push(await settling.buy());
  const pollers = await Promise.all([settling.poller(), settling.poller()]);
  await settling.settledByRule(ids);
  const done = pollers.flatMap((poller) => poller.events('order_processed', { result: 'settled' }).map((line) => line.orderId));
  assert.deepEqual(done.filter((id) => ids.includes(id)).sort((a, b) => a - b), ids);
});

test('the log names the worker, the order and the request that placed it', async () => {
  const poller = await settling.poller();
  const started = poller.events('worker_started')[0];
  assert.equal(started.worker, 'payment');
  for (const field of ['maxReceiveCount', 'processTimeoutMs', 'pollTimeoutMs', 'shutdownGraceMs']) {
    assert.equal(typeof started[field], 'number', field);
  }
  const userId = shop.newUser();
  const cart = await shop.cart(userId, [await shop.product(), 1]);
  const bought = await shop.checkout(userId, cart, { headers: { 'x-request-id': 'from-the-browser' } });
  const line = await poller.event('order_processed', { requestId: 'from-the-browser' });
  assert.equal(line.orderId, bought.json.order.id);
  assert.equal(line.worker, 'payment');
  assert.equal(line.result, 'settled');
  assert.ok(['CONFIRMED', 'CANCELLED'].includes(line.status));
  const events = (await shop.get(`/orders/${line.orderId}/events`)).json;
  assert.equal(events[1].request_id, 'from-the-browser');
});
