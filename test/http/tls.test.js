// HTTPS: TLS_CERT_FILE and TLS_KEY_FILE.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import { connect as connectPlain } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { connect } from 'node:tls';
import { promisify } from 'node:util';
import { Database } from '../lib/database.js';
import { Gateway, gatewayEnvironment } from '../lib/gateway.js';
import { freePort } from '../lib/ports.js';
import { gatewayProgram, scratch } from '../lib/settings.js';
import { eventually, within } from '../lib/wait.js';

const run = promisify(execFile);
let folder, database, gateway, ca;

/** Makes a self-signed certificate NAME.pem and its key NAME.key. */
async function makeCertificate(name) {
  await run('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
    '-subj', `/CN=${name}`, '-addext', 'subjectAltName=DNS:localhost', '-keyout', join(folder, `${name}.key`), '-out', join(folder, `${name}.pem`)]);
}

const files = (name) => ({ TLS_CERT_FILE: join(folder, `${name}.pem`), TLS_KEY_FILE: join(folder, `${name}.key`) });

/** One request over TLS; gives status, headers, text, the protocol and the name in the server's certificate. */
function send(path, { method = 'GET', body, headers = {}, agent, ...tls } = {}) {
  const answer = new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port: gateway.port, servername: 'localhost', ca, path, method, agent: agent ?? false,
      headers: { ...(body === undefined ? {} : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) }), ...headers }, ...tls });
    outgoing.once('error', reject);
    outgoing.once('response', (incoming) => {
      const { socket } = incoming;
      const chunks = [];
      incoming.on('data', (chunk) => chunks.push(chunk));
      incoming.once('error', reject);
      incoming.once('end', () => resolve({ status: incoming.statusCode, headers: incoming.headers, text: Buffer.concat(chunks).toString(),
        protocol: socket.getProtocol(), name: socket.getPeerCertificate().subject?.CN, port: socket.localPort }));
    });
    outgoing.end(body);
  });
  return within(15, `${method} ${path}`, answer);
}

/** Writes bytes (or lets talk(socket) write) over TLS; gives what comes back until the end. */
function raw(talk) {
  const socket = connect({ host: '127.0.0.1', port: gateway.port, servername: 'localhost', ca });
  let text = '';
  socket.on('data', (chunk) => (text += chunk.toString('latin1')));
  socket.on('error', () => {});
  const closed = new Promise((resolve) => socket.once('close', resolve)).then(() => text);
  socket.once('secureConnect', () => (typeof talk === 'function' ? talk(socket) : socket.write(talk)));
  return within(15, 'the end of the connection', closed).finally(() => socket.destroy());
}

/** A connection below TLS; gives the bytes until the end. */
function plain(bytes) {
  const socket = connectPlain(gateway.port, '127.0.0.1');
  let text = '';
  socket.on('data', (chunk) => (text += chunk.toString('latin1')));
  socket.on('error', () => {});
  socket.write(bytes);
  const closed = new Promise((resolve) => socket.once('close', resolve)).then(() => text);
  return within(10, 'the end of the connection', closed).finally(() => socket.destroy());
}

before(async () => {
  folder = await mkdtemp(join(scratch, 'tls-'));
  await Promise.all(['first', 'second'].map(makeCertificate));
  ca = await Promise.all(['first', 'second'].map((name) => readFile(join(folder, `${name}.pem`))));
  await copyFile(join(folder, 'first.pem'), join(folder, 'used.pem'));
  await copyFile(join(folder, 'first.key'), join(folder, 'used.key'));
  database = await Database.create();
  const port = await freePort();
  gateway = new Gateway(port, gatewayEnvironment(database, port, {
    ...files('used'), HTTP_HEADERS_TIMEOUT_MS: '800', HTTP_REQUEST_TIMEOUT_MS: '2000', HTTP_KEEP_ALIVE_TIMEOUT_MS: '3000' }));
  await gateway.event('gateway_started');
  await eventually(`ready; its log:\n${gateway.stderr}`, async () => (await send('/ready')).status === 200);
});
after(async () => {
  try {
    await gateway?.stop();
    gateway?.assertCleanLog();
  } finally {
    await database?.drop();
  }
});

