// A whole shop that a test breaks: cluster, gateways, poller and queue server as processes of their own, with cutting
// proxies between them where asked for.
import { chmod, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { Database } from '../database.js';
import { Gateway, gatewayEnvironment } from '../gateway.js';
import { Poller } from '../poller.js';
import { freePort } from '../ports.js';
import { QueueServer } from '../queue.js';
import { eventually } from '../wait.js';
import { CuttingProxy } from './proxy.js';

const bigint = 20;
pg.types.setTypeParser(bigint, Number);

/** The processes whose parent is pid. */
async function childrenOf(pid) {
  const found = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '');
    if (Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === pid) found.push(Number(name));
  }
  return found;
}

/** Sends a signal to processes; those that are gone by now do not matter. */
export function signal(pids, name) {
  for (const pid of pids) {
    try {
      process.kill(pid, name);
    } catch (error) {
      if (error.code !== 'ESRCH') throw error;
    }
  }
}

export class Stand {
  /**
   * library: path of the extension's library to load instead of the installed one. gateways: how many; queue: false works
   * straight from the outbox; poller: false settles nothing. proxies: any of 'client', 'database', 'queue'. environment: { gateway, poller }.
   */
  static async open(cluster, { library, gateways = 2, queue = true, poller = true, proxies = [], environment = {}, url } = {}) {
    const stand = new Stand();
    Object.assign(stand, { cluster, gateways: [], doors: [], proxies: {}, environment });
    stand.database = await Database.create(cluster);
    if (library !== undefined) {
      await stand.database.sql(`UPDATE pg_catalog.pg_proc SET probin = '${library}' WHERE probin = '$libdir/pg_shop'`);
    }
    if (url !== undefined) stand.database.url = (role) => url(role, stand.database.name);
    if (proxies.includes('database')) {
      stand.proxies.database = await CuttingProxy.start({ path: `${cluster.socket}/.s.PGSQL.${cluster.port}` });
      stand.database.url = (role) => `postgresql://shop_test_${role}@127.0.0.1:${stand.proxies.database.port}/${stand.database.name}`;
    }
    if (queue) await stand.#startQueue(proxies);
    for (let index = 0; index < gateways; index += 1) await stand.#addGateway(proxies);
    stand.judgeDoor = stand.gateways[0].port;
    if (poller) await stand.startPoller();
    return stand;
  }

  async #startQueue(proxies) {
    this.queue = await QueueServer.start();
    this.queueEnvironment = this.queue.environment;
    if (!proxies.includes('queue')) return;
    this.proxies.queue = await CuttingProxy.start({ port: this.queue.port });
    this.queueEnvironment = { ...this.queueEnvironment, AWS_ENDPOINT_URL_SQS: `http://127.0.0.1:${this.proxies.queue.port}` };
  }

  async #addGateway(proxies) {
    const gateway = await Gateway.start(this.database, this.environment.gateway);
    this.gateways.push(gateway);
    if (!proxies.includes('client')) {
      this.doors.push(gateway.port);
      return;
    }
    const proxy = await CuttingProxy.start({ port: gateway.port });
    this.proxies.client ??= [];
    this.proxies.client.push(proxy);
    this.doors.push(proxy.port);
  }

  /** Starts a gateway in the place of one that ended. */
  async restartGateway(index) {
    const { port } = this.gateways[index];
    const gateway = new Gateway(port, gatewayEnvironment(this.database, port, this.environment.gateway));
    this.gateways[index] = gateway;
    await eventually('the gateway is ready again', async () => (await gateway.get('/ready')).status === 200);
  }

  async startPoller() {
    this.poller = await Poller.start(this.database, { ...this.queueEnvironment, ...this.environment.poller });
  }

  /** kill -9 of a program; waits for its end. */
  static async kill(program) {
    program.child.kill('SIGKILL');
    await program.exit;
  }

  /** Rows of a query, over a connection of its own. */
  async query(text) {
    const client = new pg.Client({ host: this.cluster.socket, port: this.cluster.port, user: 'postgres', database: this.database.name });
    client.on('error', () => {}); // the server may be killed under it; the query tells
    await client.connect();
    try {
      return (await client.query(text)).rows;
    } finally {
      await client.end().catch(() => {});
    }
  }

  /** Waits until the database takes connections; gives the moment. */
  async databaseBack(seconds = 60) {
    const end = performance.now() + seconds * 1000;
    for (;;) {
      try {
        await this.query('SELECT 1');
        return performance.now();
      } catch (error) {
        if (performance.now() > end) throw error;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }
  }

  /** From now on the database is that of another cluster. */
  moveTo(cluster) {
    this.cluster = cluster;
    this.database.cluster = cluster;
  }

  /** Starts a server that was ended: as often as it takes until the last of its old processes is gone. */
  restartDatabase() {
    return eventually('the database starts', () => this.cluster.start().then(() => true), 60);
  }

  /** Waits for a server that may recover by itself, and starts it where it has ended. */
  reviveDatabase() {
    const alive = () => this.query('SELECT 1').catch(() => this.cluster.start());
    return eventually('the database runs', () => alive().then(() => true), 60);
  }

  async postmaster() {
    return Number((await readFile(join(this.cluster.folder, 'data/postmaster.pid'), 'utf8')).split('\n')[0]);
  }

  /** The postmaster and all its children. */
  async serverProcesses() {
    const postmaster = await this.postmaster();
    return [postmaster, ...(await childrenOf(postmaster))];
  }

  /** The backends of a role ('gateway' or 'poller'), busy ones first. */
  async backends(role) {
    const rows = await this.query(`SELECT pid FROM pg_stat_activity WHERE usename = 'shop_test_${role}'
      AND datname = current_database() ORDER BY state = 'active' DESC, query_start DESC`);
    return rows.map(({ pid }) => pid);
  }

  /** Arms a fault point of a library that was built with them. */
  async arm(place, action) {
    const file = join(this.cluster.folder, 'data/pg_shop_fault_point');
    await writeFile(`${file}.new`, `${place} ${action}\n`);
    await chmod(`${file}.new`, 0o666);
    await rename(`${file}.new`, file);
  }

  /** Has somebody acted on the fault point? */
  fired() {
    return !existsSync(join(this.cluster.folder, 'data/pg_shop_fault_point'));
  }

  paused() {
    return existsSync(join(this.cluster.folder, 'data/pg_shop_fault_point.paused'));
  }

  release() {
    return rm(join(this.cluster.folder, 'data/pg_shop_fault_point.paused'), { force: true });
  }

  disarm() {
    return rm(join(this.cluster.folder, 'data/pg_shop_fault_point'), { force: true });
  }

  /** Ends everything; the programs must end cleanly and have logged cleanly. */
  async close() {
    const failures = [];
    for (const program of [...this.gateways, this.poller]) {
      if (program === undefined) continue;
      try {
        await program.stop();
        program.assertCleanLog();
      } catch (error) {
        program.child.kill('SIGKILL');
        failures.push(error);
      }
    }
    await this.queue?.stop();
    for (const proxy of [this.proxies.database, this.proxies.queue, ...(this.proxies.client ?? [])]) await proxy?.close();
    await this.database.drop().catch((error) => failures.push(error));
    if (failures.length > 0) throw failures[0];
  }
}
