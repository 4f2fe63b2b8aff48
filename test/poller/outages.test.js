// The queue or the database goes away and comes back; stopping; wrong settings.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { Poller, pollerEnvironment } from '../lib/poller.js';
import { pollerProgram, root } from '../lib/settings.js';
import { openSettling } from '../lib/settling.js';
import { eventually } from '../lib/wait.js';

const settling = openSettling({ withQueue: true });
const { shop } = settling;

/** How many of the pollers' statements wait for a lock in this file's database. */
const waiting = () =>
  shop.database.value(
    `SELECT count(*)::int FROM pg_stat_activity
      WHERE usename = 'shop_test_poller' AND datname = '${shop.database.name}' AND wait_event_type = 'Lock'`,
  );

/** When the pollers asked whether the database can serve: the last time of each of their sessions. */
const questions = async () => (await shop.database.rows(
  `SELECT query_start::text AS at FROM pg_stat_activity
    WHERE usename = 'shop_test_poller' AND datname = '${shop.database.name}' AND query LIKE '%shop.version()%'`,
)).map((row) => row.at);

describe('the queue server is down', () => {
  test('at the start: orders wait in the outbox and are settled when it comes', async () => {
    await settling.queue.stop();
    const poller = await settling.poller();
    const ids = [await settling.buy(), await settling.buy()];
    await poller.event('outbox_publish_failed');
    for (const id of ids) assert.equal(await settling.status(id), 'pending');
    await settling.queue.start();
    await settling.settledByRule(ids, 40);
    await settling.queue.empty();
  });

  test('in the middle: nothing is lost, and the poller says so', async () => {
    const poller = await settling.poller();
    await settling.settledByRule([await settling.buy()]);
    await settling.queue.empty();
    await settling.queue.stop();
    await poller.event('poll_failed');
    const ids = [await settling.buy(), await settling.buy(), await settling.buy()];
    assert.ok(poller.events('poll_failed').length < 200, 'failed polls back off');
    await settling.queue.start();
    await settling.settledByRule(ids, 40);
    await settling.queue.empty();
  });
});

describe('the database', () => {
  test('ends the poller’s sessions: it connects again and loses nothing', async () => {
    await settling.poller();
    for (let round = 0; round < 3; round += 1) {
      await shop.database.sql("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'shop_test_poller'");
      await settling.settledByRule([await settling.buy()], 30);
    }
    await settling.queue.empty();
  });

  test('is there but cannot serve: the messages do not use up their tries, for another poller either', async () => {
    const ids = [];
    for (let i = 0; i < 10; i += 1) ids.push(await settling.buy());
    await shop.database.sql('SELECT shop.mark_outbox_delivered(1, ARRAY(SELECT id FROM shop.outbox))');
    await shop.database.sql('ALTER SCHEMA shop RENAME TO away');
    for (const orderId of ids) await settling.queue.put(JSON.stringify({ orderId }));
    const environment = { SQS_WORKER_MAX_RECEIVE_COUNT: '3' };
    try {
      const poller = await settling.poller(environment);
      const asked = new Set();
      await eventually('it has asked the database four times whether it can serve', async () => {
        for (const at of await questions()) asked.add(at);
        return asked.size >= 4;
      }, 60);
      await poller.stop();
      for (const line of poller.events('order_process_failed')) assert.ok(line.receiveCount <= 2, JSON.stringify(line)); // a receive may have been under way
    } finally {
      await shop.database.sql('ALTER SCHEMA away RENAME TO shop');
    }
    await settling.poller(environment);
    await settling.settledByRule(ids, 30);
    await settling.queue.empty();
    assert.equal(await shop.database.value('SELECT count(*)::int FROM shop.dead_letters'), 0);
  });

  test('holds a row too long: the work is cancelled after the time-out, and done later', async () => {
    const id = await settling.buy();
    const session = shop.database.session();
    try {
      await session.say('BEGIN');
      await session.say(`SELECT FROM shop.orders WHERE id = ${id} FOR UPDATE`);
      const poller = await settling.poller({
        SQS_PROCESS_TIMEOUT_MS: '500',
        SQS_VISIBILITY_TIMEOUT_SECONDS: '1',
        SQS_WORKER_MAX_RECEIVE_COUNT: '50',
      });
      await poller.event('order_process_failed', { orderId: id });
      await eventually('no forgotten statement waits', async () => (await waiting()) <= 1);
    } finally {
      await session.end();
    }
    await settling.settledByRule([id], 30);
    await settling.queue.empty();
  });
});

