// Starting, refusing to start, timeouts towards clients, and stopping.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { Agent } from 'node:http';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { assertProblem, assertStatus, Shop } from '../lib/shop.js';
import { Database } from '../lib/database.js';
import { freePort } from '../lib/ports.js';
import { Gateway, gatewayEnvironment } from '../lib/gateway.js';
import { gatewayProgram, root } from '../lib/settings.js';
import { jwtSecret } from '../lib/tokens.js';
import { eventually, within } from '../lib/wait.js';

let database;
before(async () => {
  database = await Database.create();
});
after(async () => {
  await database.verify();
  await database.drop();
});

/** How many statements wait for a lock in this file's database. */
const waiting = () =>
  database.value(`SELECT count(*)::int FROM pg_stat_activity WHERE datname = '${database.name}' AND wait_event_type = 'Lock'`);

/** Starts a gateway that must refuse; its last words must name the variable. */
async function refuses(environment, variable) {
  const gateway = new Gateway(0, gatewayEnvironment(database, await freePort(), environment));
  const { code, signal } = await gateway.ended();
  assert.equal(signal, null);
  assert.notEqual(code, 0, gateway.stdout + gateway.stderr);
  assert.match(gateway.stderr, new RegExp(variable), gateway.stderr);
  assert.doesNotMatch(gateway.stdout + gateway.stderr, new RegExp(jwtSecret));
}

describe('it does not start', () => {
  test('without a secret or a database', async () => {
    await refuses({ JWT_SECRET: undefined }, 'JWT_SECRET');
    await refuses({ JWT_SECRET: '' }, 'JWT_SECRET');
    await refuses({ DATABASE_URL: undefined }, 'DATABASE_URL');
  });

  test('on an address that this machine does not have, or a port that is taken', async () => {
    await refuses({ BIND_ADDRESS: '192.0.2.1' }, 'BIND_ADDRESS 192.0.2.1');
    const other = createServer().listen(0, '127.0.0.1');
    try {
      await once(other, 'listening');
      await refuses({ PORT: String(other.address().port) }, ` PORT ${other.address().port}: `);
      await refuses({ METRICS_PORT: String(other.address().port) }, `METRICS_PORT ${other.address().port}: `);
    } finally {
      other.close();
    }
  });

  const invalid = {
    PORT: ['abc', '-1', '65536', '3000x', '30 00'],
    JWT_EXPIRES_IN_SECONDS: ['0', 'abc', '-5'],
    CUSTOMER_AUTH: ['maybe', 'JWT '],
    HTTP_REQUEST_TIMEOUT_MS: ['abc', '-1'],
    HTTP_KEEP_ALIVE_TIMEOUT_MS: ['1e3'],
    HTTP_SHUTDOWN_GRACE_MS: ['ten'],
    DB_POOL_MAX: ['0', 'abc'],
    STORE_ID: ['0', 'x'],
    LOG_LEVEL: ['loud'],
    BIND_ADDRESS: ['999.1.1.1', 'not an address'],
  };
  for (const [variable, values] of Object.entries(invalid)) {
    test(`with an invalid ${variable}`, async () => {
      for (const value of values) await refuses({ [variable]: value }, variable);
    });
  }

  test('on a port that is taken', async () => {
    const first = await Gateway.start(database);
    try {
      const second = new Gateway(first.port, gatewayEnvironment(database, first.port));
      assert.notEqual((await second.ended()).code, 0);
      assert.match(second.stderr, new RegExp(String(first.port)));
    } finally {
      await first.stop();
    }
  });
});

