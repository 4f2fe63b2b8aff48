// DATABASE_READ_URL: reads that may lag go to a replica; whatever it cannot do, the primary does.
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { after, before, test } from 'node:test';
import { assertProblem, assertStatus, Shop } from '../lib/shop.js';
import { Cluster } from '../lib/cluster.js';
import { Database } from '../lib/database.js';
import { Gateway, gatewayEnvironment } from '../lib/gateway.js';
import { freePort } from '../lib/ports.js';
import { eventually } from '../lib/wait.js';

const shop = new Shop();
const metricsToken = 'the-token-of-the-metrics';
let cluster, replicaCluster, replica;

before(async () => {
  cluster = await Cluster.create();
  replicaCluster = await cluster.standby();
  shop.database = await Database.create(cluster);
  replica = new Database(shop.database.name, replicaCluster);
  await caughtUp();
  shop.gateway = await Gateway.start(shop.database, { DATABASE_READ_URL: replica.url('gateway'), METRICS_TOKEN: metricsToken });
});
after(async () => {
  try {
    await shop.gateway?.stop();
    shop.gateway?.assertCleanLog();
    await shop.database?.verify();
  } finally {
    await replicaCluster?.remove();
    await cluster?.remove();
  }
});

/** Waits until the replica has replayed everything. */
async function caughtUp() {
  const position = await shop.database.value('SELECT pg_current_wal_lsn() AS lsn');
  await eventually('the replica caught up', () => replica.value(`SELECT pg_last_wal_replay_lsn() >= '${position}'`));
}

async function counted(series) {
  const { text } = await shop.get('/metrics', { token: metricsToken });
  return Number(text.match(new RegExp(`^shop_gateway_${series} (.*)$`, 'm'))[1]);
}

/** Lets the replica stand still meanwhile. */
async function whilePaused(work) {
  await caughtUp();
  await replica.sql('SELECT pg_wal_replay_pause()');
  try {
    await work();
  } finally {
    await replica.sql('SELECT pg_wal_replay_resume()');
  }
  await caughtUp();
}

test('the catalogue, lists and statistics come from the replica', async () => {
  const id = await shop.product({ name: 'Old' });
  await whilePaused(async () => {
    const changed = await shop.gateway.send('PATCH', `/admin/products/${id}`, { body: { name: 'New' }, token: shop.admin });
    assert.equal(changed.json.name, 'New');
    assert.equal((await shop.get(`/products/${id}`)).json.name, 'Old');
    assert.equal((await shop.get('/products')).json.find((one) => one.id === id).name, 'Old');
    const before = (await shop.get('/api/stats')).json.total_orders;
    await shop.order(shop.newUser(), [id, 1]);
    assert.equal((await shop.get('/api/stats')).json.total_orders, before);
    assert.equal((await shop.get('/api/orders')).json.total, before);
    assert.equal((await shop.get('/admin/orders', { token: shop.admin })).json.length, before);
  });
  assert.equal((await shop.get(`/products/${id}`)).json.name, 'New');
  assert.ok((await counted('replica_connections_open')) > 0);
});

test('everybody reads what they wrote: carts, orders, stock, accepted orders', async () => {
  const id = await shop.product();
  await whilePaused(async () => {
    const userId = shop.newUser();
    const cart = await shop.cart(userId, [id, 3]);
    assert.equal((await shop.get(`/cart?userId=${userId}`)).json.items[0].qty, 3);
    const order = (await shop.checkout(userId, cart)).json.order.id;
    assertStatus(await shop.get(`/orders/${order}`), 200);
    assert.equal((await shop.get(`/orders?userId=${userId}`)).json.length, 1);
    assertStatus(await shop.get(`/orders/${order}/events`), 200);
    assert.equal((await shop.stock(id)).reserved, 3);
    const accepted = await shop.post('/api/orders', { customer_id: 'c', items: [{ product_id: 'P', quantity: 1, price: 1 }] });
    assertStatus(accepted, 202);
    assertStatus(await shop.get(accepted.headers.location), 200);
  });
});

test('what the replica does not find, the primary is asked for', async () => {
  await whilePaused(async () => {
    const before = await counted('replica_fallbacks_total');
    assertStatus(await shop.get(`/products/${await shop.product()}`), 200);
    assertProblem(await shop.get('/products/999999'), 404, 'Product not found');
    assert.equal((await counted('replica_fallbacks_total')) - before, 2);
  });
});

