// A try that timed out may still take effect. Its message must not become a dead letter, or the order would be both.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openSettling } from '../lib/settling.js';
import { eventually } from '../lib/wait.js';

for (const withQueue of [false, true]) {
  describe(withQueue ? 'over the queue' : 'straight from the outbox', () => {
    const settling = openSettling({ withQueue });
    const { shop } = settling;
    const letters = (id) => shop.database.rows(`SELECT * FROM shop.dead_letters WHERE order_id = ${id}`);

    for (const [what, timeout] of [['cancelled by its time limit', '300'], ['refused because the order is locked', '15000']]) {
      test(`the last try, ${what}, is repeated until it is decided`, async () => {
        const id = await settling.buy();
        const session = shop.database.session();
        try {
          await session.say('BEGIN');
          await session.say(`SELECT FROM shop.orders WHERE id = ${id} FOR UPDATE`);
          const poller = await settling.poller({ SQS_PROCESS_TIMEOUT_MS: timeout, SQS_WORKER_MAX_RECEIVE_COUNT: '1' });
          await eventually('it was tried twice', () => poller.events('order_process_failed', { orderId: id }).length >= 2, 40);
          assert.deepEqual(await letters(id), []);
          assert.equal(poller.events('message_moved_to_dlq').length, 0);
        } finally {
          await session.end();
        }
        await settling.settledByRule([id], 30);
        assert.deepEqual(await letters(id), []);
        await settling.outboxDone();
      });
    }

    test('a settlement that commits just after its time limit leaves no dead letter', async () => {
      // The call is held up behind a lock for a little longer or shorter than its time limit, again and again.
      const poller = await settling.poller({ SQS_PROCESS_TIMEOUT_MS: '100', SQS_WORKER_MAX_RECEIVE_COUNT: '1' });
      const ids = [];
      for (let round = 0; round < 12; round += 1) {
        poller.child.kill('SIGSTOP');
        const id = await settling.buy();
        const session = shop.database.session();
        await session.say('BEGIN');
        await session.say(`SELECT FROM shop.orders WHERE id = ${id} FOR UPDATE`);
        poller.child.kill('SIGCONT');
        await session.say(`SELECT pg_sleep(${0.06 + round * 0.01})`);
        await session.end();
        ids.push(id);
      }
      await settling.settledByRule(ids, 40);
      for (const id of ids) assert.deepEqual(await letters(id), []);
      assert.equal(poller.events('message_moved_to_dlq').length, 0);
    });
  });
}
