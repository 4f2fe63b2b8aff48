// The queue server as a process that tests can stop, and an SQS client to send to it and look into it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { freePort } from './ports.js';
import { eventually, within } from './wait.js';

const program = fileURLToPath(new URL('queue_server.js', import.meta.url));
const region = 'us-east-1';
const children = new Set();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

export class QueueServer {
  /** Starts a server with the empty queues payments and payments-dlq, and their FIFO twins payments.fifo and payments-dlq.fifo. */
  static async start() {
    const server = new QueueServer();
    server.port = await freePort();
    await server.start();
    return server;
  }

  /** Starts (again) on the same port; the queues are empty. */
  async start() {
    this.child = spawn(process.execPath, [program, String(this.port)], { stdio: ['ignore', 'ignore', 'inherit'] });
    const { child } = this;
    children.add(child);
    child.unref();
    this.ended = new Promise((resolve) => child.once('close', resolve)).then(() => children.delete(child));
    await eventually('the queue server answers', async () => (await fetch(`${this.endpoint}/health`)).ok, 60);
  }

  async stop() {
    this.child.kill('SIGKILL');
    await within(10, 'the queue server ends', this.ended);
  }

  get endpoint() {
    return `http://127.0.0.1:${this.port}`;
  }

  url(name) {
    return `http://sqs.${region}.localhost:${this.port}/000000000000/${name}`;
  }

  /** One call of the SQS JSON protocol. */
  async call(action, parameters) {
    const answer = await fetch(this.endpoint, {
      method: 'POST',
      headers: {
        'Content-Type': 'application/x-amz-json-1.0',
        'X-Amz-Target': `AmazonSQS.${action}`,
        Authorization: `AWS4-HMAC-SHA256 Credential=test/20260101/${region}/sqs/aws4_request, SignedHeaders=host, Signature=00`,
      },
      body: JSON.stringify(parameters),
    });
    const text = await answer.text();
    assert.equal(answer.status, 200, text);
    return text === '' ? {} : JSON.parse(text);
  }

  /** Puts a message on the queue payments; gives its id. */
  async put(body, attributes = {}) {
    const answer = await this.call('SendMessage', {
      QueueUrl: this.url('payments'),
      MessageBody: body,
      MessageAttributes: Object.fromEntries(
        Object.entries(attributes).map(([name, value]) => [name, { DataType: 'String', StringValue: value }]),
      ),
    });
    return answer.MessageId;
  }

  /** All messages of a queue, without receiving them. */
  async messages(name) {
    const { messages } = await (await fetch(`${this.endpoint}/_fauxqs/queues/${name}`)).json();
    return [...messages.ready, ...messages.delayed, ...messages.inflight.map((flight) => flight.message)];
  }

  /** Waits until the queue payments holds nothing, neither waiting nor in flight. */
  empty() {
    return eventually('the queue is empty', async () => (await this.messages('payments')).length === 0);
  }

  /** Waits for so many messages on the dead-letter queue. */
  deadLetters(count) {
    return eventually(`${count} messages on the dead-letter queue`, async () => {
      const messages = await this.messages('payments-dlq');
      return messages.length >= count && messages;
    });
  }

  /** What a poller needs to use this server; quick enough for tests. */
  get environment() {
    return {
      SQS_QUEUE_URL: this.url('payments'),
      SQS_DLQ_URL: this.url('payments-dlq'),
      AWS_REGION: region,
      AWS_ENDPOINT_URL_SQS: this.endpoint,
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test-secret-key',
      SQS_POLL_WAIT_SECONDS: '1',
      SQS_POLL_IDLE_DELAY_MS: '100',
      SQS_VISIBILITY_TIMEOUT_SECONDS: '3',
      PAYMENT_SIMULATION_MODE: 'rule_based',
    };
  }
}
