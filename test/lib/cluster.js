// A cluster that one test file has for itself, where it must stop and start it.
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { root, scratch } from './settings.js';

const run = promisify(execFile);

/** The processes whose parent this is. */
function children(parent) {
  const parentOf = (pid) => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').pop().split(' ')[1];
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
    try {
      return parentOf(pid) === parent;
    } catch {
      return false; // it has ended meanwhile
    }
  });
}

export class Cluster {
  /** Makes and starts a cluster with a template database, in a folder that is not there yet. */
  static async create(folder) {
    const cluster = new Cluster();
    cluster.folder = folder ?? join(await mkdtemp(join(scratch, 'cluster-')), 'state');
    cluster.socket = (await cluster.#do('create')).trim();
    cluster.port = 5432;
    return cluster;
  }

  /** Makes and starts a streaming standby of this cluster, which calls itself "standby". */
  async standby() {
    const standby = new Cluster();
    standby.folder = join(await mkdtemp(join(scratch, 'cluster-')), 'state');
    standby.socket = (await standby.#do('standby', this.folder)).trim();
    standby.port = 5432;
    return standby;
  }

  start() {
    return this.#do('start');
  }

  /** Ends every session and stops. */
  stop() {
    return this.#do('stop');
  }

  async remove() {
    if (this.frozen) this.thaw();
    return this.#do('remove');
  }

  /** Stops every process of it in its tracks: connections stay open and nobody answers. */
  freeze() {
    const [server] = readFileSync(join(this.folder, 'data/postmaster.pid'), 'utf8').split('\n');
    process.kill(Number(server), 'SIGSTOP'); // first, so that it starts no further ones
    this.frozen = [Number(server), ...children(server)];
    for (const pid of this.frozen.slice(1)) process.kill(pid, 'SIGSTOP');
  }

  /** Lets them go on. */
  thaw() {
    for (const pid of this.frozen.reverse()) process.kill(pid, 'SIGCONT');
    this.frozen = undefined;
  }

  async #do(action, ...more) {
    return (await run(join(root, 'test/lib/cluster'), [action, this.folder, ...more])).stdout;
  }
}