test('a query that recovery waits for or cancels is answered by the primary', async () => {
  const id = await shop.product();
  await caughtUp();
  await replica.sql('SELECT pg_wal_replay_pause()');
  const session = shop.database.session();
  try {
    // The lock reaches the replica with the log: readers there wait for a transaction whose end does not arrive.
    await session.say('BEGIN; LOCK TABLE shop.products IN ACCESS EXCLUSIVE MODE; CREATE TABLE public.marker()');
    const position = await shop.database.value('SELECT pg_current_wal_insert_lsn() AS lsn');
    await shop.database.sql('SELECT pg_switch_wal()');
    await replica.sql('SELECT pg_wal_replay_resume()');
    await eventually('the lock is there', () => replica.value(`SELECT pg_last_wal_replay_lsn() >= '${position}'`));
    await replica.sql('SELECT pg_wal_replay_pause()');
    await session.end();
    const started = Date.now();
    assertStatus(await shop.get(`/products/${id}`, { seconds: 8 }), 200);
    assert.ok(Date.now() - started < 5000);
  } finally {
    await replica.sql('SELECT pg_wal_replay_resume()');
  }
  await caughtUp();
  assertStatus(await shop.get('/products'), 200);
});

test('the replica goes away and comes back: nobody notices, and the gateway stays ready', async () => {
  const id = await shop.product();
  await caughtUp();
  await replicaCluster.stop();
  for (let round = 0; round < 10; round += 1) {
    assertStatus(await shop.get(`/products/${id}`), 200);
    assertStatus(await shop.get('/products'), 200);
    assertStatus(await shop.get('/ready'), 200);
  }
  await shop.gateway.event('db_connection_lost', { pool: 'shop-gateway-read' });
  const quick = Date.now();
  for (let round = 0; round < 10; round += 1) assertStatus(await shop.get(`/products/${id}`), 200);
  assert.ok(Date.now() - quick < 3000, 'an outage that is known costs no time');
  await replicaCluster.start();
  await eventually('connected again', async () => {
    await shop.get('/products');
    return (await counted('replica_connected')) === 1;
  });
  assert.equal(shop.gateway.events('db_connection_lost', { pool: 'shop-gateway' }).length, 0);
});

test('a replica that accepts connections and says nothing costs no time', async () => {
  const id = await shop.product();
  const silent = createServer((socket) => socket.on('error', () => {}));
  await new Promise((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const url = `postgresql://shop_test_gateway@127.0.0.1:${silent.address().port}/${shop.database.name}`;
  const gateway = await Gateway.start(shop.database, { DATABASE_READ_URL: url });
  try {
    const started = Date.now();
    for (let round = 0; round < 20; round += 1) assertStatus(await gateway.get('/products'), 200);
    assert.ok(Date.now() - started < 2000, 'a quarter of a second each would be five');
    const answers = await Promise.all(Array.from({ length: 500 }, () => gateway.get(`/products/${id}`)));
    assert.deepEqual([...new Set(answers.map((answer) => answer.status))], [200], 'many at once do not overrun the primary');
  } finally {
    await gateway.stop();
    silent.close();
  }
});

test('the primary goes away: what the replica can answer is answered', async () => {
  const id = await shop.product();
  await caughtUp();
  await eventually('the replica answers', async () => {
    await shop.get('/products');
    return (await counted('replica_connected')) === 1;
  });
  await cluster.stop();
  try {
    assertStatus(await shop.get(`/products/${id}`), 200);
    assertStatus(await shop.get('/products'), 200);
    assertProblem(await shop.get('/cart?userId=5', { seconds: 12 }), 503);
    assert.equal((await shop.get('/ready', { seconds: 5 })).status, 503);
  } finally {
    await cluster.start();
  }
  await eventually('ready again', async () => (await shop.get('/ready')).status === 200);
});

test('it does not start with a DATABASE_READ_URL that is none, and does not show it', async () => {
  const port = await freePort();
  const gateway = new Gateway(port, gatewayEnvironment(shop.database, port, { DATABASE_READ_URL: 'postgresql://u:secret-word@[x/' }));
  assert.equal((await gateway.ended()).code, 2);
  assert.match(gateway.stderr, /DATABASE_READ_URL/);
  assert.doesNotMatch(gateway.stdout + gateway.stderr, /secret-word/);
});
