// Settling takes longer than it may while people shop: the poller gives up, cancels and tries again.
import { test } from 'node:test';
import { faultCase, openCluster } from '../lib/faults/cases.js';
import { eventually } from '../lib/wait.js';

const held = openCluster();
const group = 'Payments';
const impatient = {
  SQS_PROCESS_TIMEOUT_MS: '400', SQS_VISIBILITY_TIMEOUT_SECONDS: '1', SQS_WORKER_MAX_RECEIVE_COUNT: '1000', INTAKE_MAX_RECEIVE_COUNT: '1000',
};

for (const queue of [true, false]) {
  const how = queue ? 'over SQS' : 'embedded queue';
  test(`settling runs into its time-out, ${how}`, faultCase(held, group, { times: 2, stand: { queue, environment: { poller: impatient } } }, async (stand, load) => {
    const session = stand.database.session();
    const given = stand.poller.events('order_process_failed').length;
    try {
      await session.say('BEGIN');
      await session.say('LOCK TABLE shop.payment_attempts IN SHARE MODE'); // settling writes there, checking out does not
      await load.served(10);
      await eventually('settling was given up', () => stand.poller.events('order_process_failed').length >= given + 2, 30);
    } finally {
      await session.end();
    }
  }));
}
