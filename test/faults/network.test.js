// Connections are reset, answers are lost and the queue is out of reach while people shop.
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { faultCase, isLong, openCluster } from '../lib/faults/cases.js';
import { eventually } from '../lib/wait.js';

const held = openCluster();
const group = 'Network';
const outageMs = isLong ? 60_000 : 6000;

test('resets between clients and gateways', faultCase(held, group, { times: 10, stand: { proxies: ['client'] } }, async (stand, load) => {
  await load.served(2);
  for (const proxy of stand.proxies.client) proxy.cut();
}));

/** Lets a proxy reset instead of passing on every so many'th answer, until so many more checkouts were served. */
async function loseAnswers(proxies, share, load, count) {
  const every = Math.round(1 / share);
  let seen = 0;
  for (const proxy of proxies) proxy.loseAnswer = () => (seen += 1) % every === 0;
  try {
    await load.served(count);
  } finally {
    for (const proxy of proxies) proxy.loseAnswer = () => false;
  }
}

test('answers lost between gateways and clients', faultCase(held, group, { stand: { proxies: ['client'] } },
  (stand, load) => loseAnswers(stand.proxies.client, 0.2, load, 40)));

test('resets between programs and PostgreSQL', faultCase(held, group, { times: 10, stand: { proxies: ['database'] } }, async (stand, load) => {
  await load.served(2);
  stand.proxies.database.cut();
  return performance.now();
}));

test('answers lost between PostgreSQL and programs', faultCase(held, group, { stand: { proxies: ['database'] } },
  (stand, load) => loseAnswers([stand.proxies.database], 0.05, load, 40)));

test('resets between the poller and the queue', faultCase(held, group, { times: 10, stand: { proxies: ['queue'] } }, async (stand, load) => {
  await load.served(2);
  stand.proxies.queue.cut();
}));

test('answers lost between the queue and the poller', faultCase(held, group, { stand: { proxies: ['queue'] } },
  (stand, load) => loseAnswers([stand.proxies.queue], 0.1, load, 40)));

test('the queue out of reach', faultCase(held, group, { stand: { proxies: ['queue'] } }, async (stand, load) => {
  await stand.proxies.queue.close();
  await pause(outageMs);
  await load.served(5); // checkouts need no queue
  const [{ last }] = await stand.query('SELECT max(id) AS last FROM shop.orders');
  await stand.proxies.queue.open();
  const since = performance.now();
  const waiting = async () => (await stand.query(
    `SELECT count(*)::int AS count FROM shop.orders WHERE status IN ('pending', 'QUEUED') AND id <= ${last}`))[0].count;
  await eventually('what the outage left behind is settled', async () => (await waiting()) === 0, 90);
  return { recoveryMs: performance.now() - since };
}));
