// Processes stand still (SIGSTOP) and go on while people shop.
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { openCluster, faultCase, isLong } from '../lib/faults/cases.js';
import { signal } from '../lib/faults/stand.js';

const held = openCluster();
const stopMs = isLong ? 10_000 : 2500;
const group = 'Standstill';

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
