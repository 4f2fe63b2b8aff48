// One process after the other is killed or stopped while people shop.
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { openCluster, faultCase, isLong } from '../lib/faults/cases.js';
import { signal, Stand } from '../lib/faults/stand.js';

const held = openCluster();
const stopMs = isLong ? 10_000 : 2500;
const group = 'Processes';

test('kill -9 of a gateway', faultCase(held, group, { times: 3 }, async (stand, load, round) => {
  const index = round % stand.gateways.length;
  await Stand.kill(stand.gateways[index]);
  await load.served(5); // by the other one
  const since = performance.now();
  await stand.restartGateway(index);
  return since;
}));

test('kill -9 of both gateways', faultCase(held, group, { times: 2 }, async (stand) => {
  await Promise.all(stand.gateways.map((gateway) => Stand.kill(gateway)));
  const since = performance.now();
  await Promise.all(stand.gateways.map((_, index) => stand.restartGateway(index)));
  return since;
}));

test('kill -9 of the poller', faultCase(held, group, { times: 3 }, async (stand, load) => {
  await Stand.kill(stand.poller);
  await load.served(10);
  await stand.startPoller();
}));

test('kill -9 of the poller, embedded queue', faultCase(held, group, { times: 3, stand: { queue: false } }, async (stand, load) => {
  await Stand.kill(stand.poller);
  await load.served(10);
  await stand.startPoller();
}));

test('kill -9 of a backend of the gateway', faultCase(held, group, { times: 3 }, async (stand) => {
  signal((await stand.backends('gateway')).slice(0, 1), 'SIGKILL');
  return stand.databaseBack();
}));

test('kill -9 of a backend of the poller', faultCase(held, group, { times: 2 }, async (stand) => {
  signal((await stand.backends('poller')).slice(0, 1), 'SIGKILL');
  return stand.databaseBack();
}));

test('kill -9 of the postmaster', faultCase(held, group, { times: 2 }, async (stand) => {
  signal([await stand.postmaster()], 'SIGKILL');
  await stand.restartDatabase();
  return stand.databaseBack();
}));

test('PostgreSQL stopped at once (immediate), started again', faultCase(held, group, { times: 2 }, async (stand) => {
  signal([await stand.postmaster()], 'SIGQUIT');
  await stand.restartDatabase();
  return stand.databaseBack();
}));

test('PostgreSQL restarted in order (fast)', faultCase(held, group, { times: 2 }, async (stand) => {
  await stand.cluster.stop();
  await stand.cluster.start();
  return stand.databaseBack();
}));

/** Stops processes for a while. */
async function freeze(pids) {
  signal(pids, 'SIGSTOP');
  await pause(stopMs);
  signal(pids, 'SIGCONT');
  return performance.now();
}

test('SIGSTOP of a gateway', faultCase(held, group, {}, (stand) => freeze([stand.gateways[0].child.pid])));
test('SIGSTOP of the poller', faultCase(held, group, {}, async (stand) => {
  await freeze([stand.poller.child.pid]);
}));
test('SIGSTOP of a backend of the gateway', faultCase(held, group, {}, async (stand) => freeze((await stand.backends('gateway')).slice(0, 1))));
test('SIGSTOP of the postmaster', faultCase(held, group, {}, async (stand) => freeze([await stand.postmaster()])));
test('SIGSTOP of all of PostgreSQL', faultCase(held, group, {}, async (stand) => freeze(await stand.serverProcesses())));
test('SIGSTOP of the queue server', faultCase(held, group, {}, async (stand) => {
  await freeze([stand.queue.child.pid]);
}));
