// Over a queue: outbox, queue, settlement, deletion; duplicates, failures, poison and dead letters.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openSettling } from '../lib/settling.js';
import { eventually } from '../lib/wait.js';

const settling = openSettling({ withQueue: true });
const { shop } = settling;

test('from checkout over the queue to a settled order; the queue is empty afterwards', async () => {
  const poller = await settling.poller();
  const ids = [];
  for (let i = 0; i < 15; i += 1) ids.push(await settling.buy());
  await settling.settledByRule(ids);
  await settling.queue.empty();
  await settling.outboxDone();
  assert.deepEqual(await settling.queue.messages('payments-dlq'), []);
  const started = poller.events('worker_started')[0];
  assert.equal(started.queueUrl, settling.queue.url('payments'));
  assert.equal(started.region, 'us-east-1');
  assert.equal(started.dlqEnabled, true);
  const line = poller.events('order_processed', { orderId: ids[0] })[0];
  assert.equal(line.receiveCount, 1);
});

test('the message carries the order, the request id and the trace', async () => {
  const userId = shop.newUser();
  const cart = await shop.cart(userId, [await shop.product(), 1]);
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
  await settling.forbid();
  await settling.poller({ SQS_WORKER_MAX_RECEIVE_COUNT: '1' });
  const bought = await shop.checkout(userId, cart, { headers: { 'x-request-id': 'traced', traceparent } });
  const letters = await settling.queue.deadLetters(1);
  await settling.allow();
  const { originalBody } = JSON.parse(letters[0].body);
  assert.deepEqual(JSON.parse(originalBody), { orderId: bought.json.order.id });
  const text = JSON.stringify(letters[0]);
  assert.match(text, /"requestId"[^}]*"traced"/);
  // The span may be another one by then; the trace is the same.
  assert.match(text, /4bf92f3577b34da6a3ce929d0e0e4736/);
});

test('a message delivered three times has one effect', async () => {
  await settling.poller();
  const id = await settling.buy();
  await settling.settledByRule([id]);
  const body = JSON.stringify({ orderId: id });
  await Promise.all([settling.queue.put(body), settling.queue.put(body), settling.queue.put(body)]);
  await settling.queue.empty();
  await settling.settledByRule([id]);
  const poller = settling.pollers[0];
  await eventually('three times already_settled', () =>
    poller.events('order_processed', { orderId: id, result: 'already_settled' }).length >= 3,
  );
});

test('a message that somebody else put there, with blanks and more members, is understood', async () => {
  const id = await settling.buy();
  await settling.queue.put(` { "orderId" : ${id}, "more": [1] } `);
  await settling.poller();
  await settling.settledByRule([id]);
  await settling.queue.empty();
});

test('what fails is delivered again, and then settled', async () => {
  await settling.forbid();
  const poller = await settling.poller({ SQS_VISIBILITY_TIMEOUT_SECONDS: '1' });
  const id = await settling.buy();
  const failed = await poller.event('order_process_failed', { orderId: id });
  assert.equal(failed.receiveCount, 1);
  assert.equal((await settling.queue.messages('payments')).length, 1, 'the message is still there');
  await settling.allow();
  await settling.settledByRule([id], 30);
  await settling.queue.empty();
  assert.ok(poller.events('order_processed', { orderId: id })[0].receiveCount >= 2);
});

