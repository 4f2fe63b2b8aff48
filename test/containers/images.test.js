// The container images: built from Debian's archive alone, run with no rights, and bought from.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { debian } from '../lib/debian.js';
import { send } from '../lib/http.js';
import { freePort } from '../lib/ports.js';
import { root, scratch } from '../lib/settings.js';
import { eventually } from '../lib/wait.js';

const run = promisify(execFile);
const folder = join(scratch, 'containers');
// Everything that podman and buildah keep lies in the test's own folder. The driver vfs works on every file system, but
// copies all of an image for each step that is built on it.
await mkdir(folder, { recursive: true });
const driver = (await canOverlay()) ? 'overlay' : 'vfs';
const storage = ['--root', join(folder, 'storage'), '--runroot', join(folder, 'run'), '--storage-driver', driver];
const rights = [
  ...['--runtime', 'runc', '--network', 'host', '--read-only', '--cap-drop', 'all', '--security-opt', 'no-new-privileges'],
  // Given, because the default asks for more than a test's own limits may allow.
  ...['--ulimit', 'nofile=4096:4096', '--ulimit', 'nproc=1024:1024'],
];
const jwtSecret = 'a-secret-of-the-container-test-5b0d83';
const started = [];

async function podman(...args) {
  const { stdout } = await run('podman', ['--cgroup-manager', 'cgroupfs', ...storage, ...args], { maxBuffer: 1 << 26 });
  return stdout.trim();
}

/** May folders of the test's own be laid over each other? */
function canOverlay() {
  const folders = ['lower', 'upper', 'work', 'merged'].map((name) => join(folder, 'probe', name));
  const script = 'mkdir -p "$@" && mount -t overlay overlay -o "lowerdir=$1,upperdir=$2,workdir=$3" "$4"';
  return run('unshare', ['--mount', 'bash', '-c', script, 'probe', ...folders]).then(
    () => true,
    () => false,
  );
}

/** The bare system becomes the image that the build takes for its base. */
async function buildBase() {
  const archive = join(folder, 'base.tar');
  await run('tar', ['-C', debian, '--exclude=./var/cache/apt/archives/*.deb', '--exclude=./var/lib/apt/lists/*', '-cf', archive, '.']);
  await podman('import', archive, 'shop-test-base');
  await rm(archive);
}

async function buildImages() {
  await run(join(root, 'docker/build'), [], {
    env: {
      ...process.env,
      BUILDER: `buildah ${storage.join(' ')} build --format docker --layers --isolation chroot`,
      BASE_IMAGE: 'localhost/shop-test-base',
      IMAGE_PREFIX: 'localhost/shop-test-',
    },
    maxBuffer: 1 << 27,
  });
}

/** Starts a container with these variables, and remembers it. */
async function start(image, environment, ...more) {
  const variables = Object.entries(environment).flatMap(([name, value]) => ['--env', `${name}=${value}`]);
  const id = await podman('run', '--detach', ...rights, ...variables, ...more, `localhost/shop-test-${image}`);
  started.push(id);
  return id;
}

/** Waits until the image's own health check passes. */
async function healthy(id, what) {
  try {
    // The command fails while the container is not healthy.
    await eventually(`${what} is healthy`, () => podman('healthcheck', 'run', id).then(() => true), 60);
  } catch (error) {
    throw new Error(`${error.message}\n${await logs(id)}`);
  }
}

async function logs(id) {
  const { stdout, stderr } = await run('podman', ['--cgroup-manager', 'cgroupfs', ...storage, 'logs', id], { maxBuffer: 1 << 26 });
  return stdout + stderr;
}

/** Why this machine runs no container, although podman is there (a container itself, say); undefined where it does. */
async function obstacle() {
  try {
    await buildBase();
    await podman('run', '--rm', ...rights, 'localhost/shop-test-base', 'true');
    return undefined;
  } catch (error) {
    return `podman runs no container here: ${error.message}`;
  }
}

const reason = await obstacle();
if (reason) console.log(`    skipped, and counted neither way: the images, for ${reason}\n`);

