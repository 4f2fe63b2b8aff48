// The reference model of the history test: what a shop promises, written from the documents and not from the extension. Money
// is in cents. A step gives the state after an operation, or undefined where its answer is wrong in this state.

import { isDeepStrictEqual as same } from 'node:util';

const openStates = { requested: 0, unknown: 1, authorized: 2 };
const ranks = { ...openStates, declined: 3, voided: 3, captured: 4 };
const copy = (state) => structuredClone(state);
const isOpen = (attempt) => attempt !== undefined && attempt.status in openStates;

// --- one user: the cart, and the keys of the checkouts -------------------------------------------------------------------

export const newUser = () => ({ open: null, items: {}, done: {}, keys: {} });

const userSteps = {
  add(state, { productId, qty, answer }) {
    if (answer.status !== 201) return undefined;
    const next = copy(state);
    const { cart, item } = answer.body;
    if (next.open === null) {
      if (cart.id in next.done) return undefined;
      next.open = cart.id;
    }
    next.items[productId] = (next.items[productId] ?? 0) + qty;
    return cart.id === next.open && item.qty === next.items[productId] ? next : undefined;
  },

  remove(state, { productId, answer }) {
    const there = state.open !== null && productId in state.items;
    if (!there) return answer.status === 404 ? state : undefined;
    if (answer.status !== 200) return undefined;
    const next = copy(state);
    delete next.items[productId];
    return next;
  },

  checkout(state, operation) {
    const { key, cartId, expectedTotal, prices, answer } = operation;
    const meaning = `${cartId} ${expectedTotal}`;
    const known = state.keys[key];
    if (known !== undefined) {
      if (known.meaning !== meaning) return answer.status === 422 ? state : undefined;
      return answer.status === 201 && answer.replayed && answer.text === known.text ? state : undefined;
    }
    if (answer.replayed || answer.status === 422) return undefined;
    if (cartId in state.done) {
      return answer.code === 'cart_not_open' && answer.orderId === state.done[cartId] ? state : undefined;
    }
    if (cartId !== state.open) return answer.status === 404 ? state : undefined;
    const wanted = Object.entries(state.items).map(([id, qty]) => [Number(id), qty]);
    if (wanted.length === 0) return answer.code === 'cart_empty' ? state : undefined;
    if (answer.code === 'insufficient_stock') return state; // the stock is counted elsewhere
    const total = wanted.reduce((sum, [id, qty]) => sum + prices[id] * qty, 0);
    if (expectedTotal !== null && expectedTotal !== total) return answer.code === 'total_changed' ? state : undefined;
    if (answer.status !== 201) return undefined;
    const got = answer.body.order_items.map((item) => [item.product_id, item.qty]);
    if (JSON.stringify(got) !== JSON.stringify(wanted.sort((a, b) => a[0] - b[0]))) return undefined;
    if (Math.round(answer.body.order.total_price * 100) !== total) return undefined;
    const next = copy(state);
    next.done[cartId] = answer.orderId;
    next.keys[key] = { meaning, text: answer.text };
    next.open = null;
    next.items = {};
    return next;
  },
};

// What the tables say at the end.
userSteps.final = (state, { open, items }) =>
  open === state.open && same(items, state.items) ? state : undefined;

export const userStep = (state, operation) => userSteps[operation.name](state, operation);

// --- one key of a restock ------------------------------------------------------------------------------------------------

export const newRestock = () => ({ meaning: null, text: null });

export function restockStep(state, { productId, qty, answer }) {
  const meaning = `${productId} ${qty}`;
  if (state.meaning === null) return answer.status === 200 && !answer.replayed ? { meaning, text: answer.text } : undefined;
  if (state.meaning !== meaning) return answer.status === 422 ? state : undefined;
  return answer.status === 200 && answer.replayed && answer.text === state.text ? state : undefined;
}

// --- one order, with its payments, refunds and returns -------------------------------------------------------------------

/** lines: { productId: qty }; attemptIds: in the order in which the attempts were made. */
export function newOrder({ total, lines, attemptIds = [] }) {
  return { total, lines, attemptIds, status: null, history: [], attempts: [], refunds: {}, returned: {}, keys: {}, seen: {} };
}

function move(state, status, event) {
  state.status = status;
  state.history.push(event);
}

function addAttempt(state) {
  state.attempts.push({ id: state.attemptIds[state.attempts.length], status: 'requested', captured: 0, refunded: 0 });
  return state.attempts.at(-1);
}

function askRefund(state, attempt, kind, amount, reason) {
  state.refunds[refundName({ attempt_id: attempt.id, kind, reason, amount })] = { attempt: attempt.id, kind, amount, status: 'requested' };
  if (kind === 'refund') attempt.refunded += amount;
}

function returnAll(state) {
  for (const [id, qty] of Object.entries(state.lines)) state.returned[id] = qty;
}

/** What tells one refund from another. amount: in cents. */
export const refundName = ({ attempt_id: attempt, kind, reason, amount }) => `${attempt} ${kind} ${reason} ${amount}`;

const unneeded = 'the order did not need this payment any more';
const cancelled = 'the order was cancelled';

