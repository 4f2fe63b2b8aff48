// Figures that are not checkouts of an arm: reads, idle cost, memory, settlements, intake orders.
import * as database from './database.js';
import { countSessions, cpuAfter, cpuNow, cpuPerOrder } from './cpu.js';
import { startDriver, startPgbench, startWrk } from './generators.js';
import { memory, programSeconds, serverProcesses } from './processes.js';
import { startGateway, startPoller, until } from './programs.js';
import { startQueue } from './queue.js';
import { settings } from './settings.js';
import { pendingMessages } from './arms.js';

const wait = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

/** Requests a second and latencies of something that only reads. */
async function measureReads(start) {
  const programs = await start.programs();
  try {
    const sessions = countSessions();
    const before = cpuNow(programs);
    const generator = start.generate(programs);
    const result = await generator.result();
    const after = start.direct ? await cpuAfter(programs, sessions) : cpuNow(programs);
    return {
      rate: result.requests / result.seconds,
      p50: result.p50,
      p95: result.p95,
      p99: result.p99,
      refused: result.refused ?? 0,
      cpu: { ...cpuPerOrder(before, after, result.requests), generator: undefined },
    };
  } finally {
    for (const program of Object.values(programs)) await program.stop();
  }
}

function httpReads(name, path, connections) {
  return {
    name: `${name}-${connections}`,
    title: `GET ${path.replace('PRODUCT', ':id')}, ${connections} connections`,
    reads: true,
    measure: async () =>
      measureReads({
        programs: async () => ({ gateway: await startGateway() }),
        generate: ({ gateway }) =>
          startWrk({
            script: 'get',
            port: gateway.port,
            connections,
            seconds: settings.seconds,
            args: [path, settings.products],
          }),
      }),
  };
}

function directReads(clients) {
  return {
    name: `product-direct-${clients}`,
    title: `shop.get_product(), ${clients} clients`,
    reads: true,
    measure: async () =>
      measureReads({
        direct: true,
        programs: async () => ({}),
        generate: () => startPgbench({ script: 'product', clients, seconds: settings.seconds }),
      }),
  };
}

/** Fills the shop with orders that nobody has paid yet. */
async function placeOrders(count) {
  await database.reset({ load: 'spread', carts: count });
  const firstCart = settings.seedOrders + 1;
  await startDriver({
    fn: 'shop.checkout_batch',
    batch: 50,
    connections: 1,
    seconds: 600,
    firstCart,
    lastCart: settings.seedOrders + count,
  }).result();
  await database.query('CHECKPOINT');
}

/** Accepts intake orders of one to three products each, for the poller to process. */
async function acceptOrders(count) {
  await database.reset({ load: 'spread', carts: 0 });
  for (let first = 1; first <= count; first += 500) {
    const { refused } = await database.queryOne(
      `SELECT count(*) FILTER (WHERE answer.status <> 202)::int AS refused
       FROM generate_series($1::int, $2::int) n, shop.accept_order(1, (
         SELECT json_build_object('customer_id', 'customer-' || n, 'items', json_agg(json_build_object(
           'product_id', 'SKU-' || 1 + (n * 7 + line * 331) % ${settings.products}, 'quantity', line, 'price', 2.5)))::text
         FROM generate_series(1, 1 + n % 3) line), NULL, 'bench', NULL) answer`,
      [first, Math.min(count, first + 499)],
    );
    if (refused > 0) throw new Error(`${refused} intake orders were refused`);
  }
  await database.query('CHECKPOINT');
}

/** How fast a poller is done with orders that wait in this status, from the first to the last. */
async function measureWork(status, count, queue) {
  const waiting = async () =>
    (await database.queryOne('SELECT count(*) AS waiting FROM shop.orders WHERE status = $1', [status])).waiting;
  const poller = await startPoller({ queue });
  const programs = { poller, ...(queue ? { queue: queue.program } : {}) };
  const before = cpuNow(programs);
  try {
    await until(`no order is ${status} any more`, async () => (await waiting()) === 0, 600);
    const cpu = cpuPerOrder(before, cpuNow(programs), count);
    const { seconds } = await database.queryOne(
      `SELECT extract(epoch FROM max(at) - min(at))::float8 AS seconds FROM shop.order_events
       WHERE event NOT IN ('placed', 'accepted') AND order_id > ${settings.seedOrders}`,
    );
    return {
      rate: count / seconds,
      seconds,
      orders: count,
      cpu,
      memory: memory(poller.pid),
      violations: await database.verify('shop'),
    };
  } finally {
    await poller.stop();
  }
}

/** What the queue server can give: messages sent, received and deleted in tens by four clients at once, a second. */
async function measureQueue(queue, count) {
  const call = async (action, body) => {
    const answer = await fetch(`http://127.0.0.1:${queue.port}`, {
      method: 'POST',
      headers: {
        'Content-Type': 'application/x-amz-json-1.0',
        'X-Amz-Target': `AmazonSQS.${action}`,
        Authorization:
          'AWS4-HMAC-SHA256 Credential=bench/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=00',
      },
      body: JSON.stringify({ QueueUrl: queue.url('payments'), ...body }),
    });
    return answer.json();
  };
  const ten = [...Array(10).keys()];
  const body = (n) => ({
    Id: String(n),
    MessageBody: '{"orderId": 1000000}',
    MessageAttributes: { requestId: { DataType: 'String', StringValue: '7f1c9a60-93a5-4a53-9a0e-3f8f2c1d5b77' } },
  });
  let done = 0;
  const client = async () => {
    while (done < count) {
      await call('SendMessageBatch', { Entries: ten.map(body) });
      const { Messages = [] } = await call('ReceiveMessage', {
        MaxNumberOfMessages: 10,
        MessageAttributeNames: ['All'],
      });
      if (Messages.length === 0) continue;
      await call('DeleteMessageBatch', {
        Entries: Messages.map((message, n) => ({ Id: String(n), ReceiptHandle: message.ReceiptHandle })),
      });
      done += Messages.length;
    }
  };
  const started = process.hrtime.bigint();
  await Promise.all([client(), client(), client(), client()]);
  return done / (Number(process.hrtime.bigint() - started) / 1e9);
}

