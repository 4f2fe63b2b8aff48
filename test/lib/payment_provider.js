// A payment provider of the test's own on loopback, with a script: it speaks Stripe's wire format and that of docs/payments.md,
// keeps a ledger, does each key once, and misbehaves as behave() says.
import { createHmac } from 'node:crypto';
import { createServer } from 'node:http';

/** What behave(operation, key, count) may say; anything else is done and answered at once.
 * lose: not done, never answered · close: not done, connection closed · fail: not done, 500 · limit, refuse, reject: not done, 429, 401, 400
 * silent: done, never answered · drop: done, connection closed · broken: done, 500 · garbage: done, no JSON
 * decline, pending: the charge ends so · authorize: only promised · less: a cent less is captured · slow: done at once, answered after 600 ms */
const undone = { fail: 500, limit: 429, refuse: 401, reject: 400 };

export class PaymentProvider {
  constructor(kind) {
    this.kind = kind;
    this.payments = new Map(); // by our key of the attempt
    this.refunds = new Map(); // by our key of the refund
    this.requests = []; // { operation, key, idempotencyKey, authorization }
    this.behave = () => 'answer';
    this.token = 'sk_test_of_the_provider';
  }

  static async start(kind) {
    const provider = new PaymentProvider(kind);
    await provider.listen();
    return provider;
  }

  async listen(port = 0) {
    this.server = createServer((incoming, outgoing) => this.#receive(incoming, outgoing));
    await new Promise((resolve) => this.server.listen(port, '127.0.0.1', resolve));
    this.port = this.server.address().port;
  }

  async stop() {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  /** The variables of a poller that pays here. */
  get environment() {
    const url = `http://127.0.0.1:${this.port}`;
    return this.kind === 'stripe'
      ? { PAYMENT_PROVIDER: 'stripe', PAYMENT_PROVIDER_URL: url, STRIPE_API_KEY: this.token, STRIPE_PAYMENT_METHOD: 'pm_card_visa' }
      : { PAYMENT_PROVIDER: 'http', PAYMENT_PROVIDER_URL: url, PAYMENT_PROVIDER_TOKEN: this.token };
  }

  /** Cents that are kept per order: captured less refunded. */
  kept() {
    const kept = new Map();
    for (const payment of this.payments.values()) {
      const given = [...this.refunds.values()].filter((refund) => refund.payment === payment && refund.status === 'completed');
      const cents = payment.captured - given.reduce((sum, refund) => sum + refund.amount, 0);
      kept.set(payment.order, (kept.get(payment.order) ?? 0) + cents);
    }
    return kept;
  }

  counted(operation, key) {
    return this.requests.filter((request) => request.operation === operation && (key === undefined || request.key === key)).length;
  }

  paymentOf(order) {
    return [...this.payments.values()].find((payment) => payment.order === String(order));
  }

  #receive(incoming, outgoing) {
    let text = '';
    incoming.setEncoding('utf8').on('data', (part) => (text += part));
    incoming.on('end', () => {
      const request = this.kind === 'stripe' ? this.#stripe(incoming, text) : this.#http(incoming, text);
      const { operation, key } = request;
      this.requests.push({ operation, key, idempotencyKey: incoming.headers['idempotency-key'], headers: incoming.headers });
      const behaviour = this.behave(operation, key, this.counted(operation, key));
      if (incoming.headers.authorization !== `Bearer ${this.token}`) return this.#send(outgoing, 401, {});
      if (behaviour === 'lose') return undefined;
      if (behaviour === 'close') return incoming.socket.destroy();
      if (undone[behaviour]) return this.#send(outgoing, undone[behaviour], { error: { type: 'api_error' } });
      const answer = this.#perform(request, behaviour);
      if (behaviour === 'silent') return undefined;
      if (behaviour === 'drop') return incoming.socket.destroy();
      if (behaviour === 'broken') return this.#send(outgoing, 500, { error: { type: 'api_error' } });
      if (behaviour === 'garbage') return outgoing.writeHead(200).end('<html>');
      if (behaviour === 'slow') return setTimeout(() => this.#send(outgoing, answer.status, answer.body), 600);
      return this.#send(outgoing, answer.status, answer.body);
    });
  }

  #send(outgoing, status, body) {
    outgoing.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
  }

  #http({ method, url }, text) {
    const body = text ? JSON.parse(text) : {};
    const path = url.split('/').slice(1);
    const amount = body.amount === undefined ? undefined : Math.round(Number(body.amount) * 100);
    if (method === 'GET') return path[0] === 'refunds' ? { operation: 'refund_status', key: path[1] } : { operation: 'status', key: path[1] };
    if (path.length === 1) return { operation: 'charge', key: body.attempt_id, order: body.order_id, amount, capture: body.capture };
    if (path[2] === 'refunds') return { operation: 'refund', key: body.refund_id, attempt: path[1], amount };
    return { operation: path[2], key: path[1] };
  }

