// The container images: built from Debian's archive, run with no rights, and bought from: one by one, by compose.yml and by the
// Kubernetes manifests. Everything runs in a network of its own, so nothing of it is seen outside.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { access, cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';
import { buildBase, buildImages, Containers, environment, imageSize, openStorage, prefix, readOnly, removeStorage } from '../lib/containers.js';
import { PrivateNetwork } from '../lib/private_network.js';
import { purchase } from '../lib/purchase.js';
import { root, scratch } from '../lib/settings.js';
import { eventually } from '../lib/wait.js';

const run = promisify(execFile);
const jwtSecret = 'a-secret-of-the-container-test-5b0d83';
const passwords = { GATEWAY_PASSWORD: "gate'way pass", POLLER_PASSWORD: 'poller-pass' };
const images = ['database', 'migrate', 'gateway', 'poller'];

/** What went wrong, or undefined. */
const obstacle = (attempt) => attempt().then(
  () => undefined,
  (error) => error.message.trim(),
);

let network, containers, queueFailure;

/** Does podman run a container here, although it is installed? Not in every container, say. */
async function canRun() {
  await openStorage();
  await buildBase();
  network = await PrivateNetwork.open();
  containers = new Containers(network);
  await containers.finish('localhost/shop-test-base', {}, 'true');
}

/** Can networks be made here, with names in them? */
async function canConnect() {
  await containers.podman('network', 'create', 'probe');
  await containers.podman('run', '--rm', '--network', 'probe', 'localhost/shop-test-base', 'true');
  await containers.podman('network', 'rm', 'probe');
}

const reasons = { run: await obstacle(canRun) };
const told = new Set();
reasons.queue = reasons.run ?? (await obstacle(() => run('npm', ['ping', '--silent', '--fetch-retries=0', '--fetch-timeout=20000'])));
reasons.connect = reasons.run ?? (await obstacle(canConnect));
reasons.compose = reasons.connect ?? (await obstacle(() => run('podman-compose', ['version'])));
for (const [what, reason] of [
  ['the images, for podman runs no container here', reasons.run],
  ["the queue's image, for npm reaches nothing", reasons.queue],
  ['compose.yml and the Kubernetes manifests, for podman makes no network here', reasons.connect],
  ['compose.yml, for there is no podman-compose', reasons.compose],
]) {
  // Only the first of several with one cause is told.
  if (reason && !told.has(reason)) console.log(`    skipped, and counted neither way: ${what}: ${reason}\n`);
  told.add(reason);
}

before(async () => {
  if (!reasons.run) await buildImages();
  // What npm does not deliver after all is the failure of the tests that need it.
  if (!reasons.queue) queueFailure = await obstacle(() => buildImages('queue'));
});

after(async () => {
  await network?.close();
  await removeStorage();
});

/** What makes a poller work from the queue server in this network, and say so. */
const queueVariables = {
  SQS_QUEUE_URL: 'http://sqs.us-east-1.localhost:9324/000000000000/payments',
  SQS_DLQ_URL: 'http://sqs.us-east-1.localhost:9324/000000000000/payments-dlq',
  AWS_ENDPOINT_URL_SQS: 'http://127.0.0.1:9324',
  AWS_ACCESS_KEY_ID: 'development',
  AWS_SECRET_ACCESS_KEY: 'development',
  LOG_LEVEL: 'debug',
};

/** Tells the size of an image, and compares it with the document: a compiler or a cache left behind is more than the margin. */
async function assertSize(name) {
  const megabytes = (await imageSize(name)) / 1e6;
  console.log(`# ${name}: ${megabytes.toFixed(0)} MB`);
  const [, documented] = (await readFile(join(root, 'docs/operations.md'), 'utf8')).match(new RegExp(`^\\| \`pg_shop-${name}\` \\| (\\d+) MB`, 'm'));
  assert.ok(Math.abs(megabytes - documented) < documented / 10, `${name}: ${megabytes} MB, documented are ${documented} MB`);
}

