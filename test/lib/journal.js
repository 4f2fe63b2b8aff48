// Clients that keep a journal of what they sent and what they were told, as careful clients do, so that it can be held
// against the database when a fault is over: nothing that was acknowledged may be lost, nothing may have happened twice.
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { within } from './wait.js';

export class Journal {
  /** target: something with post() and get() (a Gateway); productId: what is bought. */
  constructor(shop, productId) {
    this.shop = shop;
    this.productId = productId;
    this.entries = [];
    this.slowest = 0;
    this.statuses = new Map();
  }

  /** Lets this many buyers buy one after the other, until stop(). */
  start(buyers) {
    this.running = true;
    this.done = Promise.all(Array.from({ length: buyers }, () => this.#buy()));
  }

  async stop() {
    this.running = false;
    await within(60, 'the buyers’ last answers', this.done);
  }

  /** One request; undefined where the connection gave no answer. */
  async #ask(path, body, options) {
    const started = performance.now();
    let answer;
    try {
      answer = await this.shop.post(path, body, { seconds: 40, ...options });
    } catch (error) {
      if (error.code === undefined || error.name === 'AssertionError') throw error;
    }
    this.slowest = Math.max(this.slowest, performance.now() - started);
    const status = answer?.status ?? 'no answer';
    this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1);
    assert.ok([200, 201, 503, 'no answer'].includes(status), `${path}: ${status} ${answer?.text}`);
    return answer;
  }

  async #buy() {
    while (this.running) {
      const userId = this.shop.newUser();
      const added = await this.#ask('/cart/items', { userId, productId: this.productId, qty: 1 });
      if (added?.status !== 201) {
        await pause(20);
        continue;
      }
      const entry = { userId, cartId: added.json.cart.id, key: this.shop.newKey(), answers: [] };
      this.entries.push(entry);
      await this.#checkOut(entry);
    }
  }

  async #checkOut(entry) {
    const answer = await this.#ask('/checkout', { userId: entry.userId, cartId: entry.cartId }, { key: entry.key });
    if (answer?.status === 201) entry.answers.push(answer.text);
    return answer;
  }

  /** How many checkouts were answered 201. */
  get acknowledged() {
    return this.entries.filter((entry) => entry.answers.length > 0).length;
  }

  /**
   * The fault is over: every checkout without its 201 is sent again with its key, and every acknowledged one too. Then each
   * cart has exactly one order, the one of which every answer told, byte by byte.
   */
  async settle(database) {
    for (const entry of this.entries) {
      for (let turn = 0; turn < 100; turn += 1) {
        const answer = await this.#checkOut(entry);
        if (answer?.status === 201) break;
        await pause(50);
      }
      assert.ok(entry.answers.length > 0, `the checkout of cart ${entry.cartId} succeeds in the end`);
      assert.equal(new Set(entry.answers).size, 1, `the same bytes each time:\n${entry.answers.join('\n')}`);
    }
    const orders = await database.rows('SELECT o.id, o.cart_id FROM shop.orders o JOIN shop.order_items i ON i.order_id = o.id ' +
      `WHERE i.product_id = ${this.productId} ORDER BY o.id`);
    const stored = new Map(orders.map((order) => [order.cart_id, order.id]));
    for (const entry of this.entries) {
      assert.equal(JSON.parse(entry.answers[0]).order.id, stored.get(entry.cartId), `the order of cart ${entry.cartId}`);
    }
    assert.equal(orders.length, this.entries.length, 'an order for each checkout, and no other');
    assert.equal(Number(await database.value(`SELECT reserved FROM shop.inventory WHERE product_id = ${this.productId}`)), this.entries.length);
    await database.verify();
  }
}

/** Asks for /health again and again until stop(): it must answer all the time. */
export class Pulse {
  constructor(gateway) {
    this.gateway = gateway;
    this.count = 0;
    this.slowest = 0;
    this.running = true;
    this.done = this.#beat();
  }

  async #beat() {
    while (this.running) {
      const started = performance.now();
      const answer = await this.gateway.get('/health', { seconds: 5 });
      assert.equal(answer.status, 200, answer.text);
      this.slowest = Math.max(this.slowest, performance.now() - started);
      this.count += 1;
      await pause(20);
    }
  }

  async stop() {
    this.running = false;
    await this.done;
    // Enough to say something; how many there are is a matter of how long the outage took.
    assert.ok(this.count >= 5, `${this.count} answers`);
    assert.ok(this.slowest < 2000, `the slowest answer of /health took ${this.slowest} ms`);
  }
}
