// Nothing lost, nothing twice: messages in any number and order with pollers killed at random, a queue that is away under
// load, dead letters with the poller killed between their steps, a queue that never answers, and memory that does not grow.
// SHOP_TEST_OUTAGE_SECONDS (default 6) and SHOP_TEST_MESSAGES (default 20000) make the long forms.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, afterEach, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Database } from '../lib/database.js';
import { Poller, pollerEnvironment } from '../lib/poller.js';
import { freePort } from '../lib/ports.js';
import { root } from '../lib/settings.js';
import { openSettling } from '../lib/settling.js';
import { SqsStub } from '../lib/sqs_stub.js';
import { eventually } from '../lib/wait.js';

const outageSeconds = Number(process.env.SHOP_TEST_OUTAGE_SECONDS ?? 6);
const messageCount = Number(process.env.SHOP_TEST_MESSAGES ?? 20000);

/** The same shop each time: 5 products, 60 checkouts of 1 or 2 lines, 3 of them for more than is there in the end. */
const seed = `
  SELECT shop.create_product(1, 'SKU-' || i, 'Thing', 5, 't', 'r') FROM generate_series(1, 5) i;
  SELECT shop.restock(1, 1, i, 1000, NULL, 't', 'r') FROM generate_series(1, 5) i;
  DO $$
  DECLARE
    cart bigint;
  BEGIN
    FOR buyer IN 1..60 LOOP
      cart := ((shop.add_cart_item(1, NULL, buyer, 1 + buyer % 5, 1, 'r')).body::json->'cart'->>'id')::bigint;
      PERFORM shop.add_cart_item(1, NULL, buyer, 1 + (buyer + 2) % 5, 2, 'r') WHERE buyer % 2 = 0;
      PERFORM shop.checkout(1, NULL, buyer, cart, 'k' || buyer, NULL, 'r' || buyer, NULL);
    END LOOP;
  END $$`;
const intake = (i) => JSON.stringify({
  order_id: `ORD-${i}`, customer_id: `c${i}`, total_amount: i % 7 === 0 ? 8 : 10, status: 'pending', created_at: '2026-01-01T00:00:00',
  items: [{ product_id: `SKU-${1 + (i % 5)}`, quantity: 2, price: 5 }],
});
/** Everything that an order's processing leaves, without the numbers and times that depend on when it happened. */
const state = async (database) => ({
  orders: await database.rows("SELECT id, status, total_price FROM shop.orders WHERE user_id IS NOT NULL ORDER BY id"),
  intake: await database.rows(`SELECT external_id, status, total_price FROM shop.intake_orders JOIN shop.orders purchase ON purchase.id = order_id ORDER BY 1`),
  levels: await database.rows('SELECT product_id, on_hand, reserved FROM shop.inventory ORDER BY 1'),
  movements: await database.rows('SELECT product_id, kind, count(*), sum(on_hand_delta) AS on_hand, sum(reserved_delta) AS reserved FROM shop.stock_movements GROUP BY 1, 2 ORDER BY 1, 2'),
  events: await database.rows('SELECT event, count(*) FROM shop.order_events GROUP BY 1 ORDER BY 1'),
  letters: await database.rows('SELECT reason, body, count(*) FROM shop.dead_letters GROUP BY 1, 2 ORDER BY 1, 2'),
});

// Begins first and is looked at last: it takes a minute until a poller counts as stalled.
const stalled = {};
before(async () => {
  stalled.database = await Database.create();
  stalled.stub = await SqsStub.start();
  stalled.stub.fault = (action) => (action === 'ReceiveMessage' ? { delay: 3600_000 } : undefined);
  const port = await freePort();
  stalled.health = () => fetch(`http://127.0.0.1:${port}/healthz`);
  stalled.poller = await Poller.start(stalled.database, { ...stalled.stub.environment(), SQS_POLL_TIMEOUT_MS: '1500', POLLER_PORT: String(port), BIND_ADDRESS: '127.0.0.1' });
  await eventually('it is well', async () => (await stalled.health()).status === 200);
});
after(async () => {
  await stalled.poller?.stop();
  await stalled.stub?.stop();
  await stalled.database?.drop();
});

