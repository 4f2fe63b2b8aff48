// Refunds: asked for by cancelling or refunding a paid order, given back by the simulated provider; never over the queue.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openSettling } from '../lib/settling.js';
import { eventually } from '../lib/wait.js';

for (const withQueue of [false, true]) {
  describe(withQueue ? 'beside a queue' : 'with the embedded queue', () => {
    const settling = openSettling({ withQueue });
    const { shop } = settling;

    test('a refund is completed, and an order whose money all went back is REFUNDED', async () => {
      const poller = await settling.poller();
      const id = await settling.buy({ even: true });
      await settling.settledByRule([id]);
      await shop.database.sql(`SELECT shop.refund_order(1, NULL, ${id}, 4, false, 'part', NULL, 'admin', 'refund-1')`);
      const first = await poller.event('order_processed', { requestId: 'refund-1' });
      assert.equal(first.worker, 'payment');
      assert.equal(first.result, 'settled');
      assert.equal(first.orderId, id);
      assert.equal(first.status, 'CONFIRMED');
      assert.equal(await settling.status(id), 'CONFIRMED');
      await shop.database.sql(`SELECT shop.refund_order(1, NULL, ${id}, NULL, true, 'rest', NULL, 'admin', 'refund-2')`);
      await eventually('the order is refunded', async () => (await settling.status(id)) === 'REFUNDED');
      assert.equal((await poller.event('order_processed', { requestId: 'refund-2' })).status, 'REFUNDED');
      const refunds = await shop.database.rows(`SELECT * FROM shop.refunds WHERE order_id = ${id} ORDER BY id`);
      assert.deepEqual(refunds.map((refund) => refund.status), ['completed', 'completed']);
      assert.match(refunds[0].provider_reference, /^simulation-refund-\d+$/);
      // As after a poller that was killed between the settlement and the end of the message.
      await shop.database.sql(`UPDATE shop.outbox SET status = 'pending', finished_at = NULL, next_attempt_at = now()
                               WHERE request_id = 'refund-1'`);
      const again = await poller.event('order_processed', { requestId: 'refund-1', result: 'already_settled' });
      assert.equal(again.orderId, id);
      assert.equal(again.status, 'REFUNDED');
      await settling.outboxDone();
      if (withQueue) await settling.queue.empty();
    });

    test('a refund that cannot be settled now is tried again, then kept as a dead letter, and redriven', async () => {
      const poller = await settling.poller({ SQS_WORKER_MAX_RECEIVE_COUNT: '2', SQS_VISIBILITY_TIMEOUT_SECONDS: '1' });
      const id = await settling.buy({ even: true });
      await settling.settledByRule([id]);
      await shop.database.sql('REVOKE EXECUTE ON FUNCTION shop.settle_refund FROM shop_poller');
      await shop.database.sql(`SELECT shop.refund_order(1, NULL, ${id}, NULL, false, 'all', NULL, 'admin', 'refund-3')`);
      const line = await poller.event('message_moved_to_dlq', { orderId: id, reason: 'max_retries_exceeded' }, 30);
      assert.equal(line.dlqUrl, settling.queue?.url('payments-dlq'));
      if (withQueue) {
        const [message] = await settling.queue.deadLetters(1);
        assert.match(JSON.stringify(message), /"requestId":\{[^}]*"refund-3"/);
      }
      const [letter] = await shop.database.rows(`SELECT * FROM shop.dead_letters WHERE order_id = ${id}`);
      assert.equal(letter.source, 'outbox');
      assert.equal(letter.receive_count, 2);
      assert.equal(await shop.database.value(`SELECT status FROM shop.outbox WHERE order_id = ${id} AND topic = 'refund'`), 'dead');
      await shop.database.sql('GRANT EXECUTE ON FUNCTION shop.settle_refund TO shop_poller');
      await shop.database.sql(`SELECT shop.redrive(1, ${letter.id}, 'test', 'redriven')`);
      await eventually('the order is refunded', async () => (await settling.status(id)) === 'REFUNDED');
    });
  });
}
