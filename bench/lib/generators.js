// Load generators: pgbench, our driver of batches, and wrk. Each starts a program and gives a way to read its result:
// requests, refused, and latencies in microseconds.
import { readFileSync, readdirSync, rmSync } from 'node:fs';
import { connectionString } from './database.js';
import { Program } from './programs.js';
import { settings } from './settings.js';
import { percentile } from './statistics.js';

const threads = 2;
let runs = 0;

/** The line of JSON that wrk's scripts and the driver print. */
function resultLine(output) {
  const line = output.match(/^RESULT (.*)$/m);
  if (!line) throw new Error(`no result in: ${output}`);
  return JSON.parse(line[1]);
}

/** Latencies that pgbench logged from this time (seconds since 1970) on, sorted, in microseconds. */
function loggedLatencies(prefix, from) {
  const folder = `${settings.folder}/log`;
  const files = readdirSync(folder).filter((name) => name.startsWith(`${prefix}.`));
  const latencies = [];
  for (const file of files) {
    for (const line of readFileSync(`${folder}/${file}`, 'utf8').split('\n')) {
      const fields = line.split(' ');
      if (fields.length >= 6 && Number(fields[4]) >= from) latencies.push(Number(fields[2]));
    }
    rmSync(`${folder}/${file}`);
  }
  return latencies.sort((left, right) => left - right);
}

/** pgbench with a script of ours. */
export function startPgbench({ script, clients, seconds, variables = {}, from = 0, delayPort }) {
  const prefix = `pgbench-${process.pid}-${runs++}`;
  const defines = Object.entries(variables).map(([name, value]) => `--define=${name}=${value}`);
  const started = Date.now() / 1000;
  const program = new Program('pgbench', `${process.env.BENCH_BINARIES}/pgbench`, [
    `--client=${clients}`,
    `--jobs=${Math.min(clients, threads)}`,
    `--time=${seconds}`,
    '--protocol=prepared',
    '--no-vacuum',
    '--log',
    `--log-prefix=${settings.folder}/log/${prefix}`,
    `--file=${settings.root}/bench/pgbench/${script}.sql`,
    ...defines,
    connectionString('postgres', delayPort),
  ]);
  program.result = async () => {
    const output = await program.finish();
    const latencies = loggedLatencies(prefix, started + from);
    const requests = Number(output.match(/actually processed: (\d+)/)[1]);
    return {
      requests,
      seconds: requests / Number(output.match(/^tps = ([\d.]+)/m)[1]), // without the time to connect
      p50: percentile(latencies, 50),
      p95: percentile(latencies, 95),
      p99: percentile(latencies, 99),
    };
  };
  return program;
}

/** The driver of a batch function. */
export function startDriver({ fn, batch, connections, seconds, firstCart, lastCart, delayPort }) {
  const program = new Program('batch_driver', `${settings.root}/bench/build/batch_driver`, [
    connectionString('postgres', delayPort),
    fn,
    ...[batch, connections, seconds, firstCart, lastCart].map(String),
  ]);
  program.result = async () => resultLine(await program.finish());
  return program;
}

/** wrk with a script of ours; args go to the script. */
export function startWrk({ script, port, connections, seconds, args }) {
  const used = Math.min(connections, threads);
  const program = new Program(
    'wrk',
    'wrk',
    [
      `--threads=${used}`,
      `--connections=${connections}`,
      `--duration=${seconds}s`,
      '--timeout=10s',
      `--script=${settings.root}/bench/wrk/${script}.lua`,
      `http://127.0.0.1:${port}`,
      '--',
      ...args.map((value) => (value === 'THREADS' ? String(used) : String(value))),
    ],
    { BENCH_LUA: `${settings.root}/bench/wrk` },
  );
  program.result = async () => resultLine(await program.finish());
  return program;
}
