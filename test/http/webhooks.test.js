// Events of payment providers: whose they are, that each has its effect once, and that none is lost or asked for again in vain.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, test } from 'node:test';
import { Gateway } from '../lib/gateway.js';
import { deliver, PaymentProvider, signature, webhookSecret } from '../lib/payment_provider.js';
import { assertProblem, assertStatus, openShop } from '../lib/shop.js';

const older = 'whsec_the_older_one_9876543210';
const secrets = { STRIPE_WEBHOOK_SECRET: `${older},${webhookSecret}`, PAYMENT_WEBHOOK_SECRET: webhookSecret };
const shop = openShop(secrets);
const refused = 'The signature is missing, wrong or too far from the present time';

/** An order whose attempt a provider of this kind has charged, with its key. */
async function charged(kind, status = 'captured') {
  const provider = new PaymentProvider(kind);
  const product = await shop.product();
  const order = await shop.order(shop.newUser(), [product, 2]);
  const attempt = await shop.database.value(`SELECT attempt_id FROM shop.begin_payment(1, ${order}, '${kind}', 'begun')`);
  const key = `payment-1-${attempt}`;
  provider.payments.set(key, { id: `pi_of_${order}`, key, order: String(order), amount: 2000, status, captured: status === 'captured' ? 2000 : 0 });
  return { provider, order, attempt, key, product };
}

const statusOf = async (order) => (await shop.get(`/orders/${order}`)).json.status;
const inbox = (id) => shop.database.rows(`SELECT * FROM shop.inbox WHERE message_key = '${id}'`);

