// The disk is full: not a byte of WAL can be written. The cluster lives in a small memory file system for that.
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmdirSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { after, before, test } from 'node:test';
import { Cluster } from '../lib/cluster.js';
import { faultCase, record } from '../lib/faults/cases.js';
import { eventually } from '../lib/wait.js';

const held = {};
const group = 'Disk';
const name = 'no space left for WAL';
const disk = mkdtempSync(join(tmpdir(), 'pg_shop_disk.')); // not in the folder that the runner empties: nothing may be mounted there
const ballast = join(disk, 'ballast');
let mounted = false;

before(async () => {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=280m,mode=755', 'tmpfs', disk], { stdio: 'pipe' });
    mounted = true;
  } catch (error) {
    console.log(`    disk_full.test.js: not run, because a tmpfs cannot be mounted here: ${String(error.stderr).trim()}`);
    return;
  }
  held.cluster = await Cluster.create(join(disk, 'state'));
});
after(async () => {
  await held.cluster?.remove();
  if (mounted) execFileSync('umount', [disk]);
  rmdirSync(disk);
});

/** Writes until there is no room left. */
function fill() {
  const file = openSync(ballast, 'w');
  const block = Buffer.alloc(1 << 16);
  try {
    for (;;) writeSync(file, block);
  } catch (error) {
    if (error.code !== 'ENOSPC') throw error;
  } finally {
    closeSync(file);
  }
}

/** Is the server gone, or does it refuse to write? A switch of the WAL needs a new file of it at the latest in the end. */
async function isFull(stand) {
  try {
    await stand.query("SELECT pg_logical_emit_message(false, 'full', repeat('x', 4000000)), pg_switch_wal()");
    return false;
  } catch {
    return true;
  }
}

const run = faultCase(held, group, { stand: {} }, async (stand) => {
  fill();
  await eventually('PostgreSQL notices', () => isFull(stand), 60);
  rmSync(ballast);
  // With room again before it has ended, it recovers without being started.
  await stand.reviveDatabase();
  return stand.databaseBack();
});

test(name, async (context) => {
  if (mounted) {
    await run(context);
    return;
  }
  record(group, name, { skipped: 'a tmpfs cannot be mounted here' });
  context.skip('a tmpfs cannot be mounted here');
});