/** Captured money of another amount than was asked for: a person accepts it, or the order is cancelled. */
const holds = (state) => state.status === 'pending' && state.attempts.some(({ status }) => status === 'captured');

/** Money captured by an attempt, all of it in `amount`; changes the state and gives the result's word. */
function capture(state, attempt, amount) {
  const more = amount - attempt.captured;
  attempt.status = 'captured';
  attempt.captured = amount;
  if (state.status === 'pending') {
    if (amount !== state.total) return 'amount_mismatch';
    move(state, 'CONFIRMED', 'payment_captured');
    return 'settled';
  }
  askRefund(state, attempt, 'refund', more, unneeded);
  return 'refund_requested';
}

/** Whether news adds nothing to what is known: captured money can only grow. */
const isOld = (attempt, status, amount) => (status === 'captured' && attempt.status === 'captured'
  ? amount === null || amount <= attempt.captured : ranks[status] <= ranks[attempt.status]);

/** News of an attempt; changes the state and gives the result's word. */
function news(state, attempt, status, amount, isNew = false) {
  if (!isNew && isOld(attempt, status, amount)) {
    if (attempt.status === 'captured' && state.status === 'pending') return 'amount_mismatch';
    return isOpen(attempt) ? 'recorded' : 'already_settled';
  }
  if (status === 'captured') return capture(state, attempt, amount ?? state.total);
  attempt.status = status;
  if (status === 'authorized' && state.status !== 'pending') {
    askRefund(state, attempt, 'void', state.total, unneeded);
    return 'void_requested';
  }
  if (isOpen(attempt)) return 'recorded';
  if (state.status !== 'pending') return 'already_settled';
  move(state, 'CANCELLED', 'payment_declined');
  return 'settled';
}

const refundable = (state) => {
  const attempt = state.attempts.find(({ status }) => status === 'captured');
  return attempt === undefined ? 0 : attempt.captured - attempt.refunded;
};

const underWay = (state) => Object.values(state.refunds).some(({ status }) => ['requested', 'unknown'].includes(status));

