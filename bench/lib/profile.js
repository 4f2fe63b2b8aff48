// Where the CPU goes: stacks sampled by perf while an arm runs, as shares of named steps and as flame graphs.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { arms } from './arms.js';
import { measure } from './cell.js';
import { postmaster } from './database.js';
import { flameGraph } from './flame.js';
import { serverProcesses } from './processes.js';
import { settings } from './settings.js';

const profiled = [
  ['checkout-1', 'spread'],
  ['checkout-20', 'spread'],
  ['checkout-20', 'hot'],
  ['batch-32', 'spread'],
  ['batch-32', 'hot'],
  ['http-64', 'spread'],
  ['shopper', 'spread'],
];
const frequency = 2999; // a prime, so that nothing periodic is in step with it

/** The steps of the server's work: a stack belongs to the first step whose function is in it, whichever is further in. */
const serverSteps = [
  ['flush of the WAL', /^(XLogFlush|issue_xlog_fsync|pg_fdatasync)$/],
  ['waits for locks and their queues', /^(ProcSleep|LockAcquireExtended|LockReleaseAll|heap_lock_tuple|XactLockTableWait)$/],
  ['entries into indexes', /^(ExecInsertIndexTuples|index_insert|btinsert)$/],
  ['CHECK and NOT NULL', /^ExecConstraints$/],
  ['rows into tables', /^(heap_multi_insert|heap_insert|heap_update|simple_table_tuple_update|simple_table_tuple_insert|ExecSimpleRelation.*)$/],
  ['foreign keys and triggers', /^(AfterTrigger.*|ExecARInsertTriggers|RI_FKey.*)$/],
  ['rows by key', /^(index_getnext_slot|index_beginscan|index_rescan|btgettuple|index_endscan)$/],
  ['opening tables and indexes', /^(ExecOpenIndices|table_open|relation_open|index_open|RelationIdGetRelation|ExecCloseIndices)$/],
  ['numbers from sequences', /^nextval_internal$/],
  ['answers as JSON', /^(appendStringInfo|appendStringInfoVA|pg_vsnprintf|escape_json)$/],
  ['begin and commit', /^(StartTransactionCommand|CommitTransactionCommand|GetSnapshotData|GetTransactionSnapshot)$/],
  ['messages of the client', /^(secure_read|secure_write|pq_.*|socket_.*|internal_flush|ReadyForQuery|printtup.*|sock_sendmsg|__sys_sendto|__sys_recvfrom)$/],
  ['statement, plan, function call', /^(exec_bind_message|exec_execute_message|PortalRun|PortalStart|ExecutorStart|fmgr_security_definer|ExecMakeTableFunctionResult)$/],
];

/** Those of the programs: a stack belongs to the library that its innermost frame is in, with the kernel as one. */
const programSteps = [
  ['kernel: sockets and waiting', /kernel/],
  ['libmicrohttpd', /libmicrohttpd/],
  ['libpq', /libpq/],
  ['JSON, tokens, TLS', /lib(jansson|jwt|gnutls|crypto|curl)/],
  ['C library', /lib(c|pthread)[.-]/],
];

function stepOf(stack, process) {
  if (process !== 'postgres') {
    return (programSteps.find(([, pattern]) => pattern.test(stack[0].object)) ?? ['its own code'])[0];
  }
  const found = serverSteps.find(([, pattern]) => stack.some(({ name }) => pattern.test(name)));
  return found ? found[0] : stack.some(({ object }) => /pg_shop/.test(object)) ? 'pg_shop itself' : 'anything else';
}

/** Records the stacks of these processes for so long. */
function record(pids, seconds, file) {
  const perf = spawn(
    'perf',
    ['record', '-q', '-e', 'cpu-clock', '-F', String(frequency), '-g', '-p', pids.join(), '-o', file, '--', 'sleep', String(seconds)],
    { stdio: 'ignore' },
  );
  return new Promise((resolve, reject) => {
    perf.once('error', reject);
    perf.once('close', (code) => (code === 0 ? resolve() : reject(new Error(`perf ended with ${code}`))));
  });
}

