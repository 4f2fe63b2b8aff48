// Half load for a long time: does anything grow that should not?
import * as database from './database.js';
import { startWrk } from './generators.js';
import { pendingMessages } from './arms.js';
import { memory } from './processes.js';
import { startGateway, startPoller, until } from './programs.js';
import { settings } from './settings.js';

const connections = 32;
const interval = settings.minutes < 2 ? 5 : 15; // seconds

/** The number of the next shopper who was never here. */
async function nextShopper() {
  const { next } = await database.queryOne('SELECT coalesce(max(user_id), 0) + 1000 AS next FROM shop.carts');
  return next;
}

async function shop(gateway, seconds, think) {
  const args = [await nextShopper(), 'spread', settings.products, 'THREADS', think];
  const before = await countOrders();
  const started = process.hrtime.bigint();
  const result = await startWrk({ script: 'shopper', port: gateway.port, connections, seconds, args }).result();
  const elapsed = Number(process.hrtime.bigint() - started) / 1e9;
  return { ...result, rate: ((await countOrders()) - before) / elapsed };
}

const countOrders = async () => (await database.queryOne('SELECT shop.count_orders(1) AS orders')).orders;

/** The thinking time that makes half of the load that is possible now. */
async function halfLoad(gateway) {
  const full = await shop(gateway, 5, 0);
  const requestRate = full.requests / full.seconds;
  return Math.max(1, Math.round((1000 * connections) / (requestRate / 2)));
}

async function sizes() {
  return database.queryOne(
    `SELECT pg_table_size('shop.inventory') AS inventory, pg_table_size('shop.outbox') AS outbox,
            pg_total_relation_size('shop.inventory') + pg_total_relation_size('shop.outbox') AS hot_tables,
            pg_database_size(current_database()) AS database_bytes,
            (SELECT sum(n_dead_tup)::bigint FROM pg_stat_user_tables WHERE schemaname = 'shop') AS dead_rows`,
  );
}

/** Lets shoppers buy for MINUTES, and writes down what there is after each interval. */
export async function runSoak(write, log) {
  await database.reset({ load: 'spread', carts: 0, filled: false });
  const gateway = await startGateway();
  const poller = await startPoller();
  try {
    const think = await halfLoad(gateway);
    log(`half load: ${connections} connections that think for ${think} ms`);
    const started = Date.now();
    while (Date.now() - started < 60_000 * settings.minutes) {
      const seen = await shop(gateway, interval, think);
      const record = {
        kind: 'soak',
        minute: (Date.now() - started) / 60_000,
        rate: seen.rate,
        p50: seen.p50,
        p99: seen.p99,
        refused: seen.refused,
        memory: { gateway: memory(gateway.pid).resident, poller: memory(poller.pid).resident },
        pending: await pendingMessages(),
        ...(await sizes()),
      };
      write(record);
      log(
        `${record.minute.toFixed(1)} min: ${Math.round(record.rate)}/s, p99 ${record.p99} µs, gateway ${(record.memory.gateway / 1e6).toFixed(1)} MB, ` +
          `poller ${(record.memory.poller / 1e6).toFixed(1)} MB, outbox ${(record.outbox / 1e6).toFixed(1)} MB, ${record.pending} messages wait`,
      );
    }
    await until('every order is settled', async () => (await pendingMessages()) === 0, 600);
    const violations = (await database.verify('shop')).slice(0, 5);
    write({ kind: 'soak-end', orders: await countOrders(), violations });
    log(`verify ${violations.length === 0 ? 'empty' : 'FAILED'}`);
  } finally {
    await gateway.stop();
    await poller.stop();
  }
}
