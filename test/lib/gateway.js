// A gateway of the test's own: a free port, its own database.
import { gatewayProgram } from './settings.js';
import { Program } from './program.js';
import { freePort } from './ports.js';
import { send, raw } from './http.js';
import { jwtSecret } from './tokens.js';
import { eventually } from './wait.js';

export class Gateway extends Program {
  constructor(port, environment, program = gatewayProgram) {
    super(program, environment);
    this.port = port;
  }

  /**
   * Starts a gateway on this database and waits until it is ready; environment adds variables or (undefined) removes them.
   * program: another build than the one with sanitizers.
   */
  static async start(database, environment = {}, program = gatewayProgram) {
    const port = await freePort();
    const gateway = new Gateway(port, gatewayEnvironment(database, port, environment), program);
    await eventually(`the gateway is ready; its log:\n${gateway.stdout}${gateway.stderr}`, async () => {
      if (gateway.exited) throw new Error(`the gateway ended: ${gateway.stdout}${gateway.stderr}`);
      return (await gateway.get('/ready')).status === 200;
    });
    return gateway;
  }

  send(method, path, options) {
    return send(this.port, method, path, options);
  }

  get(path, options) {
    return this.send('GET', path, options);
  }

  post(path, body, options = {}) {
    return this.send('POST', path, { body, ...options });
  }

  raw(bytes, seconds) {
    return raw(this.port, bytes, seconds);
  }
}

/** The environment of a gateway under test. */
export function gatewayEnvironment(database, port, more = {}) {
  const environment = {
    DATABASE_URL: database?.url('gateway'),
    PORT: String(port),
    BIND_ADDRESS: '127.0.0.1',
    JWT_SECRET: jwtSecret,
    ...more,
  };
  return Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== undefined));
}