describe('in production', () => {
  const production = (more) => ({ APP_ENV: 'production', CUSTOMER_AUTH: 'jwt', ...more });

  test('it refuses open customer routes unless told so', async () => {
    await refuses({ APP_ENV: 'production' }, 'CUSTOMER_AUTH');
    await refuses({ NODE_ENV: 'production', CUSTOMER_AUTH: 'off' }, 'CUSTOMER_AUTH');
    const gateway = await Gateway.start(database, { NODE_ENV: 'production', ALLOW_OPEN_CUSTOMER_ROUTES: 'yes' });
    await gateway.stop();
  });

  test('it refuses a weak secret', async () => {
    for (const secret of ['short', 'x'.repeat(31), 'change-me-change-me-change-me-change-me', 'changeme'.repeat(5)]) {
      await refuses(production({ JWT_SECRET: secret }), 'JWT_SECRET');
    }
  });

  test('it refuses the demo passwords', async () => {
    await refuses(production({ DEMO_ADMIN_PASSWORD: 'admin123' }), 'DEMO_ADMIN_PASSWORD');
    await refuses(production({ DEMO_USER_PASSWORD: 'user123' }), 'DEMO_USER_PASSWORD');
    await refuses(production({ DEMO_ADMIN_PASSWORD: 'user123' }), 'DEMO_ADMIN_PASSWORD');
    await refuses(production({ DEMO_USER_PASSWORD: 'admin123' }), 'DEMO_USER_PASSWORD');
  });

  test('there are no demo accounts, unless their passwords are given', async () => {
    const fresh = await Database.create();
    try {
      const without = await Gateway.start(fresh, production());
      assertProblem(await without.post('/auth/login', { username: 'admin', password: 'admin123' }), 401, 'Invalid credentials');
      await without.stop();
      const given = await Gateway.start(fresh, production({ DEMO_ADMIN_PASSWORD: 'a long and private phrase' }));
      assertStatus(await given.post('/auth/login', { username: 'admin', password: 'a long and private phrase' }), 200);
      assertProblem(await given.post('/auth/login', { username: 'user', password: 'user123' }), 401, 'Invalid credentials');
      await given.stop();
    } finally {
      await fresh.drop();
    }
  });

  test('demo accounts from before do not let anybody in, and own passwords stay', async () => {
    const fresh = await Database.create();
    const credentials = [{ username: 'admin', password: 'admin123' }, { username: 'user', password: 'user123' }];
    try {
      const open = await Gateway.start(fresh);
      for (const known of credentials) assertStatus(await open.post('/auth/login', known), 200);
      await open.stop();
      const closing = await Gateway.start(fresh, production());
      for (const known of credentials) assertProblem(await closing.post('/auth/login', known), 401, 'Invalid credentials');
      assert.equal(closing.events('demo_account_closed').length, 2);
      await closing.stop();
      await fresh.sql("SELECT shop.set_password(1, 1, 'a long and private phrase')");
      const again = await Gateway.start(fresh, production());
      assertStatus(await again.post('/auth/login', { username: 'admin', password: 'a long and private phrase' }), 200);
      assert.equal(again.events('demo_account_closed').length, 0);
      await again.stop();
    } finally {
      await fresh.drop();
    }
  });
});

