// docs/performance.md: the fixed words of bench/performance.md, with tables and plots of the newest results in their places.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { eightFigures, select } from './eight.js';
import { drawPlots } from './plots.js';
import { readResults } from './results.js';
import { settings } from './settings.js';
import { median, spread } from './statistics.js';

const number = (value, digits = 0) =>
  value === undefined || Number.isNaN(value)
    ? '–'
    : value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
const table = (head, rows) =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
const middle = (records, read, digits) => number(median(records.map(read)), digits);

function machineTable([machine]) {
  const versions = Object.entries(machine.versions)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');
  const server = Object.entries(machine.server)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');
  return table(
    ['', ''],
    [
      [
        'When',
        `${machine.at.slice(0, 16).replace('T', ' ')} UTC; load of the machine before: ${machine.load.toFixed(2)}`,
      ],
      [
        'Machine',
        `${machine.cpu}, ${machine.cores} cores for server, programs and load generator together; ${machine.memory_gb} GB; ${machine.kernel}`,
      ],
      ['Versions', versions],
      ['Server', server],
      [
        'Run',
        `${machine.repeats} repeats of ${machine.seconds} s${machine.mode === 'quick' ? ', a quick run: too short to conclude from' : ''}; ${machine.delay ? 'some arms also with 1 ms of delay' : 'without delayed arms'}`,
      ],
    ],
  );
}

function eightTable(rows) {
  return table(
    ['', 'Figure', 'Asked', 'Reached', 'Spread', '', 'Command'],
    rows.map((row) => [
      row.number,
      row.what,
      row.asked,
      row.measured ? `**${number(row.value, row.digits)}${row.unit}**` : 'not measured',
      row.measured ? `${number(row.spread)} %` : '',
      row.measured ? (row.reached ? 'reached' : 'missed') : '',
      `\`${row.run}\``,
    ]),
  );
}

const cellKeys = (records) => {
  const keys = new Map();
  for (const record of records.filter(({ kind }) => kind === 'arm'))
    keys.set(`${record.name} ${record.load} ${record.delayed}`, record);
  return [...keys.values()];
};

function armRow(records, { name, load, delayed }) {
  const chosen = select(records, name, load, delayed);
  const cpu = (part) => middle(chosen, (record) => record.cpu[part]);
  const sum = (read) => number(chosen.reduce((total, record) => total + (read(record) ?? 0), 0));
  return [
    `\`${name}\``,
    load,
    delayed ? '1 ms' : '0',
    middle(chosen, (record) => record.rate),
    `${number(spread(chosen.map((record) => record.rate)))} %`,
    ...['p50', 'p95', 'p99'].map((each) => middle(chosen, (record) => record[each] / 1000, 2)),
    cpu('backends'),
    cpu('auxiliary'),
    middle(chosen, (record) => record.cpu.gateway ?? record.cpu.service),
    cpu('poller'),
    cpu('generator'),
    middle(chosen, (record) => record.wal_records),
    middle(chosen, (record) => record.wal_images),
    middle(chosen, (record) => record.batch_size, 1),
    sum((record) => record.deadlocks),
    sum((record) => record.retries),
    sum((record) => record.refused + record.failed),
    chosen.every((record) => record.violations.length === 0) ? 'empty' : '**not empty**',
  ];
}

function armTable(records) {
  const head = [
    'Arm',
    'Load',
    'Delay',
    'Checkouts/s',
    'Spread',
    'p50 ms',
    'p95',
    'p99',
    'CPU µs: backends',
    'auxiliary',
    'gateway or service',
    'poller',
    'generator',
    'WAL B',
    'page images B',
    'batch',
    'Deadlocks',
    'Retries',
    'Refused',
    'verify',
  ];
  return table(
    head,
    cellKeys(records).map((cell) => armRow(records, cell)),
  );
}

function armNames(records) {
  const names = new Map(records.filter(({ kind }) => kind === 'arm').map(({ name, title }) => [name, title]));
  return [...names].map(([name, title]) => `- \`${name}\`: ${title}`).join('\n');
}

