// The catalogue: list, read, create, change.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertProblem, assertStatus, openShop } from '../lib/shop.js';
import { literal } from '../lib/http.js';

const shop = openShop();
const create = (body) => shop.post('/admin/products', body, { token: shop.admin });
const change = (id, body) => shop.gateway.send('PATCH', `/admin/products/${id}`, { body, token: shop.admin });
const good = () => ({ sku: shop.newSku(), name: 'Mug', price: 19.99 });

describe('POST /admin/products', () => {
  test('makes the product and its empty inventory row', async () => {
    const body = good();
    const answer = await create(body);
    assertStatus(answer, 201);
    assert.deepEqual(Object.keys(answer.json).sort(), ['id', 'name', 'price', 'sku']);
    assert.ok(Number.isInteger(answer.json.id), answer.text);
    assert.deepEqual({ ...answer.json, id: 0 }, { ...body, id: 0 });
    assert.deepEqual(await shop.stock(answer.json.id), { product_id: answer.json.id, available_qty: 0, on_hand: 0, reserved: 0 });
  });

  test('missing fields: 400', async () => {
    for (const left of ['sku', 'name', 'price']) {
      assertProblem(await create({ ...good(), [left]: undefined }), 400, 'sku, name, price are required');
      assertProblem(await create({ ...good(), [left]: null }), 400, 'sku, name, price are required');
    }
    assertProblem(await create({}), 400, 'sku, name, price are required');
    assertProblem(await create({ ...good(), sku: '' }), 400);
    assertProblem(await create({ ...good(), name: '' }), 400);
  });

  test('a price that is no money: 400', async () => {
    for (const price of [-1, -0.01, '-1', 'abc', '', ' ', '1,5', '0x10', '1_0', 'NaN', 'Infinity', true, false, [5], {}, 1.999, '0.001', 10_000_000_000, '1e300']) {
      assertProblem(await create({ ...good(), price }), 400, 'price must be a non-negative number');
    }
    const huge = `{"sku":"${shop.newSku()}","name":"x","price":1e999999999}`;
    assertProblem(await create(huge), 400);
  });

  const exact = { 0: '0', '"0"': '0', 0.1: '0.1', '"19.99"': '19.99', 19.9: '19.9', 9999999999.99: '9999999999.99', '"9999999999.99"': '9999999999.99', 4.35: '4.35', 1e2: '100', '"007.50"': '7.5', 2.675e1: '26.75' };
  test('money is exact, as number or text', async () => {
    for (const [given, wanted] of Object.entries(exact)) {
      const answer = await create(`{"sku":"${shop.newSku()}","name":"x","price":${given}}`);
      assertStatus(answer, 201);
      const text = literal(answer.text, 'price');
      assert.match(text, /^\d+(\.\d{1,2})?$/, 'a plain number');
      assert.equal(String(Number(text)), wanted, `${given} comes back as ${text}`);
    }
  });

  test('the same sku again: 409', async () => {
    const body = good();
    assertStatus(await create(body), 201);
    assertProblem(await create({ ...body, name: 'Another' }), 409, 'sku already exists');
  });

  test('the same sku ten times at once: one product', async () => {
    const body = good();
    const answers = await Promise.all(Array.from({ length: 10 }, () => create(body)));
    assert.deepEqual(answers.map((answer) => answer.status).sort(), [201, ...Array(9).fill(409)]);
  });

  test('other scripts, quotes and long names survive', async () => {
    for (const name of ['Ñandú — 中文 🐘', `it's "quoted" \\ back/slash`, "'; DROP TABLE shop.products; --", '\u2028', 'x'.repeat(200)]) {
      const answer = await create({ ...good(), name });
      assertStatus(answer, 201);
      assert.equal((await shop.get(`/products/${answer.json.id}`)).json.name, name);
    }
  });

  test('a name of a megabyte never is a 500', async () => {
    const answer = await create({ ...good(), name: 'x'.repeat(90_000) });
    assert.ok([201, 400].includes(answer.status), answer.text);
  });
});

