// The acceptance walk, through nothing but the public routes.
import assert from 'node:assert/strict';
import { eventually } from './wait.js';

/**
 * Makes a product, stocks it, buys it twice over with one key, and waits until it is paid. call(method, path, options) sends
 * one request as send() of http.js does. `sku` and `userId` are nobody else's.
 */
export async function purchase(call, { sku, userId }) {
  const good = async (...request) => {
    const answer = await call(...request);
    assert.ok(answer.status < 300, `${request[0]} ${request[1]}: ${answer.status} ${answer.text}`);
    return answer;
  };
  const { json: session } = await good('POST', '/auth/login', { body: { username: 'admin', password: 'admin123' } });
  const token = session.accessToken;
  const { json: product } = await good('POST', '/admin/products', { token, body: { sku, name: 'Mug', price: 19.99 } });
  await good('POST', '/admin/inventory/restock', { token, body: { productId: product.id, qty: 3 } });
  const { json: added } = await good('POST', '/cart/items', { body: { userId, productId: product.id, qty: 2 } });
  const checkout = { body: { userId, cartId: added.cart.id }, key: `one of ${userId}` };
  const first = await good('POST', '/checkout', checkout);
  const again = await good('POST', '/checkout', checkout);
  assert.equal(again.text, first.text);
  assert.equal(again.headers['idempotent-replayed'], 'true');
  const { id } = first.json.order;
  await eventually('the order is paid', async () => (await good('GET', `/orders/${id}`)).json.status === 'CONFIRMED');
  assert.equal((await good('GET', `/admin/inventory/${product.id}`, { token })).json.on_hand, 1);
  assert.deepEqual((await good('GET', '/admin/verify', { token })).json, []);
}