function readTable(records) {
  const row = (title, name) => {
    const chosen = select(records, name);
    const cpu = (part) => middle(chosen, (record) => record.cpu[part]);
    return chosen.length === 0
      ? []
      : [
          [
            title,
            name.match(/\d+$/)[0],
            middle(chosen, (record) => record.rate),
            ...['p50', 'p95', 'p99'].map((each) => middle(chosen, (record) => record[each] / 1000, 2)),
            cpu('gateway'),
            cpu('backends'),
            number(chosen.reduce((sum, record) => sum + record.refused, 0)),
          ],
        ];
  };
  const all = [1, 16, 64, 256];
  return table(
    ['Call', 'Connections', 'Requests/s', 'p50 ms', 'p95', 'p99', 'CPU µs: gateway', 'backends', 'Refused'],
    [
      ...all.flatMap((n) => row('`GET /health`', `health-${n}`)),
      ...all.flatMap((n) => row('`GET /products/:id`', `product-${n}`)),
      ...all.flatMap((n) => row('`shop.get_product()` by pgbench', `product-direct-${n}`)),
    ],
  );
}

function otherTable(records) {
  const rows = [];
  const add = (name, text) => {
    const chosen = select(records, name);
    if (chosen.length > 0) rows.push(...text(chosen));
  };
  const megabytes = (chosen, read) => `${middle(chosen, (record) => read(record) / 1e6, 1)} MB`;
  add('idle', (chosen) => [
    ['CPU of the idle gateway', `${middle(chosen, (record) => record.gateway_percent, 2)} %`],
    ['CPU of the idle poller', `${middle(chosen, (record) => record.poller_percent, 2)} %`],
    ["CPU of both programs' database sessions, idle", `${middle(chosen, (record) => record.sessions_percent, 2)} %`],
    [
      'Memory of the idle gateway (peak: hashing the demo passwords)',
      `${megabytes(chosen, (record) => record.memory.gateway.resident)} (${megabytes(chosen, (record) => record.memory.gateway.peak)})`,
    ],
    ['Memory of the idle poller', megabytes(chosen, (record) => record.memory.poller.resident)],
  ]);
  add('memory', (chosen) => [
    [
      'Memory of the gateway while 1,000 connections ask',
      `${megabytes(chosen, (record) => record.memory.resident)}, ${megabytes(chosen, (record) => record.memory.anonymous)} of it its own`,
    ],
  ]);
  add('sell-out', (chosen) => [
    [
      'One product, fewer units than buyers',
      chosen
        .map((record) => `${record.units} units, ${record.buyers} buyers: ${record.sold} sold, ${record.left} left`)
        .join('; '),
    ],
  ]);
  const work = (chosen) =>
    `${middle(chosen, (record) => record.rate)}/s, CPU of one: poller ${middle(chosen, (record) => record.cpu.poller)} µs, backends ${middle(chosen, (record) => record.cpu.backends)} µs`;
  add('settlements', (chosen) => [['Settlements, embedded queue', work(chosen)]]);
  add('intake', (chosen) => [['Intake orders processed, embedded queue', work(chosen)]]);
  add('settlements-sqs', (chosen) => [
    [
      'Settlements through the queue server',
      `${middle(chosen, (record) => record.rate)}/s, CPU of one: queue server ${middle(chosen, (record) => record.cpu.queue)} µs, poller ${middle(chosen, (record) => record.cpu.poller)} µs, backends ${middle(chosen, (record) => record.cpu.backends)} µs`,
    ],
  ]);
  add('queue', (chosen) => [['The queue server alone', `${middle(chosen, (record) => record.rate)} messages/s`]]);
  const shoppers = select(records, 'shopper', 'spread').filter((record) => record.whole_cpu);
  if (shoppers.length > 0) {
    const parts = ['gateway', 'poller', 'backends', 'auxiliary', 'queue'].filter(
      (part) => shoppers[0].whole_cpu[part] !== undefined,
    );
    rows.push([
      'CPU of a whole shopper, spread',
      parts.map((part) => `${part} ${middle(shoppers, (record) => record.whole_cpu[part])} µs`).join(', '),
    ]);
  }
  return table(['', ''], rows);
}

function growthTable(growth) {
  const sizes = growth.filter((record) => record.kind === 'growth');
  if (sizes.length === 0) return 'Not measured yet: `make bench-growth`.';
  const calls = Object.entries(sizes[0].calls);
  return table(
    ['Orders stored', 'Database', 'verify', ...calls.map(([, { title }]) => title)],
    sizes.map((record) => [
      number(record.orders),
      `${number(record.database_bytes / 1e9, 2)} GB`,
      record.violations.length === 0 ? 'empty' : '**not empty**',
      ...calls.map(([name]) => `${number(record.calls[name].cpu)} µs`),
    ]),
  );
}

