// SQS that fails in every way it can: nothing is lost, nothing is done twice, and the poller neither spins nor dies.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { openSettling } from '../lib/settling.js';
import { refusal, SqsStub } from '../lib/sqs_stub.js';
import { eventually } from '../lib/wait.js';

const settling = openSettling();
const { shop } = settling;
let stub;

before(async () => {
  stub = await SqsStub.start();
});
afterEach(() => {
  Object.assign(stub, { fault: () => undefined, copies: () => 1, shuffled: false, calls: [], sent: [] });
  stub.queues = new Map([['payments', []], ['payments-dlq', []]]);
});
after(() => stub.stop());

const start = (more) => settling.poller({ ...stub.environment(), ...more });
const buy = (count) => Promise.all(Array.from({ length: count }, () => settling.buy()));
const empty = () => eventually('the queue is empty', () => stub.queues.get('payments').length === 0);
/** Gives a fault for the first calls of an action, and afterwards none. */
const first = (action, faults) => {
  const left = [...faults];
  stub.fault = (asked) => (asked === action ? left.shift() : undefined);
};
/** What must be true when all is done: each order settled once, queue and outbox empty, no dead letter, each message sent. */
const allDone = async (ids) => {
  await settling.settledByRule(ids, 40);
  await empty();
  await settling.outboxDone();
  assert.equal(stub.queues.get('payments-dlq').length, 0);
  const sent = new Set(stub.sent.map((message) => JSON.parse(message.body).orderId));
  for (const id of ids) assert.ok(sent.has(id), `order ${id} was sent`);
};

const faults = {
  'throttling': refusal('RequestThrottled'),
  'throttling by 429': { status: 429, body: 'slow down' },
  'a failure of the service': { status: 500, body: '<html>no JSON</html>' },
  'an overloaded service': refusal('ServiceUnavailable', 503),
  'truncated JSON': 'truncate',
  'an answer that is no object': { status: 200, body: '[1,2]' },
  'an empty answer': { status: 200, body: '' },
  'a connection that is closed unanswered': 'close',
  'an answer that is lost after the work was done': 'lose',
  'a slow answer': { delay: 1500 },
};
for (const action of ['SendMessageBatch', 'ReceiveMessage', 'DeleteMessageBatch']) {
  describe(action, () => {
    for (const [what, fault] of Object.entries(faults)) {
      test(`${what}, twice`, async () => {
        first(action, [fault, fault]);
        const poller = await start({ SQS_VISIBILITY_TIMEOUT_SECONDS: '2', SQS_WORKER_MAX_RECEIVE_COUNT: '20' });
        await allDone(await buy(3));
        await eventually('the fault was met', () => stub.of(action).length >= (fault.delay ? 1 : 2)); // done with it or not, it is repeated
        assert.equal(poller.exited, undefined);
      });
    }
  });
}

