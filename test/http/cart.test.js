// The cart: fill, look, take out.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertProblem, assertStatus, openShop } from '../lib/shop.js';
import { literal } from '../lib/http.js';

const shop = openShop();
const add = (body) => shop.post('/cart/items', body);
const look = (userId) => shop.get(`/cart?userId=${userId}`);
const noPositive = [undefined, null, true, 'abc', '', ' 1', '0x1', '1e2', 1.5, '1.5', [5], {}, 0, -1, '0', '-1', '99999999999999999999'];

describe('POST /cart/items', () => {
  test('makes the cart and the line', async () => {
    const [userId, productId] = [shop.newUser(), await shop.product()];
    const answer = await add({ userId, productId, qty: 2 });
    assertStatus(answer, 201);
    const { cart, item } = answer.json;
    assert.deepEqual(cart, { id: cart.id, user_id: userId, status: 'open' });
    assert.deepEqual(item, { id: item.id, cart_id: cart.id, product_id: productId, qty: 2 });
    for (const id of [cart.id, item.id]) assert.ok(Number.isInteger(id) && id > 0, answer.text);
  });

  test('the same product again adds to the line; ids may be text', async () => {
    const [userId, productId] = [shop.newUser(), await shop.product()];
    const first = await add({ userId, productId, qty: 2 });
    const second = await add({ userId: String(userId), productId: String(productId), qty: '3' });
    assertStatus(second, 201);
    assert.deepEqual(second.json, { cart: first.json.cart, item: { ...first.json.item, qty: 5 } });
  });

  test('one open cart for a user, however many come at once', async () => {
    const userId = shop.newUser();
    const products = await Promise.all(Array.from({ length: 5 }, () => shop.product()));
    const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => add({ userId, productId: products[i % 5], qty: 1 })));
    for (const answer of answers) assertStatus(answer, 201);
    assert.equal(new Set(answers.map((answer) => answer.json.cart.id)).size, 1);
    const { items } = (await look(userId)).json;
    assert.deepEqual(items.map((item) => item.qty), [4, 4, 4, 4, 4]);
  });

  test('bad fields: 400, user first, then product, then quantity', async () => {
    const [userId, productId] = [shop.newUser(), await shop.product()];
    for (const bad of noPositive) {
      assertProblem(await add({ userId: bad, productId: bad, qty: bad }), 400, 'userId must be a positive integer');
      assertProblem(await add({ userId, productId: bad, qty: bad }), 400, 'productId must be a positive integer');
      assertProblem(await add({ userId, productId, qty: bad }), 400, 'qty must be an integer greater than 0');
    }
    assertProblem(await add({ userId, productId, qty: 2147483648 }), 400, 'qty must be an integer greater than 0');
  });

  test('an unknown product: 404, and no cart is left behind', async () => {
    const userId = shop.newUser();
    assertProblem(await add({ userId, productId: 987654321, qty: 1 }), 404, 'Product not found');
    assertProblem(await look(userId), 404, 'Cart not found');
  });

  test('a line that grows beyond the column is refused, never a 500', async () => {
    const [userId, productId] = [shop.newUser(), await shop.product({ price: 0 })];
    const first = await add({ userId, productId, qty: 2147483647 });
    assert.ok([201, 400].includes(first.status), first.text);
    assertProblem(await add({ userId, productId, qty: 2147483647 }), 400);
  });
});

describe('GET /cart', () => {
  test('lines with prices, and the exact total', async () => {
    const userId = shop.newUser();
    const products = [await shop.product({ price: 0.1 }), await shop.product({ price: 0.2 }), await shop.product({ price: 4.35 })];
    const cart = await shop.cart(userId, [products[0], 1], [products[1], 1], [products[2], 100]);
    const answer = await look(userId);
    assertStatus(answer, 200);
    assert.deepEqual(Object.keys(answer.json).sort(), ['cart', 'items', 'total_price']);
    assert.deepEqual(answer.json.cart, { id: cart, user_id: userId, status: 'open' });
    assert.deepEqual(
      answer.json.items.map(({ id, ...item }) => item),
      [[0.1, 1], [0.2, 1], [4.35, 100]].map(([price, qty], i) => ({ cart_id: cart, product_id: products[i], qty, price })),
    );
    assert.match(literal(answer.text, 'total_price'), /^435\.30?$/);
  });

  test('0.1 + 0.2 is 0.3; big prices keep their cents', async () => {
    const [one, other] = [shop.newUser(), shop.newUser()];
    await shop.cart(one, [await shop.product({ price: 0.1 }), 1], [await shop.product({ price: 0.2 }), 1]);
    assert.match(literal((await look(one)).text, 'total_price'), /^0\.30?$/);
    await shop.cart(other, [await shop.product({ price: '4999999999.99' }), 2]);
    assert.equal(literal((await look(other)).text, 'total_price'), '9999999999.98');
  });

  test('the price of the catalogue, not of the day the line was added', async () => {
    const [userId, productId] = [shop.newUser(), await shop.product({ price: 10 })];
    await shop.cart(userId, [productId, 1]);
    await shop.gateway.send('PATCH', `/admin/products/${productId}`, { body: { price: 12.5 }, token: shop.admin });
    assert.equal((await look(userId)).json.total_price, 12.5);
  });

  test('nobody’s cart: 404; not a user: 400', async () => {
    assertProblem(await look(shop.newUser()), 404, 'Cart not found');
    for (const id of ['', 'abc', '0', '-1', '1.5', '0x1']) assertProblem(await look(id), 400);
    assertProblem(await shop.get('/cart'), 400);
  });
});

describe('DELETE /cart/items/:productId', () => {
  const remove = (productId, query, body) => shop.gateway.send('DELETE', `/cart/items/${productId}${query}`, { body });

  test('takes the line out; userId in the query', async () => {
    const [userId, productId, other] = [shop.newUser(), await shop.product(), await shop.product()];
    const cart = await shop.cart(userId, [productId, 2], [other, 1]);
    const answer = await remove(productId, `?userId=${userId}`);
    assertStatus(answer, 200);
    assert.deepEqual(answer.json, { id: answer.json.id, cart_id: cart, product_id: productId, qty: 2 });
    assert.deepEqual((await look(userId)).json.items.map((item) => item.product_id), [other]);
    assertProblem(await remove(productId, `?userId=${userId}`), 404, 'Cart item not found');
  });

  test('takes the line out; userId in the body', async () => {
    const [userId, productId] = [shop.newUser(), await shop.product()];
    await shop.cart(userId, [productId, 2]);
    assertStatus(await remove(productId, '', { userId }), 200);
    const left = await look(userId);
    assertStatus(left, 200);
    assert.deepEqual(left.json.items, []);
    assert.equal(left.json.total_price, 0);
  });

  test('no cart: 404; bad ids: 400', async () => {
    const productId = await shop.product();
    assertProblem(await remove(productId, `?userId=${shop.newUser()}`), 404, 'Cart not found');
    for (const id of ['abc', '0', '-1', '1.5']) {
      assertProblem(await remove(id, `?userId=${shop.newUser()}`), 400);
      assertProblem(await remove(productId, `?userId=${id}`), 400);
    }
    assertProblem(await remove(productId, ''), 400);
    assertProblem(await remove(productId, '', '{"a'), 400, 'Invalid JSON body');
  });
});
