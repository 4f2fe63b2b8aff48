// The eight figures: what was asked, what was reached, and by which command. Each is a ratio of measurements of the same run,
// formed repeat by repeat; the median of the repeats counts. A measurement whose integrity report was not empty scores zero.
import { median, spread } from './statistics.js';

export const serverCpu = (record) => record.cpu.backends + record.cpu.auxiliary;
const sound = (record) => (record.violations ?? []).length === 0;

/** The records of an arm or figure. */
export function select(records, name, load, delayed = false) {
  return records.filter(
    (record) => record.name === name && (load === undefined || (record.load === load && record.delayed === delayed)),
  );
}

/** One value per repeat; NaN where the integrity report was not empty. */
function byRepeat(records, name, load, read) {
  return new Map(select(records, name, load).map((record) => [record.repeat, sound(record) ? read(record) : NaN]));
}

/** Combines two arms repeat by repeat. */
function combine(left, right, how) {
  return [...left].filter(([repeat]) => right.has(repeat)).map(([repeat, value]) => how(value, right.get(repeat)));
}

const ratio = (left, right) => combine(left, right, (value, base) => value / base);
const list = (map) => [...map.values()];

/** A row: the limit is compared with the median of the values. One broken repeat makes the whole figure zero and missed. */
function row(number, what, values, { atMost, atLeast, unit = '', digits = 2, run = 'make bench' }) {
  const broken = values.some(Number.isNaN);
  const value = broken ? 0 : median(values);
  const asked = atMost !== undefined ? `≤ ${atMost}${unit}` : `≥ ${atLeast}${unit}`;
  const reached = !broken && value !== undefined && (atMost !== undefined ? value <= atMost : value >= atLeast);
  return {
    number,
    what,
    asked,
    value,
    unit,
    digits,
    reached,
    measured: value !== undefined,
    spread: spread(values),
    run,
  };
}

function hotPath(of) {
  const cpu = (name, load) => of(name, load, serverCpu);
  return [
    row(
      1,
      'CPU of `shop.checkout()` over that of the PL/pgSQL function, 1 client',
      ratio(cpu('checkout-1', 'spread'), cpu('plpgsql-1', 'spread')),
      { atMost: 0.6 },
    ),
    row(
      1,
      'CPU of a checkout in a batch of 32 over that of the PL/pgSQL function',
      ratio(cpu('batch-32', 'spread'), cpu('plpgsql-1', 'spread')),
      { atMost: 0.25 },
    ),
    row(
      1,
      'CPU with one hot SKU over spread SKUs, batch of 32',
      ratio(cpu('batch-32', 'hot'), cpu('batch-32', 'spread')),
      { atMost: 1 },
    ),
    row(
      1,
      'the same, `shop.checkout()` from 20 clients',
      ratio(cpu('checkout-20', 'hot'), cpu('checkout-20', 'spread')),
      { atMost: 1 },
    ),
  ];
}

function hotProduct(of, records) {
  const rate = (name, load) => of(name, load, (record) => record.rate);
  const exact = byRepeat(records, 'sell-out', undefined, (record) =>
    record.sold === record.units && record.left === 0 ? 1 : 0,
  );
  return [
    row(
      2,
      'hot SKU through HTTP, 64 connections, over one by one in PL/pgSQL (20 clients, no HTTP)',
      ratio(rate('http-64', 'hot'), rate('plpgsql-20', 'hot')),
      { atLeast: 6, digits: 1 },
    ),
    row(
      2,
      'the same over one by one in PL/pgSQL behind HTTP',
      ratio(rate('http-64', 'hot'), rate('plpgsql-http', 'hot')),
      { atLeast: 6, digits: 1 },
    ),
    row(2, 'hot SKU through HTTP over spread SKUs', ratio(rate('http-64', 'hot'), rate('http-64', 'spread')), {
      atLeast: 0.9,
    }),
    row(2, 'sell-outs that were exact', list(exact), { atLeast: 1, digits: 0 }),
  ];
}

