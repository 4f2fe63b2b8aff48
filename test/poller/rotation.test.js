// DB_SECRET_ARN: both programs log in with a secret of AWS Secrets Manager (a stub), and read it again when it was rotated.
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { Cluster } from '../lib/cluster.js';
import { Database } from '../lib/database.js';
import { Gateway } from '../lib/gateway.js';
import { Poller } from '../lib/poller.js';
import { Shop } from '../lib/shop.js';
import { signatureOf } from '../lib/sigv4.js';
import { eventually } from '../lib/wait.js';

const arn = 'arn:aws:secretsmanager:eu-central-1:000000000000:secret:shop-AbCdEf';
const keys = { AWS_ACCESS_KEY_ID: 'AKIDTEST', AWS_SECRET_ACCESS_KEY: 'secret-key-of-test', AWS_SESSION_TOKEN: 'session-token' };

let cluster, database, server, origin;
let secrets = {}; // by role: what the stub hands out
let reads = []; // the roles whose secret was read
let refuse; // (request, role) => [status, body, headers] instead
const programs = [];

async function answer(request, response) {
  let body = '';
  for await (const part of request) body += part;
  const role = JSON.parse(body).SecretId.split('#')[1];
  const signed = signatureOf(request, body, keys.AWS_SECRET_ACCESS_KEY);
  const say = (status, value, headers = {}) => response.writeHead(status, { 'Content-Type': 'application/x-amz-json-1.1', ...headers }).end(JSON.stringify(value));
  reads.push(role);
  assert.equal(request.headers['x-amz-target'], 'secretsmanager.GetSecretValue');
  const refusal = refuse?.(request, role);
  if (refusal) return say(...refusal);
  if (!signed.valid || signed.service !== 'secretsmanager' || signed.region !== 'eu-central-1' ||
      request.headers['x-amz-security-token'] !== keys.AWS_SESSION_TOKEN) {
    return say(400, { __type: 'InvalidSignatureException', message: 'no' });
  }
  return say(200, { ARN: arn, Name: 'shop', SecretString: JSON.stringify(secrets[role]), VersionStages: ['AWSCURRENT'] });
}

/** Gives a role another password, in the database first and in the secret later, as a rotation does. */
async function rotate(role, password) {
  await database.sql(`ALTER ROLE shop_test_${role} PASSWORD '${password.replaceAll("'", "''")}'`);
  secrets[role] = { ...secrets[role], password };
}
const endSessions = (role) => database.sql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'shop_test_${role}'`);

const environment = (role, more = {}) => ({
  DATABASE_URL: undefined, DB_SECRET_ARN: `${arn}#${role}`, DB_NAME: database.name, AWS_ENDPOINT_URL_SECRETS_MANAGER: origin, ...keys, LOG_LEVEL: 'debug', ...more,
});

before(async () => {
  cluster = await Cluster.create();
  database = await Database.create(cluster);
  const hba = join(cluster.folder, 'data', 'pg_hba.conf');
  await writeFile(hba, `local all shop_test_gateway,shop_test_poller scram-sha-256\n${await readFile(hba)}`);
  await database.sql('SELECT pg_reload_conf()');
  server = createServer((request, response) => answer(request, response).catch((error) => response.destroy(error)));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${server.address().port}`;
  for (const role of ['gateway', 'poller']) {
    secrets[role] = { engine: 'postgres', username: `shop_test_${role}`, host: cluster.socket, port: 5432 };
    await rotate(role, `first of ${role}'s \\ passwords`);
  }
});
afterEach(async () => {
  refuse = undefined;
  for (const program of programs.splice(0)) {
    if (!program.exited) await program.stop();
    program.assertCleanLog();
    assert.doesNotMatch(program.stdout + program.stderr, /passwords|secret-key-of-test|session-token/, 'no secret is logged');
  }
  reads = [];
});
after(async () => {
  server?.close();
  server?.closeAllConnections();
  await cluster?.remove();
});

const gateway = async (more) => {
  const started = await Gateway.start(database, environment('gateway', more));
  programs.push(started);
  return started;
};
const poller = async (more) => {
  const started = await Poller.start(database, environment('poller', more));
  programs.push(started);
  return started;
};