describe('at least once, in any order', () => {
  let database, reference, stub, stopped;
  const running = [];

  before(async () => {
    [database, reference] = [await Database.create(), await Database.create()];
    await database.sql(seed);
    await reference.sql(seed);
    stub = await SqsStub.start();
  });
  after(async () => {
    stopped = true;
    for (const poller of running) if (!poller.exited) poller.child.kill('SIGKILL');
    await stub.stop();
    await database.drop();
    await reference.drop();
  });

  test('every message 1 to 5 times, shuffled, two pollers killed at random: the state is that of one ordered delivery', async () => {
    const environment = { ...stub.environment(), SQS_VISIBILITY_TIMEOUT_SECONDS: '1', SQS_WORKER_MAX_RECEIVE_COUNT: '1000', INTAKE_MAX_RECEIVE_COUNT: '1000' };
    const bodies = Array.from({ length: 30 }, (_, i) => intake(i));
    await reference.sql(`SELECT shop.settle_payment(1, id, id % 2 = 0, CASE WHEN id % 2 = 0 THEN 'payment accepted' ELSE 'payment declined' END, 'r', NULL) FROM shop.orders WHERE status = 'pending' ORDER BY id`);
    for (const [i, body] of bodies.entries()) {
      await reference.sql(`SELECT shop.ingest_order(1, '${body}', 'r', NULL)`);
      if (i % 7 === 0) await reference.sql(`SELECT shop.record_dead_letter(1, 'sqs', 'm${i}', '${body}', NULL, 'total_mismatch', 'e', 1, NULL, NULL, NULL)`);
    }
    stub.copies = () => 1 + Math.floor(Math.random() * 5);
    stub.shuffled = true;
    for (const body of bodies) stub.put('payments', body);
    let kills = 0;
    stopped = false;
    // Each dies after a few messages, whatever the machine's speed, at a moment that is as good as any; the last one lives.
    const keepRunning = async () => {
      for (let lives = 8; !stopped; lives -= 1) {
        const poller = new Poller(process.env.SHOP_TEST_POLLER, pollerEnvironment(database, environment));
        running.push(poller);
        await poller.event('worker_started');
        const enough = 1 + Math.floor(Math.random() * 8);
        const worked = () => stopped || (lives > 0 && poller.events('order_processed').length >= enough);
        await Promise.race([eventually('some work is done', worked, lives > 0 ? 10 : 240).catch(() => {}), poller.exit]);
        await pause(Math.random() * 60);
        poller.assertNoSanitizerFinding();
        if (stopped) return;
        poller.child.kill('SIGKILL');
        await poller.exit;
        kills += 1;
      }
    };
    const keepers = [keepRunning(), keepRunning()];
    await eventually('every message is done', async () =>
      stub.queues.get('payments').length === 0 && (await database.value("SELECT count(*)::int FROM shop.outbox WHERE status = 'pending'")) === 0, 240);
    stopped = true;
    await Promise.all(keepers);
    assert.ok(kills >= 4, `${kills} kills`);
    assert.deepEqual(await state(database), await state(reference));
    await database.verify();
    const moved = new Set(stub.queues.get('payments-dlq').map((message) => JSON.parse(message.body).originalMessageId));
    assert.equal(moved.size, (await database.rows("SELECT message_key FROM shop.dead_letters")).length, 'every dead letter is on the dead-letter queue');
  });
});

