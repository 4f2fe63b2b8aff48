// What single calls cost the server with few and with many orders stored.
import * as database from './database.js';
import { countSessions, cpuAfter, cpuNow } from './cpu.js';
import { startPgbench } from './generators.js';
import { settings } from './settings.js';
import { median, spread } from './statistics.js';

const chunk = 50_000;
const base = 2000; // "none" is a shop that has been open for a day

/** The calls that must not become dearer; each is a script of pgbench. */
const calls = {
  checkout: 'shop.checkout()',
  list: 'shop.list_orders(), of 200 users',
  list_all: 'shop.list_all_orders(), newest 50',
  list_status: 'shop.list_all_orders(), newest 50 of a status',
  list_intake: 'shop.list_intake_orders(), first page',
  statistics: 'shop.order_statistics()',
  claim: 'claiming 10 messages and giving them back',
};

/** To be seen, not judged: a single order, and what is asked for among all that is stored, which fits into no cache of the processor. */
const others = {
  order: 'shop.get_order(), of 2,000 orders',
  order_any: 'shop.get_order(), of all orders',
  list_any: 'shop.list_orders(), of all users',
};

/** Stores that many orders. */
async function store(orders, log) {
  await database.reset({ load: 'spread', carts: 0, seedOrders: 0 });
  for (let first = 1; first <= orders; first += chunk) {
    await database.query('SELECT bench.store_orders($1, $2, $3, $4)', [
      first,
      Math.min(first + chunk - 1, orders),
      settings.products,
      orders,
    ]);
    if ((first - 1) % (20 * chunk) === 0 && first > 1) log(`  ${first - 1} orders stored`);
  }
  await database.query('SELECT bench.finish_orders($1)', [orders]);
}

/** CPU of the server for one call, in microseconds. */
async function cost(name, variables) {
  const sessions = countSessions();
  const before = cpuNow({});
  const result = await startPgbench({ script: name, clients: 1, seconds: settings.seconds, variables }).result();
  const after = await cpuAfter({}, sessions);
  return {
    cpu: (1e6 * (after.backends + after.auxiliary - before.backends - before.auxiliary)) / result.requests,
    p50: result.p50,
    p99: result.p99,
  };
}

const databaseOf = (orders) => `growth_${orders}`;
const storedOf = (orders) => Math.max(orders, base);
const cartsEach = 3000 * (settings.seconds + 1); // of one measurement
const firstCarts = new Map();

/** Fills a database of its own with that many orders, and with carts to check out. */
async function fill(orders, log) {
  const stored = storedOf(orders);
  log(`${orders} orders`);
  const isNew = await database.changeDatabase(databaseOf(orders));
  if (isNew) await store(stored, log);
  // What an earlier run left waiting would be a backlog that the others do not have.
  else await database.query("UPDATE shop.outbox SET status = 'delivered', finished_at = clock_timestamp() WHERE status = 'pending'");
  const { first } = await database.queryOne('SELECT max(id) + 10 AS first FROM shop.carts');
  firstCarts.set(orders, first);
  await database.query('SELECT bench.add_carts($1, $2, $3)', [first, first + cartsEach * settings.repeats, settings.products]);
  log('  vacuum');
  await database.vacuumAll();
}

/** Measures every call once with that many orders. */
async function measureSize(orders, repeat, found) {
  const stored = storedOf(orders);
  await database.changeDatabase(databaseOf(orders));
  await database.query('CHECKPOINT');
  for (const name of Object.keys({ ...calls, ...others })) {
    // As maintenance and automatic vacuum do; what a minute leaves has nothing to do with how many orders there are.
    await database.query('SELECT shop.fold_order_counts(1, 1000000)');
    await database.query('VACUUM shop.order_count_deltas, shop.outbox, shop.inventory');
    const variables = { orders: stored, clients: 1, n: -1, first_cart: firstCarts.get(orders) + repeat * cartsEach };
    (found[name] ??= []).push(await cost(name, variables));
  }
}

/** What was found of every call, in one record each. */
function summarize(found, log) {
  return Object.fromEntries(
    Object.entries(found).map(([name, values]) => {
      const cpu = values.map((value) => value.cpu);
      const summary = {
        title: calls[name] ?? others[name],
        judged: name in calls,
        cpu: median(cpu),
        all: cpu,
        spread: spread(cpu),
        p50: median(values.map((value) => value.p50)),
      };
      log(`  ${summary.title}: ${Math.round(summary.cpu)} µs of CPU, p50 ${summary.p50} µs`);
      return [name, summary];
    }),
  );
}

/**
 * Fills a database for every size of ORDERS and then measures them in turns, so that each ratio is formed between neighbours.
 * Automatic vacuum is held off: it would be counted with whatever runs beside it.
 */
export async function runGrowth(write, log) {
  await database.query('ALTER SYSTEM SET autovacuum = off');
  await database.query('SELECT pg_reload_conf()');
  // The empty shop is the one to copy.
  for (const orders of [...settings.orders].sort((one, other) => one - other)) {
    await database.changeDatabase('bench');
    await fill(orders, log);
  }
  const found = Object.fromEntries(settings.orders.map((orders) => [orders, {}]));
  for (let repeat = 0; repeat < settings.repeats; repeat++) {
    log(`repeat ${repeat + 1} of ${settings.repeats}`);
    for (const orders of settings.orders) await measureSize(orders, repeat, found[orders]);
  }
  for (const orders of settings.orders) {
    log(`${orders} orders`);
    await database.changeDatabase(databaseOf(orders));
    const violations = (await database.verify('shop')).slice(0, 5);
    const { bytes } = await database.queryOne('SELECT pg_database_size(current_database()) AS bytes');
    write({
      kind: 'growth',
      orders,
      stored: storedOf(orders),
      calls: summarize(found[orders], log),
      violations,
      database_bytes: bytes,
    });
    log(`  verify ${violations.length === 0 ? 'empty' : 'FAILED'}`);
  }
}
