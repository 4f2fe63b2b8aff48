// The judge can say no: each bug that is built into a library of its own is reported.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { library, openCluster, record, underLoad } from '../lib/faults/cases.js';
import { Stand } from '../lib/faults/stand.js';
import { eventually } from '../lib/wait.js';

const held = openCluster();
const group = 'Planted bugs';

/** Holds a checkout that has its stock until another backend waits for a lock, several times. */
async function contend(stand, load) {
  for (let round = 0; round < 4; round += 1) {
    await stand.arm('checkout.stock_locked', 'pause');
    await eventually('a checkout is held', () => stand.paused(), 30);
    await eventually('somebody waits for it', async () =>
      (await stand.query("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'")).length > 0, 30);
    await pause(50);
    await stand.release();
    await load.served(5);
  }
}

/** Lets a backend die right after its commit, so that its caller tries again. */
async function loseAnswer(stand, unit) {
  await stand.arm(`${unit}.after_commit`, 'crash');
  await eventually('the backend died', () => stand.fired(), 30);
  await stand.databaseBack();
}

const bugs = {
  BUG_NO_STOCK_LOCK: {
    name: 'stock is read before it is locked', provoke: contend,
    reports: /product \d+: .* (on hand|were ever in stock)/,
  },
  BUG_NO_SETTLE_CHECK: {
    name: 'a payment that is told twice is taken twice', provoke: (stand) => loseAnswer(stand, 'settle'),
    reports: /was paid 2 times|refunds were asked for/,
  },
  BUG_NO_STORED_ANSWER: {
    name: 'the answer of a checkout is not stored', provoke: (stand) => loseAnswer(stand, 'checkout'),
    reports: /was answered 400.*Cart is not open|now 400 .*Cart is not open/,
  },
  BUG_NO_OUTBOX_MESSAGE: {
    name: 'an order is committed without its message', provoke: (stand, load) => load.served(5),
    reports: /in limbo.*unsettled orders/,
  },
};

for (const [bug, { name, provoke, reports }] of Object.entries(bugs)) {
  test(`reported: ${name}`, async (context) => {
    const stand = await Stand.open(held.cluster, { library: await library(held.cluster, bug) });
    let verdict;
    try {
      // Errors are part of what such bugs do; the judge has to find what they leave behind.
      verdict = await underLoad(stand, { drainSeconds: 8, thinkMs: 2, allowErrors: true }, (load) => provoke(stand, load));
    } finally {
      await stand.release();
      await stand.disarm();
      await stand.close().catch(() => {}); // a poller may end otherwise than cleanly over a broken library
    }
    const finding = verdict.findings.find((text) => reports.test(text));
    assert.ok(finding, `the judge found only: ${verdict.findings.join('\n')}`);
    record(group, context.name, { count: 1, ...verdict, reported: `${verdict.findings.length} findings`, example: finding.slice(0, 160) });
  });
}
