// A checkout service as it is usually written: Express, node-postgres, a pool of 20 connections, one transaction per request
// with its statements sent one by one. Nothing in it is slow on purpose: rows are locked in one order, and what can be one
// statement is one. Arguments: PORT CONNECTION. On SIGTERM it prints its counters and ends.
import { createHash } from 'node:crypto';
import express from 'express';
import pg from 'pg';

const [port, connectionString] = process.argv.slice(2);
pg.types.setTypeParser(pg.types.builtins.INT8, Number);
const pool = new pg.Pool({ connectionString, max: 20 });
const counters = { retries: 0, errors: 0 };

class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Runs work in a transaction; deadlocks and serialization failures are tried again. */
async function inTransaction(work) {
  for (let attempt = 1; ; attempt++) {
    const client = await pool.connect();
    try {
      await client.query('BEGIN');
      const result = await work(client);
      await client.query('COMMIT');
      return result;
    } catch (error) {
      await client.query('ROLLBACK');
      if (!['40001', '40P01'].includes(error.code) || attempt === 5) throw error;
      counters.retries++;
    } finally {
      client.release();
    }
  }
}

/** Claims the key; gives the stored answer when the request was answered before. */
async function claimKey(client, key, hash) {
  const claimed = await client.query(
    'INSERT INTO express.idempotency_keys (key, request_hash) VALUES ($1, $2) ON CONFLICT DO NOTHING',
    [key, hash],
  );
  if (claimed.rowCount === 1) return undefined;
  const { rows } = await client.query(
    'SELECT request_hash, status, body FROM express.idempotency_keys WHERE key = $1',
    [key],
  );
  if (rows[0].request_hash !== hash) throw new Refusal(422, 'Idempotency-Key reused');
  return rows[0];
}

/** The cart's lines with prices; the cart is locked. */
async function readCart(client, userId, cartId) {
  const carts = await client.query('SELECT user_id, status FROM express.carts WHERE id = $1 FOR UPDATE', [cartId]);
  if (carts.rowCount === 0) throw new Refusal(404, 'Cart not found');
  if (carts.rows[0].user_id !== userId) throw new Refusal(403, 'Cart does not belong to this user');
  if (carts.rows[0].status !== 'open') throw new Refusal(400, 'Cart is not open');
  const items = await client.query(
    'SELECT i.product_id, i.qty, p.price FROM express.cart_items i JOIN express.products p ON p.id = i.product_id ' +
      'WHERE i.cart_id = $1 ORDER BY i.product_id',
    [cartId],
  );
  if (items.rowCount === 0) throw new Refusal(400, 'Cart is empty');
  return items.rows;
}

/** Takes the units out of stock. */
async function takeStock(client, items) {
  const stock = await client.query(
    'SELECT product_id, available_qty FROM express.inventory WHERE product_id = ANY ($1) ORDER BY product_id FOR UPDATE',
    [items.map((item) => item.product_id)],
  );
  const levels = new Map(stock.rows.map((row) => [row.product_id, row.available_qty]));
  for (const item of items) {
    if ((levels.get(item.product_id) ?? 0) < item.qty)
      throw new Refusal(400, `Insufficient stock for product ${item.product_id}`);
  }
  for (const item of items) {
    await client.query('UPDATE express.inventory SET available_qty = available_qty - $2 WHERE product_id = $1', [
      item.product_id,
      item.qty,
    ]);
  }
}

/** Writes the order with its lines. */
async function writeOrder(client, userId, cartId, items) {
  const cents = items.reduce((sum, item) => sum + item.qty * Math.round(Number(item.price) * 100), 0);
  const orders = await client.query(
    "INSERT INTO express.orders (user_id, cart_id, status, total_price) VALUES ($1, $2, 'pending', $3) " +
      'RETURNING id, user_id, status, total_price',
    [userId, cartId, (cents / 100).toFixed(2)],
  );
  const order = orders.rows[0];
  const lines = [];
  for (const item of items) {
    const line = await client.query(
      'INSERT INTO express.order_items (order_id, product_id, qty, price) VALUES ($1, $2, $3, $4) ' +
        'RETURNING id, order_id, product_id, qty, price',
      [order.id, item.product_id, item.qty, item.price],
    );
    lines.push(line.rows[0]);
  }
  return { order, order_items: lines };
}

async function checkout(client, key, userId, cartId) {
  const hash = createHash('sha256').update(`${userId}:${cartId}`).digest('hex');
  const stored = await claimKey(client, key, hash);
  if (stored) return stored;
  const items = await readCart(client, userId, cartId);
  await takeStock(client, items);
  const body = await writeOrder(client, userId, cartId, items);
  await client.query("UPDATE express.carts SET status = 'checked_out', updated_at = now() WHERE id = $1", [cartId]);
  await client.query('INSERT INTO express.outbox (topic, payload) VALUES ($1, $2)', [
    'payment',
    { orderId: body.order.id },
  ]);
  await client.query('UPDATE express.idempotency_keys SET status = $2, body = $3 WHERE key = $1', [key, 201, body]);
  return { status: 201, body };
}

const app = express();
app.use(express.json());
app.get('/health', (request, response) => response.json({ status: 'ok' }));
app.post('/checkout', async (request, response) => {
  const key = request.get('Idempotency-Key');
  const { userId, cartId } = request.body;
  if (!key) throw new Refusal(400, 'Missing Idempotency-Key');
  if (!Number.isInteger(userId) || !Number.isInteger(cartId))
    throw new Refusal(400, 'userId and cartId must be integers');
  const { status, body } = await inTransaction((client) => checkout(client, key, userId, cartId));
  response.status(status).json(body);
});
app.use((error, request, response, next) => {
  if (!(error instanceof Refusal)) counters.errors++;
  if (response.headersSent) next(error);
  else response.status(error.status ?? 500).json({ message: error.status ? error.message : 'Internal error' });
});
const server = app.listen(Number(port), '127.0.0.1', () => console.log('READY'));
process.on('SIGTERM', () => {
  console.log(`COUNTERS ${JSON.stringify(counters)}`);
  server.close();
  server.closeAllConnections();
  pool.end();
});
