// A TCP proxy on the loopback interface that a test can cut: between client and gateway, gateway and database, poller and queue.
import { connect, createServer } from 'node:net';
import { freePort } from '../ports.js';

export class CuttingProxy {
  /** to: { port } or { path } of the server behind. */
  static async start(to) {
    const proxy = new CuttingProxy();
    Object.assign(proxy, { to, pairs: new Set(), port: await freePort(), loseAnswer: () => false });
    await proxy.open();
    return proxy;
  }

  /** Takes connections (again). */
  async open() {
    this.server = createServer({ noDelay: true }, (near) => this.#join(near));
    await new Promise((resolve, reject) => this.server.once('error', reject).listen(this.port, '127.0.0.1', resolve));
  }

  #join(near) {
    const far = connect({ host: '127.0.0.1', noDelay: true, ...this.to });
    const pair = { near, far };
    this.pairs.add(pair);
    const end = () => {
      this.pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    near.on('data', (bytes) => far.write(bytes));
    far.on('data', (bytes) => {
      if (this.loseAnswer()) this.#reset(pair);
      else near.write(bytes);
    });
    for (const socket of [near, far]) socket.on('error', end).on('close', end);
  }

  /** Both sides see a reset. */
  #reset(pair) {
    this.pairs.delete(pair);
    pair.near.resetAndDestroy();
    if (this.to.path === undefined) pair.far.resetAndDestroy();
    else pair.far.destroy(); // a Unix socket knows no reset
  }

  /** Resets every connection there is; gives their number. New ones are taken. */
  cut() {
    const count = this.pairs.size;
    for (const pair of [...this.pairs]) this.#reset(pair);
    return count;
  }

  /** Resets every connection and refuses new ones until open(). */
  async close() {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.cut();
    await closed;
  }
}
