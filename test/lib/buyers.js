// Random doings of many sessions at once, each with its answer written into a journal: what the history test is made of.
import pg from 'pg';
import { refundName } from './model.js';
import { random } from './random.js';

const bigint = 20;
pg.types.setTypeParser(bigint, Number);

const cents = (text) => Math.round(Number(text) * 100);
const money = (amount) => (amount === null ? null : (amount / 100).toFixed(2));

const weights = {
  add: 14, addBatch: 4, remove: 3, checkout: 16, batch: 5, cancel: 5, settle: 5, settleBatch: 4, begin: 6, apply: 10, acceptPayment: 2, fulfil: 4, refund: 5, settleRefund: 6,
  giveBack: 3, restock: 4, adjust: 2, accept: 4, ingest: 4, ingestBatch: 4, expire: 2, maintain: 1, deliver: 4, look: 3,
};

/** What the sessions know of each other's doings, so that they get in each other's way. */
class World {
  constructor(prices) {
    this.prices = prices; // product id → cents
    this.users = Array.from({ length: 10 }, (_, index) => 101 + index);
    this.carts = {}; // user → carts, oldest first
    this.requests = []; // checkouts that were begun
    this.orders = []; // { id, total, lines }
    this.attempts = []; // { id, order }
    this.events = []; // { event, attempt, outcome }
    this.restocks = []; // restocks with a key that were begun
    this.documents = []; // { id, known } of intake
    this.journal = [];
    this.numbers = 0;
  }

  number() {
    this.numbers += 1;
    return this.numbers;
  }
}

class Buyer {
  constructor(world, client, dice, forged) {
    Object.assign(this, { world, client, dice, forged });
  }

  /** Does one random thing. */
  act() {
    return this[this.dice.weighted(weights)]();
  }

  /** Runs a query as an operation of the journal; read(rows) makes the answer. Only lock timeouts are tolerated. */
  async call(operation, query, values, read) {
    const entry = { ...operation, start: performance.now() };
    this.world.journal.push(entry);
    try {
      const { rows } = await this.client.query(query, values);
      entry.answer = read(rows);
    } catch (error) {
      entry.error = `${error.code}: ${error.message}`;
    }
    entry.end = performance.now();
    return entry.answer;
  }

  /** Runs a query that does several operations and answers a row for each; gives the answers. One left undecided is none. */
  async callTogether(operations, query, values, read = (row) => row) {
    const entries = operations.map((operation) => ({ ...operation, start: performance.now() }));
    let answers = [];
    try {
      const { rows } = await this.client.query(query, values);
      answers = rows.map(read);
      entries.forEach((entry, index) => { entry.answer = answers[index]; });
    } catch (error) {
      for (const entry of entries) entry.error = `${error.code}: ${error.message}`;
    }
    for (const entry of entries) entry.end = performance.now();
    const undecided = ({ answer }) => answer?.result === null || answer?.status === 0;
    this.world.journal.push(...entries.filter((entry) => !undecided(entry)));
    return answers;
  }

  /** An API function that answers a shop.response. */
  respond(operation, call, values) {
    return this.call(operation, `SELECT status, body, replayed, order_id FROM ${call}`, values, ([row]) => response(row));
  }

  user() {
    return this.dice.pick(this.world.users);
  }

  product() {
    return Number(this.dice.pick(Object.keys(this.world.prices)));
  }

  async add() {
    const operation = { name: 'add', user: this.user(), productId: this.product(), qty: this.dice.between(1, 3) };
    const { user, productId, qty } = operation;
    const answer = await this.respond(operation, 'shop.add_cart_item(1, NULL, $1, $2, $3, NULL)', [user, productId, qty]);
    this.added(user, answer);
  }

  added(user, answer) {
    if (answer?.status !== 201) return;
    const carts = (this.world.carts[user] ??= []);
    if (!carts.includes(answer.body.cart.id)) carts.push(answer.body.cart.id);
  }

  /** Puts several items into carts in one call: for the checker so many at once. */
  async addBatch() {
    const { dice } = this;
    const operations = Array.from({ length: dice.between(2, 6) }, () =>
      ({ name: 'add', user: this.user(), productId: this.product(), qty: dice.between(1, 3) }));
    const rows = operations.map(({ user, productId, qty }) => `ROW(NULL, ${user}, ${productId}, ${qty}, NULL)`);
    const answers = await this.callTogether(operations,
      `SELECT status, body, replayed, order_id FROM shop.add_cart_items(1, ARRAY[${rows.join()}]::shop.cart_item_request[])`, [], response);
    answers.forEach((answer, index) => this.added(operations[index].user, answer));
  }

