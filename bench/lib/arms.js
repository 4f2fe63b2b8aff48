// The arms: ways to have checkouts made. guess is how many carts a second they may use up, for the first run.
import { startDriver, startPgbench, startWrk } from './generators.js';
import { serviceCounters, startGateway, startPoller, startService } from './programs.js';
import * as database from './database.js';
import { cpuNow, cpuPerOrder } from './cpu.js';
import { startQueue } from './queue.js';
import { settings } from './settings.js';
import { until } from './programs.js';

/** Checkouts one by one, by a script of pgbench. */
function direct(name, title, script, clients, guess) {
  return {
    name,
    title,
    guess,
    start: async () => ({}),
    generate: (context) =>
      startPgbench({
        script,
        clients,
        seconds: context.runSeconds,
        from: settings.warmup,
        delayPort: context.delayPort,
        variables: { clients, n: -1, first_cart: context.firstCart },
      }),
  };
}

/** Checkouts over HTTP by wrk, whoever serves them. */
function overHttp(name, title, connections, guess, more) {
  return {
    name,
    title,
    guess,
    generate: (context, programs) =>
      startWrk({
        script: 'checkout',
        port: Object.values(programs)[0].port,
        connections,
        seconds: context.runSeconds,
        args: [context.firstCart, context.lastCart, 'THREADS', context.think ?? 0],
      }),
    ...more,
  };
}

function gatewayArm(connections) {
  return overHttp(
    `http-${connections}`,
    `the gateway, ${connections} connection${connections === 1 ? '' : 's'}`,
    connections,
    8000,
    {
      start: async ({ delayPort }) => ({ gateway: await startGateway({ delayPort }) }),
      finish: async (context, programs) => ({ batch_size: batchSize(await programs.gateway.metrics()) }),
    },
  );
}

/** The mean number of checkouts in one call, from the gateway's own counters. */
function batchSize(metrics) {
  return metrics.shop_gateway_checkout_batch_size_sum / metrics.shop_gateway_checkout_batch_size_count;
}

/** The connection's think time that gives half of the rate that the arm reached. */
const halfLoad = {
  ...gatewayArm(64),
  name: 'http-64-half',
  title: 'the gateway, 64 connections that think, at half of the rate above',
};

const shopper = {
  name: 'shopper',
  title: 'whole shoppers through the gateway: 1–3 times add to cart, checkout, settled by the poller',
  guess: 2000,
  endless: true,
  start: async ({ delayPort }) => {
    const queue = settings.queue === 'sqs' ? await startQueue() : undefined;
    const gateway = await startGateway({ delayPort });
    const poller = await startPoller({ delayPort, queue });
    return { gateway, poller, ...(queue ? { queue: queue.program } : {}) };
  },
  generate: (context, programs) =>
    startWrk({
      script: 'shopper',
      port: programs.gateway.port,
      connections: 64,
      seconds: context.runSeconds,
      args: [settings.seedOrders + 1, context.load, settings.products, 'THREADS', context.think ?? 0],
    }),
  // All CPU from before the first request until the last order is settled, over all orders.
  finish: async (context, programs, started) => {
    await until('every order is settled', async () => (await pendingMessages()) === 0, 120);
    const { settled } = await database.queryOne(
      "SELECT count(*) AS settled FROM shop.orders WHERE status <> 'pending'",
    );
    const whole = cpuPerOrder(started, cpuNow(programs), settled - settings.seedOrders);
    return { settled: settled - settings.seedOrders, whole_cpu: { ...whole, generator: undefined } };
  },
};

export async function pendingMessages() {
  const { pending } = await database.queryOne("SELECT count(*) AS pending FROM shop.outbox WHERE status = 'pending'");
  return pending;
}

const service = (file, args) => ({
  start: async ({ delayPort }) => ({ service: await startService(file, { delayPort, args }) }),
  retries: (context) => serviceCounters(context.outputs[0]).retries,
});

export const arms = [
  overHttp('express', 'Express and node-postgres, statements one by one, pool of 20, 64 connections', 64, 1500, {
    schema: 'express',
    ...service('express_shop', []),
  }),
  direct('plpgsql-1', 'the PL/pgSQL function, 1 client', 'plpgsql', 1, 1200),
  direct('plpgsql-20', 'the PL/pgSQL function, 20 clients', 'plpgsql', 20, 4000),
  overHttp(
    'plpgsql-http',
    "the PL/pgSQL function behind Node's HTTP server, pool of 20, 64 connections",
    64,
    3000,
    service('function_pool', ['bench.checkout']),
  ),
  direct('checkout-1', 'shop.checkout(), 1 client', 'checkout', 1, 1500),
  direct('checkout-20', 'shop.checkout(), 20 clients', 'checkout', 20, 7000),
  {
    name: 'batch-32',
    title: 'shop.checkout_batch(), 32 at a time, 1 connection',
    guess: 7000,
    start: async () => ({}),
    generate: (context) =>
      startDriver({ fn: 'shop.checkout_batch', batch: 32, connections: 1, seconds: context.runSeconds, ...context }),
  },
  gatewayArm(1),
  gatewayArm(16),
  gatewayArm(64),
  gatewayArm(256),
  halfLoad,
  shopper,
];