function throughHttp(of, records) {
  const rate = (name) => of(name, 'spread', (record) => record.rate);
  const latency = (name) => of(name, 'spread', (record) => record.p50);
  const half = of('http-64-half', 'spread', (record) => record.p99 / record.p50);
  const read = (name) => byRepeat(records, name, undefined, (record) => record.p50);
  return [
    row(
      3,
      'checkouts/s through HTTP, 64 connections, over the batch function driven directly',
      ratio(rate('http-64'), rate('batch-32')),
      { atLeast: 0.7 },
    ),
    row(3, 'the same over Express and node-postgres', ratio(rate('http-64'), rate('express')), {
      atLeast: 8,
      digits: 1,
    }),
    row(3, 'p99 over p50 at half load', list(half), { atMost: 3, digits: 1 }),
    row(
      3,
      'what the idle gateway adds to a checkout (p50)',
      combine(latency('http-1'), latency('checkout-1'), (value, base) => value - base),
      { atMost: 150, unit: ' µs', digits: 0 },
    ),
    row(
      3,
      'what the idle gateway adds to reading a product (p50)',
      combine(read('product-1'), read('product-direct-1'), (value, base) => value - base),
      { atMost: 150, unit: ' µs', digits: 0 },
    ),
  ];
}

function wholeShopper(of) {
  const all = (record) => Object.values(record.whole_cpu ?? {}).reduce((sum, value) => sum + (value ?? 0), 0) / 1000;
  return [
    row(4, 'CPU of a whole shopper over all processes but the load generator', list(of('shopper', 'spread', all)), {
      atMost: 1.5,
      unit: ' ms',
    }),
  ];
}

function growth(records) {
  const sizes = records.filter((record) => record.kind === 'growth');
  const none = sizes.find((record) => record.orders === 0);
  const most = sizes.at(-1);
  if (!none || !most || most === none)
    return [row(5, 'cost with many orders stored over cost with none', [], { atMost: 1.1, run: 'make bench-growth' })];
  const judged = Object.keys(most.calls).filter((call) => most.calls[call].judged);
  return judged.map((call) =>
    row(
      5,
      `CPU of ${most.calls[call].title} with ${most.orders.toLocaleString('en')} orders over none`,
      sound(most) && sound(none)
        ? most.calls[call].all.map((cpu, repeat) => cpu / none.calls[call].all[repeat])
        : [0 / 0],
      { atMost: 1.1, run: 'make bench-growth' },
    ),
  );
}

function polling(records) {
  const rate = (name) => byRepeat(records, name, undefined, (record) => record.rate);
  const idle = byRepeat(records, 'idle', undefined, (record) => record.poller_percent);
  return [
    row(6, 'settlements/s, embedded queue', list(rate('settlements')), { atLeast: 3000, digits: 0 }),
    row(
      6,
      'settlements/s through SQS over what the queue server gives alone',
      ratio(rate('settlements-sqs'), rate('queue')),
      { atLeast: 0.8, run: 'make bench BENCH_QUEUE=sqs' },
    ),
    row(6, 'CPU of the idle poller', list(idle), { atMost: 0.5, unit: ' %' }),
  ];
}

function memoryUse(records, soak) {
  const resident = (name, read) => list(byRepeat(records, name, undefined, (record) => read(record).resident / 1e6));
  const samples = soak.filter((record) => record.kind === 'soak');
  const late = samples.at(-1);
  const early = samples[Math.min(samples.length - 1, Math.ceil(samples.length / 5))];
  const flat = (name) =>
    row(
      7,
      `memory of the ${name} at the end of the soak over that after a fifth of it`,
      samples.length > 4 ? [late.memory[name] / early.memory[name]] : [],
      { atMost: 1.05, run: 'make bench-soak' },
    );
  return [
    row(
      7,
      'memory of the gateway with 1,000 connections',
      resident('memory', (record) => record.memory),
      { atMost: 30, unit: ' MB', digits: 1 },
    ),
    row(
      7,
      'memory of the poller after settling',
      resident('settlements', (record) => record.memory),
      { atMost: 20, unit: ' MB', digits: 1 },
    ),
    flat('gateway'),
    flat('poller'),
  ];
}

function writeAhead(of) {
  const records = (name) => list(of(name, 'spread', (record) => record.wal_records / 1000));
  return [
    row(8, 'WAL of a checkout without page images, `shop.checkout()` from 20 clients', records('checkout-20'), {
      atMost: 3,
      unit: ' kB',
    }),
    row(8, 'the same through HTTP, 64 connections', records('http-64'), { atMost: 3, unit: ' kB' }),
  ];
}

/** All rows of the eight figures. */
export function eightFigures(records, growthRecords, soakRecords) {
  const of = (name, load, read) => byRepeat(records, name, load, read);
  return [
    ...hotPath(of),
    ...hotProduct(of, records),
    ...throughHttp(of, records),
    ...wholeShopper(of),
    ...growth(growthRecords),
    ...polling(records),
    ...memoryUse(records, soakRecords),
    ...writeAhead(of),
  ];
}
