// A network that only a test's own processes see: its loopback interface, and whatever networks podman makes in it.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { send } from './http.js';
import { within } from './wait.js';

const run = promisify(execFile);
const relay = fileURLToPath(new URL('relay.js', import.meta.url));

export class PrivateNetwork {
  /** Makes one. Fails where this machine does not allow it. */
  static async open() {
    const network = new PrivateNetwork();
    // Not in the folder of the tests: the path of a socket has to be short.
    network.folder = await mkdtemp(join(tmpdir(), 'pg_shop-network-'));
    network.socket = join(network.folder, 'relay');
    network.child = spawn('unshare', ['--net', 'bash', '-c', 'ip link set lo up && exec "$@"', 'network', process.execPath, relay, network.socket], {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let said = '';
    network.child.stderr.on('data', (text) => (said += text));
    network.ended = once(network.child, 'close');
    const opened = once(network.child.stdout, 'data');
    const failed = network.ended.then(() => {
      throw new Error(`no network of its own: ${said}`);
    });
    failed.catch(() => {});
    await within(20, 'the network opens', Promise.race([opened, failed]));
    return network;
  }

  /** Runs a program in the network; what it leaves running stays there. Gives { stdout, stderr }, or fails with them. */
  run(program, args, options = {}) {
    return run('nsenter', [`--net=/proc/${this.child.pid}/ns/net`, '--', program, ...args], { maxBuffer: 1 << 27, ...options });
  }

  /** A request to the gateway at an address in the network, as send() of http.js does it. */
  send(address, port, method, path, options = {}) {
    return send(port, method, path, { ...options, agent: this.#agent(address, port) });
  }

  /** What GET gives at an address in the network, whatever answers there: { ok, text }. */
  async get(address, port, path) {
    const outgoing = request({ host: address, port, path, agent: this.#agent(address, port), timeout: 5000 }).end();
    outgoing.once('timeout', () => outgoing.destroy(new Error(`no answer from ${address}:${port}`)));
    const [answer] = await once(outgoing, 'response');
    const chunks = [];
    for await (const chunk of answer) chunks.push(chunk);
    return { ok: answer.statusCode === 200, text: Buffer.concat(chunks).toString() };
  }

  #agent(address, port) {
    const agent = new Agent();
    agent.createConnection = () => {
      const connection = connect(this.socket);
      connection.write(`${address}:${port}\n`);
      return connection;
    };
    return agent;
  }

  async close() {
    this.child.stdin.end();
    await within(10, 'the network closes', this.ended);
    await rm(this.folder, { recursive: true });
  }
}
