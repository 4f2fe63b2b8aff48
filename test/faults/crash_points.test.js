// A backend dies, or fails, at every fault point of the extension in turn while people shop.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { assertClean, library, openCluster, record, rounds, underLoad } from '../lib/faults/cases.js';
import { Stand } from '../lib/faults/stand.js';
import { root } from '../lib/settings.js';
import { eventually } from '../lib/wait.js';

const held = openCluster();
const group = 'Crash points';

/** The places that the sources name, with the ends of each unit's transaction: ['checkout.begin', ...]. */
function allPlaces() {
  const folder = join(root, 'extension/src');
  const units = {};
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.c')).sort()) {
    for (const [, place, unit] of readFileSync(join(folder, file), 'utf8').matchAll(/FAULT_POINT\("((\w+)\.\w+)"\)/g)) {
      (units[unit] ??= []).push(place);
    }
  }
  return Object.entries(units).flatMap(([unit, places]) => [...places, `${unit}.before_commit`, `${unit}.after_commit`]);
}

async function visit(stand, load, places, action, recovery) {
  for (const place of places) {
    await stand.arm(place, action);
    await eventually(`somebody comes to ${place}`, () => stand.fired(), 40);
    const since = await stand.databaseBack();
    if (action === 'crash') recovery.values.push(await load.nextServed(since));
  }
}

const what = { crash: 'a backend dies', error: 'an error' };

for (const [action, name] of Object.entries(what)) {
  // Nothing can fail any more once it is committed.
  const places = allPlaces().filter((place) => action === 'crash' || !place.endsWith('.after_commit'));
  test(`${name} before and after each step of checkout, settling, intake, cancelling and restocking`, async (context) => {
    const stand = await Stand.open(held.cluster, { library: await library(held.cluster, 'fault-points') });
    let verdict;
    try {
      verdict = await underLoad(stand, {}, async (load, recovery) => {
        for (let round = 0; round < rounds; round += 1) await visit(stand, load, places, action, recovery);
      });
    } finally {
      await stand.disarm();
      await stand.close();
    }
    record(group, context.name, { count: places.length * rounds, ...verdict });
    assertClean(verdict);
  });
}
