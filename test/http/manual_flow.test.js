// The manual flow of the contract, as the predecessors' clients walk it: Shop's (CUSTOMER_AUTH=off, ids as text, a token for
// the administrator only) and Intake's. One test each, to be read from top to bottom.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { literal } from '../lib/http.js';
import { Poller } from '../lib/poller.js';
import { assertProblem, openShop } from '../lib/shop.js';
import { eventually } from '../lib/wait.js';

const shop = openShop();
let poller;

before(async () => {
  await eventually('the shop is open', () => shop.gateway?.get('/ready'));
  poller = await Poller.start(shop.database); // even order ids pay, odd ones fail
});
after(() => poller?.stop());

/** What Shop's clients read of a refusal. */
async function refused(answer, status, message) {
  assertProblem(await answer, status, message);
}

test('Shop: from the login to the paid order', async () => {
  const { get, post } = { get: shop.get.bind(shop), post: shop.post.bind(shop) };

  // The shop owner signs in.
  await refused(post('/auth/login', { username: 'admin' }), 400, 'username and password are required');
  await refused(post('/auth/login', { username: 'admin', password: 'wrong' }), 401, 'Invalid credentials');
  const login = await post('/auth/login', { username: 'admin', password: 'admin123' });
  assert.equal(login.status, 200);
  const { accessToken: token, ...rest } = login.json;
  assert.deepEqual(rest, { tokenType: 'Bearer', expiresIn: 3600, user: { id: '1', username: 'admin', role: 'admin' } });
  const buyer = await post('/auth/login', { username: 'user', password: 'user123' });
  assert.deepEqual(buyer.json.user, { id: '2', username: 'user', role: 'user' });

  // Only an administrator makes products.
  const mug = { sku: 'MUG', name: 'Mug', price: '19.99' };
  await refused(post('/admin/products', mug), 401, 'Missing or invalid Authorization header');
  await refused(post('/admin/products', mug, { token: 'x.y.z' }), 401, 'Invalid or expired token');
  await refused(post('/admin/products', mug, { token: buyer.json.accessToken }), 403, 'Requires admin role');
  await refused(post('/admin/products', 'no JSON', { token }), 400, 'Invalid JSON body');
  await refused(post('/admin/products', { sku: 'MUG' }, { token }), 400, 'sku, name, price are required');
  await refused(post('/admin/products', { ...mug, price: -1 }, { token }), 400, 'price must be a non-negative number');
  const made = await post('/admin/products', mug, { token });
  assert.equal(made.status, 201);
  const { id } = made.json;
  assert.deepEqual(made.json, { id, sku: 'MUG', name: 'Mug', price: 19.99 });
  await refused(post('/admin/products', mug, { token }), 409, 'sku already exists');
  assert.deepEqual((await get(`/admin/inventory/${id}`, { token })).json, { product_id: id, available_qty: 0, on_hand: 0, reserved: 0 });

  // Goods come in.
  await refused(post('/admin/inventory/restock', { productId: 'MUG', qty: 5 }, { token }), 400, 'productId must be an integer');
  await refused(post('/admin/inventory/restock', { productId: id, qty: 0 }, { token }), 400, 'qty must be an integer greater than 0');
  await refused(post('/admin/inventory/restock', { productId: 999999, qty: 5 }, { token }), 404, 'Product not found');
  const restocked = await post('/admin/inventory/restock', { productId: String(id), qty: '5' }, { token });
  assert.deepEqual([restocked.status, restocked.json], [200, { product_id: id, available_qty: 5 }]);
  await refused(get('/admin/inventory/999999', { token }), 404, 'Inventory not found');

  // Anybody looks at the catalogue.
  assert.deepEqual((await get('/products')).json, [{ id, sku: 'MUG', name: 'Mug', price: 19.99 }]);
  assert.deepEqual((await get(`/products/${id}`)).json, made.json);
  await refused(get('/products/mug'), 400, 'id must be an integer');
  await refused(get('/products/999999'), 404, 'Product not found');
  const changed = await shop.gateway.send('PATCH', `/admin/products/${id}`, { body: { name: 'Big mug' }, token });
  assert.deepEqual(changed.json, { ...made.json, name: 'Big mug' });
  await refused(shop.gateway.send('PATCH', `/admin/products/${id}`, { body: {}, token }), 400, 'No fields to update');

  // A buyer, known by a user id in text, fills a cart without any token.
  const userId = '42';
  await refused(get(`/cart?userId=${userId}`), 404, 'Cart not found');
  await refused(post('/cart/items', { productId: String(id), qty: '1' }), 400, 'userId must be a positive integer');
  await refused(post('/cart/items', { userId, productId: 'x', qty: '1' }), 400, 'productId must be a positive integer');
  await refused(post('/cart/items', { userId, productId: String(id), qty: '0' }), 400, 'qty must be an integer greater than 0');
  await refused(post('/cart/items', { userId, productId: '999999', qty: '1' }), 404, 'Product not found');
  const first = await post('/cart/items', { userId, productId: String(id), qty: '1' });
  assert.equal(first.status, 201);
  const cart = first.json.cart;
  assert.deepEqual(cart, { id: cart.id, user_id: 42, status: 'open' });
  const more = await post('/cart/items', { userId, productId: String(id), qty: '2' });
  assert.deepEqual([more.json.cart.id, more.json.item.qty], [cart.id, 3]);
  const seen = await get(`/cart?userId=${userId}`);
  assert.deepEqual(seen.json, {
    cart, items: [{ id: first.json.item.id, cart_id: cart.id, product_id: id, qty: 3, price: 19.99 }], total_price: 59.97,
  });
  assert.equal(literal(seen.text, 'total_price'), '59.97');

  // Out with it and in again.
  const remove = (target, body) => shop.gateway.send('DELETE', target, { body });
  await refused(remove('/cart/items/999999', { userId }), 404, 'Cart item not found');
  await refused(remove(`/cart/items/${id}?userId=777`), 404, 'Cart not found');
  assert.equal((await remove(`/cart/items/${id}`, { userId })).json.qty, 3);
  const ask = (body, key = 'flow-1') => post('/checkout', body, { key });
  await refused(ask({ userId, cartId: String(cart.id) }), 400, 'Cart is empty');
  await post('/cart/items', { userId, productId: id, qty: 7 });

  // The checkout, refused in the contract's order; a refusal does not use the key up.
  const missing = await post('/checkout', { userId: 'x', cartId: 'x' });
  assertProblem(missing, 400, 'Missing Idempotency-Key');
  assert.equal(missing.json.error, 'Missing Idempotency-Key');
  await refused(ask({ userId, cartId: cart.id }, ''), 400);
  await refused(ask({ userId, cartId: cart.id }, 'k'.repeat(256)), 400);
  await refused(ask({ userId: 'x', cartId: 'x' }), 400, 'userId must be a positive integer');
  await refused(ask({ userId, cartId: 'x' }), 400, 'cartId must be a positive integer');
  await refused(ask({ userId, cartId: '999999' }), 404, 'Cart not found');
  await refused(ask({ userId: '43', cartId: cart.id }), 403, 'Cart does not belong to this user');
  await refused(ask({ userId, cartId: cart.id }), 400, `Insufficient stock for product ${id}. Available: 5, Required: 7`);
  await remove(`/cart/items/${id}?userId=42`);
  await post('/cart/items', { userId, productId: id, qty: 2 });
  await refused(ask({ userId, cartId: cart.id, expectedTotal: 1 }), 409);

  const bought = await ask({ userId, cartId: String(cart.id) });
  assert.equal(bought.status, 201, bought.text);
  const order = bought.json.order;
  assert.deepEqual(order, { id: order.id, user_id: 42, total_price: 39.98, status: 'pending' });
  assert.deepEqual(bought.json.order_items, [{ id: bought.json.order_items[0].id, order_id: order.id, product_id: id, qty: 2, price: 19.99 }]);
  const again = await ask({ userId, cartId: String(cart.id) }, '"flow-1"');
  assert.deepEqual([again.status, again.text, again.headers['idempotent-replayed']], [201, bought.text, 'true']);
  assert.equal(bought.headers['idempotent-replayed'], undefined);
  await refused(ask({ userId, cartId: cart.id + 1 }), 422);
  await refused(ask({ userId, cartId: cart.id }, 'flow-2'), 400, 'Cart is not open (status: checked_out)');

  // The poller settles it: an even id pays, an odd one is cancelled and its stock is free again.
  const paid = order.id % 2 === 0;
  const settled = await eventually('the payment is settled', async () => {
    const found = await get(`/orders/${order.id}`);
    return found.json.status !== 'pending' && found;
  });
  assert.deepEqual([settled.json.status, settled.json.user_id, settled.json.total_price], [paid ? 'CONFIRMED' : 'CANCELLED', 42, 39.98]);
  for (const time of [settled.json.created_at, settled.json.updated_at]) assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.deepEqual(settled.json.items, bought.json.order_items);
  const stock = await get(`/admin/inventory/${id}`, { token });
  assert.deepEqual(stock.json, { product_id: id, available_qty: paid ? 3 : 5, on_hand: paid ? 3 : 5, reserved: 0 });
  const { items, ...summary } = settled.json;
  assert.deepEqual((await get(`/orders?userId=${userId}`)).json, [summary]);
  assert.deepEqual((await get(`/orders/${order.id}/events`)).json.map((event) => event.to), ['pending', settled.json.status]);
  await refused(get('/orders/x'), 400, 'id must be a positive integer');
  await refused(get('/orders/999999'), 404, 'Order not found');
  await refused(get('/orders?userId=x'), 400, 'userId must be a positive integer');
  assert.equal((await get('/health')).json.status, 'ok');
});

