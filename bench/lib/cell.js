// One measurement: an arm under a load. The shop is reset, what the arm needs is started, the load runs; counters are read
// after a warm-up and again when the time is over, so that neither the start nor the end of the load is part of it. At the
// end the integrity report must be empty, or the measurement scores zero.
import * as database from './database.js';
import { cpuNow, cpuPerOrder } from './cpu.js';
import { startDelay } from './programs.js';
import { settings } from './settings.js';

const wait = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
const knownRates = new Map();

async function snapshot(programs, generator) {
  const cpu = cpuNow(programs, generator);
  return { cpu, time: process.hrtime.bigint(), counters: await database.counters() };
}

/** How many carts the arm can use up in one run. */
function cartsFor(arm, load, factor) {
  const rate = knownRates.get(`${arm.name} ${load}`) ?? arm.guess;
  return Math.ceil(1.4 * factor * rate * (settings.warmup + settings.seconds + 1)) + 2000;
}

/** Runs the load and reads the counters around the measured time, in which context.during may do something. */
async function observe(arm, context, programs) {
  const started = cpuNow(programs);
  const generator = arm.generate(context, programs);
  let result;
  let failure;
  const ended = generator.result().then(
    (value) => (result = value),
    (error) => (failure = error),
  );
  await wait(settings.warmup);
  const before = await snapshot(programs, generator);
  await (context.during ?? wait)(settings.seconds, programs);
  const after = await snapshot(programs, generator);
  await ended;
  if (failure) throw failure;
  return { started, before, after, result };
}

/** Starts what the arm needs, runs the load, stops it; after(context) may wait for what the load has caused. */
async function runArm(arm, context) {
  const programs = await arm.start(context);
  try {
    const observed = await observe(arm, context, programs);
    const { started, ...seen } = observed;
    return { ...seen, ...(arm.finish ? await arm.finish(context, programs, started) : {}) };
  } finally {
    const outputs = await Promise.all(Object.values(programs).map((program) => program.stop()));
    context.outputs = outputs;
  }
}

/** What was seen, as one record. */
async function evaluate(arm, context, { before, after, result, ...more }) {
  const schema = arm.schema ?? 'shop';
  const seconds = Number(after.time - before.time) / 1e9;
  const orders = await database.ordersBetween(schema, before.counters.at, after.counters.at);
  const wal = await database.walBetween(before.counters.lsn, after.counters.lsn);
  const { total } = await database.queryOne(`SELECT count(*) AS total FROM ${schema}.orders`);
  const all = total - (schema === 'shop' ? settings.seedOrders : 0);
  return {
    orders,
    all_orders: all,
    seconds,
    rate: orders / seconds,
    p50: result.p50,
    p95: result.p95,
    p99: result.p99,
    requests: result.requests,
    refused: result.refused ?? Math.max(0, result.requests - all),
    failed: (result.connect ?? 0) + (result.read ?? 0) + (result.write ?? 0) + (result.timeout ?? 0),
    cpu: cpuPerOrder(before.cpu, after.cpu, orders),
    wal_records: wal.records / orders,
    wal_images: wal.images / orders,
    deadlocks: after.counters.deadlocks - before.counters.deadlocks,
    ran_out: !arm.endless && all >= 0.97 * context.carts,
    ...more,
    ...(arm.retries ? { retries: arm.retries(context) } : {}),
  };
}

/** Measures one cell; with more carts once more when they ran out. */
export async function measure(arm, load, options = {}) {
  for (let factor = 1; ; factor *= 2) {
    const carts = cartsFor(arm, load, factor);
    const context = {
      load,
      carts,
      firstCart: settings.seedOrders + 1,
      lastCart: settings.seedOrders + carts,
      runSeconds: settings.warmup + settings.seconds + 1,
      ...options,
    };
    await database.reset({ load, carts, filled: !arm.endless, express: arm.schema === 'express' });
    const delay = options.delayed ? await startDelay() : undefined;
    context.delayPort = delay?.port;
    const observed = await runArm(arm, context);
    await delay?.kill();
    const record = await evaluate(arm, context, observed);
    record.violations = (await database.verify(arm.schema ?? 'shop')).slice(0, 5);
    record.rate_measured = record.rate;
    if (record.violations.length > 0) record.rate = 0;
    knownRates.set(`${arm.name} ${load}`, record.all_orders / (settings.warmup + settings.seconds + 1));
    if (!record.ran_out || factor === 8) return record;
  }
}
