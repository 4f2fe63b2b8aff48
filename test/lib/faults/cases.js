// A named case of the fault suite: a load, a fault that is injected some times, the judge, and a line of the table.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { copyFile, chmod, realpath } from 'node:fs/promises';
import { after, before } from 'node:test';
import { Cluster } from '../cluster.js';
import { judge } from './judge.js';
import { Load } from './shoppers.js';
import { Stand } from './stand.js';

/** How often each fault is injected, as a multiple of what its case says; and whether standstills and outages last long. */
export const rounds = Number(process.env.FAULT_ROUNDS ?? '1');
export const isLong = process.env.FAULT_WAITS === 'long';

const results = process.env.SHOP_FAULT_RESULTS;
let written = 0;

/** Keeps a line for the table of docs/reliability.md. */
export function record(group, name, result) {
  if (results === undefined) return;
  mkdirSync(results, { recursive: true });
  written += 1;
  const file = `${group.replace(/\W+/g, '-')}-${process.pid}-${String(written).padStart(3, '0')}.json`; // several files may fill a group
  writeFileSync(join(results, file), JSON.stringify({ group, name, order: written, ...result }));
}

/**
 * A cluster for the file, made before its tests and removed after them; prepare() runs once it is there, clean() before it
 * goes (hooks of one file do not wait for each other).
 */
export function openCluster({ prepare = async () => {}, clean = async () => {} } = {}) {
  const held = {};
  before(async () => {
    held.cluster = await Cluster.create();
    await prepare(held.cluster);
  });
  after(async () => {
    try {
      await clean();
    } finally {
      await held.cluster?.remove();
    }
  });
  return held;
}

/** Registers the stage that a fault must show: served before, served after, judged. Gives what the judge says. */
export async function underLoad(stand, options, disturb) {
  const load = await Load.start(stand, options);
  const recovery = { values: [] };
  try {
    await load.served(15);
    await disturb(load, recovery);
    await load.served(15);
  } finally {
    await load.stop();
  }
  return { ...(await judge(stand, load, options)), recoveryMs: recovery.values };
}

/**
 * The body of a test: a case under load. inject(stand, load, round) does the harm once and undoes it, and gives the moment
 * (performance.now()) from which service is to be back, or { recoveryMs } where it measured that itself, or nothing where
 * service never went away.
 */
export function faultCase(held, group, { times = 1, stand: options = {}, load = {} }, inject) {
  return async (context) => {
    const stand = await Stand.open(held.cluster, options);
    const count = times * rounds;
    let verdict;
    try {
      verdict = await underLoad(stand, load, async (shoppers, recovery) => {
        for (let round = 0; round < count; round += 1) {
          const since = await inject(stand, shoppers, round);
          if (since?.recoveryMs !== undefined) recovery.values.push(since.recoveryMs);
          else if (since !== undefined) recovery.values.push(await shoppers.nextServed(since));
          await shoppers.served(5);
        }
      });
    } finally {
      await stand.close();
    }
    record(group, context.name, { count, ...verdict });
    assertClean(verdict);
  };
}

/**
 * A library of the extension that the runner built for the suite ('fault-points' or the name of a planted bug), put where
 * the server can read it.
 */
export async function library(cluster, name) {
  const from = join(process.env.SHOP_FAULT_LIBRARIES ?? '', name, 'extension/pg_shop.so');
  const to = join(await realpath(cluster.folder), `${name}.so`);
  await copyFile(from, to);
  await chmod(to, 0o755);
  return to;
}

/** Fails with what the judge found. */
export function assertClean({ findings }) {
  assert.equal(findings.slice(0, 8).join('\n'), '', `${findings.length} findings of the judge`);
}
