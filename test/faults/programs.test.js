// Gateways and the poller are killed while people shop.
import { test } from 'node:test';
import { openCluster, faultCase } from '../lib/faults/cases.js';
import { Stand } from '../lib/faults/stand.js';

const held = openCluster();
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
