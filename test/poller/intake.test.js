// Intake orders: our own out of the outbox and over the queue, and those that other producers put on the queue.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { openSettling } from '../lib/settling.js';
import { eventually } from '../lib/wait.js';

const literal = (value) => `'${String(value).replaceAll("'", "''")}'`;

for (const withQueue of [false, true]) {
  describe(withQueue ? 'over the queue' : 'straight from the outbox', () => {
    const settling = openSettling({ withQueue });
    const { shop } = settling;

    /** Accepts an order as POST /api/orders does; gives its order_id. */
    const accept = async (items, orderId = randomUUID()) => {
      const body = literal(JSON.stringify({ order_id: orderId, customer_id: 'customer-1', items }));
      const status = await shop.database.sql(`SELECT status FROM shop.accept_order(1, ${body}, NULL, 'accepted', NULL)`);
      assert.equal(status, '202');
      return orderId;
    };
    const order = async (orderId) => {
      const [row] = await shop.database.rows(
        `SELECT purchase.* FROM shop.orders purchase JOIN shop.intake_orders intake ON intake.order_id = purchase.id
          WHERE intake.external_id = ${literal(orderId)}`,
      );
      return row;
    };
    const ends = (orderId, status) =>
      eventually(`order ${orderId} is ${status}`, async () => (await order(orderId))?.status === status, 20);

    test('an accepted order is processed once, and takes the stock of what the catalogue knows', async () => {
      const sku = shop.newSku();
      const productId = await shop.product({ sku, stock: 10 });
      const poller = await settling.poller();
      const orderId = await accept([{ product_id: sku, quantity: 3, price: 1.5 }, { product_id: 'other', quantity: 1, price: 0, note: 'x' }]);
      await ends(orderId, 'CONFIRMED');
      assert.equal((await shop.stock(productId)).available_qty, 7);
      const line = await poller.event('order_processed', { orderId });
      assert.equal(line.worker, 'intake');
      assert.equal(line.result, 'processed');
      assert.equal(line.status, 'CONFIRMED');
      assert.equal(line.requestId, 'accepted');
      await settling.outboxDone();
    });

    test('short stock: the order ends failed, the message is done', async () => {
      const sku = shop.newSku();
      const productId = await shop.product({ sku, stock: 1 });
      const poller = await settling.poller();
      const orderId = await accept([{ product_id: sku, quantity: 2, price: 1 }]);
      await ends(orderId, 'CANCELLED');
      assert.equal((await poller.event('order_processed', { orderId })).result, 'failed');
      assert.equal((await shop.stock(productId)).available_qty, 1);
      await settling.outboxDone();
    });

    test('what cannot be processed is tried INTAKE_MAX_RECEIVE_COUNT times and becomes a dead letter; redriven, it is done', async () => {
      await shop.database.sql('REVOKE EXECUTE ON FUNCTION shop.ingest_order, shop.ingest_orders FROM shop_poller');
      const poller = await settling.poller({ INTAKE_MAX_RECEIVE_COUNT: '2', SQS_WORKER_MAX_RECEIVE_COUNT: '9', SQS_VISIBILITY_TIMEOUT_SECONDS: '1' });
      const orderId = await accept([{ product_id: 'p', quantity: 1, price: 2 }]);
      const line = await poller.event('message_moved_to_dlq', { orderId }, 30);
      assert.equal(line.worker, 'intake');
      assert.equal(line.maxReceiveCount, 2);
      assert.equal(line.reason, 'max_retries_exceeded');
      const [letter] = await shop.database.rows(`SELECT * FROM shop.dead_letters WHERE body LIKE '%${orderId}%'`);
      assert.equal(letter.receive_count, 2);
      if (!withQueue) assert.equal(letter.order_id, (await order(orderId)).id);
      await shop.database.sql('GRANT EXECUTE ON FUNCTION shop.ingest_order, shop.ingest_orders TO shop_poller');
      await shop.database.sql(`SELECT shop.redrive(1, ${letter.id}, 'test', 'redriven')`);
      await ends(orderId, 'CONFIRMED');
      await settling.outboxDone();
    });

    test('orders that no queue would take, for their size or their characters, are processed too', async () => {
      const ids = [];
      // fauxqs, unlike SQS, takes no character beyond U+FFFF; SQS takes no control characters in attributes.
      for (const { customer = 'customer-1', ...item } of [{ note: 'x'.repeat(3e6) }, { product_id: 'p\uFFFE\uFFFF' }, { note: '😀' },
        { customer: 'Ann 😀' }, { customer: 'tab\tand bell\u0007' }, {}]) {
        const answer = await shop.post('/api/orders', { customer_id: customer, items: [{ product_id: 'p', quantity: 1, price: 2, ...item }] });
        assert.equal(answer.status, 202, answer.text);
        ids.push(answer.json.order_id);
      }
      await settling.poller();
      for (const id of ids) await ends(id, 'CONFIRMED');
      await settling.outboxDone();
      assert.deepEqual(await shop.database.rows(`SELECT FROM shop.dead_letters WHERE body ~ '${ids.join('|')}'`), []);
    });

    test('of large orders only a few are in hand at once, however many wait', async () => {
      const ids = [];
      const items = [{ product_id: 'p', quantity: 1, price: 2, note: 'x'.repeat(3e6) }];
      for (let n = 0; n < 8; n += 1) ids.push((await shop.post('/api/orders', { customer_id: 'customer-1', items })).json.order_id);
      const session = shop.database.session();
      const claimed = () => shop.database.value("SELECT count(*)::int FROM shop.outbox WHERE status = 'pending' AND attempts > 0");
      try {
        await session.say('BEGIN');
        await session.say('LOCK TABLE shop.intake_orders');
        await settling.poller();
        await eventually('a second one is claimed', async () => (await claimed()) >= 2);
        await setTimeout(700);
        assert.equal(await claimed(), 2, 'two have 6 MB together, which is enough');
      } finally {
        await session.end();
      }
      for (const id of ids) await ends(id, 'CONFIRMED');
      await settling.outboxDone();
    });

    test('orders that wait together go in a few calls, each with its own outcome', async () => {
      const sku = shop.newSku();
      const productId = await shop.product({ sku, stock: 40 });
      const ids = [];
      for (let n = 0; n < 60; n += 1) ids.push(await accept([{ product_id: sku, quantity: 1, price: 1 }, { product_id: `other "${n}\\`, quantity: 1, price: 0 }]));
      const poller = await settling.poller({ SQS_VISIBILITY_TIMEOUT_SECONDS: '10' });
      await settling.outboxDone(30);
      const list = ids.map(literal).join();
      const ended = () => shop.database.rows(`SELECT ordered.status, ordered.xmin::text AS commit
        FROM shop.orders ordered JOIN shop.intake_orders intake ON intake.order_id = ordered.id WHERE intake.external_id IN (${list})`);
      await eventually('all are processed', async () => (await ended()).every(({ status }) => status !== 'QUEUED'), 20);
      const orders = await ended();
      assert.equal(orders.filter(({ status }) => status === 'CONFIRMED').length, 40);
      assert.equal(orders.filter(({ status }) => status === 'CANCELLED').length, 20);
      assert.ok(new Set(orders.map(({ commit }) => commit)).size < 40, 'fewer commits than orders');
      assert.equal((await shop.stock(productId)).available_qty, 0);
      const lines = await eventually('a line for each', () => {
        const found = poller.events('order_processed').filter(({ orderId }) => ids.includes(orderId));
        return found.length === ids.length && found;
      });
      assert.equal(lines.filter(({ result }) => result === 'processed').length, 40);
      assert.equal(lines.filter(({ result }) => result === 'failed').length, 20);
    });

    test('an order that somebody else is at holds none of those that wait with it', async () => {
      const held = randomUUID();
      const document = JSON.stringify({ order_id: held, customer_id: 'customer-1', items: [{ product_id: 'p', quantity: 1, price: 2 }], total_amount: 2 });
      const ids = [];
      for (let n = 0; n < 12; n += 1) ids.push(await accept([{ product_id: 'p', quantity: 1, price: 2 }], n === 6 ? held : undefined));
      const session = shop.database.session();
      try {
        await session.say('BEGIN');
        await session.say(`SELECT shop.ingest_order(1, ${literal(document)}, NULL, NULL)`);
        const poller = await settling.poller({ SQS_VISIBILITY_TIMEOUT_SECONDS: '1' });
        for (const id of ids) if (id !== held) await ends(id, 'CONFIRMED');
        await poller.event('order_process_failed', { orderId: held });
      } finally {
        await session.end();
      }
      await ends(held, 'CONFIRMED');
      await settling.outboxDone();
      assert.deepEqual(await shop.database.rows(`SELECT FROM shop.dead_letters WHERE body LIKE '%${held}%'`), []);
    });

    test('redriven poison is poison again', async () => {
      const poller = await settling.poller();
      await shop.database.sql(
        "SELECT shop.record_dead_letter(1, 'outbox', 'poison-1', 'no message', NULL, 'invalid_message_body', 'e', 1, NULL, NULL, NULL)",
      );
      const id = await shop.database.value("SELECT id FROM shop.dead_letters WHERE message_key = 'poison-1'");
      await shop.database.sql(`SELECT shop.redrive(1, ${id}, 'test', 'redriven-poison')`);
      await poller.event('message_moved_to_dlq', { reason: 'invalid_message_body', requestId: 'redriven-poison' });
      assert.equal((await shop.database.rows("SELECT FROM shop.dead_letters WHERE body = 'no message'")).length, 2);
      await settling.outboxDone();
    });

    if (!withQueue) return;

    test('our message carries order_id, customer_id and the request id as attributes', async () => {
      const before = (await settling.queue.messages('payments-dlq')).length;
      await shop.database.sql('REVOKE EXECUTE ON FUNCTION shop.ingest_order, shop.ingest_orders FROM shop_poller');
      await settling.poller({ INTAKE_MAX_RECEIVE_COUNT: '1' });
      const orderId = await accept([{ product_id: 'p', quantity: 1, price: 2 }]);
      const letters = await settling.queue.deadLetters(before + 1);
      await shop.database.sql('GRANT EXECUTE ON FUNCTION shop.ingest_order, shop.ingest_orders TO shop_poller');
      const text = JSON.stringify(letters.find((letter) => letter.body.includes(orderId)));
      for (const [name, value] of [['order_id', orderId], ['customer_id', 'customer-1'], ['requestId', 'accepted']]) {
        assert.match(text, new RegExp(`"${name}":\\{[^}]*"${value}"`));
      }
      await settling.queue.empty();
    });

    const foreign = (orderId, more = {}) =>
      JSON.stringify({
        order_id: orderId, customer_id: 'CUST-9', total_amount: 30.5, status: 'pending', created_at: '2026-01-02T03:04:05.678901',
        items: [{ product_id: 'PROD-1', quantity: 2, price: 10.25 }, { product_id: 'PROD-2', quantity: 1, price: 10 }], ...more,
      });

    test('a message of another producer, without attributes, has its effect once, however often it comes', async () => {
      const poller = await settling.poller();
      await Promise.all([1, 2, 3].map(() => settling.queue.put(foreign('ORD-1A2B3C4D'))));
      await ends('ORD-1A2B3C4D', 'CONFIRMED');
      await settling.queue.empty();
      const results = await eventually('three lines', () => {
        const lines = poller.events('order_processed', { orderId: 'ORD-1A2B3C4D' });
        return lines.length === 3 && lines.map((line) => line.result);
      });
      assert.deepEqual(results.sort(), ['already_processed', 'already_processed', 'processed']);
    });

    test('a wrong total and broken fields are dead letters at once, with the reason and what is wrong', async () => {
      const before = (await settling.queue.messages('payments-dlq')).length;
      const poller = await settling.poller();
      const bad = [
        [foreign('ORD-BAD-1', { total_amount: 30.51 }), 'total_mismatch'],
        [foreign('ORD-BAD-2', { total_amount: undefined }), 'invalid_message_body'],
        [foreign('ORD-BAD-3', { items: [] }), 'invalid_message_body'],
        [foreign('ORD-BAD-4', { items: [{ product_id: 'P', quantity: 1.5, price: 1 }] }), 'invalid_message_body'],
        [foreign('ORD-BAD-5', { items: [{ product_id: 'P', quantity: 1, price: 'much' }] }), 'invalid_message_body'],
        [foreign('ORD-BAD-6', { items: 'many' }), 'invalid_message_body'],
        [foreign('ORD-BAD-7', { customer_id: 7 }), 'invalid_message_body'],
        [JSON.stringify({ order_id: 'ORD-BAD-8', customer_id: 'CUST-9' }), 'invalid_message_body'],
      ];
      for (const [body] of bad) await settling.queue.put(body);
      const letters = (await settling.queue.deadLetters(before + bad.length)).map((message) => JSON.parse(message.body));
      for (const [body, reason] of bad) {
        const letter = letters.find((candidate) => candidate.originalBody === body);
        assert.equal(letter.reason, reason, JSON.stringify(letter));
        assert.equal(letter.receiveCount, 1);
        assert.ok(letter.error.length > 5, letter.error);
      }
      assert.match(letters.find((letter) => letter.reason === 'total_mismatch').error, /30\.51.*30\.50/);
      for (const orderId of ['ORD-BAD-1', 'ORD-BAD-3', 'ORD-BAD-7', 'ORD-BAD-8']) {
        await poller.event('message_moved_to_dlq', { worker: 'intake', orderId });
      }
      await settling.queue.empty();
      assert.equal(await order('ORD-BAD-1'), undefined);
    });
  });
}