  remove() {
    const operation = { name: 'remove', user: this.user(), productId: this.product() };
    return this.respond(operation, 'shop.remove_cart_item(1, NULL, $1, $2, NULL)', [operation.user, operation.productId]);
  }

  /** A checkout to ask for: a new one, the same again, or another one under a used key. */
  request() {
    const { dice, world } = this;
    const user = this.user();
    const carts = world.carts[user] ?? [999999]; // a cart that nobody has
    const fresh = {
      name: 'checkout', user, key: `k${world.number()}`,
      cartId: dice.chance(0.9) ? carts.at(-1) : dice.pick(carts),
      expectedTotal: dice.chance(0.1) ? dice.between(1, 40) * 25 : null,
    };
    const used = world.requests.length > 0 && dice.chance(0.35) ? dice.recent(world.requests, 12) : undefined;
    const request = used === undefined ? fresh : { ...used };
    if (used !== undefined && dice.chance(0.25)) request.expectedTotal = dice.between(1, 40) * 25;
    world.requests.push(request);
    return request;
  }

  ordered(answer) {
    if (answer.status !== 201 || answer.replayed) return;
    const lines = Object.fromEntries(answer.body.order_items.map((item) => [item.product_id, item.qty]));
    this.world.orders.push({ id: answer.orderId, total: cents(answer.body.order.total_price), lines });
  }

  async checkout() {
    const { user, cartId, key, expectedTotal, ...rest } = this.request();
    const answer = await this.respond({ ...rest, user, cartId, key, expectedTotal },
      'shop.checkout(1, NULL, $1, $2, $3, $4, NULL, NULL)', [user, cartId, key, money(expectedTotal)]);
    if (answer !== undefined) this.ordered(answer);
  }

  async batch() {
    const requests = Array.from({ length: this.dice.between(2, 6) }, () => this.request());
    const rows = requests.map(({ user, cartId, key, expectedTotal }) =>
      `ROW(NULL, ${user}, ${cartId}, '${key}', ${money(expectedTotal) ?? 'NULL'}, NULL, NULL)`);
    const answers = await this.call({ name: 'batch', requests },
      `SELECT status, body, replayed, order_id FROM shop.checkout_batch(1, ARRAY[${rows.join()}]::shop.checkout_request[])`,
      [], (found) => found.map(response));
    for (const answer of answers ?? []) this.ordered(answer);
  }

  /** An operation on an order that is busy now; undefined while there is none. */
  onOrder(operation) {
    const { orders } = this.world;
    return orders.length === 0 ? undefined : { ...operation, order: this.dice.recent(orders, 12).id };
  }

  async cancel() {
    const operation = this.onOrder({ name: 'cancel', isAdmin: this.dice.chance(0.4) });
    if (operation === undefined) return;
    await this.respond(operation, 'shop.cancel_order(1, NULL, $1, $2, NULL, NULL, NULL)', [operation.isAdmin, operation.order]);
  }

  async fulfil() {
    const operation = this.onOrder({ name: 'fulfil' });
    if (operation === undefined) return;
    await this.respond(operation, 'shop.fulfil_order(1, $1, NULL, NULL)', [operation.order]);
  }

  async look() {
    const operation = this.onOrder({ name: 'look' });
    if (operation === undefined) return;
    await this.respond(operation, 'shop.get_order(1, NULL, $1, NULL)', [operation.order]);
  }

  async settle() {
    const operation = this.onOrder({ name: 'settle', paid: this.dice.chance(0.7) });
    if (operation === undefined) return;
    await this.call(operation, 'SELECT * FROM shop.settle_payment(1, $1, $2, NULL, NULL, NULL)',
      [operation.order, operation.paid], ([row]) => row);
  }

  /** Settles several orders in one call: for the checker so many settlements at once. One that is left undecided is none. */
  async settleBatch() {
    const { orders } = this.world;
    if (orders.length === 0) return;
    const ids = [...new Set(Array.from({ length: this.dice.between(1, 5) }, () => this.dice.recent(orders, 12).id))];
    const operations = ids.map((order) => ({ name: 'settle', order, paid: this.dice.chance(0.7) }));
    await this.callTogether(operations, 'SELECT * FROM shop.settle_payments(1, $1, $2, NULL, NULL, NULL)',
      [ids, operations.map(({ paid }) => paid)]);
  }

  async begin() {
    const operation = this.onOrder({ name: 'begin' });
    if (operation === undefined) return;
    const answer = await this.call(operation, "SELECT * FROM shop.begin_payment(1, $1, 'simulation', NULL)",
      [operation.order], ([row]) => row);
    const id = answer?.attempt_id ?? null;
    if (id !== null) this.world.attempts.push({ id, order: operation.order, total: cents(answer.amount) });
  }

