// PgBouncer in transaction mode, between a program and the shared cluster.
import { execFileSync, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { chmod, mkdtemp, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './ports.js';
import { eventually, within } from './wait.js';

const program = '/usr/sbin/pgbouncer';

/** Why it cannot be had, or false: for the skip option of a test. */
export const pgbouncerMissing = (() => {
  try {
    accessSync(program, constants.X_OK);
    return false;
  } catch {
    return 'PgBouncer is not installed (scripts/install-dependencies test does it)';
  }
})();

export class PgBouncer {
  /** Starts one with so many connections to each database, fewer than the program opens to it. */
  static async start(cluster, { poolSize = 3, settings = '' } = {}) {
    const bouncer = new PgBouncer();
    bouncer.port = await freePort();
    // PgBouncer does not run as root; the folder of the tests may be closed to others.
    const folder = await mkdtemp(join(tmpdir(), 'shop-pgbouncer-'));
    await chmod(folder, 0o755);
    await writeFile(join(folder, 'users.txt'), '"shop_test_gateway" ""\n"shop_test_poller" ""\n"postgres" ""\n');
    await writeFile(join(folder, 'pgbouncer.ini'), `[databases]
* = host=${cluster.socket} port=${cluster.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${bouncer.port}
unix_socket_dir =
auth_type = trust
auth_file = ${join(folder, 'users.txt')}
admin_users = postgres
pool_mode = transaction
default_pool_size = ${poolSize}
server_round_robin = 1
${settings}
`);
    bouncer.folder = folder;
    const asPostgres = process.getuid() === 0 ? ['setpriv', '--reuid=postgres', '--regid=postgres', '--clear-groups'] : [];
    const [command, ...args] = [...asPostgres, program, '-q', join(folder, 'pgbouncer.ini')];
    bouncer.child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    bouncer.log = '';
    for (const stream of [bouncer.child.stdout, bouncer.child.stderr]) stream.on('data', (text) => (bouncer.log += text));
    bouncer.exit = new Promise((resolve) => bouncer.child.once('close', resolve));
    process.once('exit', () => bouncer.child.kill('SIGKILL'));
    await eventually(`PgBouncer listens; its log:\n${bouncer.log}`, () => bouncer.#listens());
    return bouncer;
  }

  #listens() {
    return new Promise((resolve) => {
      const socket = connect(this.port, '127.0.0.1');
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
  }

  /** What a program connects with; role is 'gateway' or 'poller'. */
  url(database, role) {
    return `postgresql://shop_test_${role}@127.0.0.1:${this.port}/${database.name}?sslmode=disable`;
  }

  async stop() {
    this.child.kill('SIGINT');
    await within(10, `PgBouncer ends; its log:\n${this.log}`, this.exit);
    execFileSync('rm', ['-rf', '--', this.folder]);
  }
}
