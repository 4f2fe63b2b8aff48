// What the poller tests share: a shop whose orders are to be settled.
import assert from 'node:assert/strict';
import { after, afterEach, before } from 'node:test';
import { openShop } from './shop.js';
import { Poller } from './poller.js';
import { QueueServer } from './queue.js';
import { eventually } from './wait.js';

/**
 * Registers a shop, and pollers that end with each test: settling.poller(environment) starts one; settling.queue is a queue
 * server where withQueue is true, and the pollers use it.
 */
export function openSettling({ withQueue = false } = {}) {
  const settling = { shop: openShop(), pollers: [] };
  settling.poller = async (environment = {}) => {
    const poller = await Poller.start(settling.shop.database, { ...(settling.queue?.environment ?? {}), ...environment });
    settling.pollers.push(poller);
    return poller;
  };

  /** Buys once; gives the order's id. even: true or false asks for such an id. */
  settling.buy = async ({ even, productId } = {}) => {
    const { shop } = settling;
    for (;;) {
      const product = productId ?? (await shop.product());
      const id = await shop.order(shop.newUser(), [product, 1]);
      if (even === undefined || (id % 2 === 0) === even) return id;
    }
  };

  settling.status = async (id) => (await settling.shop.get(`/orders/${id}`)).json.status;

  /** Waits until none of the orders is pending, and checks each by the rule: even ids pay, odd ones do not. */
  settling.settledByRule = async (ids, seconds = 20) => {
    for (const id of ids) {
      await eventually(`order ${id} is settled`, async () => (await settling.status(id)) !== 'pending', seconds);
      assert.equal(await settling.status(id), id % 2 === 0 ? 'CONFIRMED' : 'CANCELLED');
      const events = (await settling.shop.get(`/orders/${id}/events`)).json;
      assert.equal(events.length, 2, `order ${id} was settled once: ${JSON.stringify(events)}`);
    }
  };

  /** Waits until the outbox has nothing pending; says what has, when it does not come to that. */
  settling.outboxDone = async (seconds = 15) => {
    let rows;
    const look = async () => {
      rows = await settling.shop.database.rows(
        "SELECT id, topic, order_id, body, attempts, last_error, next_attempt_at, created_at, clock_timestamp() AS now FROM shop.outbox WHERE status = 'pending'",
      );
      return rows.length === 0;
    };
    await eventually('the outbox is done', look, seconds).catch((error) => {
      throw new Error(`${error.message}; pending are ${JSON.stringify(rows)}`);
    });
  };

  /** Takes the poller's right to settle away, and gives it back: a failure that tests can turn on and off. */
  settling.forbid = () => settling.shop.database.sql('REVOKE EXECUTE ON FUNCTION shop.settle_payment, shop.settle_payments FROM shop_poller');
  settling.allow = () => settling.shop.database.sql('GRANT EXECUTE ON FUNCTION shop.settle_payment, shop.settle_payments TO shop_poller');

  before(async () => {
    if (withQueue) settling.queue = await QueueServer.start();
  });
  afterEach(async () => {
    for (const poller of settling.pollers.splice(0)) {
      if (poller.exited) continue;
      await poller.stop();
      poller.assertCleanLog();
    }
  });
  after(async () => {
    await settling.queue?.stop();
  });
  return settling;
}