test('passwords are rotated under load: shopping and settling go on, without a restart', async () => {
  const serving = await gateway({ DB_POOL_MAX: '4' });
  const settling = await poller({ DB_POOL_MAX: '4' });
  const shop = new Shop();
  Object.assign(shop, { database, gateway: serving });
  const product = await shop.product({ stock: 1000000 });
  let done = false;
  const failures = [], orders = [];
  // A request whose session this test ends under it is answered 503, because its effect is unknown; its client repeats it.
  const persist = async (path, body, options) => {
    for (;;) {
      const answer = await serving.post(path, body, options);
      if (answer.status === 201) return answer.json;
      failures.push(answer.status);
      if (answer.status !== 503) return assert.fail(answer.text);
    }
  };
  const shopper = async () => {
    while (!done) {
      const userId = shop.newUser();
      const { cart } = await persist('/cart/items', { userId, productId: product, qty: 1 });
      orders.push((await persist('/checkout', { userId, cartId: cart.id }, { key: shop.newKey() })).order.id);
    }
  };
  const load = [shopper(), shopper(), shopper()];
  for (let round = 1; round <= 3; round += 1) {
    const before = orders.length;
    for (const role of ['gateway', 'poller']) {
      reads = [];
      await rotate(role, `password ${round} of ${role}'s passwords`);
      await endSessions(role);
      await eventually(`the secret of ${role} is read again`, () => reads.includes(role));
    }
    await eventually('shopping goes on', () => orders.length > before + 20);
  }
  done = true;
  await Promise.all(load);
  assert.ok(failures.length <= 3 * 3, `at most the requests under way at each of 3 rotations: ${failures}`);
  await eventually('every order is settled', async () => (await database.value("SELECT count(*)::int FROM shop.orders WHERE status = 'pending'")) === 0, 30);
  assert.equal(await database.value('SELECT count(*)::int FROM shop.orders'), orders.length);
  assert.ok(settling.events('db_secret_read').length >= 4);
  await database.verify();
});

test('the secret is read only when a login fails', async () => {
  await poller();
  await eventually('it works', async () => (await database.value("SELECT count(*)::int FROM pg_stat_activity WHERE usename = 'shop_test_poller'")) > 0);
  for (let round = 0; round < 3; round += 1) {
    await endSessions('poller');
    await eventually('it is back', async () => (await database.value("SELECT count(*)::int FROM pg_stat_activity WHERE usename = 'shop_test_poller'")) > 0);
  }
  assert.deepEqual(reads, ['poller']);
});

test('Secrets Manager is away at the start: the gateway says so, lives, and serves when it is back', async () => {
  refuse = () => [500, { __type: 'InternalServiceError' }];
  const starting = gateway();
  await eventually('it asked', () => reads.length > 1);
  refuse = undefined;
  const serving = await starting;
  assert.match(serving.events('db_secret_read_failed')[0].error, /status 500: InternalServiceError/);
  assert.equal((await serving.get('/products')).status, 200);
});

test('Secrets Manager is away while the database restarts: the login of before goes on', async () => {
  const serving = await gateway();
  refuse = () => [400, { __type: 'AccessDeniedException' }];
  await cluster.stop();
  await eventually('it is not ready', async () => (await serving.get('/ready')).status === 503);
  await eventually('the secret was tried again', () => serving.events('db_secret_read_failed').length > 0);
  await cluster.start();
  await eventually('it is ready', async () => (await serving.get('/ready')).status === 200);
});

test('a slow Secrets Manager does not hold the gateway up', async () => {
  const serving = await gateway();
  let release;
  const held = new Promise((resolve) => { release = resolve; });
  const listeners = server.listeners('request');
  server.removeAllListeners('request');
  server.on('request', (request, response) => held.then(() => listeners.at(-1)(request, response)));
  await rotate('gateway', 'held passwords');
  await endSessions('gateway');
  await eventually('the login is refused', () => serving.events('db_connection_failed').length > 0);
  for (let i = 0; i < 20; i += 1) {
    const began = process.hrtime.bigint();
    assert.equal((await serving.get('/health')).status, 200);
    assert.ok(Number(process.hrtime.bigint() - began) < 500e6, '/health answers at once');
  }
  release();
  await eventually('it is ready', async () => (await serving.get('/ready')).status === 200, 20);
});

test('a clock that is wrong is corrected', async () => {
  const theirs = new Date(Date.now() + 3600 * 1000);
  const stamp = theirs.toISOString().replace(/[-:]|\.\d+/g, '').slice(0, 11);
  refuse = (request) => (request.headers['x-amz-date'].startsWith(stamp) ? undefined : [403, { __type: 'InvalidSignatureException' }, { Date: theirs.toUTCString() }]);
  const working = await poller();
  await working.event('db_secret_read');
});

for (const [what, secret] of [['no password', { username: 'x' }], ['no object', 'text'], ['a bad port', { username: 'x', password: 'y', port: '99999' }]]) {
  test(`a secret with ${what} is reported and does not end the program`, async () => {
    const good = secrets.poller;
    secrets.poller = secret;
    const working = await poller();
    const line = await working.event('db_secret_read_failed');
    assert.match(line.error, /username, password/);
    secrets.poller = good;
    await working.event('db_secret_read');
  });
}

test('shop-poller status works with the secret too', async () => {
  const { execFile } = await import('node:child_process');
  const { promisify } = await import('node:util');
  const { pollerProgram } = await import('../lib/settings.js');
  const { pollerEnvironment } = await import('../lib/poller.js');
  const { stdout } = await promisify(execFile)(pollerProgram, ['status'], { env: { ...pollerEnvironment(database, environment('poller')), LOG_LEVEL: 'error' } });
  assert.equal(typeof JSON.parse(stdout), 'object');
});