describe('entries of a batch fail', () => {
  test('of a send: those alone are sent again, or rest in the outbox with the error', async () => {
    stub.fault = (action) => (action === 'SendMessageBatch' && stub.of(action).length <= 2 ? { failed: (index) => (index % 2 === 0 ? { Code: 'InternalError', SenderFault: false } : undefined) } : undefined);
    const ids = await buy(5);
    const poller = await start();
    await allDone(ids);
    assert.equal(stub.sent.length, ids.length, 'no message was sent twice');
    assert.equal(poller.events('outbox_publish_failed').length, 0, 'two repeats are within SQS_SEND_MAX_RETRIES');
  });

  test('of a send, by the sender’s fault: the others go, this one is handled from the outbox', async () => {
    let bad;
    stub.fault = (action, parameters) => (action === 'SendMessageBatch' ? { failed: (index) => (parameters.Entries[index].MessageBody === bad ? { Code: 'InvalidMessageContents', SenderFault: true } : undefined) } : undefined);
    const ids = await buy(4);
    bad = await shop.database.value(`SELECT body FROM shop.outbox WHERE order_id = ${ids[1]} AND status = 'pending'`);
    const poller = await start();
    await settling.settledByRule([ids[0], ids[2], ids[3]]);
    const line = await poller.event('outbox_publish_failed', { orderId: ids[1] });
    assert.match(line.error, /InvalidMessageContents/);
    assert.equal(line.retryInMs, 0);
    await settling.settledByRule([ids[1]]);
    await empty();
    await settling.outboxDone();
    assert.equal(stub.sent.some((message) => message.body === bad), false);
    assert.equal(stub.queues.get('payments-dlq').length, 0);
  });

  test('of a send, again and again: that uses up no try of the work', async () => {
    let how = { failed: () => ({ Code: 'InternalError', SenderFault: false }) };
    stub.fault = (action) => (action === 'SendMessageBatch' ? how : undefined);
    const tries = { SQS_SEND_MAX_RETRIES: '0', SQS_WORKER_MAX_RECEIVE_COUNT: '1' };
    const [id] = await buy(1);
    const poller = await start(tries);
    await eventually('it was not taken', () => poller.events('outbox_publish_failed', { orderId: id }).length >= 3);
    assert.match(await shop.database.value(`SELECT last_error FROM shop.outbox WHERE order_id = ${id}`), /InternalError/);
    how = { failed: () => ({ Code: 'InvalidMessageContents', SenderFault: true }) };
    await settling.settledByRule([id]);
    how = { failed: () => ({ Code: 'InternalError', SenderFault: false }) };
    const [other] = await buy(1);
    await eventually('nor was the next', () => poller.events('outbox_publish_failed', { orderId: other }).length >= 3);
    await poller.stop();
    await settling.poller({ ...tries, PAYMENT_SIMULATION_MODE: 'rule_based' }); // without a queue
    await settling.settledByRule([other]);
    assert.deepEqual(await shop.database.rows(`SELECT FROM shop.dead_letters WHERE order_id IN (${id}, ${other})`), []);
  });

  test('of a delete: tried again; the message is not worked on twice', async () => {
    stub.fault = (action) => (action === 'DeleteMessageBatch' && stub.of(action).length <= 2 ? { failed: () => ({ Code: 'InternalError', SenderFault: false }) } : undefined);
    const poller = await start();
    const ids = await buy(3);
    await allDone(ids);
    for (const id of ids) {
      await poller.event('order_processed', { orderId: id });
      assert.equal(poller.events('order_processed', { orderId: id }).length, 1);
    }
  });

  test('of a delete, with an invalid receipt handle: the message comes again and has no second effect', async () => {
    stub.fault = (action) => (action === 'DeleteMessageBatch' && stub.of(action).length === 1 ? { failed: () => ({ Code: 'ReceiptHandleIsInvalid', SenderFault: true }) } : undefined);
    const poller = await start({ SQS_VISIBILITY_TIMEOUT_SECONDS: '1' });
    const ids = await buy(1);
    await allDone(ids);
    await poller.event('order_processed', { orderId: ids[0], result: 'already_settled' });
  });

  test('an entry that the answer does not name counts as failed', async () => {
    let asked = 0;
    stub.fault = (action) => (action === 'DeleteMessageBatch' && (asked += 1) === 1 ? { status: 200, body: '{"Successful":[]}' } : undefined);
    await start();
    await allDone(await buy(3));
    assert.ok(asked >= 2);
  });
});

describe('empty answers that come early', () => {
  const nothing = { status: 200, body: '{}' };

  test('are kept apart while nothing comes', async () => {
    const starts = [];
    stub.fault = (action) => {
      if (action !== 'ReceiveMessage') return undefined;
      starts.push(Date.now());
      return nothing;
    };
    await start({ SQS_POLL_IDLE_DELAY_MS: '400' });
    await eventually('it has asked five times', () => starts.length >= 5);
    // Four delays, of which the first may seem shorter than it is: connecting took its time.
    assert.ok(starts[4] - starts[0] >= 1200, `${starts[4] - starts[0]} ms for four delays`);
  });

  // Ten messages fill the first receive, so that two follow, of which the later one is answered by hand.
  for (const [when, early] of [['before', true], ['after', false]]) {
    test(`do not pause receiving where another receive gets the messages, ${when} its answer`, async () => {
      let release;
      const held = new Promise((resolve) => { release = resolve; });
      stub.fault = (action) => (action === 'ReceiveMessage' && stub.of(action).length === 3 ? held.then(() => nothing) : undefined);
      const ten = await buy(10);
      await start({ SQS_POLL_WAIT_SECONDS: '20', SQS_POLL_IDLE_DELAY_MS: '3600000' });
      try {
        await settling.settledByRule(ten);
        await eventually('two receives wait', () => stub.of('ReceiveMessage').length >= 3);
        if (early) release();
        await settling.settledByRule(await buy(1));
      } finally {
        release();
      }
      await settling.settledByRule(await buy(1));
    });
  }
});