describe('GET /products/:id', () => {
  test('gives the product', async () => {
    const made = (await create(good())).json;
    const answer = await shop.get(`/products/${made.id}`);
    assertStatus(answer, 200);
    assert.deepEqual(answer.json, made);
  });

  test('not an integer: 400', async () => {
    for (const id of ['abc', '1.5', '0x1', '1e2', '99999999999999999999', '%31%20', 'null']) {
      assertProblem(await shop.get(`/products/${id}`), 400, 'id must be an integer');
    }
  });

  test('unknown: 404', async () => {
    for (const id of ['987654321', '9223372036854775807']) {
      assertProblem(await shop.get(`/products/${id}`), 404, 'Product not found');
    }
  });
});

describe('GET /products', () => {
  test('all, by ascending id', async () => {
    await create(good());
    const answer = await shop.get('/products');
    assertStatus(answer, 200);
    const ids = answer.json.map((product) => product.id);
    assert.ok(ids.length > 10);
    assert.deepEqual(ids, [...ids].sort((a, b) => a - b));
    for (const product of answer.json) assert.deepEqual(Object.keys(product).sort(), ['id', 'name', 'price', 'sku']);
  });

  test('pages by limit and after cover all, once', async () => {
    const all = (await shop.get('/products')).json.map((product) => product.id);
    const seen = [];
    for (;;) {
      const page = await shop.get(`/products?limit=4${seen.length ? `&after=${seen.at(-1)}` : ''}`);
      assertStatus(page, 200);
      assert.ok(page.json.length <= 4);
      if (page.json.length === 0) break;
      seen.push(...page.json.map((product) => product.id));
    }
    assert.deepEqual(seen, all);
    assert.equal((await shop.get('/products?limit=1000')).status, 200);
    assert.deepEqual((await shop.get(`/products?after=${all.at(-1)}`)).json, []);
  });

  test('a limit or an id out of range: 400', async () => {
    for (const query of ['limit=0', 'limit=1001', 'limit=-1', 'limit=abc', 'limit=1.5', 'limit=', 'after=abc', 'after=1.5', 'limit=99999999999']) {
      assertProblem(await shop.get(`/products?${query}`), 400);
    }
  });
});

describe('PATCH /admin/products/:id', () => {
  test('changes what is given and nothing else', async () => {
    const made = (await create(good())).json;
    const renamed = await change(made.id, { name: 'Cup' });
    assertStatus(renamed, 200);
    assert.deepEqual(renamed.json, { ...made, name: 'Cup' });
    const sku = shop.newSku();
    assert.deepEqual((await change(made.id, { price: '0.30', sku })).json, { ...made, name: 'Cup', price: 0.3, sku });
    assert.deepEqual((await shop.get(`/products/${made.id}`)).json, { ...made, name: 'Cup', price: 0.3, sku });
    assertStatus(await change(made.id, { sku }), 200);
  });

  test('nothing to change: 400', async () => {
    const id = (await create(good())).json.id;
    for (const body of [{}, { unknown: 1 }]) assertProblem(await change(id, body), 400, 'No fields to update');
  });

  test('bad values: 400, and nothing is changed', async () => {
    const made = (await create(good())).json;
    for (const price of [-1, 'abc', true, 1.999, '']) {
      assertProblem(await change(made.id, { price, name: 'Changed' }), 400, 'price must be a non-negative number');
    }
    for (const body of [{ sku: 5 }, { name: ['x'] }, { sku: '' }, { name: '' }]) assertProblem(await change(made.id, body), 400);
    assert.deepEqual((await shop.get(`/products/${made.id}`)).json, made);
    assertProblem(await change('abc', { name: 'x' }), 400, 'id must be an integer');
  });

  test('unknown: 404; a sku that another has: 409', async () => {
    assertProblem(await change(987654321, { name: 'x' }), 404, 'Product not found');
    const [one, other] = [(await create(good())).json, (await create(good())).json];
    assertProblem(await change(one.id, { sku: other.sku }), 409, 'sku already exists');
  });
});
