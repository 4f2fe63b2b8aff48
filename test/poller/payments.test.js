// Payments through a provider over HTTP, in both wire formats, which fails in every way that providers do. However that goes: the
// money that the provider keeps is the money that the database knows of, order by order, and verify() is empty.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { Gateway } from '../lib/gateway.js';
import { freePort } from '../lib/ports.js';
import { deliver, PaymentProvider, webhookSecret } from '../lib/payment_provider.js';
import { openSettling } from '../lib/settling.js';
import { eventually } from '../lib/wait.js';

const once = (behaviour) => (operation, key, count) => (operation === 'charge' && count === 1 ? behaviour : 'answer');

/** Everything that is tried with one provider over one transport. */
function payments(kind, withQueue) {
  const settling = openSettling({ withQueue });
  const { shop } = settling;
  let provider;
  let gateway;

  before(async () => {
    provider = await PaymentProvider.start(kind);
    gateway = await Gateway.start(shop.database, { STRIPE_WEBHOOK_SECRET: webhookSecret, PAYMENT_WEBHOOK_SECRET: webhookSecret });
  });
  afterEach(() => {
    provider.behave = () => 'answer';
  });
  after(async () => {
    await gateway.stop();
    await provider.stop();
  });

  const poller = (more = {}) =>
    settling.poller({ ...provider.environment, PAYMENT_TIMEOUT_MS: '1000', SQS_WORKER_MAX_RECEIVE_COUNT: '2', SQS_VISIBILITY_TIMEOUT_SECONDS: '2', ...more });
  const becomes = (id, status, seconds = 30) =>
    eventually(`order ${id} is ${status}`, async () => (await settling.status(id)) === status, seconds);
  const attempt = async (id) => (await shop.database.rows(`SELECT * FROM shop.payment_attempts WHERE order_id = ${id}`))[0];
  const keyOf = async (id) => `payment-1-${(await attempt(id)).id}`;
  const requested = (operation) => provider.requests.filter((request) => request.operation === operation);

  /** Nothing is on its way any more; the provider's ledger is the database's, and no message was given up. */
  async function agree() {
    await settling.outboxDone(75); // a poller that was killed before it noted what it sent leaves that claimed for a minute
    if (withQueue) await settling.queue.empty();
    const rows = await shop.database.rows(
      `SELECT order_id, (sum(captured_amount - refunded_amount) * 100)::bigint AS kept FROM shop.payment_attempts GROUP BY order_id`,
    );
    const known = Object.fromEntries(rows.map(({ order_id: id, kept }) => [id, Number(kept)]).filter(([, kept]) => kept !== 0));
    const kept = Object.fromEntries([...provider.kept()].filter(([, cents]) => cents !== 0));
    assert.deepEqual(known, kept);
    assert.deepEqual(await shop.database.rows("SELECT * FROM shop.dead_letters WHERE status = 'open'"), []);
    await shop.database.verify();
  }

  test('a charge is paid, another declined, each asked for once under its key', async () => {
    const declined = await settling.buy();
    provider.behave = (operation, key) => (operation === 'charge' && key.endsWith('-1') ? 'decline' : 'answer');
    const worker = await poller();
    await becomes(declined, 'CANCELLED');
    const paid = await settling.buy();
    await becomes(paid, 'CONFIRMED');
    const charge = requested('charge').find((request) => request.key.endsWith('-2'));
    assert.equal(charge.idempotencyKey, await keyOf(paid));
    assert.equal(charge.headers['stripe-version'], kind === 'stripe' ? '2023-10-16' : undefined);
    assert.equal((await attempt(paid)).provider_reference, provider.paymentOf(paid).id);
    assert.equal((await attempt(declined)).reason, kind === 'stripe' ? 'insufficient_funds' : 'is declined');
    assert.equal(requested('charge').length, 2);
    assert.ok(!(worker.stdout + worker.stderr).includes(provider.token));
    await agree();
  });

  for (const behaviour of ['lose', 'close', 'fail', 'limit', 'refuse', 'silent', 'drop', 'broken', 'garbage']) {
    test(`one charge that the provider treats with "${behaviour}" is paid once all the same`, async () => {
      provider.behave = once(behaviour);
      const id = await settling.buy();
      await poller();
      await becomes(id, 'CONFIRMED');
      assert.equal([...provider.payments.values()].filter(({ order }) => order === String(id)).length, 1);
      await agree();
    });
  }

  test('what the provider is long about stays pending, is asked about, and does not expire', async () => {
    provider.behave = once('pending');
    const id = await settling.buy();
    const worker = await poller();
    await worker.event('payment_deferred', { orderId: id });
    const asked = provider.requests.length;
    await eventually('it is asked about', () => provider.requests.length > asked);
    await shop.database.sql(`UPDATE shop.orders SET created_at = created_at - interval '2 days' WHERE id = ${id}`);
    await shop.database.sql('SELECT shop.maintain(1)');
    assert.equal(await settling.status(id), 'pending');
    assert.equal((await attempt(id)).status, 'unknown');
    Object.assign(provider.paymentOf(id), { status: 'captured', captured: provider.paymentOf(id).amount });
    await becomes(id, 'CONFIRMED');
    await agree();
  });

  test('money that comes after the order was cancelled goes back', async () => {
    provider.behave = once('pending');
    const id = await settling.buy();
    const worker = await poller();
    await worker.event('payment_deferred', { orderId: id });
    assert.equal((await shop.post(`/orders/${id}/cancel`, {})).status, 200);
    Object.assign(provider.paymentOf(id), { status: 'captured', captured: provider.paymentOf(id).amount });
    await eventually('it is refunded', async () => (await shop.database.rows(`SELECT FROM shop.refunds WHERE order_id = ${id} AND status = 'completed'`)).length === 1, 30);
    assert.equal(await settling.status(id), 'CANCELLED');
    await agree();
  });

  test('money is taken later where it is only promised first, and a promise is voided with its order', async () => {
    const id = await settling.buy();
    const first = await poller({ PAYMENT_CAPTURE: 'later' });
    await becomes(id, 'CONFIRMED');
    assert.equal(provider.counted('capture', await keyOf(id)), 1);
    provider.behave = (operation) => (operation === 'capture' ? 'fail' : 'answer');
    const voided = await settling.buy();
    await first.event('payment_deferred', { orderId: voided });
    assert.equal((await attempt(voided)).status, 'authorized');
    assert.equal((await shop.post(`/orders/${voided}/cancel`, {})).status, 200);
    await eventually('it is voided', async () => (await attempt(voided)).status === 'voided', 30);
    assert.equal(provider.paymentOf(voided).status, 'voided');
    await agree();
  });

  test('refunds go back once, however the provider answers', async () => {
    const id = await settling.buy();
    await poller();
    await becomes(id, 'CONFIRMED');
    for (const [amount, behaviour] of [[1, 'silent'], [2, 'fail'], [3, 'pending'], [4, 'drop']]) {
      provider.behave = (operation, key, count) => (operation === 'refund' && count === 1 ? behaviour : 'answer');
      await shop.database.sql(`SELECT shop.refund_order(1, NULL, ${id}, ${amount}, false, 'part', NULL, 'admin', 'r')`);
      if (behaviour === 'pending') {
        await eventually('it is known to be open', async () => (await shop.database.rows(`SELECT FROM shop.refunds WHERE order_id = ${id} AND status = 'unknown'`)).length === 1);
        for (const refund of provider.refunds.values()) refund.status = 'completed';
      }
      await eventually('no refund is open', async () => (await shop.database.rows(`SELECT FROM shop.refunds WHERE order_id = ${id} AND status <> 'completed'`)).length === 0, 30);
    }
    await becomes(id, 'REFUNDED');
    await agree();
  });

  test('an outage opens the circuit; messages wait without being tried, survive a restart, and all are paid after it', async () => {
    provider.behave = () => 'fail';
    const port = await freePort();
    const options = { PAYMENT_CIRCUIT_FAILURES: '3', PAYMENT_CIRCUIT_PAUSE_MS: '500', POLLER_PORT: String(port), BIND_ADDRESS: '127.0.0.1' };
    const metric = async (name) => Number((await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()).match(new RegExp(`^${name} (.*)$`, 'm'))[1]);
    const worker = await poller(options);
    const ids = [];
    for (let i = 0; i < 8; i += 1) ids.push(await settling.buy());
    await worker.event('payment_circuit_changed', { state: 'open' });
    await eventually('the trial fails, several times', () => worker.events('payment_circuit_changed', { state: 'open' }).length >= 3, 30);
    await eventually('the metrics show the open circuit', async () => (await metric('shop_poller_payment_circuit_state')) === 2);
    assert.ok((await metric('shop_poller_payment_circuit_opened_total')) >= 3);
    assert.ok((await metric('shop_poller_payment_answers_total\\{outcome="unknown"\\}')) >= 5);
    const before = provider.requests.length;
    await eventually('messages wait for the circuit', () => worker.events('payment_deferred', { error: 'the payment provider does not work: its circuit is open' }).length >= 8, 30);
    assert.ok(provider.requests.length - before <= 8, 'hardly anything is asked while the circuit is open');
    await worker.stop();
    await provider.stop();
    const second = await poller(options);
    await second.event('payment_circuit_changed', { state: 'open' }, 30);
    assert.deepEqual(await shop.database.rows("SELECT * FROM shop.dead_letters WHERE status = 'open'"), []);
    provider.behave = () => 'answer';
    await provider.listen(provider.port);
    for (const id of ids) await becomes(id, 'CONFIRMED', 40);
    await second.event('payment_circuit_changed', { state: 'closed' });
    assert.equal(await metric('shop_poller_payment_circuit_state'), 0);
    await agree();
  });

  test('an event before the answer, twice, late and out of order has the effect of one', async () => {
    provider.behave = (operation, key, count) => (operation === 'charge' && count === 1 ? 'slow' : 'answer');
    const id = await settling.buy();
    await poller();
    await eventually('it is charged', () => provider.paymentOf(id) !== undefined);
    const key = provider.paymentOf(id).key;
    const event = provider.event(key, { id: `evt_early_${id}` });
    const answers = await Promise.all([deliver(gateway, kind, event), deliver(gateway, kind, event)]);
    assert.deepEqual(answers.map(({ status }) => status), [200, 200]);
    assert.deepEqual(answers.map(({ json }) => json.result).sort(), ['duplicate_event', 'settled']);
    assert.equal(await settling.status(id), 'CONFIRMED');
    const stale = provider.event(key, { status: kind === 'stripe' ? 'canceled' : 'declined' });
    assert.equal((await deliver(gateway, kind, stale)).json.result, 'already_settled');
    assert.equal(await settling.status(id), 'CONFIRMED');
    await agree();
  });

  test('an event of money that comes after cancelling lets it go back', async () => {
    provider.behave = (operation) => (operation === 'charge' ? 'pending' : 'answer');
    const id = await settling.buy();
    const worker = await poller();
    await worker.event('payment_deferred', { orderId: id });
    assert.equal((await shop.post(`/orders/${id}/cancel`, {})).status, 200);
    const payment = provider.paymentOf(id);
    Object.assign(payment, { status: 'captured', captured: payment.amount });
    const answer = await deliver(gateway, kind, provider.event(payment.key));
    assert.ok(['refund_requested', 'already_settled'].includes(answer.json.result), answer.text);
    await eventually('it is refunded', async () => (await shop.database.rows(`SELECT FROM shop.refunds WHERE order_id = ${id} AND status = 'completed'`)).length === 1, 30);
    await agree();
  });

  test('money of another amount is held, not asked about any more, and accepted or given back as a person decides', async () => {
    provider.behave = (operation) => (operation === 'charge' ? 'less' : 'answer');
    const [accepted, cancelled] = [await settling.buy(), await settling.buy()];
    const worker = await poller();
    for (const id of [accepted, cancelled]) await worker.event('payment_held', { orderId: id });
    await agree();
    assert.deepEqual([await settling.status(accepted), await settling.status(cancelled)], ['pending', 'pending']);
    const { id: attemptId } = await attempt(accepted);
    await shop.database.sql(`SELECT shop.accept_payment(1, ${attemptId}, 'a cent is nothing', 'boss', NULL)`);
    assert.equal(await settling.status(accepted), 'CONFIRMED');
    assert.equal((await shop.post(`/orders/${cancelled}/cancel`, {})).status, 200);
    await eventually('it is refunded', async () => (await attempt(cancelled)).refunded_amount !== '0.00' &&
      (await shop.database.rows(`SELECT FROM shop.refunds WHERE order_id = ${cancelled} AND status <> 'completed'`)).length === 0, 30);
    await agree();
  });

  test('money in another currency than was asked for has no effect until somebody looks', async () => {
    const worker = await poller({ PAYMENT_CURRENCY: 'USD' });
    const id = await settling.buy();
    await worker.event('payment_deferred', { orderId: id }, 30);
    assert.equal(await settling.status(id), 'pending');
    assert.match((await attempt(id)).reason, /^currency_mismatch/);
    await worker.stop();
    await poller();
    await becomes(id, 'CONFIRMED');
    await agree();
  });

  test('what the provider does not take as it is becomes a dead letter, and is paid when redriven', async () => {
    provider.behave = () => 'reject';
    const worker = await poller();
    const id = await settling.buy();
    await worker.event('message_moved_to_dlq', { orderId: id, reason: 'max_retries_exceeded' }, 30);
    assert.equal(await settling.status(id), 'pending');
    provider.behave = () => 'answer';
    await shop.database.sql(`SELECT shop.redrive(1, id, 'test', 'again') FROM shop.dead_letters WHERE order_id = ${id}`);
    await becomes(id, 'CONFIRMED');
    await agree();
  });

  test('everything at once: twenty orders, every answer at random, the poller killed again and again', async () => {
    const ways = ['answer', 'lose', 'close', 'fail', 'silent', 'drop', 'broken', 'garbage', 'decline', 'pending', 'limit'];
    let calls = 0;
    provider.behave = (operation, key, count) => (count < 3 ? ways[(calls += 7) % ways.length] : 'answer');
    const ids = [];
    for (let i = 0; i < 20; i += 1) ids.push(await settling.buy());
    for (let round = 0; round < 4; round += 1) {
      const asked = provider.requests.length;
      const worker = await poller({ PAYMENT_TIMEOUT_MS: '300', PAYMENT_CIRCUIT_FAILURES: '50', SQS_PROCESS_TIMEOUT_MS: '1000' });
      await eventually('it has asked something', () => provider.requests.length >= asked + 5 || round > 0, 20);
      worker.child.kill('SIGKILL');
      await worker.exit;
    }
    provider.behave = () => 'answer';
    for (const payment of provider.payments.values()) {
      if (payment.status === 'pending') Object.assign(payment, { status: 'captured', captured: payment.amount });
    }
    await poller();
    for (const id of ids) await eventually(`order ${id} is settled`, async () => (await settling.status(id)) !== 'pending', 90);
    await agree();
  });
}

// Side by side, each with its own shop, provider and pollers: what they do most of the time is wait for a provider that is silent.
describe('payments', { concurrency: true }, () => {
  for (const [kind, withQueue] of [['http', false], ['stripe', false], ['stripe', true]]) {
    describe(`${kind}, ${withQueue ? 'over the queue' : 'straight from the outbox'}`, { concurrency: 1 }, () => payments(kind, withQueue));
  }
});