  async apply() {
    const { dice, world } = this;
    if (world.attempts.length === 0) return;
    const attempt = dice.recent(world.attempts, 10);
    const told = world.events.filter(({ attemptId }) => attemptId === attempt.id);
    const again = told.length > 0 && dice.chance(0.35) ? dice.pick(told) : undefined;
    const outcome = again !== undefined && dice.chance(0.8) ? again.outcome
      : dice.weighted({ unknown: 2, authorized: 4, captured: 6, declined: 2, voided: 1 });
    const amount = outcome !== 'captured' ? null : dice.weighted({ null: 5, right: 5, less: 4, more: 3 });
    const operation = {
      name: 'apply', order: attempt.order, attemptId: attempt.id, outcome,
      amount: { right: attempt.total, less: attempt.total - 1, more: attempt.total + 2 }[amount] ?? null,
      event: again?.event ?? (dice.chance(0.1) ? null : `e${world.number()}`),
    };
    if (operation.event !== null) world.events.push(operation);
    await this.call(operation, "SELECT * FROM shop.apply_payment(1, $1, $2, 'reference', $3, NULL, 'test', $4, NULL, NULL)",
      [attempt.id, outcome, money(operation.amount), operation.event], ([row]) => row);
  }

  /** Accepts captured money of another amount, where an attempt was told of any. */
  async acceptPayment() {
    const { dice, world } = this;
    if (world.attempts.length === 0) return;
    const wrong = world.attempts.slice(-20).filter(({ id, total }) =>
      world.events.some(({ attemptId, amount }) => attemptId === id && amount !== null && amount !== total));
    const { id, order } = dice.pick(wrong.length > 0 ? wrong : world.attempts);
    await this.call({ name: 'acceptPayment', order, attemptId: id }, "SELECT * FROM shop.accept_payment(1, $1, 'why', 'boss', NULL)",
      [id], ([row]) => row);
  }

  async refund() {
    const { dice } = this;
    const operation = this.onOrder({
      name: 'refund', amount: dice.chance(0.5) ? null : dice.between(1, 30) * 25, restock: dice.chance(0.3),
      reason: `refund ${this.world.number()}`,
    });
    if (operation === undefined) return;
    operation.key = dice.chance(0.5) ? null : `r${operation.order}-${dice.below(2)}`;
    const { order, amount, restock, reason, key } = operation;
    await this.respond(operation, 'shop.refund_order(1, NULL, $1, $2, $3, $4, $5, NULL, NULL)',
      [order, money(amount), restock, reason, key]);
  }

  async settleRefund() {
    const { rows } = await this.client.query(
      'SELECT id, order_id, attempt_id, kind, reason, (amount * 100)::bigint AS amount FROM shop.refunds ORDER BY id DESC LIMIT 10');
    if (rows.length === 0) return;
    const refund = this.dice.pick(rows);
    const outcome = this.dice.weighted({ completed: 6, failed: 2, unknown: 2 });
    await this.call({ name: 'settleRefund', order: refund.order_id, refund: refundName(refund), outcome },
      'SELECT result FROM shop.settle_refund(1, $1, $2, NULL, NULL, NULL, NULL)', [refund.id, outcome], ([row]) => row);
  }

  async giveBack() {
    const operation = this.onOrder({ name: 'giveBack', qty: this.dice.between(1, 2) });
    if (operation === undefined) return;
    const { lines } = this.world.orders.find(({ id }) => id === operation.order);
    operation.productId = Number(this.dice.pick(Object.keys(lines)) ?? this.product());
    await this.respond(operation, 'shop.return_to_stock(1, $1, $2, $3, NULL, NULL, NULL)',
      [operation.order, operation.productId, operation.qty]);
  }

  async restock() {
    const { dice, world } = this;
    const fresh = { name: 'restock', productId: this.product(), qty: dice.between(1, 12),
      key: dice.chance(0.3) ? null : `s${world.number()}` };
    const operation = world.restocks.length > 0 && dice.chance(0.4) ? { ...dice.recent(world.restocks, 4) } : fresh;
    if (operation !== fresh && dice.chance(0.2)) operation.qty += 1;
    if (operation.key !== null) world.restocks.push(operation);
    await this.respond(operation, 'shop.restock(1, NULL, $1, $2, $3, NULL, NULL)',
      [operation.productId, operation.qty, operation.key]);
  }

  async adjust() {
    const productId = this.product();
    const { rows: [level] } = await this.client.query('SELECT on_hand FROM shop.inventory WHERE product_id = $1', [productId]);
    const operation = { name: 'adjust', productId, expected: level.on_hand, counted: Math.max(0, level.on_hand + this.dice.between(-3, 3)) };
    await this.respond(operation, 'shop.adjust_stock(1, $1, $2, $3, NULL, NULL)', [productId, operation.expected, operation.counted]);
  }