describe('container images', { skip: reasons.run }, () => {
  let gateway, poller, database;
  const login = (user, password) => ({ DB_HOST: '127.0.0.1', DB_NAME: 'shop', DB_USER: user, DB_PASSWORD: password });
  const call = (...request) => network.send('127.0.0.1', 3000, ...request);
  const startPoller = (variables) =>
    containers.start('poller', { ...login('shop_poller_login', passwords.POLLER_PASSWORD), PAYMENT_SUCCESS_RATE: '1', ...variables });

  after(() => containers.removeAll());

  test('are as large as docs/operations.md says', async () => {
    for (const name of images) await assertSize(name);
  });

  test('the database starts from an empty volume', async () => {
    database = await containers.start('database', { POSTGRES_PASSWORD: 'super' }, '--tmpfs', '/tmp');
    await containers.healthy(database);
  });

  test('migrate prepares it, twice over', async () => {
    for (let round = 0; round < 2; round += 1) {
      const superuser = { PGHOST: '127.0.0.1', PGUSER: 'postgres', PGPASSWORD: 'super', PGDATABASE: 'shop' };
      const said = await containers.finish(`${prefix}migrate`, { ...superuser, ...passwords });
      assert.match(said, /The database is ready: pg_shop \d+\.\d+\.\d+/);
    }
  });

  test('gateway and poller get ready, as uid 1001, without a right and without a shell to log in with', async () => {
    gateway = await containers.start('gateway', { ...login('shop_gateway_login', passwords.GATEWAY_PASSWORD), JWT_SECRET: jwtSecret });
    poller = await startPoller({});
    for (const id of [gateway, poller]) {
      await containers.healthy(id);
      const status = await containers.podman('exec', id, 'cat', '/proc/1/status');
      assert.match(status, /^Uid:\s+1001\s+1001\s+1001\s+1001$/m);
      for (const set of ['Prm', 'Eff', 'Bnd', 'Amb']) assert.match(status, new RegExp(`^Cap${set}:\\s+0{16}$`, 'm'));
      assert.match(status, /^NoNewPrivs:\s+1$/m);
      for (const place of ['/usr/local/bin/planted', '/tmp/planted', '/run/planted', '/var/tmp/planted']) {
        await assert.rejects(containers.podman('exec', id, 'touch', place), /Read-only file system/);
      }
    }
    assert.match(await containers.podman('exec', gateway, 'grep', '^shop:', '/etc/passwd'), /\/usr\/sbin\/nologin$/);
  });

  test('a purchase, straight from the outbox', async () => {
    await purchase(call, { sku: 'MUG', userId: 7 });
    assert.equal((await call('GET', '/api/health')).json.queue.backend, 'embedded');
  });

  test('/docs has Swagger UI where the build could fetch it, and a plain list where not', async () => {
    const fetched = await access(join(root, 'gateway/build/swagger-ui/fetched')).then(() => true, () => false);
    assert.equal((await call('GET', '/docs/swagger-ui-bundle.js')).status, fetched ? 200 : 404);
    assert.equal((await call('GET', '/docs')).text.includes('<div id="swagger-ui">'), fetched);
  });

  test('a purchase through the queue server of the development image', { skip: reasons.queue }, async () => {
    assert.equal(queueFailure, undefined);
    await assertSize('queue');
    await containers.podman('stop', '--time', '20', poller);
    const queue = await containers.start('queue', {});
    await containers.healthy(queue);
    poller = await startPoller(queueVariables);
    await eventually('the poller works from the queue', async () => (await call('GET', '/api/health')).json.queue.backend === 'sqs');
    await purchase(call, { sku: 'BOWL', userId: 8 });
    assert.match(await containers.logs(poller), /"event":"outbox_published"/);
    await containers.podman('stop', '--time', '20', queue);
    assert.equal(await containers.podman('inspect', '--format', '{{.State.ExitCode}}', queue), '0');
  });

  test('pg_cron does the scheduled work', async () => {
    const runs = "SELECT count(*) FROM cron.job_run_details WHERE status = 'succeeded' AND command LIKE '%shop.maintain%'";
    const count = () => containers.podman('exec', database, 'psql', '-XqAt', '-h', '/tmp', '-d', 'shop', '-c', runs);
    await eventually('pg_cron has run shop.maintain()', async () => Number(await count()) > 0, 90);
  });

  test('they stop when they are asked to', async () => {
    for (const id of [gateway, poller, database]) {
      await containers.podman('stop', '--time', '20', id);
      assert.equal(await containers.podman('inspect', '--format', '{{.State.ExitCode}}', id), '0', await containers.logs(id));
    }
  });
});