describe('requests', () => {
  test('TLS 1.2 and 1.3 are spoken, older versions are not', async () => {
    for (const version of ['TLSv1.2', 'TLSv1.3']) {
      const answer = await send('/health', { minVersion: version, maxVersion: version });
      assert.deepEqual([answer.status, answer.protocol, answer.name], [200, version, 'first']);
    }
    for (const version of ['TLSv1', 'TLSv1.1']) {
      await assert.rejects(send('/health', { minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' }), version);
    }
  });

  test('a connection is used again', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const answers = [];
    for (let round = 0; round < 5; round += 1) answers.push(await send('/products', { agent }));
    agent.destroy();
    assert.deepEqual(answers.map((answer) => answer.status), [200, 200, 200, 200, 200]);
    assert.equal(new Set(answers.map((answer) => answer.port)).size, 1);
  });

  test('large bodies in both directions', async () => {
    const document = await send('/openapi.json');
    assert.equal(JSON.parse(document.text).openapi.slice(0, 3), '3.1');
    const pad = 'x'.repeat(5_000_000);
    const answer = await send('/api/orders', { method: 'POST', body: JSON.stringify({ customer_id: 'c', items: [{ product_id: 'P', quantity: 1, price: 1, pad }] }) });
    assert.ok([202, 400].includes(answer.status), answer.text);
  });

  test('several requests in one record, and a body that spans what the server reads at a time', async () => {
    const one = 'GET /health HTTP/1.1\r\nHost: x\r\n\r\n';
    const body = JSON.stringify({ pad: 'y'.repeat(12_000) });
    const post = `POST /cart/items HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const text = await raw(one.repeat(20) + post + 'GET /products HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    assert.deepEqual([...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map((found) => found[1]), [...Array(20).fill('200'), '400', '200']);
  });
});

test('a body that is too large: 413 before it comes, and when all of it is sent', async () => {
  const head = `POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 5000000\r\n\r\n`;
  assert.match(await raw(head), /^HTTP\/1\.1 413 /);
  assert.match(await raw((socket) => { socket.write(head); socket.write(Buffer.alloc(5_000_000, 'x')); }), /^HTTP\/1\.1 413 /);
  assert.equal((await send('/auth/login', { method: 'POST', body: 'x'.repeat(5_000_000) })).status, 413);
});

test('heads that span what the server reads at a time, of which most is left out', async () => {
  for (let size = 6_560; size < 6_680; size += 10) {
    const head = (id) => `GET /health?x=${'y'.repeat(size)} HTTP/1.1\r\nHost: x\r\nCookie: ${'c'.repeat(3_000)}\r\nX-Request-Id: ${id}\r\n`;
    const text = await raw(`${head(`one-${size}`)}\r\n${head(`two-${size}`)}Connection: close\r\n\r\n`);
    assert.deepEqual([...text.matchAll(/^X-Request-Id: (.*)\r$/gm)].map((found) => found[1]), [`one-${size}`, `two-${size}`]);
  }
});

describe('what is no request', () => {
  test('a malformed head: 400, as a problem document', async () => {
    const text = await raw('GET /health HTTP/1.1\nHost: x\n\n');
    assert.match(text, /^HTTP\/1\.1 400 Bad Request\r\n/);
    assert.match(text, /application\/problem\+json/);
    const { requestId } = JSON.parse(text.slice(text.indexOf('\r\n\r\n')));
    assert.equal((await gateway.event('http_request', { requestId })).status, 400);
  });

  test('a head that is not finished in time: 408', async () => {
    assert.match(await raw('GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: '), /^HTTP\/1\.1 408 /);
  });

  test('HTTP without TLS is not answered, and hinders nobody', async () => {
    const text = await plain('GET /health HTTP/1.1\r\nHost: x\r\n\r\n');
    assert.doesNotMatch(text, /HTTP\/1\.1|\{/);
    assert.equal((await send('/health')).status, 200);
  });

  test('a handshake that does not go on is cut off', async () => {
    const hello = Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc]);
    const started = Date.now();
    for (const bytes of ['', hello]) assert.doesNotMatch(await plain(bytes), /HTTP/);
    assert.ok(Date.now() - started < 8000);
  });

  test('fifty such handshakes do not hinder a quick client', async () => {
    const slow = Array.from({ length: 50 }, () => plain(Buffer.from([0x16, 0x03, 0x01])));
    assert.equal((await send('/products')).status, 200);
    await Promise.all(slow);
  });

  test('a client that leaves in the middle of a handshake or a body leaves nothing behind', async () => {
    for (let round = 0; round < 20; round += 1) {
      const socket = connectPlain(gateway.port, '127.0.0.1');
      socket.on('error', () => {});
      socket.write(Buffer.from([0x16, 0x03, 0x01]), () => socket.resetAndDestroy());
    }
    await raw((socket) => socket.write('POST /cart/items HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{', () => socket.destroy()));
    assert.equal((await send('/health')).status, 200);
  });
});

describe('renewal', () => {
  test('SIGHUP reads the files anew; a faulty one leaves the old certificate in use', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    assert.equal((await send('/health', { agent })).name, 'first');
    await copyFile(join(folder, 'second.pem'), join(folder, 'used.pem'));
    gateway.child.kill('SIGHUP');
    const failed = await gateway.event('certificate_reload_failed');
    assert.match(failed.error, /TLS_KEY_FILE/);
    assert.equal((await send('/health')).name, 'first');

    await copyFile(join(folder, 'second.key'), join(folder, 'used.key'));
    gateway.child.kill('SIGHUP');
    await gateway.event('certificate_reloaded');
    assert.equal((await send('/health')).name, 'second');
    assert.equal((await send('/health', { agent })).status, 200, 'connections that were open go on');
    agent.destroy();
  });
});

describe('--ready', () => {
  const ready = (more) => run(gatewayProgram, ['--ready'], { env: { PORT: String(gateway.port), BIND_ADDRESS: '127.0.0.1', ...more } });

  test('asks within TLS where the gateway speaks it', async () => {
    await ready(files('used'));
    await assert.rejects(ready({}));
  });
});

describe('it does not start', () => {
  async function refuses(environment, words) {
    const other = new Gateway(0, gatewayEnvironment(database, await freePort(), environment));
    assert.equal((await other.ended()).code, 2, other.stderr);
    for (const word of words) assert.ok(other.stderr.includes(word), `${word} in ${other.stderr}`);
    assert.doesNotMatch(other.stdout + other.stderr, /PRIVATE KEY/);
  }

  test('without one of the two files, or with one that cannot be read', async () => {
    await refuses({ TLS_CERT_FILE: files('first').TLS_CERT_FILE }, ['TLS_CERT_FILE', 'TLS_KEY_FILE']);
    await refuses({ TLS_KEY_FILE: files('first').TLS_KEY_FILE }, ['TLS_CERT_FILE', 'TLS_KEY_FILE']);
    await refuses({ ...files('first'), TLS_CERT_FILE: '/nonexistent/a.pem' }, ['TLS_CERT_FILE', '/nonexistent/a.pem']);
    await refuses({ ...files('first'), TLS_KEY_FILE: '/nonexistent/a.key' }, ['TLS_KEY_FILE', '/nonexistent/a.key']);
  });

  test('with files that are malformed or do not fit each other', async () => {
    await writeFile(join(folder, 'empty.pem'), '');
    await writeFile(join(folder, 'odd.pem'), '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
    await refuses({ ...files('first'), TLS_CERT_FILE: join(folder, 'empty.pem') }, ['TLS_CERT_FILE']);
    await refuses({ ...files('first'), TLS_CERT_FILE: join(folder, 'odd.pem') }, ['TLS_CERT_FILE']);
    await refuses({ ...files('first'), TLS_KEY_FILE: join(folder, 'empty.pem') }, ['TLS_KEY_FILE']);
    await refuses({ ...files('first'), TLS_KEY_FILE: files('second').TLS_KEY_FILE }, ['TLS_KEY_FILE', 'TLS_CERT_FILE']);
  });

  test('--check-config says so without starting', async () => {
    const environment = gatewayEnvironment(database, 0, files('first'));
    assert.match((await run(gatewayProgram, ['--check-config'], { env: environment })).stdout, /valid/);
    await assert.rejects(run(gatewayProgram, ['--check-config'], { env: { ...environment, TLS_KEY_FILE: files('second').TLS_KEY_FILE } }), { code: 2 });
  });
});