describe('heartbeats', () => {
  test('keep a message hidden as long as its work goes on, and work goes on when one fails', async () => {
    const [id] = await buy(1);
    let beats = 0;
    stub.fault = (action, parameters) => {
      if (action !== 'ChangeMessageVisibilityBatch') return undefined;
      beats += parameters.Entries.filter((entry) => entry.VisibilityTimeout > 0).length;
      return beats === 1 ? { failed: () => ({ Code: 'InternalError', SenderFault: false }) } : undefined;
    };
    const session = shop.database.session();
    await session.say('BEGIN');
    await session.say(`SELECT FROM shop.orders WHERE id = ${id} FOR UPDATE`);
    const poller = await start({ SQS_VISIBILITY_TIMEOUT_SECONDS: '1', SQS_PROCESS_TIMEOUT_MS: '30000' });
    await eventually('it beat', () => beats >= 4);
    await session.end();
    await allDone([id]);
    assert.ok(poller.exited === undefined);
  });

  test('a lost lease does no harm: the message comes again and is deleted by its new handle', async () => {
    stub.fault = (action) => (action === 'ChangeMessageVisibilityBatch' ? { failed: () => ({ Code: 'ReceiptHandleIsInvalid', SenderFault: true }) } : undefined);
    const [id] = await buy(1);
    const session = shop.database.session();
    await session.say('BEGIN');
    await session.say(`SELECT FROM shop.orders WHERE id = ${id} FOR UPDATE`);
    await start({ SQS_VISIBILITY_TIMEOUT_SECONDS: '1', SQS_PROCESS_TIMEOUT_MS: '30000', SQS_WORKER_MAX_RECEIVE_COUNT: '50' });
    await eventually('it was delivered again meanwhile', () => stub.queues.get('payments')[0]?.receives >= 2);
    await session.end();
    await allDone([id]);
  });
});

describe('what only an operator can mend is loud, survived, and over when it is mended', () => {
  for (const code of ['QueueDoesNotExist', 'AccessDeniedException', 'KmsAccessDenied', 'InvalidSecurity']) {
    test(code, async () => {
      let broken = true;
      stub.fault = () => (broken ? refusal(code, code === 'AccessDeniedException' ? 403 : 400) : undefined);
      const poller = await start();
      const ids = await buy(2);
      const line = await poller.event('poll_failed', { action: 'ReceiveMessage' });
      assert.equal(line.level, 'error');
      assert.match(line.error, new RegExp(code));
      await poller.event('outbox_publish_failed');
      await eventually('it keeps asking', () => stub.of('ReceiveMessage').length >= 3, 30);
      assert.ok(stub.calls.length < 60, `it does not spin: ${stub.calls.length} calls`);
      broken = false;
      await allDone(ids);
    });
  }

  test('an expired token is renewed where that helps, and otherwise reported', async () => {
    first('ReceiveMessage', [refusal('ExpiredTokenException', 403)]);
    await start();
    await allDone(await buy(1));
  });
});