describe('dead letters', () => {
  const settling = openSettling();
  let stub;
  before(async () => {
    stub = await SqsStub.start();
  });
  afterEach(() => {
    Object.assign(stub, { fault: () => undefined, calls: [], sent: [] });
    stub.queues = new Map([['payments', []], ['payments-dlq', []]]);
  });
  after(() => stub.stop());

  // Killed when the stub sees the call, before or after it has its effect; and once the row is there but nothing is sent.
  for (const [what, action, when] of [['before it is on the dead-letter queue', 'SendMessage', 'before'], ['when it is there but not noted', 'SendMessage', 'after'], ['before the delete', 'DeleteMessageBatch', 'before'], ['after the delete', 'DeleteMessageBatch', 'after']]) {
    test(`the poller is killed ${what}: one row, noted as moved, and the message is gone from the queue`, async () => {
      let doomed;
      stub.fault = async (asked) => {
        if (asked !== action || !doomed) return undefined;
        const victim = doomed;
        doomed = undefined;
        if (when === 'after') {
          setImmediate(() => victim.child.kill('SIGKILL'));
          return 'lose';
        }
        victim.child.kill('SIGKILL');
        await victim.exit;
        return 'close';
      };
      doomed = await settling.poller({ ...stub.environment(), SQS_VISIBILITY_TIMEOUT_SECONDS: '1' });
      const victim = doomed;
      stub.put('payments', `poison ${what}`);
      await victim.exit;
      await settling.poller({ ...stub.environment(), SQS_VISIBILITY_TIMEOUT_SECONDS: '1' });
      await eventually('the queue is empty', () => stub.queues.get('payments').length === 0);
      const rows = await settling.shop.database.rows(`SELECT * FROM shop.dead_letters WHERE body = 'poison ${what}'`);
      assert.equal(rows.length, 1);
      assert.ok(rows[0].dlq_moved_at, 'noted');
      const letters = stub.queues.get('payments-dlq').map((message) => JSON.parse(message.body));
      assert.ok(letters.length >= 1 && letters.every((letter) => letter.originalMessageId === rows[0].message_key));
      assert.ok(letters.length <= (what.includes('not noted') ? 2 : 1), `${letters.length} on the dead-letter queue`);
    });
  }
});

describe('an outage of the queue under load', () => {
  const settling = openSettling({ withQueue: true });
  const { shop } = settling;

  test('what was sent is what was committed; every order is settled', async () => {
    const poller = await settling.poller({ LOG_LEVEL: 'debug' });
    const product = await shop.product({ stock: 1000000 });
    const ids = [];
    let done = false;
    const buyer = async () => {
      while (!done) {
        ids.push(await shop.order(shop.newUser(), [product, 1]));
        await pause(20);
      }
    };
    const buyers = [buyer(), buyer()];
    await eventually('some are settled', () => poller.events('order_processed').length > 10);
    await settling.queue.stop();
    const before = ids.length;
    await pause(outageSeconds * 1000);
    assert.ok(ids.length > before + 10, 'shopping goes on without the queue');
    await settling.queue.start();
    await eventually('some of the new ones are settled', () => poller.events('order_processed').length > before, 60);
    done = true;
    await Promise.all(buyers);
    // What was on the queue when it went down is gone with fauxqs's memory, which no real queue does: send it again.
    await settling.outboxDone();
    await eventually('the queue is empty', async () => (await settling.queue.messages('payments')).length === 0, 60);
    const sent = new Set(poller.events('outbox_published').map((line) => line.orderId));
    assert.deepEqual([...sent].sort((a, b) => a - b), [...ids].sort((a, b) => a - b));
    const pending = await shop.database.rows("SELECT id FROM shop.orders WHERE status = 'pending'");
    for (const { id } of pending) await settling.queue.put(JSON.stringify({ orderId: id }));
    assert.ok(pending.length <= 200, `${pending.length} were on the queue when its memory was lost`);
    await eventually('every order is settled', async () => (await shop.database.value("SELECT count(*)::int FROM shop.orders WHERE status = 'pending'")) === 0, 40);
  });
});

