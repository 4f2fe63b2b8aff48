// The database server is killed and stopped, in part and as a whole, while people shop.
import { test } from 'node:test';
import { openCluster, faultCase } from '../lib/faults/cases.js';
import { signal } from '../lib/faults/stand.js';

const held = openCluster();
const group = 'Processes';

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
