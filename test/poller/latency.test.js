// The embedded queue is quick when it is idle.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { openSettling } from '../lib/settling.js';

const settling = openSettling();
const { shop } = settling;

test('from commit to settlement it takes less than 50 ms in the middle', async () => {
  const poller = await settling.poller();
  const ids = [];
  for (let i = 0; i < 25; i += 1) {
    ids.push(await settling.buy());
    await pause(100 + ((i * 37) % 60)); // so that it is idle in between, at changing moments
  }
  await settling.settledByRule(ids);
  const middle = await shop.database.value(
    `SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM finished_at - created_at) * 1000) FROM shop.outbox
      WHERE order_id IN (${ids.join(',')})`,
  );
  assert.ok(middle < 50, `${middle} ms`);
  await poller.stop();
});