for (const kind of ['http', 'stripe']) {
  describe(kind, () => {
    test('a paid order is confirmed, once, and the number of the payment is kept', async () => {
      const { provider, order, attempt, key, product } = await charged(kind);
      const event = provider.event(key);
      const first = await deliver(shop.gateway, kind, event);
      assertStatus(first, 200);
      assert.deepEqual(first.json, { received: true, result: 'settled' });
      assert.equal((await deliver(shop.gateway, kind, event)).json.result, 'duplicate_event');
      assert.equal((await deliver(shop.gateway, kind, provider.event(key))).json.result, 'already_settled');
      assert.equal(await statusOf(order), 'CONFIRMED');
      const [row] = await shop.database.rows(`SELECT * FROM shop.payment_attempts WHERE id = ${attempt}`);
      assert.equal(row.provider_reference, `pi_of_${order}`);
      assert.equal((await shop.stock(product)).on_hand, 98);
      const events = (await shop.get(`/orders/${order}/events`)).json;
      assert.equal(events.length, 2);
      assert.equal(events[1].request_id, first.headers['x-request-id']);
    });

    test('a declined order is cancelled; what is taken after that is asked back', async () => {
      const { provider, order, key } = await charged(kind, 'declined');
      assert.equal((await deliver(shop.gateway, kind, provider.event(key))).json.result, 'settled');
      assert.equal(await statusOf(order), 'CANCELLED');
      Object.assign(provider.payments.get(key), { status: 'captured', captured: 2000 });
      assert.equal((await deliver(shop.gateway, kind, provider.event(key))).json.result, 'refund_requested');
      assert.equal(await statusOf(order), 'CANCELLED');
    });

    test('older news than is known has no effect', async () => {
      const { provider, order, key } = await charged(kind, 'authorized');
      const [promised, pending] = [provider.event(key), provider.event(key, { status: kind === 'stripe' ? 'processing' : 'pending' })];
      assert.equal((await deliver(shop.gateway, kind, promised)).json.result, 'recorded');
      assert.equal((await deliver(shop.gateway, kind, pending)).json.result, 'recorded');
      assert.equal(await shop.database.value(`SELECT status FROM shop.payment_attempts WHERE order_id = ${order}`), 'authorized');
      await deliver(shop.gateway, kind, provider.event(key, kind === 'stripe' ? { status: 'succeeded', amount_received: 2000 } : { status: 'captured' }));
      assert.equal((await deliver(shop.gateway, kind, promised.replace('evt_', 'evt_late_'))).json.result, 'already_settled');
      assert.equal(await statusOf(order), 'CONFIRMED');
    });

    test('another amount or currency than was asked for confirms nothing', async () => {
      const { provider, order, key } = await charged(kind);
      const wrong = kind === 'stripe' ? { amount_received: 1999 } : { amount: '19.99' };
      assert.equal((await deliver(shop.gateway, kind, provider.event(key, wrong))).json.result, 'amount_mismatch');
      assert.equal((await deliver(shop.gateway, kind, provider.event(key, { currency: 'usd' }))).json.result, 'amount_mismatch', 'older news than money');
      assert.equal(await statusOf(order), 'pending');
      assert.equal((await deliver(shop.gateway, kind, provider.event(key))).json.result, 'settled');
    });

    test('a refund is completed', async () => {
      const { provider, order, key } = await charged(kind);
      await deliver(shop.gateway, kind, provider.event(key));
      assertStatus(await shop.post(`/admin/orders/${order}/refund`, {}, { token: shop.admin }), 200);
      const refund = await shop.database.value(`SELECT id FROM shop.refunds WHERE order_id = ${order}`);
      provider.refunds.set(`refund-1-${refund}`, { id: 're_1', attempt: key, amount: 2000, status: 'pending' });
      assert.equal((await deliver(shop.gateway, kind, provider.event(`refund-1-${refund}`))).json.result, 'recorded');
      provider.refunds.get(`refund-1-${refund}`).status = 'completed';
      assert.equal((await deliver(shop.gateway, kind, provider.event(`refund-1-${refund}`))).json.result, 'settled');
      assert.equal(await statusOf(order), 'REFUNDED');
    });

    test('an event about a payment that is not there is kept, also by the purge, and not asked for again', async () => {
      const { provider, key } = await charged(kind);
      const event = provider.event(key, { id: `evt_lost_${kind}` }).replaceAll(key, 'payment-1-987654321');
      assert.equal((await deliver(shop.gateway, kind, event)).json.result, 'attempt_not_found');
      await shop.database.sql("UPDATE shop.inbox SET received_at = received_at - interval '1 year'");
      await shop.database.sql('SELECT shop.purge_inbox(1, 1000)');
      const [row] = await inbox(`evt_lost_${kind}`);
      assert.match(row.note, /^attempt_not_found: attempt 987654321, .* outcome captured, reference pi_of_/);
    });

    test('what is none of ours is taken and ignored', async () => {
      const { provider, order, key } = await charged(kind);
      for (const event of [
        provider.event(key, { id: 'evt_ignored_1', type: 'customer.created' }),
        provider.event(key, { id: 'evt_ignored_2' }).replaceAll(key, 'someone-elses'),
        provider.event(key, { id: 'evt_ignored_3' }).replaceAll(key, key.replace('payment-1-', 'payment-2-')),
        provider.event(key, { id: 'evt_ignored_4', status: 'made_up', type: kind === 'stripe' ? 'payment_intent.succeeded' : 'payment.updated' }),
        JSON.stringify({ id: 'evt_ignored_5', type: kind === 'stripe' ? 'payment_intent.succeeded' : 'payment.updated' }),
      ]) {
        const answer = await deliver(shop.gateway, kind, event);
        assertStatus(answer, 200);
        assert.equal(answer.json.result, 'ignored', event);
      }
      assert.equal(await statusOf(order), 'pending');
      assert.equal(await shop.database.value("SELECT count(*)::int FROM shop.inbox WHERE message_key LIKE 'evt_ignored%'"), 0);
    });

    test('a body that is no event is 400', async () => {
      for (const body of ['', '{', '[]', 'null', '{}', '{"id":"","type":"x"}', '{"id":1,"type":"x"}', `{"id":"${'x'.repeat(256)}","type":"x"}`, '{"id":"a"}', '{"id":"\xff","type":"x"}']) {
        assertProblem(await deliver(shop.gateway, kind, Buffer.from(body, 'latin1')), 400);
      }
    });

    test('without a right signature nothing happens', async () => {
      const { provider, order, key } = await charged(kind);
      const body = provider.event(key, { id: 'evt_unsigned' });
      const now = Math.floor(Date.now() / 1000);
      const [[name, right]] = Object.entries(signature(kind, body));
      const send = (value, text = body) =>
        shop.gateway.send('POST', `/webhooks/payments/${kind}`, { body: text, headers: { [name]: value } });
      for (const wrong of [undefined, '', 'x', right.replace('v1=', 'v0='), right.slice(0, -1), right.replace(/t=\d+/, `t=${now - 5}`), right.toUpperCase()]) {
        assertProblem(await send(wrong), 400, refused);
      }
      assertProblem(await send(right, `${body} `), 400, refused);
      for (const at of [now - 310, now + 310]) assertProblem(await deliver(shop.gateway, kind, body, { at }), 400, refused);
      assertProblem(await deliver(shop.gateway, kind, body, { secret: 'whsec_of_somebody_else_123' }), 400, refused);
      assert.equal(await statusOf(order), 'pending');
      assert.deepEqual(await inbox('evt_unsigned'), []);
      assert.equal((await send(right)).status, 200);
    });
  });
}