describe('container images', { skip: reason }, () => {
  let ports, gateway, poller, database;

  before(async () => {
    await buildImages();
    for (const name of ['database', 'migrate', 'gateway', 'poller']) {
      console.log(`# ${name}: ${await podman('image', 'inspect', '--format', '{{.Size}}', `localhost/shop-test-${name}`)} bytes`);
    }
    ports = { database: await freePort(), gateway: await freePort(), poller: await freePort() };
  });

  after(async () => {
    for (const id of started.reverse()) await podman('rm', '--force', '--volumes', id);
    await run('rm', ['-rf', '--one-file-system', folder]);
  });

  const passwords = { GATEWAY_PASSWORD: "gate'way pass", POLLER_PASSWORD: 'poller-pass' };
  const login = (user, password) => ({
    DB_HOST: '127.0.0.1',
    DB_PORT: ports.database,
    DB_NAME: 'shop',
    DB_USER: user,
    DB_PASSWORD: password,
  });

  test('the database starts from an empty volume', async () => {
    database = await start('database', { POSTGRES_PASSWORD: 'super', PGPORT: ports.database });
    await healthy(database, 'the database');
  });

  test('migrate prepares it, twice over', async () => {
    for (let round = 0; round < 2; round += 1) {
      const said = await podman(
        ...['run', '--rm', ...rights, '--env', 'PGHOST=127.0.0.1', '--env', `PGPORT=${ports.database}`, '--env', 'PGUSER=postgres'],
        ...['--env', 'PGPASSWORD=super', '--env', 'PGDATABASE=shop'],
        ...Object.entries(passwords).flatMap(([name, value]) => ['--env', `${name}=${value}`]),
        'localhost/shop-test-migrate',
      );
      assert.match(said, /The database is ready: pg_shop \d+\.\d+\.\d+/);
    }
  });

  test('gateway and poller get ready, as uid 1001, without a shell to log in with', async () => {
    gateway = await start('gateway', {
      ...login('shop_gateway_login', passwords.GATEWAY_PASSWORD),
      PORT: ports.gateway,
      JWT_SECRET: jwtSecret,
    });
    poller = await start('poller', {
      ...login('shop_poller_login', passwords.POLLER_PASSWORD),
      POLLER_PORT: ports.poller,
      PAYMENT_SUCCESS_RATE: '1',
    });
    await healthy(gateway, 'the gateway');
    await healthy(poller, 'the poller');
    for (const id of [gateway, poller]) assert.equal(await podman('exec', id, 'id', '-u'), '1001');
    assert.match(await podman('exec', gateway, 'grep', '^shop:', '/etc/passwd'), /\/usr\/sbin\/nologin$/);
  });

  test('a purchase', async () => {
    const call = async (method, path, options) => {
      const answer = await send(ports.gateway, method, path, options);
      assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${answer.text}\n${await logs(gateway)}`);
      return answer;
    };
    const { json: session } = await call('POST', '/auth/login', { body: { username: 'admin', password: 'admin123' } });
    const token = session.accessToken;
    const { json: product } = await call('POST', '/admin/products', { token, body: { sku: 'MUG', name: 'Mug', price: 19.99 } });
    await call('POST', '/admin/inventory/restock', { token, body: { productId: product.id, qty: 3 } });
    const { json: added } = await call('POST', '/cart/items', { body: { userId: 7, productId: product.id, qty: 2 } });
    const checkout = { body: { userId: 7, cartId: added.cart.id }, key: 'one' };
    const first = await call('POST', '/checkout', checkout);
    const again = await call('POST', '/checkout', checkout);
    assert.equal(again.text, first.text);
    assert.equal(again.headers['idempotent-replayed'], 'true');
    const { id } = first.json.order;
    await eventually('the order is paid', async () => (await call('GET', `/orders/${id}`)).json.status === 'CONFIRMED');
    assert.deepEqual((await call('GET', '/admin/verify', { token })).json, []);
  });

  test('they stop when they are asked to', async () => {
    for (const id of [gateway, poller, database]) {
      await podman('stop', '--time', '20', id);
      assert.equal(await podman('inspect', '--format', '{{.State.ExitCode}}', id), '0', await logs(id));
    }
  });
});
