// A client that sends many requests at once on one connection and looks at little of the answers: for load.
import { connect } from 'node:net';
import { within } from './wait.js';

/** The bytes of a request. */
export function request(method, path, { body = '', token, key, type = 'application/json' } = {}) {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return `${method} ${path} HTTP/1.1\r\nHost: x\r\n${token ? `Authorization: Bearer ${token}\r\n` : ''}` +
    `${key ? `Idempotency-Key: ${key}\r\n` : ''}${text ? `Content-Type: ${type}\r\nContent-Length: ${Buffer.byteLength(text)}\r\n` : ''}\r\n${text}`;
}

export class Pipeline {
  constructor(port) {
    this.socket = connect(port, '127.0.0.1').setNoDelay(true);
    this.rest = '';
    this.answers = [];
    this.socket.setEncoding('latin1').on('data', (data) => this.#take(data));
    this.socket.on('error', (error) => this.fail?.(error));
    this.socket.on('close', () => this.fail?.(new Error(`the connection was closed after ${this.answers.length} answers`)));
  }

  /** Takes whole answers off what has come. */
  #take(data) {
    this.rest += data;
    for (;;) {
      const end = this.rest.indexOf('\r\n\r\n');
      if (end < 0) break;
      const head = this.rest.slice(0, end);
      const length = Number(head.match(/^content-length: (\d+)/im)?.[1] ?? 0);
      if (this.rest.length < end + 4 + length) break;
      this.answers.push({ status: Number(head.slice(9, 12)), text: this.rest.slice(end + 4, end + 4 + length) });
      this.rest = this.rest.slice(end + 4 + length);
    }
    if (this.answers.length >= this.wanted) this.finish?.();
  }

  /** Sends all of them; gives their answers, { status, text }, in the same order. */
  async ask(requests) {
    this.answers = [];
    this.wanted = requests.length;
    const all = new Promise((resolve, reject) => {
      this.finish = resolve;
      this.fail = reject;
    });
    this.socket.write(requests.join(''));
    await within(60, `${requests.length} answers`, all);
    this.fail = undefined;
    return this.answers;
  }

  end() {
    this.socket.destroy();
  }
}
