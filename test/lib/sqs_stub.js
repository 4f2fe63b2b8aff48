// An SQS server within the test, on the loopback interface, that can be told to fail: the JSON protocol, standard and FIFO
// queues, long polls, signatures checked. fauxqs (queue.js) stays the referee for how SQS behaves; this one is for faults.
import { createHash, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { signatureOf } from './sigv4.js';

const type = 'application/x-amz-json-1.0';
export const secretKey = 'stub-secret-key';

/** An error answer of SQS. */
export const refusal = (code, status = 400, headers = {}) => ({
  status, headers: { 'x-amzn-query-error': `${code};Sender`, ...headers }, body: JSON.stringify({ __type: `com.amazonaws.sqs#${code}`, message: code }),
});

export class SqsStub {
  queues = new Map([['payments', []], ['payments-dlq', []]]);
  calls = []; // { action, parameters, keyId }
  sent = []; // every message that was accepted: { queue, body, group, deduplication }
  copies = () => 1; // how often a message is delivered
  shuffled = false;
  /** Called for every request: may give { status, body, headers }, 'close', 'truncate', 'lose' (done, but the answer is lost),
   * { delay: ms }, { failed: (index) => entry } for batches, or nothing. */
  fault = () => undefined;
  #waiters = new Set();
  #seen = new Set();

  static async start() {
    const stub = new SqsStub();
    stub.server = createServer((request, response) => stub.#answer(request, response).catch((error) => response.destroy(error)));
    await new Promise((resolve) => stub.server.listen(0, '127.0.0.1', resolve));
    return stub;
  }

  stop() {
    for (const wake of this.#waiters) wake();
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }

  get endpoint() {
    return `http://127.0.0.1:${this.server.address().port}`;
  }

  url(name) {
    return `${this.endpoint}/000000000000/${name}`;
  }

  environment(queue = 'payments') {
    const fifo = queue.endsWith('.fifo');
    return {
      SQS_QUEUE_URL: this.url(queue), SQS_DLQ_URL: this.url(fifo ? queue.replace('.fifo', '-dlq.fifo') : `${queue}-dlq`), AWS_ENDPOINT_URL_SQS: this.endpoint,
      AWS_REGION: 'us-east-1', AWS_ACCESS_KEY_ID: 'STUBKEY', AWS_SECRET_ACCESS_KEY: secretKey, AWS_EC2_METADATA_DISABLED: 'true',
      SQS_POLL_WAIT_SECONDS: '1', SQS_POLL_IDLE_DELAY_MS: '50', SQS_VISIBILITY_TIMEOUT_SECONDS: '5', PAYMENT_SIMULATION_MODE: 'rule_based',
    };
  }

  /** The calls of one action. */
  of(action) {
    return this.calls.filter((call) => call.action === action);
  }

  put(queue, body, { attributes, group, deduplication } = {}) {
    if (deduplication && this.#seen.has(deduplication)) return randomUUID();
    this.#seen.add(deduplication);
    const id = randomUUID();
    this.sent.push({ queue, body, group, deduplication });
    for (let copy = this.copies(); copy > 0; copy -= 1) {
      this.queues.get(queue).push({ id, body, attributes, group, visibleAt: 0, receives: 0 });
    }
    for (const wake of this.#waiters) wake();
    return id;
  }

  async #answer(request, response) {
    let body = '';
    for await (const part of request) body += part;
    const action = String(request.headers['x-amz-target']).replace('AmazonSQS.', '');
    const signed = signatureOf(request, body, secretKey);
    const parameters = JSON.parse(body);
    this.calls.push({ action, parameters, keyId: signed.keyId });
    const fault = await this.fault(action, parameters, request);
    if (fault === 'close') return request.socket.destroy();
    if (fault?.delay) await new Promise((resolve) => { setTimeout(resolve, fault.delay).unref(); });
    if (fault?.status) return this.#say(response, fault.status, fault.body, fault.headers);
    if (!signed.valid || signed.service !== 'sqs') return this.#say(response, 403, refusal('InvalidSignatureException').body);
    const queue = parameters.QueueUrl.split('/').pop();
    if (!this.queues.has(queue)) {
      const { body: text, headers } = refusal('QueueDoesNotExist');
      return this.#say(response, 400, text, headers);
    }
    const text = JSON.stringify(await this[`do${action}`](queue, parameters, fault, request));
    if (fault === 'lose') return request.socket.destroy();
    return this.#say(response, 200, fault === 'truncate' ? text.slice(0, text.length / 2) : text);
  }

  #say(response, status, body, headers = {}) {
    response.writeHead(status, { 'Content-Type': type, ...headers }).end(body);
  }

  /** One entry of a batch at a time; fault.failed(index) may refuse it: gives { Code, SenderFault } or nothing. */
  #batch(parameters, fault, act) {
    const answer = { Successful: [], Failed: [] };
    parameters.Entries.forEach((entry, index) => {
      const failed = fault?.failed?.(index) ?? act(entry);
      if (failed?.Code) answer.Failed.push({ Id: entry.Id, Message: failed.Code, ...failed });
      else answer.Successful.push({ Id: entry.Id, ...failed });
    });
    return answer;
  }

  #accept(queue, entry) {
    return {
      MessageId: this.put(queue, entry.MessageBody, { attributes: entry.MessageAttributes, group: entry.MessageGroupId, deduplication: entry.MessageDeduplicationId }),
      MD5OfMessageBody: createHash('md5').update(entry.MessageBody).digest('hex'),
    };
  }

  #refuseFifo(queue, entry) {
    if (!queue.endsWith('.fifo') || (entry.MessageGroupId && entry.MessageDeduplicationId)) return undefined;
    return { Code: 'MissingParameter', SenderFault: true };
  }

  doSendMessage(queue, parameters) {
    if (this.#refuseFifo(queue, parameters)) throw new Error('a FIFO queue wants MessageGroupId and MessageDeduplicationId');
    return this.#accept(queue, parameters);
  }

  doSendMessageBatch(queue, parameters, fault) {
    return this.#batch(parameters, fault, (entry) => this.#refuseFifo(queue, entry) ?? this.#accept(queue, entry));
  }

  #take(queue, maximum, visibility) {
    const now = Date.now();
    const messages = this.queues.get(queue);
    const locked = new Set(messages.filter((message) => message.group && message.visibleAt > now).map((message) => message.group));
    const due = messages.filter((message) => message.visibleAt <= now && !(queue.endsWith('.fifo') && locked.has(message.group)));
    if (this.shuffled) due.sort(() => Math.random() - 0.5);
    return due.slice(0, maximum).map((message) => {
      Object.assign(message, { visibleAt: now + visibility * 1000, handle: randomUUID(), receives: message.receives + 1 });
      return {
        MessageId: message.id, ReceiptHandle: message.handle, Body: message.body, MessageAttributes: message.attributes,
        Attributes: { ApproximateReceiveCount: String(message.receives), ...(message.group ? { MessageGroupId: message.group } : {}) },
      };
    });
  }

  async doReceiveMessage(queue, parameters, fault, request) {
    const end = Date.now() + parameters.WaitTimeSeconds * 1000;
    for (;;) {
      // A client that has gone gets nothing; AWS would hide a message from the others now.
      const found = request.socket.destroyed ? [] : this.#take(queue, parameters.MaxNumberOfMessages, parameters.VisibilityTimeout);
      if (found.length > 0 || Date.now() >= end || request.socket.destroyed) return { Messages: found };
      const next = Math.min(end, ...this.queues.get(queue).map((message) => message.visibleAt).filter((at) => at > Date.now()));
      await new Promise((resolve) => {
        const timer = setTimeout(() => wake(), Math.max(1, next - Date.now()));
        const wake = () => {
          clearTimeout(timer);
          this.#waiters.delete(wake);
          resolve();
        };
        this.#waiters.add(wake);
      });
    }
  }

  doDeleteMessageBatch(queue, parameters, fault) {
    return this.#batch(parameters, fault, (entry) => {
      const messages = this.queues.get(queue);
      const index = messages.findIndex((message) => message.handle === entry.ReceiptHandle);
      if (index >= 0) messages.splice(index, 1);
      for (const wake of this.#waiters) wake();
      return {};
    });
  }

  doChangeMessageVisibilityBatch(queue, parameters, fault) {
    return this.#batch(parameters, fault, (entry) => {
      const message = this.queues.get(queue).find((one) => one.handle === entry.ReceiptHandle);
      if (!message || message.visibleAt <= Date.now()) return { Code: 'ReceiptHandleIsInvalid', SenderFault: true };
      message.visibleAt = Date.now() + entry.VisibilityTimeout * 1000;
      for (const wake of this.#waiters) wake();
      return {};
    });
  }

  doGetQueueAttributes(queue) {
    const messages = this.queues.get(queue);
    const hidden = messages.filter((message) => message.visibleAt > Date.now()).length;
    return { Attributes: { ApproximateNumberOfMessages: String(messages.length - hidden), ApproximateNumberOfMessagesNotVisible: String(hidden) } };
  }
}