describe('compose.yml', { skip: reasons.compose }, () => {
  const folder = join(scratch, 'compose');
  const call = (...request) => network.send('127.0.0.1', 3000, ...request);

  /** podman-compose with its files; it fails with what a container could not be started for. */
  async function compose(...args) {
    const { stdout, stderr } = await network.run('podman-compose', ['--project-name', 'shop', `--podman-run-args=${readOnly[1]}`, ...args], { cwd: folder, env: environment });
    assert.doesNotMatch(stdout + stderr, /^exit code: [^0]/m, stdout + stderr);
  }

  /** .env as its example asks for it; `more` are lines of the example that are taken in. */
  async function fillIn(more = []) {
    const example = await readFile(join(folder, '.env.example'), 'utf8');
    const values = { POSTGRES_PASSWORD: 'super', GATEWAY_PASSWORD: 'one', POLLER_PASSWORD: 'two', JWT_SECRET: jwtSecret, LOG_LEVEL: 'debug', PAYMENT_SUCCESS_RATE: '1' };
    const lines = example.split('\n').map((line) => line.replace(/^([A-Z_]+)=.*/, (given, name) => (name in values ? `${name}=${values[name]}` : given)));
    await writeFile(join(folder, '.env'), [...lines, ...more].join('\n'));
  }

  before(async () => {
    await cp(join(root, 'docker'), folder, { recursive: true });
    // The podman-compose of Debian 12 leaves ${NAME:-} as it stands; ${NAME} says the same.
    const text = await readFile(join(folder, 'compose.yml'), 'utf8');
    await writeFile(join(folder, 'compose.yml'), text.replaceAll(':-}', '}'));
  });

  after(async () => {
    await compose('down', '--timeout', '20', '--volumes').catch(() => {});
    await run('rm', ['-rf', folder]);
  });

  test('opens a shop that sells, without a queue', async () => {
    await fillIn();
    await compose('up', '--detach', '--no-build', ...images);
    await eventually('the shop opens', async () => (await call('GET', '/ready')).status === 200, 60);
    await purchase(call, { sku: 'MUG', userId: 7 });
    assert.equal((await call('GET', '/api/health')).json.queue.backend, 'embedded');
  });

  test('sells through the queue of its profile', { skip: reasons.queue }, async () => {
    assert.equal(queueFailure, undefined);
    // The lines that the example has for this profile, as they stand there.
    const example = await readFile(join(folder, '.env.example'), 'utf8');
    const [, lines] = example.match(/^# With the queue server of the development profile.*\n((?:#[A-Z_]+=.*\n)+)/m);
    const profile = lines.replace(/^#/gm, '').trim().split('\n');
    await fillIn(profile);
    await compose('down', '--timeout', '20', 'poller');
    await compose('up', '--detach', '--no-build', 'queue', 'poller');
    await eventually('the poller works from the queue', async () => (await call('GET', '/api/health')).json.queue.backend === 'sqs');
    await purchase(call, { sku: 'BOWL', userId: 8 });
    assert.match(await containers.logs('shop_poller_1'), /"event":"outbox_published"/);
  });

  test('leaves nothing behind', async () => {
    await compose('down', '--timeout', '20', '--volumes').catch(() => {});
    assert.equal(await containers.podman('ps', '--all', '--quiet'), '');
    assert.equal(await containers.podman('volume', 'ls', '--quiet'), '');
  });
});

describe('Kubernetes manifests', { skip: reasons.connect }, () => {
  let database;
  const addresses = {};

  /** One pod of a deployment as its manifest describes it, with these settings in the secret that it asks for. */
  async function play(name, settings) {
    const documents = parseAllDocuments(await readFile(join(root, `contrib/kubernetes/${name}.yaml`), 'utf8')).map((document) => document.toJS());
    // podman gives each container port to the host, so one replica is all that fits on one.
    documents.find(({ kind }) => kind === 'Deployment').spec.replicas = 1;
    const file = join(scratch, `${name}.yaml`);
    await writeFile(file, documents.map((document) => JSON.stringify(document)).join('\n---\n'));
    const secret = join(scratch, `${name}.secret`);
    await writeFile(secret, JSON.stringify(Object.fromEntries(Object.entries(settings).map(([key, value]) => [key, btoa(value)]))));
    await containers.podman('secret', 'create', `shop-${name}`, secret);
    await containers.podman('play', 'kube', '--network', 'kubernetes', file);
    const infra = await containers.podman('pod', 'inspect', '--format', '{{.InfraContainerID}}', `shop-${name}-pod-0`);
    addresses[name] = await containers.podman('inspect', '--format', '{{.NetworkSettings.Networks.kubernetes.IPAddress}}', infra);
    return documents.find(({ kind }) => kind === 'Deployment').spec.template.spec.containers[0];
  }

  /** Waits until each probe of a container gets an answer that Kubernetes would take for a yes. */
  async function assertProbes(name, container) {
    for (const probe of ['startupProbe', 'readinessProbe', 'livenessProbe'].filter((kind) => kind in container)) {
      const { path, port } = container[probe].httpGet;
      const { containerPort } = container.ports.find((one) => one.name === port);
      await eventually(`the ${probe} of the ${name}`, async () => (await network.get(addresses[name], containerPort, path)).ok);
    }
  }

  before(async () => {
    await containers.podman('network', 'create', 'kubernetes');
    const connected = ['run', '--network', 'kubernetes'];
    database = await containers.podman(...connected, '--detach', '--name', 'database', '--env', 'POSTGRES_PASSWORD=super', `${prefix}database`);
    const superuser = { PGHOST: 'database', PGUSER: 'postgres', PGPASSWORD: 'super', PGDATABASE: 'shop', ...passwords };
    await containers.podman(...connected, '--rm', ...Object.entries(superuser).flatMap(([name, value]) => ['--env', `${name}=${value}`]), `${prefix}migrate`);
  });

  after(async () => {
    for (const name of Object.keys(addresses)) await containers.podman('pod', 'rm', '--force', `shop-${name}-pod-0`);
    await containers.podman('rm', '--force', '--volumes', database);
  });

  test('gateway and poller run as they say, and their probes are answered', async () => {
    const login = (user, password) => ({ DB_HOST: 'database', DB_NAME: 'shop', DB_USER: user, DB_PASSWORD: password });
    const gateway = await play('gateway', { ...login('shop_gateway_login', passwords.GATEWAY_PASSWORD), JWT_SECRET: jwtSecret });
    const poller = await play('poller', { ...login('shop_poller_login', passwords.POLLER_PASSWORD), PAYMENT_SUCCESS_RATE: '1' });
    await assertProbes('gateway', gateway);
    await assertProbes('poller', poller);
    for (const name of ['gateway', 'poller']) {
      const status = await containers.podman('exec', `shop-${name}-pod-0-${name}`, 'cat', '/proc/1/status');
      assert.match(status, /^Uid:\s+1001\s/m);
      assert.match(status, /^CapEff:\s+0{16}$/m);
    }
  });

  test('they sell', async () => {
    await purchase((...request) => network.send(addresses.gateway, 3000, ...request), { sku: 'MUG', userId: 7 });
  });

  test('the ports that Prometheus is told have metrics', async () => {
    for (const [name, port] of [['gateway', 9091], ['poller', 9090]]) {
      assert.match((await network.get(addresses[name], port, '/metrics')).text, /^# HELP shop_/);
    }
  });
});