  /** An intake order to send: { document, variant }; another order under a used id only once the right one is known. */
  document() {
    const { dice, world } = this;
    let document = world.documents.length > 0 && dice.chance(0.6) ? dice.recent(world.documents, 5) : undefined;
    if (document === undefined) {
      document = { id: `x${world.number()}`, productId: this.product(), qty: dice.between(1, 3), unknown: dice.chance(0.3), known: false };
      world.documents.push(document);
    }
    return document;
  }

  intakeBody({ id, productId, qty, unknown }, variant) {
    const items = [{ product_id: `p${productId}`, quantity: qty + variant, price: money(this.world.prices[productId]) }];
    if (unknown) items.push({ product_id: 'not in the catalogue', quantity: 2, price: '1.25' });
    const total = (qty + variant) * this.world.prices[productId] + (unknown ? 250 : 0);
    return JSON.stringify({ order_id: id, customer_id: 'customer', total_amount: money(total), items });
  }

  intakeOrder(document, orderId) {
    document.known = true;
    if (orderId === undefined || this.world.orders.some(({ id }) => id === orderId)) return;
    this.world.orders.push({ id: orderId, lines: { [document.productId]: document.qty } });
  }

  async accept() {
    const document = this.document();
    const variant = document.known && this.dice.chance(0.2) ? 1 : 0;
    const operation = { name: 'accept', external: document.id, customer: 'customer', meaning: variant,
      key: this.dice.chance(0.5) ? null : `a${document.id}` };
    const answer = await this.respond(operation, 'shop.accept_order(1, $1, $2, NULL, NULL)',
      [this.intakeBody(document, variant), operation.key]);
    if (answer?.status === 202) this.intakeOrder(document, answer.orderId);
  }

  /** Which content of an order the next message has: 1, another one than the order's, where messages may be forged. */
  messageVariant({ known }) {
    return this.forged && known && this.dice.chance(0.2) ? 1 : 0;
  }

  async ingest() {
    const document = this.document();
    const variant = this.messageVariant(document);
    const answer = await this.call({ name: 'ingest', external: document.id, meaning: variant },
      'SELECT * FROM shop.ingest_order(1, $1, NULL, NULL)', [this.intakeBody(document, variant)], ([row]) => row);
    if (answer?.order_status != null) this.intakeOrder(document);
  }

  /** Processes several messages in one call, the same one twice perhaps: for the checker so many at once. */
  async ingestBatch() {
    const documents = Array.from({ length: this.dice.between(2, 6) }, () => this.document());
    const operations = documents.map((document) => ({ name: 'ingest', external: document.id, meaning: this.messageVariant(document) }));
    const answers = await this.callTogether(operations, 'SELECT * FROM shop.ingest_orders(1, $1, NULL, NULL)',
      [documents.map((document, index) => this.intakeBody(document, operations[index].meaning))]);
    answers.forEach((answer, index) => { if (answer.order_status !== null) this.intakeOrder(documents[index]); });
  }

  expire() {
    return this.call({ name: 'expire' }, 'SELECT shop.expire_pending_orders(1, 20) AS expired', [], ([row]) => row);
  }

  maintain() {
    return this.call({ name: 'maintain' }, 'SELECT task, rows FROM shop.maintain(1)', [],
      (rows) => ({ expired: rows.find(({ task }) => task === 'expire_pending_orders').rows }));
  }

  deliver() {
    return this.call({ name: 'deliver' },
      'SELECT shop.mark_outbox_delivered(1, ARRAY(SELECT id FROM shop.claim_outbox(1, 15, 60000))) AS delivered', [], ([row]) => row);
  }
}

function response({ status, body: text, replayed, order_id: orderId }) {
  const body = text === '' ? {} : JSON.parse(text);
  return { status, text, body, replayed, orderId, code: body.code, order: status === 200 ? body.status : undefined };
}

/** Opens so many sessions, does so many operations in all, and gives the world with its journal. */
export async function trade({ connection, sessions, operations, seed, prices, forged = false }) {
  const world = new World(prices);
  let left = operations;
  const session = async (_, number) => {
    const client = new pg.Client(connection);
    await client.connect();
    try {
      // The settings exist once the library is loaded.
      await client.query('SELECT shop.version()');
      await client.query("SET shop.pending_order_ttl = '1s'");
      const buyer = new Buyer(world, client, random(seed * 1000 + number), forged);
      while (left > 0) {
        left -= 1;
        await buyer.act();
      }
    } finally {
      await client.end();
    }
  };
  await Promise.all(Array.from({ length: sessions }, session));
  return world;
}
