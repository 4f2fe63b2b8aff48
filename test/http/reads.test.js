// Many reads at once: they share few connections, and each gets its own answer.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Agent } from 'node:http';
import { assertProblem, assertStatus, openShop } from '../lib/shop.js';

const shop = openShop();

const sessions = () => shop.database.value(
  `SELECT count(*)::int FROM pg_stat_activity WHERE datname = '${shop.database.name}' AND usename = 'shop_test_gateway'`);

test('three hundred at once: each answer is that of its own request, over few connections', async () => {
  const products = await Promise.all(Array.from({ length: 8 }, (_, i) => shop.product({ name: `Näme "${i}" \\ {x},`, stock: 0 })));
  const agent = new Agent({ keepAlive: true, maxSockets: 300 });
  const before = await sessions();
  for (let round = 0; round < 3; round += 1) {
    const answers = await Promise.all(Array.from({ length: 300 }, (_, i) =>
      shop.get(`/products/${i % 10 < 8 ? products[i % 10] : 900_000 + i}`, { agent, headers: { 'x-request-id': `read-${round}-${i}` } })));
    for (const [i, answer] of answers.entries()) {
      assert.equal(answer.headers['x-request-id'], `read-${round}-${i}`);
      if (i % 10 < 8) {
        assertStatus(answer, 200);
        assert.equal(answer.json.id, products[i % 10]);
        assert.equal(answer.json.name, `Näme "${i % 10}" \\ {x},`);
      } else {
        assertProblem(answer, 404, 'Product not found');
      }
    }
  }
  agent.destroy();
  assert.ok((await sessions()) <= Math.max(before, 4), `${before} sessions before, ${await sessions()} after`);
});

test('reads that hang hold up nobody else, and are answered when they can be', async () => {
  const id = await shop.product();
  const session = shop.database.session();
  let hanging;
  try {
    await session.say('BEGIN; LOCK TABLE shop.products IN ACCESS EXCLUSIVE MODE');
    hanging = Promise.all(Array.from({ length: 100 }, () => shop.get(`/products/${id}`, { seconds: 20 })));
    for (let round = 0; round < 5; round += 1) {
      assertProblem(await shop.get('/orders/999999', { seconds: 3 }), 404, 'Order not found');
      assertStatus(await shop.get('/ready', { seconds: 3 }), 200);
      assertStatus(await shop.get('/health', { seconds: 2 }), 200);
    }
  } finally {
    await session.end();
  }
  for (const answer of await hanging) {
    if (answer.status === 503) assert.match(answer.headers['retry-after'], /^[1-9]/);
    else assertStatus(answer, 200);
  }
  assertStatus(await shop.get(`/products/${id}`), 200);
});

test('a fault of the many is not that of each: they are asked for alone', async () => {
  const id = await shop.product();
  // The function fails for one product.
  await shop.database.sql(`ALTER FUNCTION shop.get_product(integer, bigint, text) RENAME TO get_product_whole;
    CREATE FUNCTION shop.get_product(store integer, product bigint, request text) RETURNS shop.response LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
      IF product = 666 THEN RAISE 'busy' USING ERRCODE = '55P03'; END IF;
      RETURN shop.get_product_whole(store, product, request);
    END $$;
    GRANT EXECUTE ON FUNCTION shop.get_product(integer, bigint, text) TO PUBLIC`);
  try {
    const answers = await Promise.all(Array.from({ length: 60 }, (_, i) => shop.get(`/products/${i % 20 === 5 ? 666 : id}`)));
    assert.deepEqual(answers.map((answer) => answer.status), answers.map((_, i) => (i % 20 === 5 ? 503 : 200)));
  } finally {
    await shop.database.sql(`DROP FUNCTION shop.get_product(integer, bigint, text);
      ALTER FUNCTION shop.get_product_whole(integer, bigint, text) RENAME TO get_product`);
  }
});