function soakTable(soak) {
  const samples = soak.filter((record) => record.kind === 'soak');
  if (samples.length === 0) return 'Not measured yet: `make bench-soak`.';
  const step = Math.max(1, Math.floor(samples.length / 10));
  const shown = samples.filter((record, index) => index % step === 0 || index === samples.length - 1);
  const end = soak.find((record) => record.kind === 'soak-end');
  return `${table(
    [
      'Minute',
      'Shoppers/s',
      'p50 ms',
      'p99 ms',
      'Gateway MB',
      'Poller MB',
      'inventory MB',
      'outbox MB',
      'Dead rows',
      'Waiting messages',
    ],
    shown.map((record) => [
      number(record.minute, 1),
      number(record.rate),
      number(record.p50 / 1000, 2),
      number(record.p99 / 1000, 2),
      number(record.memory.gateway / 1e6, 1),
      number(record.memory.poller / 1e6, 1),
      number(record.inventory / 1e6, 1),
      number(record.outbox / 1e6, 1),
      number(record.dead_rows),
      number(record.pending),
    ]),
  )}

At the end ${end ? `${number(end.orders)} orders were stored, all settled, and \`shop.verify()\` was ${end.violations.length === 0 ? 'empty' : '**not empty**'}` : 'the run was interrupted'}.`;
}

/** Where the CPU of an order goes, by step, in microseconds. */
function profileTable(profile) {
  const records = profile.filter((record) => record.kind === 'profile');
  if (records.length === 0) return 'Not measured yet: `make bench-profile`.';
  const steps = new Map();
  for (const { costs } of records) {
    for (const [process, found] of Object.entries(costs)) {
      for (const [step, cost] of Object.entries(found)) {
        steps.set(`${process}: ${step}`, (steps.get(`${process}: ${step}`) ?? 0) + cost);
      }
    }
  }
  const cost = ({ costs }, key) => {
    const [process, step] = key.split(/: (.*)/s);
    return costs[process]?.[step];
  };
  const rows = [...steps.keys()]
    .filter((key) => records.some((record) => cost(record, key) >= 0.5))
    .sort((one, other) => one.split(': ')[0].localeCompare(other.split(': ')[0]) || steps.get(other) - steps.get(one));
  return `${table(
    ['Step', ...records.map(({ name }) => `\`${name}\` µs`)],
    rows.map((key) => [key, ...records.map((record) => (cost(record, key) === undefined ? '' : number(cost(record, key), 1)))]),
  )}

${records.map(({ name, title }) => `![Flame graph of ${title}](performance/flame-${name}.svg)`).join('\n\n')}`;
}

/** Writes the report from the newest results of every kind. */
export function writeReport(log) {
  const main = settings.mode === 'quick' ? 'quick' : 'full';
  const [records, growth, soak, profile] = [main, 'growth', 'soak', 'profile'].map(readResults);
  const described = [records, growth, soak, profile].find((each) => each.length > 0);
  if (!described) throw new Error('there are no results yet: make bench');
  const names = [
    ...new Set(
      records
        .filter(({ kind, load, delayed }) => kind === 'arm' && load === 'spread' && !delayed)
        .map(({ name }) => name),
    ),
  ];
  mkdirSync(settings.reportFolder, { recursive: true });
  const plots = settings.plots
    ? drawPlots(`${settings.reportFolder}/performance`, {
        records,
        growth,
        soak,
        armNames: names.filter((name) => !name.endsWith('-half')),
      })
    : [];
  const rows = eightFigures(records, growth, soak);
  const places = {
    machine: machineTable(described),
    figures: eightTable(rows),
    'arm names': armNames(records),
    arms: armTable(records),
    reads: readTable(records),
    other: otherTable(records),
    growth: growthTable(growth),
    soak: soakTable(soak),
    profile: profileTable(profile),
    plots: plots.map(({ name, text }) => `![${text}](performance/${name})`).join('\n\n'),
  };
  const words = readFileSync(`${settings.root}/bench/performance.md`, 'utf8');
  const text = words.replace(/\{\{([a-z ]+)\}\}/g, (whole, name) => places[name]);
  writeFileSync(`${settings.reportFolder}/performance.md`, text);
  for (const row of rows.filter(({ measured }) => measured)) {
    log(
      `${row.number}. ${row.what}: ${number(row.value, row.digits)}${row.unit} (${row.asked}) ${row.reached ? 'reached' : 'MISSED'}`,
    );
  }
  log(`report: ${settings.reportFolder}/performance.md`);
}