  #stripe({ method, url }, text) {
    const form = new URLSearchParams(text);
    const target = new URL(url, 'http://provider');
    const path = target.pathname.split('/').slice(2);
    const byId = (id) => [...this.payments].find(([, payment]) => payment.id === id)?.[0] ?? id;
    if (path[0] === 'refunds') {
      if (method === 'POST') {
        return { operation: 'refund', key: form.get('metadata[refund]'), attempt: byId(form.get('payment_intent')), amount: Number(form.get('amount')) };
      }
      if (path[1]) return { operation: 'refund_status', key: [...this.refunds].find(([, refund]) => refund.id === path[1])?.[0] };
      return { operation: 'refund_list', key: byId(target.searchParams.get('payment_intent')) };
    }
    if (path[1] === 'search') return { operation: 'search', key: target.searchParams.get('query').match(/:'([^']+)'/)[1] };
    if (method === 'GET') return { operation: 'status', key: byId(path[1]) };
    if (path[2]) return { operation: path[2] === 'cancel' ? 'void' : path[2], key: byId(path[1]) };
    return {
      operation: 'charge', key: form.get('metadata[attempt]'), order: form.get('metadata[order]'), amount: Number(form.get('amount')),
      capture: form.get('capture_method') === 'automatic',
    };
  }

  #perform({ operation, key, order, amount, capture, attempt }, behaviour) {
    const payment = this.payments.get(key);
    switch (operation) {
      case 'charge':
        if (!payment) this.#charge(key, order, amount, capture, behaviour);
        return this.payment(key);
      case 'capture':
        if (payment.status === 'authorized') Object.assign(payment, { status: 'captured', captured: payment.amount });
        return this.payment(key);
      case 'void':
        if (payment.status === 'authorized') payment.status = 'voided';
        return this.payment(key);
      case 'refund':
        if (!this.refunds.has(key)) {
          const status = { decline: 'failed', pending: 'pending' }[behaviour] ?? 'completed';
          this.refunds.set(key, { id: `re_${this.refunds.size + 1}`, attempt, payment: this.payments.get(attempt), amount, status });
        }
        return this.refund(key);
      case 'refund_status':
        return this.refund(key);
      case 'search':
        return { status: 200, body: { object: 'search_result', data: payment ? [this.payment(key).body] : [] } };
      case 'refund_list':
        return { status: 200, body: { object: 'list', data: [...this.refunds].filter(([, refund]) => refund.attempt === key).map(([refund]) => this.refund(refund).body) } };
      default:
        return this.payment(key);
    }
  }

  #charge(key, order, amount, capture, behaviour) {
    const status = { decline: 'declined', pending: 'pending', authorize: 'authorized' }[behaviour] ?? (capture ? 'captured' : 'authorized');
    const taken = behaviour === 'less' ? amount - 1 : amount;
    this.payments.set(key, { id: `pi_${this.payments.size + 1}`, key, order, amount, status, captured: status === 'captured' ? taken : 0 });
  }

  /** A payment as this provider shows it, in answers and events. */
  payment(key) {
    const payment = this.payments.get(key);
    if (!payment) return { status: 404, body: { error: { type: 'invalid_request_error', code: 'resource_missing' } } };
    if (this.kind === 'http') {
      const { id, status, amount, captured } = payment;
      const shown = status === 'captured' ? captured : amount;
      return { status: 200, body: { id, attempt_id: key, status, amount: (shown / 100).toFixed(2), currency: 'EUR', reason: `is ${status}` } };
    }
    const words = { captured: 'succeeded', authorized: 'requires_capture', declined: 'requires_payment_method', voided: 'canceled', pending: 'processing' };
    const intent = {
      id: payment.id, object: 'payment_intent', status: words[payment.status], amount: payment.amount, amount_received: payment.captured,
      amount_capturable: payment.status === 'authorized' ? payment.amount : 0, currency: 'eur', metadata: { attempt: key, order: payment.order },
    };
    if (payment.status !== 'declined') return { status: 200, body: intent };
    intent.last_payment_error = { code: 'card_declined', decline_code: 'insufficient_funds' };
    return { status: 402, body: { error: { type: 'card_error', code: 'card_declined', decline_code: 'insufficient_funds', payment_intent: intent } } };
  }

  refund(key) {
    const refund = this.refunds.get(key);
    if (!refund) return { status: 404, body: { error: { type: 'invalid_request_error', code: 'resource_missing' } } };
    const amount = this.kind === 'http' ? (refund.amount / 100).toFixed(2) : refund.amount;
    if (this.kind === 'http') return { status: 200, body: { id: refund.id, refund_id: key, attempt_id: refund.attempt, status: refund.status, amount, currency: 'EUR' } };
    const status = { completed: 'succeeded' }[refund.status] ?? refund.status;
    return { status: 200, body: { id: refund.id, object: 'refund', status, amount, currency: 'eur', metadata: { refund: key } } };
  }

  /** An event of this provider about a payment (or refund) as it is, or as `changes` says; gives the body's text. */
  event(key, { id = `evt_${Math.random().toString(36).slice(2)}`, type, ...changes } = {}) {
    const isRefund = key.startsWith('refund');
    const shown = isRefund ? this.refund(key).body : this.payment(key).body;
    const object = { ...(shown.error?.payment_intent ?? shown), ...changes };
    if (this.kind === 'http') return JSON.stringify({ id, type: type ?? (isRefund ? 'refund.updated' : 'payment.updated'), [isRefund ? 'refund' : 'payment']: object });
    const types = { succeeded: 'succeeded', canceled: 'canceled', requires_payment_method: 'payment_failed', processing: 'processing', requires_capture: 'amount_capturable_updated' };
    return JSON.stringify({ id, object: 'event', type: type ?? (isRefund ? 'refund.updated' : `payment_intent.${types[object.status]}`), data: { object } });
  }
}

export const webhookSecret = 'whsec_of_the_tests_1234567890';

/** The header with the signature of a webhook's body. */
export function signature(kind, body, { secret = webhookSecret, at = Math.floor(Date.now() / 1000) } = {}) {
  const digest = createHmac('sha256', secret).update(`${at}.${body}`).digest('hex');
  return { [kind === 'stripe' ? 'Stripe-Signature' : 'Payment-Signature']: `t=${at},v1=${digest}` };
}

/** Sends an event to a gateway as a provider does. */
export function deliver(gateway, kind, body, options) {
  return gateway.send('POST', `/webhooks/payments/${kind}`, { body, headers: signature(kind, body, options) });
}
