// The judge of the fault suite: compares what the shop shows at the end with the journal of the shoppers.
import { setTimeout as pause } from 'node:timers/promises';
import { token } from '../tokens.js';
import { Client } from './journal.js';

const admin = () => token('admin', 1);
const cents = (amount) => Math.round(Number(amount) * 100);

/** Does work(item) for all items, some at a time. */
async function forAll(items, work, atOnce = 6) {
  const queue = [...items];
  await Promise.all(Array.from({ length: atOnce }, async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
  }));
}

class Judge {
  constructor(stand, load, drainSeconds) {
    Object.assign(this, { stand, drainSeconds, journal: load.journal, products: load.products });
    this.client = new Client(this.journal, stand.judgeDoor);
    this.found = [];
    this.counts = { lost: 0, doubled: 0 };
  }

  object(text) {
    this.found.push(text);
  }

  async get(path, options) {
    const answer = await this.client.ask('GET', path, { token: admin(), ...options });
    if (answer?.status !== 200) this.object(`GET ${path} gave ${answer?.status}: ${answer?.text}`);
    return answer?.status === 200 ? answer.json : undefined;
  }

  /** Nothing may be left in limbo: gives the milliseconds until all was settled and every message gone. */
  async drained() {
    const began = performance.now();
    let left;
    while (performance.now() < began + this.drainSeconds * 1000) {
      left = await this.unfinished();
      if (left === '') return performance.now() - began;
      await pause(20);
    }
    this.object(`in limbo after ${this.drainSeconds} s: ${left}`);
    return undefined;
  }

  async unfinished() {
    const [left] = await this.stand.query(`SELECT
      (SELECT count(*)::int FROM shop.orders WHERE status IN ('pending', 'QUEUED')) AS "unsettled orders",
      (SELECT count(*)::int FROM shop.outbox WHERE status = 'pending') AS "messages in the outbox",
      (SELECT count(*)::int FROM shop.dead_letters WHERE status = 'open') AS "open dead letters"`);
    const messages = this.stand.queue === undefined ? [] : await this.stand.queue.messages('payments');
    const all = { ...left, 'messages in the queue': messages.length };
    return Object.entries(all).filter(([, count]) => count > 0).map(([what, count]) => `${count} ${what}`).join(', ');
  }

  /** All answers to one key are of the same bytes, and so is one more. */
  async judgeAnswers(checkout) {
    const { userId, cartId, key, final, rival } = checkout;
    if (final === undefined) return; // the journal has the finding
    const texts = new Set(checkout.attempts.filter(({ status }) => status === 201).map(({ text }) => text));
    if (texts.size > 1) {
      this.counts.doubled += 1;
      this.object(`key ${key} had ${texts.size} different answers: ${[...texts].join(' and ')}`);
    }
    if (texts.size > 0) {
      const again = await this.client.ask('POST', '/checkout', { body: { userId, cartId }, key });
      if (again?.status !== 201 || again.text !== final.text || again.headers['idempotent-replayed'] !== 'true') {
        this.counts.lost += 1;
        this.object(`key ${key} was answered ${final.text}, now ${again?.status} ${again?.text}`);
      }
    } else if (!this.isRefusal(final, rival)) {
      this.object(`checkout of cart ${cartId} was answered ${final.status}: ${final.text}`);
    }
  }

  isRefusal(final, rival) {
    if (final.status !== 400) return false;
    return final.json.code === 'insufficient_stock' || (rival !== undefined && final.json.code === 'cart_not_open' &&
      rival.final?.status === 201 && final.json.orderId === rival.final.json.order.id);
  }

  /** The order is what was put into the cart, and was settled once, as the rule or its buyer decided. */
  async judgeOrder(checkout) {
    const { id } = checkout.final.json.order;
    const order = await this.get(`/orders/${id}`);
    const events = await this.get(`/orders/${id}/events`);
    if (order === undefined || events === undefined) {
      this.counts.lost += 1;
      return;
    }
    const lines = Object.fromEntries(order.items.map((item) => [item.product_id, item.qty]));
    const total = Object.entries(checkout.lines).reduce((sum, [product, qty]) => sum + qty * this.price(Number(product)), 0);
    if (JSON.stringify(lines) !== JSON.stringify(checkout.lines) || cents(order.total_price) !== total || order.user_id !== checkout.userId) {
      this.object(`order ${id} is ${JSON.stringify(order)}, the cart was ${JSON.stringify(checkout.lines)} of ${checkout.userId}`);
    }
    checkout.status = order.status;
    this.judgeHistory(checkout, id, events);
  }

  judgeHistory(checkout, id, events) {
    const cancelled = checkout.cancel?.final?.status === 200;
    const expected = cancelled ? ['cancelled'] : [id % 2 === 0 ? 'payment_captured' : 'payment_declined'];
    // A cancelling that came after the refusal of the payment changes nothing and is answered 200 too.
    const also = cancelled && id % 2 === 1 ? ['payment_declined'] : [];
    const happened = events.slice(1).map(({ event }) => event);
    if (events[0].event !== 'placed' || happened.length !== 1 || ![...expected, ...also].includes(happened[0])) {
      if (happened.length > 1) this.counts.doubled += 1;
      this.object(`order ${id} went ${events.map(({ event }) => event).join(', ')}; expected placed, ${expected}`);
    }
  }

  price(productId) {
    return this.products.find(({ id }) => id === productId).cents;
  }