/** Gateway and poller with nothing to do: their CPU and that of the server's sessions, in percent of one core. */
async function measureIdle() {
  const programs = { gateway: await startGateway(), poller: await startPoller() };
  try {
    await wait(2);
    const seconds = Math.max(10, settings.seconds);
    const sessions = () =>
      new Map(
        serverProcesses(database.postmaster())
          .filter(({ client }) => client)
          .map(({ pid, seconds: used }) => [pid, used]),
      );
    const before = {
      gateway: programSeconds(programs.gateway.pid),
      poller: programSeconds(programs.poller.pid),
      sessions: sessions(),
    };
    await wait(seconds);
    const after = sessions();
    let sum = 0;
    for (const [pid, used] of after) sum += used - (before.sessions.get(pid) ?? 0);
    const percent = (used) => (100 * used) / seconds;
    return {
      seconds,
      gateway_percent: percent(programSeconds(programs.gateway.pid) - before.gateway),
      poller_percent: percent(programSeconds(programs.poller.pid) - before.poller),
      sessions_percent: percent(sum),
      memory: { gateway: memory(programs.gateway.pid), poller: memory(programs.poller.pid) },
    };
  } finally {
    for (const program of Object.values(programs)) await program.stop();
  }
}

/** The gateway's memory while a thousand clients hold connections and ask for products. */
async function measureMemory() {
  const connections = 1000;
  const gateway = await startGateway();
  try {
    const generator = startWrk({
      script: 'get',
      port: gateway.port,
      connections,
      seconds: settings.seconds,
      args: ['/products/PRODUCT', settings.products],
    });
    const result = await generator.result();
    return { connections, refused: result.refused, memory: memory(gateway.pid) };
  } finally {
    await gateway.stop();
  }
}

/** One hot product with fewer units than buyers: exactly the units are sold. */
async function measureSellOut() {
  const [stock, buyers, seconds] = settings.mode === 'quick' ? [600, 1000, 2] : [3000, 5000, 5];
  await database.reset({ load: 'hot', carts: buyers, hotStock: stock + settings.seedOrders });
  const gateway = await startGateway();
  try {
    const { firstCart, lastCart } = { firstCart: settings.seedOrders + 1, lastCart: settings.seedOrders + buyers };
    const asked = async () =>
      (await database.queryOne(`SELECT on_hand - reserved AS available FROM shop.inventory WHERE product_id = 1`))
        .available;
    const generator = startWrk({
      script: 'checkout',
      port: gateway.port,
      connections: 64,
      seconds,
      args: [firstCart, lastCart, 'THREADS', 0],
    });
    const result = await generator.result();
    const { sold } = await database.queryOne(
      'SELECT coalesce(sum(qty), 0)::bigint AS sold FROM shop.order_items WHERE product_id = 1',
    );
    return {
      units: stock,
      buyers,
      requests: result.requests,
      sold: sold - settings.seedOrders,
      left: await asked(),
      violations: await database.verify('shop'),
    };
  } finally {
    await gateway.stop();
  }
}

async function measureSettlements(count, queue) {
  await placeOrders(count);
  return measureWork('pending', count, queue);
}

async function measureIntake(count) {
  await acceptOrders(count);
  return measureWork('QUEUED', count);
}

const settlements = settings.mode === 'quick' ? 3000 : 20000;
const overQueue = settings.mode === 'quick' ? 1000 : 5000;

export const figures = [
  ...[1, 16, 64, 256].map((connections) => httpReads('health', '/health', connections)),
  ...[1, 16, 64, 256].map((connections) => httpReads('product', '/products/PRODUCT', connections)),
  ...[1, 16, 64, 256].map(directReads),
  { name: 'idle', title: 'gateway and poller with nothing to do', measure: measureIdle },
  { name: 'memory', title: 'the gateway with 1,000 connections', measure: measureMemory },
  { name: 'sell-out', title: 'one product, fewer units than buyers', measure: measureSellOut },
  {
    name: 'settlements',
    title: 'waiting orders settled by one poller, embedded queue',
    measure: () => measureSettlements(settlements),
  },
  {
    name: 'intake',
    title: 'waiting intake orders processed by one poller, embedded queue',
    measure: () => measureIntake(settlements),
  },
];

/** Needs the queue server of the tests, so it is measured only when BENCH_QUEUE=sqs. */
export const queueFigures = [
  {
    name: 'settlements-sqs',
    title: 'waiting orders settled by one poller through the queue server',
    measure: async () => {
      const queue = await startQueue();
      try {
        return await measureSettlements(overQueue, queue);
      } finally {
        await queue.program.stop();
      }
    },
  },
  {
    name: 'queue',
    title: 'the queue server alone: send, receive, delete in tens',
    measure: async () => {
      const queue = await startQueue();
      try {
        return { rate: await measureQueue(queue, 2 * overQueue) };
      } finally {
        await queue.program.stop();
      }
    },
  },
];