// Each changes `next`, a copy, and gives what the answer must be; refusals change nothing.
const orderSteps = {
  placed(next) {
    if (next.status !== null) return undefined;
    move(next, 'pending', 'placed');
    return {};
  },

  accept(next, { meaning, customer, key }) {
    if (key !== null && key in next.keys && next.keys[key].route === customer) {
      return next.keys[key].meaning === meaning ? { status: 202, replayed: true } : { status: 422 };
    }
    if (next.status !== null) return next.meaning === meaning ? { status: 202, replayed: true } : { status: 422 };
    move(next, 'QUEUED', 'accepted');
    next.meaning = meaning;
    if (key !== null) next.keys[key] = { route: customer, meaning };
    return { status: 202, replayed: false };
  },

  ingest(next, { meaning, answer }) {
    if (next.status !== null && next.meaning !== meaning) {
      return ['processed', 'failed', 'already_processed'].includes(answer.result) ? undefined : {};
    }
    if (next.status === null) {
      move(next, 'QUEUED', 'accepted');
      next.meaning = meaning;
    }
    if (next.status !== 'QUEUED') return { result: 'already_processed', order_status: next.status };
    // Whether the stock sufficed is counted elsewhere.
    if (answer.result === 'failed') move(next, 'CANCELLED', 'failed');
    else move(next, 'CONFIRMED', 'processed');
    return { result: next.status === 'CANCELLED' ? 'failed' : 'processed', order_status: next.status };
  },

  settle(next, { paid }) {
    const status = paid ? 'captured' : 'declined';
    let result = 'already_settled';
    if (isOpen(next.attempts[0])) result = news(next, next.attempts[0], status, null);
    else if (next.attempts.length === 0 && next.status === 'pending') result = news(next, addAttempt(next), status, null, true);
    return { result, order_status: next.status };
  },

  begin(next) {
    let attempt = next.attempts.find(isOpen);
    if (attempt === undefined && next.status === 'pending' && !holds(next)) attempt = addAttempt(next);
    return { attempt_id: attempt?.id ?? null, attempt_status: attempt?.status ?? null, order_status: next.status };
  },

  apply(next, { attemptId, outcome, amount, event }) {
    if (event !== null && event in next.seen) return { result: 'duplicate_event', order_status: null };
    if (event !== null) next.seen[event] = true;
    const attempt = next.attempts.find(({ id }) => id === attemptId);
    if (attempt === undefined) return undefined;
    return { result: news(next, attempt, outcome, amount), order_status: next.status };
  },

  acceptPayment(next, { attemptId }) {
    if (!next.attempts.some(({ id }) => id === attemptId)) return undefined;
    if (!holds(next)) return { result: 'nothing_to_accept', order_status: next.status };
    move(next, 'CONFIRMED', 'payment_captured');
    return { result: 'settled', order_status: 'CONFIRMED' };
  },

  cancel(next, { isAdmin }) {
    if (next.status === 'CANCELLED') return { status: 200, order: 'CANCELLED' };
    if (next.status === 'CONFIRMED' && !isAdmin) return { status: 403 };
    if (!['CONFIRMED', 'pending'].includes(next.status)) return { status: 409, code: 'illegal_transition' };
    const open = next.attempts.find(isOpen);
    if (next.status === 'CONFIRMED') returnAll(next);
    if (refundable(next) > 0) {
      askRefund(next, next.attempts.find(({ status }) => status === 'captured'), 'refund', refundable(next), cancelled);
    } else if (open?.status === 'authorized') {
      askRefund(next, open, 'void', next.total, cancelled);
    }
    move(next, 'CANCELLED', 'cancelled');
    return { status: 200, order: 'CANCELLED' };
  },

  fulfil(next) {
    if (next.status === 'CONFIRMED') move(next, 'FULFILLED', 'fulfilled');
    return next.status === 'FULFILLED' ? { status: 200, order: 'FULFILLED' } : { status: 409, code: 'illegal_transition' };
  },

  refund(next, { amount, restock, reason, key, answer }) {
    const meaning = `${amount} ${restock}`;
    if (key !== null && key in next.keys) {
      return next.keys[key].meaning === meaning ? { status: 200, replayed: true, text: next.keys[key].text } : { status: 422 };
    }
    const cancelled = next.status === 'CANCELLED';
    const left = refundable(next);
    if (!cancelled && !['CONFIRMED', 'FULFILLED'].includes(next.status) && !(next.status === 'REFUNDED' && left > 0)) {
      return { status: 409, code: 'illegal_transition' };
    }
    const open = next.attempts.find(isOpen);
    if (cancelled && amount === null && open?.status === 'authorized' && !underWay(next) &&
        !next.attempts.some(({ status }) => status === 'captured')) {
      askRefund(next, open, 'void', next.total, reason);
      if (key !== null) next.keys[key] = { meaning, text: answer.text };
      return { status: 200, replayed: false, order: next.status };
    }
    if (left === 0) return { status: 409, code: 'nothing_to_refund' };
    if ((amount ?? left) > left) return { status: 409, code: 'refund_too_large' };
    askRefund(next, next.attempts.find(({ status }) => status === 'captured'), 'refund', amount ?? left, reason);
    if (restock && !cancelled) returnAll(next);
    if (key !== null) next.keys[key] = { meaning, text: answer.text };
    return { status: 200, replayed: false, order: next.status };
  },

  settleRefund(next, { refund: name, outcome }) {
    const refund = next.refunds[name];
    if (refund === undefined) return undefined;
    if (['completed', 'failed'].includes(refund.status)) return { result: 'already_settled' };
    const attempt = next.attempts.find(({ id }) => id === refund.attempt);
    refund.status = outcome;
    if (outcome === 'unknown') return { result: 'recorded' };
    // A void closes an attempt that is open; money that was captured meanwhile stays captured.
    if (refund.kind === 'void' && outcome === 'completed' && isOpen(attempt)) attempt.status = 'voided';
    if (refund.kind === 'refund' && outcome === 'failed') attempt.refunded -= refund.amount;
    if (refund.kind === 'refund' && outcome === 'completed' && !underWay(next) && attempt.refunded === attempt.captured &&
        ['CONFIRMED', 'FULFILLED'].includes(next.status)) {
      move(next, 'REFUNDED', 'refunded');
    }
    return { result: 'settled' };
  },

  giveBack(next, { productId, qty }) {
    if (!['CONFIRMED', 'FULFILLED', 'REFUNDED'].includes(next.status)) return { status: 409, code: 'illegal_transition' };
    const left = (next.lines[productId] ?? 0) - (next.returned[productId] ?? 0);
    if (qty > left) return { status: 409, code: 'return_too_large' };
    next.returned[productId] = (next.returned[productId] ?? 0) + qty;
    return { status: 200, order: next.status };
  },

  expire(next) {
    if (next.status !== 'pending' || next.attempts.some(isOpen) || holds(next)) return undefined;
    move(next, 'CANCELLED', 'expired');
    return {};
  },

  // What the tables say at the end.
  final(next, { facts }) {
    const { status, history, attempts, refunds, returned } = next;
    return same(facts, { status, history, attempts, refunds, returned }) ? {} : undefined;
  },

  look(next) {
    return next.status === null ? { status: 404 } : { status: 200, order: next.status };
  },
};

export function orderStep(state, operation) {
  const next = copy(state);
  const expected = orderSteps[operation.name](next, operation);
  if (expected === undefined) return undefined;
  for (const [name, value] of Object.entries(expected)) if (operation.answer[name] !== value) return undefined;
  return next;
}

/** What the order's units did to the stock in its final state: { productId: { taken, held } }. */
export function stockOf(state) {
  const taken = ['CONFIRMED', 'FULFILLED', 'REFUNDED'].includes(state.status) || Object.keys(state.returned).length > 0;
  const effect = {};
  for (const [id, qty] of Object.entries(state.lines)) {
    effect[id] = { taken: taken ? qty - (state.returned[id] ?? 0) : 0, held: state.status === 'pending' ? qty : 0 };
  }
  return effect;
}
