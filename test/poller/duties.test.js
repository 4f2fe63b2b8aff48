// What the poller does by the clock: the scheduled work of the database, and its report.
import assert from 'node:assert/strict';
import { hostname } from 'node:os';
import { describe, test } from 'node:test';
import { openSettling } from '../lib/settling.js';
import { eventually } from '../lib/wait.js';

for (const withQueue of [false, true]) {
  describe(withQueue ? 'with a queue' : 'with the embedded queue', () => {
    const settling = openSettling({ withQueue });
    const { shop } = settling;

    test('it reports that it lives and what it sees', async () => {
      if (withQueue) {
        for (const text of ['one', 'two']) {
          await settling.queue.call('SendMessage', { QueueUrl: settling.queue.url('payments-dlq'), MessageBody: text });
        }
      }
      const poller = await settling.poller();
      const find = async () =>
        (await shop.database.rows(`SELECT * FROM shop.poller_reports WHERE poller = '${hostname()}:${poller.child.pid}'`))[0];
      const report = await eventually('a report with the time of a poll', async () => {
        const row = await find();
        return row?.last_poll_at && row;
      }, 30);
      assert.equal(report.backend, withQueue ? 'sqs' : 'embedded');
      assert.equal(report.queue_depth, withQueue ? 0 : null);
      assert.equal(report.dlq_depth, withQueue ? 2 : null);
      assert.ok(Date.now() - Date.parse(report.last_poll_at) < 30000);
      const [status] = await shop.database.rows('SELECT * FROM shop.queue_status(1)');
      assert.equal(status.connected, true);
    });

    if (withQueue) {
      test('while the queue does not answer it still reports, without depths', async () => {
        await settling.queue.stop();
        const poller = await settling.poller();
        const report = await eventually('a report', async () =>
          (await shop.database.rows(`SELECT * FROM shop.poller_reports WHERE poller = '${hostname()}:${poller.child.pid}'`))[0], 30);
        assert.equal(report.queue_depth, null);
        assert.equal(report.dlq_depth, null);
        await settling.queue.start();
      });
      return;
    }

    test('it calls shop.maintain()', async () => {
      await shop.database.sql(`UPDATE shop.poller_reports SET reported_at = now()`);
      const poller = await settling.poller({ MAINTENANCE_INTERVAL_SECONDS: '1', LOG_LEVEL: 'debug' });
      const [first] = [await poller.event('maintenance_done')];
      assert.equal(first.rows.purge_outbox, '0');
      await eventually('it is called again', () => poller.events('maintenance_done').length >= 3);
    });

    test('not when the interval is 0; and when it fails, the poller says so and works on', async () => {
      const silent = await settling.poller({ MAINTENANCE_INTERVAL_SECONDS: '0', LOG_LEVEL: 'debug' });
      await shop.database.sql('REVOKE EXECUTE ON FUNCTION shop.maintain FROM shop_poller');
      const poller = await settling.poller({ MAINTENANCE_INTERVAL_SECONDS: '1' });
      await poller.event('maintenance_failed');
      await settling.settledByRule([await settling.buy()]);
      await shop.database.sql('GRANT EXECUTE ON FUNCTION shop.maintain TO shop_poller');
      assert.equal(silent.events('maintenance_done').length, 0);
    });

    test('when one task fails, the poller names it, and the others are done', async () => {
      await shop.database.sql('REVOKE DELETE ON shop.inbox FROM shop_owner');
      const poller = await settling.poller({ MAINTENANCE_INTERVAL_SECONDS: '1', LOG_LEVEL: 'debug' });
      assert.equal((await poller.event('maintenance_failed')).task, 'purge_inbox');
      const { rows } = await poller.event('maintenance_done');
      await shop.database.sql('GRANT DELETE ON shop.inbox TO shop_owner');
      assert.equal(rows.purge_outbox, '0');
      assert.ok(!('purge_inbox' in rows));
    });
  });
}
