// The load of the fault suite: shoppers, an owner who restocks, and third parties that send intake orders.
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { random } from '../random.js';
import { token } from '../tokens.js';
import { Client, Journal } from './journal.js';

const admin = () => token('admin', 1);
let users = 10_000;

/** A catalogue with a hot and scarce product among others; restocks are part of the journal, so what is stocked is known. */
export async function stockShop(stand, journal) {
  const client = new Client(journal, stand.doors[0]);
  const products = [];
  for (const [index, stock] of [40, 400, 100_000, 100_000, 100_000, 100_000].entries()) {
    const sku = `FAULT-${randomUUID().slice(0, 8)}-${index}`;
    const made = await client.ask('POST', '/admin/products', { body: { sku, name: sku, price: 1.25 + index }, token: admin() });
    if (made?.status !== 201) throw new Error(`no product: ${made?.text}`);
    products.push({ id: made.json.id, sku, cents: 125 + index * 100 });
    await restock(client, journal, made.json.id, stock);
  }
  client.close();
  return products;
}

async function restock(client, journal, productId, qty) {
  const entry = { productId, qty, attempts: [] };
  journal.restocks.push(entry);
  await client.insist(entry, 'POST', '/admin/inventory/restock', { body: { productId, qty }, token: admin(), key: randomUUID() });
}

/** One of the many: fills carts, checks out, repeats what got no answer, cancels, looks again. */
class Shopper {
  constructor(load, dice, port) {
    Object.assign(this, { load, dice, journal: load.journal });
    this.client = new Client(load.journal, port);
    this.own = []; // checkouts that were acknowledged
  }

  async run() {
    while (!this.load.ended) {
      await this[this.dice.weighted({ shop: 14, look: 4, deliver: 1, intake: 3 })]();
      if (this.load.thinkMs > 0) await pause(this.dice.below(this.load.thinkMs));
    }
    this.client.close();
  }

  /** Puts some products into a new user's cart. What got no clear answer is left behind: it binds nobody. */
  async cart() {
    const { dice, load } = this;
    users += 1;
    const userId = users;
    const lines = {};
    let cartId;
    for (let count = dice.between(1, 3); count > 0; count -= 1) {
      const product = dice.chance(0.4) ? load.products[dice.below(2)] : dice.pick(load.products);
      const qty = dice.between(1, 2);
      const answer = await this.client.ask('POST', '/cart/items', { body: { userId, productId: product.id, qty } });
      if (answer?.status !== 201) return undefined;
      lines[product.id] = (lines[product.id] ?? 0) + qty;
      cartId = answer.json.cart.id;
    }
    this.journal.carts.set(cartId, lines);
    return { userId, cartId, lines };
  }

  async shop() {
    const cart = await this.cart();
    if (cart === undefined) {
      await pause(20); // the shop is away: no reason to spin
      return;
    }
    const first = { ...cart, key: randomUUID(), attempts: [] };
    this.journal.checkouts.push(first);
    const more = this.dice.weighted({ none: 16, again: 3, rival: 2 });
    const asked = [this.checkout(first)];
    if (more === 'again') asked.push(this.checkout(first)); // a double click
    if (more === 'rival') {
      const rival = { ...cart, key: randomUUID(), attempts: [], rival: first };
      first.rival = rival;
      this.journal.checkouts.push(rival);
      asked.push(this.checkout(rival)); // the same cart in another tab
    }
    await Promise.all(asked);
    if (first.final?.status !== 201) return;
    this.own.push(first);
    if (this.dice.chance(0.2)) await this.cancel(first);
  }

  async checkout(entry) {
    const { userId, cartId, key } = entry;
    const answer = await this.client.insist(entry, 'POST', '/checkout', { body: { userId, cartId }, key });
    if (answer?.status === 201) this.journal.served.push(performance.now());
  }

  async cancel(checkout) {
    checkout.cancel = { attempts: [] };
    await this.client.insist(checkout.cancel, 'POST', `/orders/${checkout.final.json.order.id}/cancel`, { body: {} });
  }

  /** What was acknowledged can be read at any later time. */
  async look() {
    if (this.own.length === 0) return;
    const { final } = this.dice.pick(this.own);
    const answer = await this.client.ask('GET', `/orders/${final.json.order.id}`);
    if (answer === undefined || answer.status === 503) return;
    if (answer.status !== 200) this.journal.finding(`order ${final.json.order.id} was acknowledged, a look at it gave ${answer.status}`);
  }

  deliver() {
    return restock(this.client, this.journal, this.dice.pick(this.load.products).id, this.dice.between(1, 5));
  }

  /** An intake order: something of the catalogue, something else, under an id of the sender's own. */
  async intake() {
    const product = this.dice.pick(this.load.products);
    const quantity = this.dice.between(1, 2);
    const orderId = randomUUID();
    const items = [{ product_id: product.sku, quantity, price: product.cents / 100 }, { product_id: 'ELSEWHERE', quantity: 1, price: 2.5 }];
    const entry = { orderId, lines: { [product.id]: quantity }, attempts: [] };
    this.journal.intakes.push(entry);
    const key = this.dice.chance(0.5) ? orderId : undefined;
    await this.client.insist(entry, 'POST', '/api/orders', { body: { order_id: orderId, customer_id: 'partner', items }, key });
  }
}

/** Shoppers at work. stop() lets each bring what it began to an end. */
export class Load {
  static async start(stand, { shoppers = 8, thinkMs = 10, seed = 1, allowErrors = false } = {}) {
    const load = new Load();
    load.journal = new Journal();
    load.thinkMs = thinkMs;
    load.journal.allowErrors = allowErrors;
    load.products = await stockShop(stand, load.journal);
    load.work = Promise.all(Array.from({ length: shoppers }, (_, index) =>
      new Shopper(load, random(seed * 1000 + index), stand.doors[index % stand.doors.length]).run()));
    load.work.catch(() => {}); // reported by stop()
    return load;
  }

  /** Waits until so many more checkouts were served. */
  async served(count, seconds = 60) {
    const wanted = this.journal.served.length + count;
    const end = performance.now() + seconds * 1000;
    while (this.journal.served.length < wanted) {
      if (performance.now() > end) {
        throw new Error(`${count} more checkouts were not served within ${seconds} s, only ${this.journal.served.length - wanted + count}`);
      }
      await pause(5);
    }
  }

  /** Milliseconds from a moment until the next checkout was served. */
  async nextServed(since, seconds = 60) {
    const end = since + seconds * 1000;
    for (;;) {
      const next = this.journal.served.find((at) => at >= since);
      if (next !== undefined) return next - since;
      if (performance.now() > end) throw new Error(`no checkout was served within ${seconds} s after the fault`);
      await pause(2);
    }
  }

  async stop() {
    this.ended = true;
    await this.work;
  }
}