  async judgeIntake(intake) {
    if (intake.final === undefined) return;
    if (intake.final.status !== 202) {
      this.object(`intake order ${intake.orderId} was answered ${intake.final.status}: ${intake.final.text}`);
      return;
    }
    const found = await this.get(`/api/orders/${intake.orderId}`);
    if (found === undefined) this.counts.lost += 1;
    else if (!['completed', 'failed'].includes(found.data.status)) this.object(`intake order ${intake.orderId} is ${found.data.status}`);
    intake.completed = found?.data.status === 'completed';
  }

  /** The shop has the orders that were acknowledged, each once, and no others. */
  async judgeSet() {
    const known = new Set();
    for (const checkout of this.journal.acknowledged) {
      const { id } = checkout.final.json.order;
      if (known.has(id)) this.object(`order ${id} was given for two keys`);
      known.add(id);
    }
    const intakes = new Set(this.journal.intakes.filter(({ final }) => final?.status === 202).map(({ orderId }) => orderId));
    let page;
    do {
      page = (await this.get(`/admin/orders?limit=1000${page === undefined ? '' : `&before=${page.at(-1).id}`}`)) ?? [];
      for (const order of page) this.judgeListed(order, known, intakes);
    } while (page.length === 1000);
    for (const id of [...known, ...intakes]) {
      this.counts.lost += 1;
      this.object(`order ${id} was acknowledged and is not there`);
    }
  }

  judgeListed(order, known, intakes) {
    if (order.order_id !== null ? intakes.delete(order.order_id) : known.delete(order.id)) return;
    this.counts.doubled += 1;
    this.object(`there is an order ${order.order_id ?? order.id} that nobody was told of`);
  }

  /** What is left is what was delivered less what was sold. */
  async judgeStock() {
    for (const { id } of this.products) {
      const of = (list) => list.reduce((sum, { lines }) => sum + (lines[id] ?? 0), 0);
      const stocked = this.journal.restocks.filter(({ productId, final }) => productId === id && final?.status === 200)
        .reduce((sum, { qty }) => sum + qty, 0);
      const paid = this.journal.acknowledged.filter(({ status }) => status === 'CONFIRMED');
      const sold = of(paid) + of(this.journal.intakes.filter(({ completed }) => completed));
      const level = await this.get(`/admin/inventory/${id}`);
      if (level === undefined) continue;
      if (sold > stocked) this.object(`product ${id}: ${sold} sold, but only ${stocked} were ever in stock`);
      if (level.on_hand !== stocked - sold || level.reserved !== 0) {
        this.object(`product ${id}: ${stocked} stocked and ${sold} sold, but ${level.on_hand} on hand and ${level.reserved} reserved`);
      }
    }
  }

  /** A payment for each confirmed order of a cart and for no other; money back for none; a message for each order. */
  async judgePayments() {
    const confirmed = this.journal.acknowledged.filter(({ status }) => status === 'CONFIRMED').map(({ final }) => final.json.order);
    const captured = await this.stand.query(
      "SELECT order_id AS id, count(*)::int AS times, sum(captured_amount) AS amount FROM shop.payment_attempts WHERE status = 'captured' GROUP BY 1");
    const payments = new Map(captured.map((row) => [row.id, row]));
    for (const { id, total_price: total } of confirmed) {
      const payment = payments.get(id);
      if (payment === undefined || payment.times !== 1 || cents(payment.amount) !== cents(total)) {
        this.counts.doubled += Math.max(0, (payment?.times ?? 0) - 1);
        this.object(`order ${id} of ${total} was paid ${payment?.times ?? 0} times, ${payment?.amount ?? 0} in all`);
      }
      payments.delete(id);
    }
    for (const [id, { amount }] of payments) this.object(`order ${id} is not confirmed, but ${amount} was taken for it`);
    const [sums] = await this.stand.query(`SELECT (SELECT count(*)::int FROM shop.refunds) AS refunds,
      (SELECT count(*)::int FROM shop.orders) AS orders, (SELECT count(DISTINCT order_id)::int FROM shop.outbox) AS told,
      (SELECT count(*)::int FROM shop.outbox) AS messages, (SELECT count(*)::int FROM shop.dead_letters) AS dead`);
    if (sums.refunds > 0) this.object(`${sums.refunds} refunds were asked for, nobody did`);
    if (sums.orders !== sums.told || sums.orders !== sums.messages) this.object(`${sums.orders} orders, ${sums.messages} messages for ${sums.told} of them`);
    if (sums.dead > 0) this.object(`${sums.dead} messages became dead letters`);
  }

  async judge() {
    const drainedMs = await this.drained();
    await forAll(this.journal.checkouts, (checkout) => this.judgeAnswers(checkout));
    await forAll(this.journal.acknowledged, (checkout) => this.judgeOrder(checkout));
    await forAll(this.journal.intakes, (intake) => this.judgeIntake(intake));
    await this.judgeSet();
    await this.judgeStock();
    await this.judgePayments();
    const report = await this.get('/admin/verify');
    if (report === undefined || report.length > 0) this.object(`verify() says ${JSON.stringify(report)}`);
    this.client.close();
    return {
      acknowledged: this.journal.acknowledged.length + this.journal.intakes.filter(({ final }) => final?.status === 202).length,
      unanswered: this.journal.lost, drainedMs, ...this.counts, findings: [...this.journal.findings, ...this.found],
    };
  }
}

/** Judges a load that has ended, on a stand where everything runs again. findings is empty when nothing was lost or doubled. */
export function judge(stand, load, { drainSeconds = 100 } = {}) {
  return new Judge(stand, load, drainSeconds).judge();
}
