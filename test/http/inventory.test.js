// Stock: restock and read.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertProblem, assertStatus, openShop } from '../lib/shop.js';

const shop = openShop();
const restock = (body, options = {}) => shop.post('/admin/inventory/restock', body, { token: shop.admin, ...options });

describe('POST /admin/inventory/restock', () => {
  test('adds to what is available; ids and quantities may be text', async () => {
    const productId = await shop.product({ stock: 0 });
    const first = await restock({ productId, qty: 5 });
    assertStatus(first, 200);
    assert.deepEqual(first.json, { product_id: productId, available_qty: 5 });
    const second = await restock({ productId: String(productId), qty: '7' });
    assert.deepEqual(second.json, { product_id: productId, available_qty: 12 });
    assert.deepEqual(await shop.stock(productId), { product_id: productId, available_qty: 12, on_hand: 12, reserved: 0 });
  });

  const noInteger = [undefined, null, true, 'abc', '', ' 1', '-1', '-0', '0x1', '1e2', 1.5, '1.5', [5], {}, 1e30, '99999999999999999999'];
  test('a productId that is none: 400', async () => {
    for (const productId of noInteger) {
      assertProblem(await restock({ productId, qty: 1 }), 400, 'productId must be an integer');
    }
  });

  test('a quantity that is none: 400', async () => {
    const productId = await shop.product({ stock: 3 });
    for (const qty of [...noInteger, 0, -1, '0', '-5', 2147483648]) {
      assertProblem(await restock({ productId, qty }), 400, 'qty must be an integer greater than 0');
    }
    assert.equal((await shop.stock(productId)).available_qty, 3);
  });

  test('an unknown product: 404', async () => {
    assertProblem(await restock({ productId: 987654321, qty: 1 }), 404, 'Product not found');
  });

  test('more than the column can hold is refused, never a 500', async () => {
    const productId = await shop.product({ stock: 2147483647 });
    const answer = await restock({ productId, qty: 2147483647 });
    assert.ok(answer.status === 200 || (answer.status >= 400 && answer.status < 500), answer.text);
  });

  test('a key makes it once: the same again is replayed byte by byte', async () => {
    const productId = await shop.product({ stock: 0 });
    const [first, again] = [await restock({ productId, qty: 4 }, { key: 'r1' }), await restock({ productId, qty: 4 }, { key: '"r1"' })];
    assertStatus(first, 200);
    assert.equal(first.headers['idempotent-replayed'], undefined);
    assert.equal(again.status, 200);
    assert.equal(again.headers['idempotent-replayed'], 'true');
    assert.equal(again.text, first.text);
    assert.equal((await shop.stock(productId)).available_qty, 4);
  });

  test('the key with another meaning: 422', async () => {
    const productId = await shop.product({ stock: 0 });
    assertStatus(await restock({ productId, qty: 4 }, { key: 'r2' }), 200);
    assertProblem(await restock({ productId, qty: 5 }, { key: 'r2' }), 422);
    assert.equal((await shop.stock(productId)).available_qty, 4);
  });

  test('a bad key: 400', async () => {
    const productId = await shop.product({ stock: 0 });
    for (const key of ['x'.repeat(256), 'a\tb']) assertProblem(await restock({ productId, qty: 1 }, { key }), 400);
    assert.equal((await shop.stock(productId)).available_qty, 0);
  });

  test('twenty at once, with and without one key', async () => {
    const [one, other] = [await shop.product({ stock: 0 }), await shop.product({ stock: 0 })];
    const answers = await Promise.all(Array.from({ length: 20 }, () => restock({ productId: one, qty: 1 })));
    for (const answer of answers) assertStatus(answer, 200);
    assert.equal((await shop.stock(one)).available_qty, 20);
    await Promise.all(Array.from({ length: 20 }, () => restock({ productId: other, qty: 1 }, { key: 'r3' })));
    assert.equal((await shop.stock(other)).available_qty, 1);
  });
});

describe('GET /admin/inventory/:productId', () => {
  test('unknown: 404', async () => {
    assertProblem(await shop.get('/admin/inventory/987654321', { token: shop.admin }), 404, 'Inventory not found');
  });

  test('not an id: 400', async () => {
    for (const id of ['abc', '1.5', '99999999999999999999']) {
      assertProblem(await shop.get(`/admin/inventory/${id}`, { token: shop.admin }), 400);
    }
  });
});