test('two keys are accepted while they are rotated, and several signatures in one header', async () => {
  const { provider, key } = await charged('stripe');
  assert.equal((await deliver(shop.gateway, 'stripe', provider.event(key), { secret: older })).json.result, 'settled');
  const body = provider.event(key);
  const at = Math.floor(Date.now() / 1000);
  const digest = (secret) => createHmac('sha256', secret).update(`${at}.${body}`).digest('hex');
  const header = `t=${at},v1=${digest('whsec_of_somebody_else_123')},v1=${digest(webhookSecret)},v0=x`;
  const answer = await shop.gateway.send('POST', '/webhooks/payments/stripe', { body, headers: { 'Stripe-Signature': header } });
  assert.equal(answer.json.result, 'already_settled');
});

test('a provider that is not known or not set up is 404, and a key that is too short stops the start', async () => {
  for (const path of ['/webhooks/payments/paypal', '/webhooks/payments/simulation']) {
    assertProblem(await shop.gateway.send('POST', path, { body: '{}' }), 404);
  }
  const bare = await Gateway.start(shop.database);
  assertProblem(await bare.send('POST', '/webhooks/payments/stripe', { body: '{}', headers: signature('stripe', '{}') }), 404);
  await bare.stop();
  const short = new Gateway(0, { ...secrets, DATABASE_URL: shop.database.url('gateway'), JWT_SECRET: 'x', STRIPE_WEBHOOK_SECRET: `${older},short` });
  assert.notEqual((await short.ended()).code, 0);
  assert.match(short.stderr, /STRIPE_WEBHOOK_SECRET/);
  assert.ok(!short.stderr.includes(older));
});

test('the same event, many times at once, has the effect of one', async () => {
  const { provider, order, key } = await charged('stripe');
  const event = provider.event(key);
  const answers = await Promise.all(Array.from({ length: 20 }, () => deliver(shop.gateway, 'stripe', event)));
  assert.equal(answers.filter(({ json }) => json.result === 'settled').length, 1);
  assert.equal(answers.filter(({ json }) => json.result === 'duplicate_event').length, 19);
  assert.equal(await statusOf(order), 'CONFIRMED');
});

test('a secret never shows in the log', () => {
  for (const secret of [older, webhookSecret]) assert.ok(!(shop.gateway.stdout + shop.gateway.stderr).includes(secret));
});
