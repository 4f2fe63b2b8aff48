// FIFO queues: the order within a group is kept, and a failure holds up its own group only.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { QueueServer } from '../lib/queue.js';
import { openSettling } from '../lib/settling.js';
import { SqsStub } from '../lib/sqs_stub.js';
import { eventually } from '../lib/wait.js';

const settling = openSettling();
const { shop } = settling;
const name = 'payments.fifo';

describe('a server that gives several messages of a group at once, as AWS does', () => {
  let stub;
  before(async () => {
    stub = await SqsStub.start();
  });
  afterEach(() => {
    Object.assign(stub, { fault: () => undefined, copies: () => 1, calls: [], sent: [] });
  });
  after(() => stub.stop());
  const fresh = () => {
    stub.queues = new Map([[name, []], ['payments-dlq.fifo', []]]);
  };
  const start = (more) => settling.poller({ ...stub.environment(name), ...more });
  const message = (id, group) => stub.put(name, JSON.stringify({ orderId: id }), { group, deduplication: `${id}-${Math.random()}` });
  /** Orders that are on no queue but where the test puts them. */
  const orders = async (count) => {
    const ids = [];
    for (let i = 0; i < count; i += 1) ids.push(await settling.buy());
    await shop.database.sql("UPDATE shop.outbox SET status = 'delivered', finished_at = now() WHERE status = 'pending'");
    return ids;
  };
  const empty = () => eventually('the queue is empty', () => stub.queues.get(name).length === 0, 40);
  const order = (poller, ids) => poller.events('order_processed').map((line) => line.orderId).filter((id) => ids.includes(id));

  test('messages of a group are worked on in their order, one at a time', async () => {
    fresh();
    const a = await orders(8), b = await orders(8);
    for (let i = 0; i < 8; i += 1) {
      message(a[i], 'a');
      message(b[i], 'b');
    }
    const poller = await start();
    await empty();
    assert.deepEqual(order(poller, a), a);
    assert.deepEqual(order(poller, b), b);
    assert.ok(stub.of('ReceiveMessage').length < 16, 'several of a group came at once');
  });

  test('a message that fails holds up the rest of its group, which keeps its order, and no other group', async () => {
    fresh();
    const a = await orders(5), b = await orders(5);
    for (let i = 0; i < 5; i += 1) {
      message(a[i], 'a');
      message(b[i], 'b');
    }
    const session = shop.database.session();
    await session.say('BEGIN');
    await session.say(`SELECT FROM shop.orders WHERE id = ${a[1]} FOR UPDATE`);
    const poller = await start({ SQS_PROCESS_TIMEOUT_MS: '300', SQS_WORKER_MAX_RECEIVE_COUNT: '3' });
    await eventually('b is done', () => order(poller, b).length === 5);
    await eventually('the second of a was tried again', () => poller.events('order_process_failed', { orderId: a[1] }).length >= 2, 30);
    assert.deepEqual(order(poller, b), b);
    assert.deepEqual(order(poller, a), a.slice(0, 1), 'nothing of a has passed it');
    await session.end();
    await empty();
    assert.deepEqual(order(poller, a), a);
    assert.equal(poller.events('message_moved_to_dlq').length, 0, 'those that waited had no try');
  });

  test('poison leaves its group for the dead-letter queue, and the rest goes on in order', async () => {
    fresh();
    const ids = await orders(3);
    message(ids[0], 'a');
    stub.put(name, 'no JSON', { group: 'a', deduplication: 'poison' });
    message(ids[1], 'a');
    message(ids[2], 'a');
    const poller = await start();
    await empty();
    assert.deepEqual(order(poller, ids), ids);
    const [letter] = stub.sent.filter((sent) => sent.queue === 'payments-dlq.fifo');
    assert.equal(letter.group, 'a');
    assert.ok(letter.deduplication);
    assert.equal(JSON.parse(letter.body).reason, 'invalid_message_body');
  });

  test('poison of a standard queue, which has no group, goes to a FIFO dead-letter queue under its own id', async () => {
    stub.queues = new Map([['payments', []], ['payments-dlq.fifo', []]]);
    const id = stub.put('payments', 'no JSON');
    await settling.poller({ ...stub.environment('payments'), SQS_DLQ_URL: stub.url('payments-dlq.fifo') });
    await eventually('the queue is empty', () => stub.queues.get('payments').length === 0);
    const [letter] = stub.sent.filter((sent) => sent.queue === 'payments-dlq.fifo');
    assert.equal(letter.group, id);
    assert.equal(letter.deduplication, id);
    assert.equal(JSON.parse(letter.body).reason, 'invalid_message_body');
  });

  test('the relay names group and deduplication id; a send whose answer is lost is one message', async () => {
    fresh();
    let lost = 0;
    stub.fault = (action) => (action === 'SendMessageBatch' && (lost += 1) <= 2 ? 'lose' : undefined);
    const ids = [await settling.buy(), await settling.buy()];
    await start();
    await settling.settledByRule(ids);
    await settling.outboxDone();
    assert.ok(stub.of('SendMessageBatch').length >= 2);
    assert.equal(stub.sent.length, 2, JSON.stringify(stub.sent));
    for (const sent of stub.sent) assert.equal(sent.group, `order-${JSON.parse(sent.body).orderId}`);
  });
});

describe('fauxqs', () => {
  let queue;
  before(async () => {
    queue = await QueueServer.start();
  });
  after(() => queue.stop());

  test('from checkout over a FIFO queue to settled orders; poison arrives on the FIFO dead-letter queue', async () => {
    await queue.call('SendMessage', { QueueUrl: queue.url(name), MessageBody: 'no JSON', MessageGroupId: 'x', MessageDeduplicationId: 'y' });
    const ids = [];
    for (let i = 0; i < 5; i += 1) ids.push(await settling.buy());
    await settling.poller({ ...queue.environment, SQS_QUEUE_URL: queue.url(name), SQS_DLQ_URL: queue.url('payments-dlq.fifo') });
    await settling.settledByRule(ids);
    await eventually('the queue is empty', async () => (await queue.messages(name)).length === 0);
    const letters = await eventually('the dead letter', async () => {
      const found = await queue.messages('payments-dlq.fifo');
      return found.length === 1 && found;
    });
    assert.equal(JSON.parse(letters[0].body).reason, 'invalid_message_body');
  });
});