describe('the shipped program', () => {
  const settling = openSettling();
  const { shop } = settling;
  const rss = async (poller) => Number(/VmRSS:\s+(\d+) kB/.exec(await readFile(`/proc/${poller.child.pid}/status`, 'utf8'))[1]);
  const pending = () => shop.database.value("SELECT count(*)::int FROM shop.outbox WHERE status = 'pending'");

  test(`memory does not grow over ${messageCount} messages, poison and intake among them`, async () => {
    const id = await settling.buy();
    const fill = (count) => shop.database.sql(`
      INSERT INTO shop.outbox (store_id, topic, order_id, body, request_id)
      SELECT 1, CASE i % 50 WHEN 1 THEN 'intake' ELSE 'payment' END, CASE WHEN i % 50 = 1 THEN NULL ELSE ${id} END,
             CASE i % 50 WHEN 0 THEN '{"orderId": 0}' WHEN 1 THEN '{"order_id":"ORD-' || i % 1000 || '","customer_id":"c","total_amount":1,"items":[{"product_id":"p","quantity":1,"price":1}],"status":"pending","created_at":"2026-01-01T00:00:00Z"}' ELSE '{"orderId": ${id}}' END, 'r' || i
      FROM generate_series(1, ${count}) i`);
    const poller = new Poller(`${root}/poller/shop-poller`, pollerEnvironment(shop.database, { LOG_LEVEL: 'error' }));
    settling.pollers.push(poller);
    await fill(messageCount / 4);
    await eventually('a quarter is done', async () => (await pending()) === 0, 300);
    const early = await rss(poller);
    await fill(messageCount * 3 / 4);
    await eventually('all is done', async () => (await pending()) === 0, 900);
    const late = await rss(poller);
    assert.ok(late - early < 1024, `${early} kB after a quarter, ${late} kB after all`);
    assert.ok(late < 20 * 1024, `${late} kB`);
  });

  test('it is idle when there is nothing to do', async () => {
    const poller = new Poller(`${root}/poller/shop-poller`, pollerEnvironment(shop.database));
    settling.pollers.push(poller);
    await poller.event('worker_started');
    const used = async () => Number((await readFile(`/proc/${poller.child.pid}/schedstat`, 'utf8')).split(' ')[0]) / 1e6;
    await pause(1000);
    const before = await used();
    await pause(5000);
    const share = (await used()) - before; // ms in 5 s
    assert.ok(share < 5000 * 0.02, `${share} ms of CPU in 5 s`); // 0.5 % on a quiet machine; a busy one spoils the caches
  });

  test('/healthz is 503 when the database is gone, and 200 again when it is back', async () => {
    const port = await freePort();
    await settling.poller({ POLLER_PORT: String(port), BIND_ADDRESS: '127.0.0.1' });
    const health = async () => fetch(`http://127.0.0.1:${port}/healthz`);
    await eventually('it is well', async () => (await health()).status === 200);
    const other = new Database('postgres');
    const allow = (allowed) => other.sql(`ALTER DATABASE ${shop.database.name} WITH ALLOW_CONNECTIONS ${allowed}`);
    await allow(false);
    try {
      await other.sql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'shop_test_poller' AND datname = '${shop.database.name}'`);
      const answer = await eventually('it is not', async () => {
        const found = await health();
        return found.status === 503 && found;
      });
      assert.equal((await answer.json()).status, 'database_away');
    } finally {
      await allow(true);
    }
    await eventually('it is well again', async () => (await health()).status === 200);
  });
});

describe('a queue that never answers', () => {
  test('/healthz is 503 when no poll was answered for a minute, and 200 again after one', async () => {
    const answer = await eventually('it is not well', async () => {
      const found = await stalled.health();
      return found.status === 503 && found;
    }, 90);
    const { status, last_poll_age_seconds: age } = await answer.json();
    assert.equal(status, 'stalled');
    assert.ok(age >= 61.5 && age < 600, `${age} s`);
    assert.equal(stalled.poller.exited, undefined, 'it goes on');
    stalled.stub.fault = () => undefined;
    await eventually('it is well again', async () => (await stalled.health()).status === 200, 40);
    stalled.poller.assertNoSanitizerFinding();
  });
});