describe('dead letters', () => {
  test('after so many receives: a row, then the message on the dead-letter queue, then deleted', async () => {
    const before = (await settling.queue.messages('payments-dlq')).length;
    await settling.forbid();
    const poller = await settling.poller({ SQS_WORKER_MAX_RECEIVE_COUNT: '2', SQS_VISIBILITY_TIMEOUT_SECONDS: '1' });
    const id = await settling.buy();
    const letters = await settling.queue.deadLetters(before + 1);
    await settling.queue.empty();
    await settling.allow();
    const letter = letters.map((message) => JSON.parse(message.body)).find((body) => body.originalBody.includes(String(id)));
    assert.deepEqual(Object.keys(letter).sort(), ['error', 'movedAt', 'originalBody', 'originalMessageId', 'reason', 'receiveCount']);
    assert.equal(letter.reason, 'max_retries_exceeded');
    assert.equal(letter.receiveCount, 2);
    assert.deepEqual(JSON.parse(letter.originalBody), { orderId: id });
    assert.ok(letter.error);
    assert.match(letter.movedAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    const [row] = await shop.database.rows(`SELECT * FROM shop.dead_letters WHERE order_id = ${id}`);
    assert.equal(row.source, 'sqs');
    assert.equal(row.message_key, letter.originalMessageId);
    assert.equal(row.reason, 'max_retries_exceeded');
    assert.equal(row.receive_count, 2);
    assert.ok(row.dlq_message_id);
    const line = await poller.event('message_moved_to_dlq', { orderId: id });
    assert.equal(line.receiveCount, 2);
    assert.equal(line.maxReceiveCount, 2);
    assert.equal(line.reason, 'max_retries_exceeded');
    assert.equal(line.dlqUrl, settling.queue.url('payments-dlq'));
    assert.equal(await settling.status(id), 'pending');
  });

  test('without a dead-letter queue the row is written all the same', async () => {
    await settling.forbid();
    await settling.poller({ SQS_DLQ_URL: undefined, SQS_WORKER_MAX_RECEIVE_COUNT: '1' });
    const id = await settling.buy();
    await eventually('a dead letter', async () => (await shop.database.rows(`SELECT FROM shop.dead_letters WHERE order_id = ${id}`)).length === 1);
    await settling.queue.empty();
    await settling.allow();
  });

  const poison = ['not json', '', '{}', '[]', '{"orderId":"abc"}', '{"orderId":1.5}', '{"orderId":-1}', '{"orderId":true}', '{"orderId":null}',
    '{"orderId":1e400}', '{"orderId":99999999999999999999}', `{"orderId":1,"pad":"${'['.repeat(5000)}`, '['.repeat(5000)];
  test('poison goes to the dead letters with its own text, and does not hinder others', async () => {
    const before = (await settling.queue.messages('payments-dlq')).length;
    const poller = await settling.poller();
    const sent = poison.filter(Boolean); // SQS takes no empty body
    for (const body of sent) await settling.queue.put(body, { requestId: 'poisoned' });
    const id = await settling.buy();
    await settling.settledByRule([id]);
    const letters = (await settling.queue.deadLetters(before + sent.length)).map((message) => JSON.parse(message.body));
    await settling.queue.empty();
    const poisoned = letters.filter((letter) => letter.reason === 'invalid_message_body');
    assert.deepEqual(poisoned.map((letter) => letter.originalBody).sort(), [...sent].sort());
    await eventually('a line for each', () => poller.events('invalid_message_body').length >= sent.length);
    const rows = await shop.database.rows("SELECT body FROM shop.dead_letters WHERE reason = 'invalid_message_body'");
    assert.deepEqual(rows.map((row) => row.body).sort(), [...sent].sort());
  });

  test('an order that does not exist is a dead letter too, never dropped', async () => {
    const before = (await settling.queue.messages('payments-dlq')).length;
    await settling.poller({ SQS_WORKER_MAX_RECEIVE_COUNT: '2', SQS_VISIBILITY_TIMEOUT_SECONDS: '1' });
    await settling.queue.put('{"orderId":987654321}');
    await settling.queue.deadLetters(before + 1);
    await settling.queue.empty();
    assert.equal((await shop.database.rows('SELECT FROM shop.dead_letters WHERE order_id = 987654321')).length, 1);
  });
});

test('two pollers share the queue; each order is settled once', async () => {
  await Promise.all([settling.poller(), settling.poller()]);
  const ids = [];
  for (let i = 0; i < 20; i += 1) ids.push(await settling.buy());
  await settling.settledByRule(ids);
  await settling.queue.empty();
});