describe('stopping', () => {
  for (const withQueue of [true, false]) {
    test(`SIGTERM finishes what is in hand (${withQueue ? 'queue' : 'embedded'})`, async () => {
      const environment = withQueue ? {} : { SQS_QUEUE_URL: undefined, SQS_DLQ_URL: undefined };
      const id = await settling.buy();
      const session = shop.database.session();
      await session.say('BEGIN');
      await session.say(`SELECT FROM shop.orders WHERE id = ${id} FOR UPDATE`);
      const poller = await settling.poller(environment);
      await eventually('the settlement waits for the lock', async () => (await waiting()) > 0);
      poller.child.kill('SIGTERM');
      const stopping = await poller.event('worker_stopping');
      assert.equal(stopping.signal, 'SIGTERM');
      assert.equal(stopping.inFlightMessages, 1);
      await session.end();
      assert.deepEqual(await poller.ended(), { code: 0, signal: null });
      assert.equal(poller.events('worker_stopped').length, 1);
      await settling.settledByRule([id]);
      if (withQueue) await settling.queue.empty();
      poller.assertCleanLog();
    });
  }

  test('when the grace is over it gives the work back and ends; another poller does it', async () => {
    const id = await settling.buy();
    const session = shop.database.session();
    try {
      await session.say('BEGIN');
      await session.say(`SELECT FROM shop.orders WHERE id = ${id} FOR UPDATE`);
      const poller = await settling.poller({ SQS_SHUTDOWN_GRACE_MS: '500' });
      await eventually('the settlement waits for the lock', async () => (await waiting()) > 0);
      poller.child.kill('SIGTERM');
      await poller.ended(10);
      await eventually('nobody works for it any more', async () => (await waiting()) === 0, 1);
      assert.equal(poller.events('worker_shutdown_drain_timeout').length, 1);
      assert.equal((await settling.queue.messages('payments')).length, 1);
    } finally {
      await session.end();
    }
    await settling.poller();
    await settling.settledByRule([id], 20);
    await settling.queue.empty();
  });

  test('an idle one ends at once, though a long poll is open', async () => {
    const poller = await settling.poller({ SQS_POLL_WAIT_SECONDS: '20' });
    await settling.queue.empty();
    poller.child.kill('SIGTERM');
    assert.deepEqual(await poller.ended(15), { code: 0, signal: null });
  });
});

describe('settings', () => {
  const invalid = {
    PAYMENT_SIMULATION_MODE: ['sometimes'],
    PAYMENT_SUCCESS_RATE: ['1.5', '-0.1', 'abc'],
    SQS_POLL_WAIT_SECONDS: ['21', '-1', 'abc'],
    SQS_POLL_MAX_MESSAGES: ['0', 'abc'],
    SQS_WORKER_MAX_RECEIVE_COUNT: ['0', 'x'],
    SQS_VISIBILITY_TIMEOUT_SECONDS: ['-1', '43201', 'x'],
    SQS_PROCESS_TIMEOUT_MS: ['-1', 'x'],
    SQS_QUEUE_URL: ['not a url'],
    DATABASE_URL: [undefined],
  };
  for (const [variable, values] of Object.entries(invalid)) {
    test(`an invalid ${variable} is a start-up error that names it`, async () => {
      for (const value of values) {
        const poller = new Poller(pollerProgram, pollerEnvironment(shop.database, { [variable]: value }));
        const { code } = await poller.ended();
        assert.notEqual(code, 0);
        assert.match(poller.stderr, new RegExp(variable), poller.stderr);
      }
    });
  }

  const run = (argument) => promisify(execFile)(pollerProgram, [argument], { env: {} });

  test('--version prints the version of META.json', async () => {
    const { version } = JSON.parse(await readFile(`${root}/META.json`, 'utf8'));
    assert.ok((await run('--version')).stdout.includes(version));
  });

  test('--help lists every variable', async () => {
    const { stdout } = await run('--help');
    for (const variable of ['DATABASE_URL', 'SQS_QUEUE_URL', 'QUEUE_URL', 'SQS_DLQ_URL', 'SQS_SEND_MAX_RETRIES', 'SQS_SEND_RETRY_DELAY_MS',
      'PAYMENT_SIMULATION_MODE', 'PAYMENT_SUCCESS_RATE', 'SQS_POLL_WAIT_SECONDS', 'SQS_POLL_MAX_MESSAGES', 'SQS_VISIBILITY_TIMEOUT_SECONDS',
      'SQS_POLL_IDLE_DELAY_MS', 'SQS_WORKER_MAX_RECEIVE_COUNT', 'SQS_PROCESS_TIMEOUT_MS', 'SQS_POLL_TIMEOUT_MS', 'SQS_SHUTDOWN_GRACE_MS',
      'AWS_REGION', 'AWS_ENDPOINT_URL', 'AWS_ENDPOINT_URL_SQS', 'LOG_LEVEL', 'STORE_ID']) {
      assert.match(stdout, new RegExp(`\\b${variable}\\b`));
    }
  });

  test('QUEUE_URL does what SQS_QUEUE_URL does', async () => {
    await settling.poller({ SQS_QUEUE_URL: undefined, QUEUE_URL: settling.queue.url('payments') });
    const id = await settling.buy();
    await settling.settledByRule([id]);
    await settling.queue.empty();
  });

  test('no secret is logged', async () => {
    const poller = await settling.poller({ LOG_LEVEL: 'debug' });
    const id = await settling.buy();
    await settling.settledByRule([id]);
    await poller.event('outbox_published');
    assert.doesNotMatch(poller.stdout + poller.stderr, /test-secret-key/);
  });
});
