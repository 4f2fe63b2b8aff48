// The primary is lost under load and its streaming replica takes over; gateways and poller follow by themselves.
import { test } from 'node:test';
import { Cluster } from '../lib/cluster.js';
import { assertClean, record, rounds, underLoad } from '../lib/faults/cases.js';
import { signal, Stand } from '../lib/faults/stand.js';
import { eventually } from '../lib/wait.js';

const group = 'Failover';

/** A URL of both servers, whichever may be written to. */
function urlOf(primary, standby) {
  const hosts = [primary.socket, standby.socket].map(encodeURIComponent).join(',');
  return (role, name) => `postgresql://shop_test_${role}@/${name}?host=${hosts}&port=5432,5432&target_session_attrs=read-write`;
}

/** Waits until every commit waits for the standby. */
async function synchronise(stand) {
  await stand.query("ALTER SYSTEM SET synchronous_standby_names = 'standby'");
  await stand.query('SELECT pg_reload_conf()');
  await eventually('the standby is synchronous', async () =>
    (await stand.query("SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'")).length === 1);
}

test('the primary is lost, its synchronous standby promoted', async (context) => {
  const verdicts = [];
  for (let round = 0; round < rounds; round += 1) verdicts.push(await failOver());
  const sum = (field) => verdicts.reduce((total, verdict) => total + verdict[field], 0);
  const verdict = {
    count: rounds, acknowledged: sum('acknowledged'), unanswered: sum('unanswered'), lost: sum('lost'), doubled: sum('doubled'),
    drainedMs: Math.max(...verdicts.map(({ drainedMs }) => drainedMs)), recoveryMs: verdicts.flatMap(({ recoveryMs }) => recoveryMs),
    findings: verdicts.flatMap(({ findings }) => findings),
  };
  record(group, context.name, verdict);
  assertClean(verdict);
});

async function failOver() {
  const primary = await Cluster.create();
  const standby = await primary.standby();
  try {
    const stand = await Stand.open(primary, { url: urlOf(primary, standby) });
    try {
      await synchronise(stand);
      return await underLoad(stand, {}, async (load, recovery) => {
        signal(await stand.serverProcesses(), 'SIGKILL');
        stand.moveTo(standby);
        await stand.query('SELECT pg_promote()');
        recovery.values.push(await load.nextServed(performance.now()));
      });
    } finally {
      await stand.close();
    }
  } finally {
    await primary.remove();
    await standby.remove();
  }
}
