// A cluster that one test file has for itself, where it must stop and start it.
import { execFile } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { root, scratch } from './settings.js';

const run = promisify(execFile);

export class Cluster {
  /** Makes and starts a cluster with a template database. */
  static async create() {
    const cluster = new Cluster();
    cluster.folder = join(await mkdtemp(join(scratch, 'cluster-')), 'state');
    cluster.socket = (await cluster.#do('create')).trim();
    cluster.port = 5432;
    return cluster;
  }

  start() {
    return this.#do('start');
  }

  /** Ends every session and stops. */
  stop() {
    return this.#do('stop');
  }

  remove() {
    return this.#do('remove');
  }

  async #do(action) {
    return (await run(join(root, 'test/lib/cluster'), [action, this.folder])).stdout;
  }
}
