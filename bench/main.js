// Runs what bench/run asks for: measures, keeps the results, writes the report.
import { arms } from './lib/arms.js';
import { measure } from './lib/cell.js';
import { closeDatabase, installArms, openDatabase, reset } from './lib/database.js';
import { figures, queueFigures } from './lib/figures.js';
import { runGrowth } from './lib/growth.js';
import { describeMachine } from './lib/machine.js';
import { runProfile } from './lib/profile.js';
import { writeReport } from './lib/report.js';
import { beginResults } from './lib/results.js';
import { settings } from './lib/settings.js';
import { runSoak } from './lib/soak.js';

const started = Date.now();
const log = (text) => console.log(`    ${new Date(Date.now() - started).toISOString().slice(11, 19)} ${text}`);

/** The cells of one repeat: every arm under every load, some with a delayed network, and the other figures. */
function plan() {
  const cells = [];
  for (const arm of arms) for (const load of settings.loads) cells.push({ arm, load });
  if (settings.delay) {
    for (const name of ['express', 'plpgsql-20', 'plpgsql-http', 'http-64', 'shopper']) {
      for (const load of settings.loads.filter((each) => each !== 'zipf')) {
        cells.push({ arm: arms.find((arm) => arm.name === name), load, delayed: true });
      }
    }
  }
  for (const figure of [...figures, ...(settings.queue === 'sqs' ? queueFigures : [])]) cells.push({ figure });
  const wanted = settings.arms;
  const kept = cells.filter(({ arm, figure }) => !wanted || wanted.includes((arm ?? figure).name));
  for (const name of wanted ?? []) {
    if (!kept.some(({ arm, figure }) => (arm ?? figure).name === name)) {
      throw new Error(
        `BENCH_ARMS: there is no '${name}'; there are ${[...arms, ...figures, ...queueFigures].map((each) => each.name).join(', ')}`,
      );
    }
  }
  return kept;
}

/** The half load follows the rate that the same repeat reached; in between stands whatever the rotation puts there. */
const reached = new Map();
function thinkTime(load) {
  const rate = reached.get(load);
  return rate ? Math.max(1, Math.round((1000 * 64) / (rate / 2))) : 16;
}

async function runArmCell({ arm, load, delayed = false }, repeat) {
  const options = { delayed, ...(arm.name === 'http-64-half' ? { think: thinkTime(load) } : {}) };
  const record = await measure(arm, load, options);
  if (arm.name === 'http-64' && !delayed) reached.set(load, record.rate);
  const total = ['backends', 'auxiliary', 'gateway', 'service', 'poller'].reduce(
    (sum, name) => sum + (record.cpu[name] ?? 0),
    0,
  );
  log(
    `${arm.name} ${load}${delayed ? ' delayed' : ''}: ${Math.round(record.rate)}/s, p50 ${record.p50} p99 ${record.p99} µs, ` +
      `CPU ${Math.round(total)} µs, WAL ${Math.round(record.wal_records)} B${record.violations.length > 0 ? ', VERIFY FAILED' : ''}`,
  );
  return { kind: 'arm', name: arm.name, title: arm.title, load, delayed, repeat, ...record };
}

async function runFigureCell({ figure }, repeat) {
  if (figure.reads) await reset({ load: 'spread', carts: 1 });
  const record = await figure.measure();
  log(
    `${figure.name}: ${record.rate ? `${Math.round(record.rate)}/s ` : ''}${JSON.stringify({ ...record, cpu: undefined, rate: undefined })}`,
  );
  return { kind: 'figure', name: figure.name, title: figure.title, repeat, ...record };
}

async function runArms() {
  const cells = plan();
  const write = beginResults(settings.mode, await describeMachine());
  console.log(`${cells.length} measurements, ${settings.repeats} times, ${settings.seconds} s each`);
  for (let repeat = 0; repeat < settings.repeats; repeat++) {
    const shift = Math.floor((repeat * cells.length) / settings.repeats);
    const order = [...cells.slice(shift), ...cells.slice(0, shift)];
    log(`repeat ${repeat + 1} of ${settings.repeats}`);
    for (const cell of order) write(await (cell.arm ? runArmCell(cell, repeat) : runFigureCell(cell, repeat)));
  }
}

async function main() {
  if (settings.arms?.[0] === 'list') {
    for (const { name, title } of [...arms, ...figures, ...queueFigures]) console.log(`${name.padEnd(20)} ${title}`);
    return;
  }
  if (settings.mode !== 'report') {
    await openDatabase();
    await installArms();
    if (settings.mode === 'growth') await runGrowth(beginResults('growth', await describeMachine()), log);
    else if (settings.mode === 'soak') await runSoak(beginResults('soak', await describeMachine()), log);
    else if (settings.mode === 'profile') await runProfile(beginResults('profile', await describeMachine()), log);
    else await runArms();
    await closeDatabase();
  }
  writeReport(log);
}

await main();