describe('options', () => {
  const run = (argument, env = {}) => promisify(execFile)(gatewayProgram, [argument], { env });

  test('--version prints the version of META.json', async () => {
    const { version } = JSON.parse(await readFile(`${root}/META.json`, 'utf8'));
    const { stdout } = await run('--version');
    assert.ok(stdout.startsWith(`shop-gateway ${version}\n`), stdout);
    for (const library of ['libmicrohttpd', 'libpq', 'GnuTLS', 'jansson']) assert.match(stdout, new RegExp(`${library} \\d+\\.\\d+`));
  });

  test('--help lists every variable', async () => {
    const { stdout } = await run('--help');
    for (const variable of ['DATABASE_URL', 'DB_HOST', 'DB_PORT', 'DB_NAME', 'DB_USER', 'DB_PASSWORD', 'DB_POOL_MAX', 'STORE_ID', 'APP_ENV',
      'NODE_ENV', 'LOG_LEVEL', 'PORT', 'BIND_ADDRESS', 'JWT_SECRET', 'JWT_EXPIRES_IN_SECONDS', 'JWT_ISSUER', 'JWT_AUDIENCE',
      'DEMO_ADMIN_PASSWORD', 'DEMO_USER_PASSWORD', 'CUSTOMER_AUTH', 'ALLOW_OPEN_CUSTOMER_ROUTES', 'CORS_ORIGINS', 'HTTP_REQUEST_TIMEOUT_MS',
      'TLS_CERT_FILE', 'TLS_KEY_FILE', 'DATABASE_READ_URL', 'METRICS_TOKEN', 'METRICS_PORT', 'DOCS_DIR', 'HTTP_HEADERS_TIMEOUT_MS', 'HTTP_KEEP_ALIVE_TIMEOUT_MS', 'HTTP_SHUTDOWN_GRACE_MS']) {
      assert.match(stdout, new RegExp(`\\b${variable}\\b`));
    }
  });

  test('an unknown option is refused, and so are two', async () => {
    await assert.rejects(run('--nothing'), { code: 2 });
    await assert.rejects(promisify(execFile)(gatewayProgram, ['--help', '--version'], { env: {} }), { code: 2 });
  });

  test('--check-config says whether the settings are valid, and starts nothing', async () => {
    const settings = gatewayEnvironment(database, 0);
    assert.match((await run('--check-config', settings)).stdout, /valid/);
    await assert.rejects(run('--check-config', { ...settings, PORT: 'x' }), (error) => error.code === 2 && /PORT/.test(error.stderr));
    await assert.rejects(run('--check-config', {}), { code: 2 });
  });

  test('--dump-config prints what is in force, defaults too, and no secret', async () => {
    const { stdout } = await run('--dump-config', gatewayEnvironment(database, 3210, {
      DB_PASSWORD: 'a-database-password', METRICS_TOKEN: 'the-token-of-the-metrics', DEMO_ADMIN_PASSWORD: 'a-demo-password',
      DATABASE_READ_URL: 'postgresql://u:a-replica-password@h/d', HTTP_KEEP_ALIVE_TIMEOUT_MS: '7000' }));
    const values = Object.fromEntries(stdout.trimEnd().split('\n').map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
    assert.equal(values.PORT, '3210');
    assert.equal(values.DB_POOL_MAX, '20');
    assert.equal(values.HTTP_HEADERS_TIMEOUT_MS, '8000', 'what follows from another setting is resolved');
    for (const name of ['DATABASE_URL', 'DATABASE_READ_URL', 'DB_PASSWORD', 'JWT_SECRET', 'METRICS_TOKEN', 'DEMO_ADMIN_PASSWORD', 'DEMO_USER_PASSWORD']) {
      assert.equal(values[name], '****', name);
    }
    assert.doesNotMatch(stdout, new RegExp(`a-database-password|the-token|a-demo|a-replica|user123|${jwtSecret}`));
  });

  test('--ready tells by its exit code', async () => {
    const gateway = await Gateway.start(database);
    const where = { PORT: String(gateway.port), BIND_ADDRESS: '127.0.0.1' };
    await run('--ready', where);
    await run('--ready', { PORT: String(gateway.port) });
    await gateway.stop();
    await assert.rejects(run('--ready', where), { code: 1 });
    await assert.rejects(run('--ready', { PORT: 'x' }), { code: 2 });
  });
});

describe('other ways to name the database', () => {
  test('DB_HOST and its companions', async () => {
    const gateway = await Gateway.start(database, {
      DATABASE_URL: undefined,
      DB_HOST: database.cluster.socket,
      DB_PORT: String(database.cluster.port),
      DB_NAME: database.name,
      DB_USER: 'shop_test_gateway',
    });
    assertStatus(await gateway.get('/products'), 200);
    await gateway.stop();
  });

  test('key=value in DATABASE_URL', async () => {
    const { socket, port } = database.cluster;
    const gateway = await Gateway.start(database, {
      DATABASE_URL: `host='${socket}' port=${port} dbname=${database.name} user=shop_test_gateway`,
    });
    assertStatus(await gateway.get('/products'), 200);
    await gateway.stop();
  });
});

test('it starts before the database is ready, and says so', async () => {
  const port = await freePort();
  const early = new Gateway(port, gatewayEnvironment(undefined, port, { DATABASE_URL: 'postgresql://nobody@/nothing?host=/nonexistent' }));
  await early.event('gateway_started');
  await eventually('it answers', async () => (await early.get('/health')).status === 200);
  assert.equal((await early.get('/ready')).status, 503);
  assertProblem(await early.get('/products'), 503);
  await early.stop();
});

describe('slow clients', () => {
  let gateway;
  before(async () => {
    gateway = await Gateway.start(database, {
      HTTP_HEADERS_TIMEOUT_MS: '700',
      HTTP_REQUEST_TIMEOUT_MS: '1500',
      HTTP_KEEP_ALIVE_TIMEOUT_MS: '500',
    });
  });
  after(() => gateway.stop());

  /** Sends a letter every 100 ms; resolves when the server closes. */
  function drip(start, letter) {
    const socket = connect(gateway.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.resume();
    socket.write(start);
    const timer = setInterval(() => socket.write(letter), 100);
    const closed = new Promise((resolve) => socket.once('close', resolve)).finally(() => clearInterval(timer));
    return within(8, 'the server cuts a slow client off', closed).finally(() => socket.destroy());
  }

  test('a head that never ends is cut off, though letters keep coming', async () => {
    await drip('GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: ', 'a');
  });

  test('a body that never ends is cut off, though letters keep coming', async () => {
    await drip('POST /cart/items HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 90000\r\n\r\n{', ' ');
  });

  test('a silent connection is closed', async () => {
    await gateway.raw('', 8);
    await gateway.raw('GET /health HTTP/1.1\r\nHost: x\r\n\r\n', 8);
  });

  test('fifty slow clients do not hinder a quick one', async () => {
    const slow = Array.from({ length: 50 }, () => drip('GET /health HTTP/1.1\r\n', 'a'));
    assertStatus(await gateway.get('/products', { seconds: 2 }), 200);
    await Promise.all(slow);
  });
});

describe('SIGTERM', () => {
  /** A gateway with a checkout under way, which waits until the session ends. */
  const withCheckout = async (key, environment) => {
    const shop = new Shop();
    shop.database = database;
    shop.gateway = await Gateway.start(database, environment);
    const [userId, productId] = [shop.newUser(), await shop.product()];
    const cart = await shop.cart(userId, [productId, 1]);
    const session = database.session();
    await session.say('BEGIN');
    await session.say(`SELECT FROM shop.inventory WHERE product_id = ${productId} FOR UPDATE`);
    const underWay = shop.checkout(userId, cart, { key });
    await eventually('the checkout waits for the lock', async () => (await waiting()) > 0);
    return { shop, session, underWay };
  };

  test('finishes what is under way, refuses what is new, ends with 0', async () => {
    const { shop, session, underWay } = await withCheckout('drain');
    const agent = new Agent({ keepAlive: true });
    assertStatus(await shop.get('/health', { agent }), 200);
    shop.gateway.child.kill('SIGTERM');
    await shop.gateway.event('gateway_stopping');
    await assert.rejects(shop.get('/health'), 'a new connection is refused');
    await session.end();
    assertStatus(await underWay, 201);
    agent.destroy();
    assert.deepEqual(await shop.gateway.ended(), { code: 0, signal: null });
    assert.equal(shop.gateway.events('gateway_stopped').length, 1);
  });

  test('the grace ends what would last too long', async () => {
    const { shop, session, underWay } = await withCheckout('grace', { HTTP_SHUTDOWN_GRACE_MS: '500' });
    const status = underWay.then((answer) => answer.status, () => 'closed');
    try {
      shop.gateway.child.kill('SIGTERM');
      await shop.gateway.ended(8);
      assert.ok([503, 'closed'].includes(await status));
      shop.gateway.assertCleanLog();
    } finally {
      await session.end();
    }
  });

  test('what has come in full only when the grace is over is refused', async () => {
    const { shop, session, underWay } = await withCheckout('closing', { HTTP_SHUTDOWN_GRACE_MS: '500' });
    const body = JSON.stringify({ customer_id: 'late', items: [{ product_id: 'X', quantity: 1, price: 1 }] });
    const upload = connect(shop.gateway.port, '127.0.0.1').setEncoding('utf8');
    const answered = upload.toArray().then((parts) => parts.join(''));
    try {
      upload.write(`POST /api/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body.slice(0, 5)}`);
      assertStatus(await shop.get('/health'), 200); // which the gateway reads after the upload's head
      shop.gateway.child.kill('SIGTERM');
      const refused = await underWay; // which it says when it has let go of the database
      assertProblem(refused, 503);
      assert.equal(refused.json.code, 'shutting_down');
      upload.write(body.slice(5));
      assert.match(await within(5, 'an answer to the upload', answered), /^HTTP\/1.1 503 [^]*"shutting_down"/);
      await shop.gateway.ended(8);
      shop.gateway.assertCleanLog();
    } finally {
      upload.destroy();
      await session.end();
    }
  });

  test('SIGINT does the same', async () => {
    const gateway = await Gateway.start(database);
    gateway.child.kill('SIGINT');
    assert.deepEqual(await gateway.ended(), { code: 0, signal: null });
  });

  test('a started gateway says where it listens and not what is secret', async () => {
    const gateway = await Gateway.start(database, { DB_PASSWORD: 'a-database-password' });
    const line = await gateway.event('gateway_started');
    assert.match(JSON.stringify(line), new RegExp(String(gateway.port)));
    await gateway.stop();
    assert.doesNotMatch(gateway.stdout + gateway.stderr, new RegExp(`a-database-password|${jwtSecret}`));
    gateway.assertCleanLog();
  });
});