describe('a dead-letter queue that is away', () => {
  test('changes no reason: what is given up again says why it was given up first', async () => {
    let broken = true;
    stub.fault = (action) => (action === 'SendMessage' && broken ? refusal('QueueDoesNotExist') : undefined);
    const wrong = { customer_id: 'c', total_amount: 2, items: [{ product_id: 'p', quantity: 1, price: 1 }] };
    await shop.database.sql(`SELECT shop.ingest_order(1, '${JSON.stringify({ ...wrong, order_id: 'DONE-1', total_amount: 1 })}', NULL, NULL)`);
    const bodies = ['NEW-1', 'DONE-1'].map((orderId) => JSON.stringify({ ...wrong, order_id: orderId }));
    for (const body of bodies) stub.put('payments', body);
    const poller = await start({ INTAKE_MAX_RECEIVE_COUNT: '1', SQS_VISIBILITY_TIMEOUT_SECONDS: '1' });
    for (const orderId of ['NEW-1', 'DONE-1']) {
      await eventually(`${orderId} was given up three times`, () => poller.events('dlq_move_failed', { orderId }).length >= 3, 30);
    }
    broken = false;
    const letters = await eventually('both are there', () => stub.queues.get('payments-dlq').length === 2 && stub.queues.get('payments-dlq'), 30);
    for (const letter of letters.map(({ body }) => JSON.parse(body))) {
      assert.equal(letter.reason, 'total_mismatch');
      assert.match(letter.error, /total_amount is 2\.00/);
      assert.ok(bodies.includes(letter.originalBody));
    }
    await empty();
    for (const orderId of ['NEW-1', 'DONE-1']) assert.equal((await poller.event('message_moved_to_dlq', { orderId })).reason, 'total_mismatch');
    assert.equal(await shop.database.value(
      "SELECT count(*)::int FROM shop.dead_letters WHERE reason = 'total_mismatch' AND dlq_moved_at IS NOT NULL AND body ~ '(NEW|DONE)-1'"), 2);
  });

  test('that refuses attributes gets the letter without them', async () => {
    stub.fault = (action, parameters) => (action === 'SendMessage' && parameters.MessageAttributes ? refusal('InvalidParameterValue') : undefined);
    const poison = 'poison'.padEnd(5000, '!');
    stub.put('payments', poison, { attributes: { requestId: { DataType: 'String', StringValue: 'poisoned' } } });
    await start();
    const [letter] = await eventually('it is there', () => stub.queues.get('payments-dlq').length === 1 && stub.queues.get('payments-dlq'));
    assert.equal(JSON.parse(letter.body).originalBody, poison, 'the body is whole');
    await empty();
  });

  test('gets what was handled from the outbox too, when it is back', async () => {
    let broken = true;
    stub.fault = (action) => {
      if (action === 'SendMessageBatch') return { failed: () => ({ Code: 'InvalidMessageContents', SenderFault: true }) };
      return action === 'SendMessage' && broken ? refusal('QueueDoesNotExist') : undefined;
    };
    await settling.forbid();
    try {
      const [id] = await buy(1);
      const poller = await start({ SQS_WORKER_MAX_RECEIVE_COUNT: '1' });
      await eventually('it was given up twice', () => poller.events('dlq_move_failed', { orderId: id }).length >= 2, 30);
      broken = false;
      const [letter] = await eventually('it is there', () => stub.queues.get('payments-dlq').length > 0 && stub.queues.get('payments-dlq'), 30);
      assert.equal(JSON.parse(letter.body).reason, 'max_retries_exceeded');
      assert.match(JSON.parse(letter.body).error, /permission denied/, 'of the try, not of the moves');
      await settling.outboxDone();
      assert.equal(await shop.database.value(`SELECT status FROM shop.outbox WHERE order_id = ${id}`), 'dead');
      assert.equal((await poller.event('message_moved_to_dlq', { orderId: id })).dlqUrl, stub.url('payments-dlq'));
    } finally {
      await settling.allow();
    }
  });
});

test('every answer fails for a while: no spin, and all is done afterwards', async () => {
  let broken = true;
  stub.fault = () => (broken ? 'close' : undefined);
  const poller = await start();
  const ids = await buy(5);
  await eventually('some polls failed', () => poller.events('poll_failed', { action: 'ReceiveMessage' }).length >= 4, 30);
  assert.ok(stub.calls.length < 100, `${stub.calls.length} calls`);
  broken = false;
  await allDone(ids);
});

test('faults at random on every action, messages delivered up to five times and shuffled: one effect each', async () => {
  const kinds = Object.values(faults).filter((fault) => !fault.delay);
  stub.copies = () => 1 + Math.floor(Math.random() * 5);
  stub.shuffled = true;
  stub.fault = () => (Math.random() < 0.2 ? kinds[Math.floor(Math.random() * kinds.length)] : undefined);
  await start({ SQS_VISIBILITY_TIMEOUT_SECONDS: '2', SQS_WORKER_MAX_RECEIVE_COUNT: '1000' });
  const ids = await buy(40);
  await settling.settledByRule(ids, 60);
  stub.fault = () => undefined;
  await allDone(ids);
  await shop.database.verify();
});
