// The frame of an HTTP test file, and a shop owner's and buyers' usual doings.
import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { Database } from './database.js';
import { Gateway } from './gateway.js';
import { token } from './tokens.js';

/**
 * Registers before and after for the whole file: one database, one gateway; at the end the gateway must drain cleanly, its
 * log must be well-formed and the integrity report empty. Gives an object that is filled when the tests run; prepare() runs
 * once it is (hooks of one file do not wait for each other).
 */
export function openShop(environment = {}, prepare = async () => {}) {
  const shop = new Shop();
  before(async () => {
    shop.database = await Database.create();
    shop.gateway = await Gateway.start(shop.database, environment);
    await prepare();
  });
  after(async () => {
    try {
      await shop.gateway?.stop();
      shop.gateway?.assertCleanLog();
      await shop.database?.verify();
    } finally {
      await shop.database?.drop();
    }
  });
  return shop;
}

// Numbers that no other user, key or product of this file has, whichever shop object asks.
let used = 1000;
const unused = () => (used += 1);

export class Shop {
  newUser() {
    return unused();
  }

  newKey() {
    return `key-${unused()}`;
  }

  newSku() {
    return `SKU-${unused()}`;
  }

  get admin() {
    return token('admin', 1);
  }

  get(path, options) {
    return this.gateway.get(path, options);
  }

  post(path, body, options) {
    return this.gateway.post(path, body, options);
  }

  /** Makes a product with so much stock; gives its id. */
  async product({ price = 10, stock = 100, sku = this.newSku(), name = 'Thing' } = {}) {
    const made = await this.post('/admin/products', { sku, name, price }, { token: this.admin });
    assert.equal(made.status, 201, made.text);
    if (stock > 0) await this.restock(made.json.id, stock);
    return made.json.id;
  }

  async restock(productId, qty) {
    const done = await this.post('/admin/inventory/restock', { productId, qty }, { token: this.admin });
    assert.equal(done.status, 200, done.text);
  }

  async stock(productId) {
    const found = await this.get(`/admin/inventory/${productId}`, { token: this.admin });
    assert.equal(found.status, 200, found.text);
    return found.json;
  }

  /** Puts lines ([[productId, qty], ...]) into the user's cart; gives the cart's id. */
  async cart(userId, ...lines) {
    let cart;
    for (const [productId, qty] of lines) {
      const added = await this.post('/cart/items', { userId, productId, qty });
      assert.equal(added.status, 201, added.text);
      cart = added.json.cart.id;
    }
    return cart;
  }

  checkout(userId, cartId, { key = this.newKey(), body = {}, ...options } = {}) {
    return this.post('/checkout', { userId, cartId, ...body }, { key, ...options });
  }

  /** A whole purchase; gives the order's id. */
  async order(userId, ...lines) {
    const bought = await this.checkout(userId, await this.cart(userId, ...lines));
    assert.equal(bought.status, 201, bought.text);
    return bought.json.order.id;
  }
}

/** The answer is a problem (RFC 9457) of this status and, where given, this message. */
export function assertProblem(answer, status, message) {
  assert.equal(answer.status, status, answer.text);
  assert.match(answer.headers['content-type'] ?? '', /^application\/problem\+json/, answer.text);
  assert.equal(typeof answer.json?.type, 'string', answer.text);
  assert.equal(typeof answer.json.title, 'string', answer.text);
  assert.equal(answer.json.status, status, answer.text);
  assert.equal(typeof answer.json.detail, 'string', answer.text);
  assert.equal(answer.json.message, answer.json.detail, answer.text);
  assert.match(answer.json.code, /^[a-z][a-z0-9_]*$/, answer.text);
  assert.equal(answer.json.requestId, answer.headers['x-request-id'], answer.text);
  assert.doesNotMatch(answer.text, /SQLSTATE|pg_catalog|violates|duplicate key|syntax error|plpgsql/i);
  if (message !== undefined) assert.equal(answer.json.message, message);
}

/** The answer has this status, and is JSON. */
export function assertStatus(answer, status) {
  assert.equal(answer.status, status, answer.text);
  assert.match(answer.headers['content-type'] ?? '', /^application\/json/, answer.text);
}