test('Intake: from the order to its end', async () => {
  const { get, post } = { get: shop.get.bind(shop), post: shop.post.bind(shop) };
  const index = await get('/');
  assert.deepEqual([index.status, index.json.status, Array.isArray(index.json.endpoints)], [200, 'running', true]);
  await eventually('the poller has reported', async () => (await get('/api/health')).json.status === 'healthy');

  const item = { product_id: 'THING', quantity: 2, price: 9.99 };
  const wrong = async (body, message) => {
    const answer = await post('/api/orders', body);
    assertProblem(answer, 400, message);
    assert.equal(typeof answer.json.error, 'string'); // what Intake's clients read
  };
  await wrong({ items: [item] }, 'customer_id and items array are required');
  await wrong({ customer_id: 'C-1', items: [] }, 'customer_id and items array are required');
  await wrong({ customer_id: 'C-1', items: [{ product_id: 'THING' }] }, 'Each item must have product_id, quantity, and price');
  await wrong({ customer_id: 'C-1', items: [{ ...item, quantity: 0 }] }, 'Quantity must be positive and price must be non-negative');
  await wrong({ customer_id: 'C-1', items: [{ ...item, price: -1 }] }, 'Quantity must be positive and price must be non-negative');

  const body = { customer_id: 'C-1', items: [{ ...item, colour: 'red' }, { product_id: 7, quantity: '1', price: '0.02' }, { product_id: 'GIFT', quantity: 1, price: 0 }] };
  const accepted = await post('/api/orders', body);
  assert.equal(accepted.status, 202, accepted.text);
  const id = accepted.json.order_id;
  assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/);
  assert.deepEqual(accepted.json, { message: 'Order accepted for processing', order_id: id, status: 'queued', total_amount: 20 });
  assert.equal(literal(accepted.text, 'total_amount'), '20.00');
  assert.equal(accepted.headers.location, `/api/orders/${id}`);

  // It is found at once, whatever the poller has done with it by now, and completed in the end.
  const found = await get(accepted.headers.location);
  assert.ok(['queued', 'pending', 'completed'].includes(found.json.data.status), found.text);
  const completed = await eventually('the order is completed', async () => {
    const { data } = (await get(`/api/orders/${id}`)).json;
    return data.status === 'completed' && data;
  });
  assert.deepEqual([completed.id, completed.order_id, completed.customer_id, completed.total_amount], [id, id, 'C-1', 20]);
  assert.deepEqual(completed.items.map((one) => [String(one.product_id), one.quantity, one.price, one.colour]),
    [['THING', 2, 9.99, 'red'], ['7', 1, 0.02, undefined], ['GIFT', 1, 0, undefined]]);

  // More of a catalogue's product than there is: the order fails and says why.
  const sku = 'INTAKE-MUG';
  const product = await shop.product({ sku, stock: 1 });
  const short = await post('/api/orders', { customer_id: 'C-1', items: [{ product_id: sku, quantity: 2, price: 1 }] });
  const failed = await eventually('the order has failed', async () => {
    const { data } = (await get(`/api/orders/${short.json.order_id}`)).json;
    return data.status === 'failed' && data;
  });
  assert.match(failed.failure_reason, /stock/i);
  assert.equal((await shop.stock(product)).available_qty, 1);

  // Lists, statistics, health.
  await refused(get('/api/orders?page=0'), 400, 'Page must be greater than 0');
  await refused(get('/api/orders?limit=101'), 400, 'Limit must be between 1 and 100');
  await refused(get('/api/orders/unknown'), 404, 'Order not found');
  const list = (await get('/api/orders?page=1&limit=1')).json;
  assert.deepEqual([list.page, list.limit, list.orders.length, list.orders[0].order_id], [1, 1, 1, short.json.order_id]);
  assert.equal((await get('/api/orders?page=5000')).json.orders.length, 0);
  const statistics = (await get('/api/stats')).json;
  assert.equal(statistics.total_orders, list.total);
  assert.equal(statistics.orders_by_hour.reduce((sum, hour) => sum + hour.count, 0), statistics.total_orders);
  const health = (await get('/api/health')).json;
  assert.deepEqual([health.status, health.database.status, health.queue.status], ['healthy', 'connected', 'connected']);
});
