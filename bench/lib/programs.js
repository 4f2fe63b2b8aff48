// Programs of the arms: gateway, poller, the services to compare with, and load generators.
import { spawn } from 'node:child_process';
import { createWriteStream, mkdirSync } from 'node:fs';
import net from 'node:net';
import { connectionString, connectionUrl } from './database.js';
import { settings } from './settings.js';

const running = new Set();
process.on('exit', () => {
  for (const program of running) program.child.kill('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));
mkdirSync(`${settings.folder}/log`, { recursive: true });

/** A port of 127.0.0.1 that nobody listens on. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Repeats a question until the answer is true, at most so many seconds. */
export async function until(what, question, seconds = 30) {
  const end = Date.now() + 1000 * seconds;
  while (!(await question())) {
    if (Date.now() > end) throw new Error(`${what}: not within ${seconds} seconds`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** A program that runs during a measurement; its output goes to a log file, the last part of stdout is kept. */
export class Program {
  constructor(name, path, args, environment = {}) {
    this.name = name;
    this.output = '';
    const log = createWriteStream(`${settings.folder}/log/${name}.log`, { flags: 'a' });
    this.child = spawn(path, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env.PATH, NODE_ENV: 'production', ...environment },
    });
    running.add(this);
    this.child.stdout.setEncoding('utf8').on('data', (text) => {
      this.output = (this.output + text).slice(-65536);
      log.write(text);
    });
    this.child.stderr.on('data', (text) => log.write(text));
    this.ended = new Promise((resolve) => {
      this.child.once('error', (error) => resolve({ error }));
      this.child.once('close', (code) => {
        running.delete(this);
        log.end();
        this.code = code;
        resolve({ code });
      });
    });
  }

  get pid() {
    return this.child.pid;
  }

  /** Waits for the end; complains when it was not a good one. */
  async finish() {
    const { code, error } = await this.ended;
    if (error) throw error;
    if (code !== 0) throw new Error(`${this.name} ended with ${code}; see ${settings.folder}/log/${this.name}.log`);
    return this.output;
  }

  async stop() {
    this.child.kill('SIGTERM');
    return this.finish();
  }

  /** Ends a program that has nothing to finish. */
  async kill() {
    this.child.kill('SIGKILL');
    await this.ended;
  }

  async ready(question) {
    await until(`${this.name} is ready`, async () => {
      if (this.code !== undefined) throw new Error(`${this.name} ended; see ${settings.folder}/log/${this.name}.log`);
      return question();
    });
  }
}

const answers = (url) =>
  fetch(url).then(
    (answer) => answer.ok,
    () => false,
  );

/** The gateway on this database; logs only what is wrong, as busy installations do. */
export async function startGateway({ delayPort, environment = {} } = {}) {
  const port = await freePort();
  const metricsPort = await freePort();
  const gateway = new Program('gateway', `${settings.root}/gateway/shop-gateway`, [], {
    DATABASE_URL: connectionString('shop_bench_gateway', delayPort),
    PORT: String(port),
    METRICS_PORT: String(metricsPort),
    BIND_ADDRESS: '127.0.0.1',
    JWT_SECRET: 'a secret of the benchmark, which lives as long as a measurement',
    ALLOW_OPEN_CUSTOMER_ROUTES: 'yes', // NODE_ENV is production here as in the services
    LOG_LEVEL: 'warn',
    ...environment,
  });
  gateway.port = port;
  gateway.metrics = () => readMetrics(`http://127.0.0.1:${metricsPort}/metrics`);
  await gateway.ready(() => answers(`http://127.0.0.1:${port}/ready`));
  return gateway;
}

/** Metrics in Prometheus' text form, by name with labels. */
async function readMetrics(url) {
  const text = await (await fetch(url)).text();
  const pairs = text.split('\n').filter((line) => line && !line.startsWith('#'));
  return Object.fromEntries(
    pairs.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
  );
}

/** The poller; without queue it works straight from the outbox. Payments are simulated and succeed. */
export async function startPoller({ delayPort, queue } = {}) {
  const port = await freePort();
  const poller = new Program('poller', `${settings.root}/poller/shop-poller`, [], {
    DATABASE_URL: connectionString('shop_bench_poller', delayPort),
    PAYMENT_SUCCESS_RATE: '1',
    POLLER_PORT: String(port),
    LOG_LEVEL: 'warn',
    ...queue?.environment,
  });
  await poller.ready(() => answers(`http://127.0.0.1:${port}/healthz`));
  return poller;
}

/** One of the services to compare with. */
export async function startService(name, { delayPort, args = [] } = {}) {
  const port = await freePort();
  const path = `${settings.root}/bench/services/${name}.js`;
  const service = new Program(name, process.execPath, [
    path,
    String(port),
    connectionUrl('postgres', delayPort),
    ...args,
  ]);
  service.port = port;
  await service.ready(() => service.output.includes('READY'));
  return service;
}

/** A proxy that lets everything between programs and the server wait, one millisecond for a round trip. */
export async function startDelay() {
  const port = await freePort();
  const proxy = new Program('delay_proxy', `${settings.root}/bench/build/delay_proxy`, [
    String(port),
    `${settings.socket}/.s.PGSQL.5432`,
    '1000',
  ]);
  proxy.port = port;
  await proxy.ready(() => proxy.output.includes('READY'));
  return proxy;
}

/** What a service of ours says of itself when it ends. */
export function serviceCounters(output) {
  return JSON.parse(output.match(/^COUNTERS (.*)$/m)[1]);
}