/** The recorded stacks, innermost frame first, as [process, stack]. */
async function* stacksOf(file) {
  const script = spawn('perf', ['script', '-i', file, '-F', 'comm,ip,sym,dso'], { stdio: ['ignore', 'pipe', 'ignore'] });
  let process;
  let stack = [];
  for await (const line of createInterface({ input: script.stdout })) {
    const frame = line.match(/^\s+[0-9a-f]+ (.+) \((.*)\)$/);
    if (frame) {
      stack.push({ name: frame[1], object: frame[2].split('/').at(-1) });
    } else if (line.trim() !== '') {
      process = line.trim();
    } else if (stack.length > 0) {
      yield [process, stack];
      stack = [];
    }
  }
}

/** Counts samples by process and step, and puts the stacks together for the picture. */
async function evaluate(file) {
  const steps = {};
  const root = { name: 'all', object: '', count: 0, children: new Map() };
  for await (const [process, stack] of stacksOf(file)) {
    const step = stepOf(stack, process);
    steps[process] ??= {};
    steps[process][step] = (steps[process][step] ?? 0) + 1;
    const path = [{ name: process, object: 'process' }, ...[...stack].reverse()];
    let node = root;
    node.count += 1;
    for (const { name, object } of path) {
      const shown = /^\[unknown\]$|^0x/.test(name) ? `[${object.replace(/[[\]]/g, '')}]` : name;
      if (shown === node.name) continue; // functions without a name, one in the other
      if (!node.children.has(shown)) node.children.set(shown, { name: shown, object, count: 0, children: new Map() });
      node = node.children.get(shown);
      node.count += 1;
    }
  }
  return { steps, root };
}

/** Microseconds of CPU of one order by step: the shares of the samples of the CPU that was counted in the same time. */
function costs(steps, cpu) {
  const parts = { postgres: cpu.backends, 'shop-gateway': cpu.gateway, 'shop-poller': cpu.poller };
  return Object.fromEntries(
    Object.entries(steps)
      .filter(([process]) => parts[process] !== undefined)
      .map(([process, found]) => {
        const all = Object.values(found).reduce((sum, count) => sum + count, 0);
        return [process, Object.fromEntries(Object.entries(found).map(([step, count]) => [step, (parts[process] * count) / all]))];
      }),
  );
}

/** Why stacks cannot be recorded here; undefined where they can. */
function obstacle() {
  const probe = spawnSync('perf', ['record', '-q', '-e', 'cpu-clock', '-o', '/dev/null', '--', 'true'], { encoding: 'utf8' });
  return probe.error?.message ?? (probe.status === 0 ? undefined : probe.stderr.trim());
}

/** Profiles the arms, one after the other, and draws docs/performance/flame-ARM.svg. */
export async function runProfile(write, log) {
  const reason = obstacle();
  if (reason) throw new Error(`perf cannot record here (Debian's package linux-perf, as root): ${reason}`);
  const folder = `${settings.reportFolder}/performance`;
  mkdirSync(folder, { recursive: true });
  for (const [armName, load] of profiled) {
    const arm = arms.find((each) => each.name === armName);
    const name = load === 'spread' ? armName : `${armName}-${load}`;
    const file = `${settings.folder}/log/${name}.perf`;
    const during = (seconds, programs) => {
      const sessions = serverProcesses(postmaster()).filter(({ client }) => client);
      const pids = [...sessions, ...Object.values(programs)].map(({ pid }) => pid);
      // Shorter than what is measured: perf takes its time to begin and to end, and the load must last beyond that.
      return record(pids, Math.max(1, seconds - 2), file);
    };
    const measured = await measure(arm, load, { during });
    const { steps, root } = await evaluate(file);
    rmSync(file);
    writeFileSync(`${folder}/flame-${name}.svg`, flameGraph(root, `${name}: ${arm.title}, ${load}`));
    write({ kind: 'profile', name, title: `${arm.title}, ${load}`, rate: measured.rate, cpu: measured.cpu, samples: root.count, costs: costs(steps, measured.cpu) });
    log(`${name}: ${root.count} stacks, ${Math.round(measured.rate)}/s while they were taken`);
  }
}
