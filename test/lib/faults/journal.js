// What the shoppers of the fault suite asked for and were told. The judge knows nothing else of what should be there.
import { setTimeout as pause } from 'node:timers/promises';
import { Agent } from 'node:http';
import { AssertionError } from 'node:assert';
import { send } from '../http.js';

const retryPauseMs = 40;
const answerSeconds = 8;
const patienceSeconds = 90;

export class Journal {
  constructor() {
    this.carts = new Map(); // cart id → lines { product id: qty }
    this.checkouts = []; // { userId, cartId, lines, key, rival, attempts, final, cancel }
    this.restocks = []; // { productId, qty, attempts, final }
    this.intakes = []; // { orderId, lines, total, attempts, final }
    this.served = []; // when a checkout was answered 201, ms of performance.now()
    this.lost = 0; // answers that did not arrive
    this.findings = []; // what must not happen, in words
    this.allowErrors = false; // errors are being injected: 500 is then a right answer
  }

  finding(text) {
    if (this.findings.length < 50) this.findings.push(text);
  }

  get acknowledged() {
    return this.checkouts.filter((checkout) => checkout.final?.status === 201);
  }
}

/** An answer that does not decide the request: the same one may be sent again. */
const isUndecided = ({ status, headers }) => status >= 500 || status === 429 || (status === 409 && headers['retry-after'] !== undefined);

/** Somebody with a keep-alive connection to a door, who writes what happens into a journal. */
export class Client {
  constructor(journal, port) {
    Object.assign(this, { journal, port });
    this.agent = new Agent({ keepAlive: true });
  }

  /** One request; undefined when the answer did not arrive. */
  async ask(method, path, options = {}) {
    try {
      const answer = await send(this.port, method, path, { agent: this.agent, seconds: answerSeconds, ...options });
      if (answer.status >= 500 && answer.status !== 503 && answer.status !== 504 && !this.journal.allowErrors) {
        this.journal.finding(`${method} ${path} answered ${answer.status}: ${answer.text}`);
      }
      return answer;
    } catch (error) {
      if (error instanceof AssertionError) this.journal.finding(`${method} ${path}: ${error.message}`);
      this.journal.lost += 1;
      this.agent.destroy();
      this.agent = new Agent({ keepAlive: true });
      return undefined;
    }
  }

  /** Repeats a request until an answer decides it. entry.attempts gets every answer, entry.final the one that decides. */
  async insist(entry, method, path, options) {
    const end = performance.now() + patienceSeconds * 1000;
    for (;;) {
      const answer = await this.ask(method, path, options);
      entry.attempts.push(answer === undefined ? 'lost' : { status: answer.status, text: answer.text });
      if (answer !== undefined && !isUndecided(answer)) {
        if (entry.final?.status !== 201) entry.final = answer; // of two at once, the one that was served counts
        return answer;
      }
      if (performance.now() > end) {
        this.journal.finding(`${method} ${path} was not decided within ${patienceSeconds} s: ${JSON.stringify(entry.attempts.at(-1))}`);
        return undefined;
      }
      await pause(retryPauseMs);
    }
  }

  close() {
    this.agent.destroy();
  }
}
