// What is no well-formed HTTP, and what is at its limits: always a problem document, a log line, and a closed connection.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connect } from 'node:net';
import { openShop } from '../lib/shop.js';
import { eventually, within } from '../lib/wait.js';

const shop = openShop({ HTTP_REQUEST_TIMEOUT_MS: '4000', METRICS_TOKEN: 'the-token-of-the-metrics' });

/** Takes the answers of a connection apart. */
function answersOf(text) {
  const answers = [];
  let rest = text;
  while (rest !== '') {
    const end = rest.indexOf('\r\n\r\n');
    assert.ok(end > 0, `an answer: ${rest}`);
    const [line, ...fields] = rest.slice(0, end).split('\r\n');
    const headers = Object.fromEntries(fields.map((field) => [field.slice(0, field.indexOf(':')).toLowerCase(), field.slice(field.indexOf(':') + 1).trim()]));
    const length = Number(headers['content-length'] ?? 0);
    answers.push({ status: Number(line.split(' ')[1]), headers, text: rest.slice(end + 4, end + 4 + length) });
    rest = rest.slice(end + 4 + length);
  }
  return answers;
}

/** The last answer on the connection is this problem, complete and logged. */
async function assertRefused(bytes, status, { before = [], method, path } = {}) {
  const answers = answersOf(await shop.gateway.raw(bytes));
  assert.deepEqual(answers.map((answer) => answer.status), [...before, status], String(bytes).slice(0, 200));
  const { headers, text } = answers.at(-1);
  const problem = JSON.parse(text);
  assert.equal(headers['content-type'], 'application/problem+json');
  assert.equal(headers.connection, 'close');
  assert.ok(headers.date);
  assert.equal(headers['access-control-allow-origin'], '*');
  assert.equal(problem.status, status);
  assert.equal(problem.requestId, headers['x-request-id']);
  for (const member of ['type', 'title', 'detail', 'code', 'message']) assert.equal(typeof problem[member], 'string', text);
  const line = await shop.gateway.event('http_request', { requestId: problem.requestId });
  assert.equal(line.status, status);
  assert.equal(typeof line.durationMs, 'number');
  if (method !== undefined) assert.equal(line.method, method);
  if (path !== undefined) assert.equal(line.path, path);
  return problem;
}

const head = 'GET /health HTTP/1.1\r\nHost: x\r\n';
const post = 'POST /cart/items HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';

describe('refused with 400', () => {
  const malformed = {
    'no HTTP at all': 'hello\r\n\r\n',
    'a line feed alone': 'GET /health HTTP/1.1\nHost: x\n\n',
    'a line feed alone after a header': `${head}A: b\nC: d\r\n\r\n`,
    'a carriage return alone': `${head}A: b\rC: d\r\n\r\n`,
    'a folded header': `${head}A: b\r\n c\r\n\r\n`,
    'NUL in the target': 'GET /hea\0lth HTTP/1.1\r\nHost: x\r\n\r\n',
    'NUL in a header': `${head}A: b\0c\r\n\r\n`,
    'NUL in a header’s name': `${head}A\0: b\r\n\r\n`,
    'a control character in a header': `${head}A: b\x01c\r\n\r\n`,
    'a blank before the colon': `${head}Content-Length : 5\r\n\r\n`,
    'a header without a colon': `${head}nothing\r\n\r\n`,
    'two blanks in the request line': 'GET  /health HTTP/1.1\r\nHost: x\r\n\r\n',
    'no version': 'GET /health\r\nHost: x\r\n\r\n',
    'a negative length': `${post}Content-Length: -5\r\n\r\n`,
    'a signed length': `${post}Content-Length: +5\r\n\r\n`,
    'a length with letters': `${post}Content-Length: 5x\r\n\r\n`,
    'a list of lengths': `${post}Content-Length: 5, 5\r\n\r\n`,
    'a length beyond 64 bits': `${post}Content-Length: 99999999999999999999\r\n\r\n`,
    'two lengths': `${post}Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}`,
    'a length and chunks': `${post}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    'another coding': `${post}Transfer-Encoding: gzip\r\n\r\n`,
    'a bad chunk size': `${post}Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n`,
    'a chunk that is longer than it says': `${post}Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n`,
    'no host': 'GET /health HTTP/1.1\r\n\r\n',
    'two hosts': `${head}Host: y\r\n\r\n`,
  };
  for (const [name, bytes] of Object.entries(malformed)) {
    test(name, () => assertRefused(Buffer.from(bytes, 'latin1'), 400));
  }

  test('the log names method and path where they are known', async () => {
    await assertRefused(`${head}A: b\nC: d\r\n\r\n`, 400, { method: 'GET', path: '/health' });
    await assertRefused(`${post}Transfer-Encoding: chunked\r\n\r\nzz\r\n`, 400, { method: 'POST', path: '/cart/items' });
  });

  test('what came before it on the connection is answered first', async () => {
    await assertRefused(`${head}\r\n${head}A: b\nC: d\r\n\r\n`, 400, { before: [200] });
    await assertRefused(`${post}Content-Length: 2\r\n\r\n{}${head}\r\nGET /health HTTP/1.1\nHost: x\n\n`, 400, { before: [400, 200] });
    await assertRefused(`GET /products HTTP/1.1\r\nHost: x\r\n\r\nGET /health\0 HTTP/1.1\r\nHost: x\r\n\r\n`, 400, { before: [200] });
  });

  test('nothing that follows it is served', async () => {
    await assertRefused(`${head}A: b\n\r\n${head}\r\n${head}\r\n`, 400);
    await assertRefused(`${post}Transfer-Encoding: chunked\r\n\r\nzz\r\n${head}\r\n`, 400);
  });

  test('a head that comes letter by letter is read alike', async () => {
    const socket = connect(shop.gateway.port, '127.0.0.1').setNoDelay(true);
    let text = '';
    socket.on('data', (chunk) => (text += chunk));
    const closed = new Promise((resolve) => socket.once('close', resolve));
    for (const letter of `${head}X-Id: a\r\n\r\n${head}A: b\nC`) {
      await new Promise((resolve) => socket.write(letter, resolve));
    }
    await within(10, 'the end', closed);
    assert.deepEqual(answersOf(text).map((answer) => answer.status), [200, 400]);
  });
});

describe('other refusals', () => {
  test('another version of HTTP: 505', async () => {
    await assertRefused('GET /health HTTP/2.0\r\nHost: x\r\n\r\n', 505);
    await assertRefused('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505);
    await assertRefused('GET /health HTTP/0.9\r\n\r\n', 505);
  });

  test('a long request line: 414', async () => {
    const problem = await assertRefused(`GET /products?x=${'y'.repeat(9_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 414, { method: 'GET', path: '/products' });
    assert.equal(problem.code, 'uri_too_long');
    await assertRefused(`GET /products?x=${'y'.repeat(500_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 414);
    await assertRefused(`GET /products?${'a&'.repeat(3_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 414);
  });

  test('large headers: 431', async () => {
    const problem = await assertRefused(`${head}X-Long: ${'y'.repeat(16_100)}\r\n\r\n`, 431, { method: 'GET', path: '/health' });
    assert.equal(problem.code, 'headers_too_large');
    await assertRefused(`${head}X-Long: ${'y'.repeat(500_000)}\r\n\r\n`, 431);
    await assertRefused(`${head}${'A: b\r\n'.repeat(220)}\r\n`, 431);
    await assertRefused(`${head}Origin: ${'y'.repeat(12_000)}\r\n\r\n`, 431);
    await assertRefused(`${head}${'Origin: b\r\n'.repeat(150)}\r\n`, 431);
    await assertRefused(`${head}Cookie: ${'a=b; '.repeat(220)}\r\n\r\n`, 431);
  });

  test('under /api/ the problem has "error" too', async () => {
    const problem = await assertRefused('GET /api/orders HTTP/1.1\nHost: x\n\n', 400);
    assert.equal(problem.error, 'Bad Request');
  });

  test('a chunk of more than 63 bits: 413', () => assertRefused(`${post}Transfer-Encoding: chunked\r\n\r\n${'f'.repeat(16)}\r\n`, 413));
});

describe('at the limits', () => {
  // The HTTP library must never run out of room for what is let through: it would answer in HTML.
  const last = 'Host: x\r\nConnection: close\r\n';
  const most = (begin, one, end) => {
    const weight = 72 + one.length * (begin.endsWith('Cookie: ') ? 2 : 1);
    const left = 16_000 - begin.length - end.length - 3 * 72;
    return begin + one.repeat(Math.floor(left / weight)) + end;
  };
  const atLimits = {
    'a request line of 8,000 bytes': `GET /products?x=${'y'.repeat(7_970)} HTTP/1.1\r\n${last}\r\n`,
    'a header of 15,600 bytes': `GET /products HTTP/1.1\r\n${last}X-Long: ${'y'.repeat(15_600)}\r\n\r\n`,
    'the most headers': most(`GET /products HTTP/1.1\r\n${last}`, 'A: b\r\n', '\r\n'),
    'a line of 8,000 bytes and the most headers': most(`GET /products?x=${'y'.repeat(7_970)} HTTP/1.1\r\n${last}`, 'Abc: d\r\n', '\r\n'),
    'the most parameters': most('GET /products?a=b', '&c=d', ` HTTP/1.1\r\n${last}\r\n`),
    'the most cookies': most(`GET /products HTTP/1.1\r\n${last}Cookie: `, 'a=b; ', 'c=d\r\n\r\n'),
    'the largest cookie': `GET /products HTTP/1.1\r\n${last}Cookie: a=${'b'.repeat(7_800)}\r\n\r\n`,
  };
  const chunked = (rest) => {
    const begin = `POST /auth/login HTTP/1.1\r\n${last}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n`;
    return `${begin}X: ${'y'.repeat(16_000 - begin.length - 7 - 5 * 72)}\r\n\r\n${rest}`;
  };
  const trailer = 'A: b\r\n'.repeat(12);
  // The same for headers that are read, which have a limit of 12,000: a head of this size (its last byte does not count).
  const filled = (begin, weights, rest = '') => `${begin}Origin: ${'y'.repeat(12_000 - begin.length - 11 - weights * 72)}\r\n\r\n${rest}`;
  const post = `POST /auth/login HTTP/1.1\r\n${last}Content-Type: application/json\r\n`;
  Object.assign(atLimits, {
    'the largest header that is read': filled(`GET /products HTTP/1.1\r\n${last}`, 3),
    'a line of 8,000 bytes and the largest header that is read': filled(`GET /products?x=${'y'.repeat(7_970)} HTTP/1.1\r\n${last}`, 3),
    'the most headers that are read': `GET /products HTTP/1.1\r\n${last}${'Origin: b\r\n'.repeat(140)}\r\n`,
    'the largest header that is read, and many that are not': filled(`GET /products HTTP/1.1\r\n${last}`, 3).replace('Origin', `${'A: b\r\n'.repeat(40)}Origin`),
    'the largest header that is read, and a body': filled(`${post}Content-Length: 5000\r\n`, 5, '{}'.padEnd(5_000)),
    'the largest header that is read, chunks and the largest trailer': filled(`${post}Transfer-Encoding: chunked\r\n`, 5, `2;${'e'.repeat(255)}\r\n{}\r\n${'1\r\n \r\n'.repeat(3_000)}0;${'e'.repeat(255)}\r\n${trailer}\r\n`),
  });
  Object.assign(atLimits, {
    'the largest head and a chunk of the longest line': chunked(`2;${'e'.repeat(255)}\r\n{}\r\n0\r\n\r\n`),
    'the largest head and chunks of one byte': chunked(`1\r\n{\r\n${'1\r\n \r\n'.repeat(5_000)}1\r\n}\r\n0\r\n\r\n`),
    'the largest head and the largest trailer': chunked(`2\r\n{}\r\n0\r\n${trailer}\r\n`),
    'the largest head, the longest line and the largest trailer': chunked(`2;${'e'.repeat(255)}\r\n{}\r\n0;${'e'.repeat(255)}\r\n${trailer}\r\n`),
  });
  test('one byte beyond the limit of what is read', async () => {
    await assertRefused(filled(`GET /products HTTP/1.1\r\n${last}`, 3).replace('Origin: ', 'Origin: y'), 431);
  });
  for (const [name, bytes] of Object.entries(atLimits)) {
    test(name, async () => {
      const [answer, ...more] = answersOf(await shop.gateway.raw(bytes));
      assert.ok([200, 400].includes(answer.status), `${answer.status} ${answer.text}`);
      assert.match(answer.headers['content-type'], /json/);
      assert.equal(more.length, 0);
    });
  }
});

test('heads are understood wherever reads are cut', async () => {
  // The library's first read takes about 6,600 bytes; what is behind its end moves through a name that is read.
  for (let size = 6_560; size < 6_680; size += 1) {
    const line = `GET /health?x=${'y'.repeat(size)} HTTP/1.1\r\n`;
    const rest = `Host: x\r\nX-Left-Out: ?\r\nX-Request-Id: cut-${size}\r\n`;
    const [first, second, ...more] = answersOf(await shop.gateway.raw(`${line}${rest}\r\nGET /health HTTP/1.1\r\nHost: x\r\nA: b\n`));
    assert.deepEqual([first.status, first.headers['x-request-id'], second.status, more.length], [200, `cut-${size}`, 400, 0]);
  }
});

test('of a faulty head nothing is served wherever reads are cut', async () => {
  const ids = Array.from({ length: 140 }, (_, i) => `faulty-${6_540 + i}`);
  for (const id of ids) {
    const socket = connect({ port: shop.gateway.port, host: '127.0.0.1' });
    const closed = new Promise((resolve) => socket.once('close', resolve));
    let text = '';
    socket.on('data', (chunk) => (text += chunk));
    socket.write(`GET /health?x=${'y'.repeat(Number(id.slice('faulty-'.length)))} HTTP/1.1\r\n`);
    await shop.get('/health'); // by now the library has the line
    socket.write(`Host: x\r\nHost: y\r\nX-Request-Id: ${id}\r\nAccess-Control-Request-Headers: a\r\n\r\n`);
    await within(10, 'the end', closed);
    assert.deepEqual(answersOf(text).map((answer) => answer.status), [400]);
  }
  await shop.gateway.event('http_request', { requestId: ids.at(-1) });
  for (const id of ids) {
    assert.deepEqual(shop.gateway.events('http_request', { requestId: id }).map((line) => line.status), [400], id);
  }
});

test('a client that goes on sending after the refusal is cut off', async () => {
  const socket = connect({ port: shop.gateway.port, host: '127.0.0.1', allowHalfOpen: true });
  socket.on('error', () => {});
  const closed = new Promise((resolve) => socket.once('close', resolve));
  let text = '';
  socket.on('data', (chunk) => (text += chunk));
  socket.write('nonsense\r\n');
  await eventually('the answer', () => text.includes('400'));
  const timer = setInterval(() => socket.write('x'.repeat(1000)), 50);
  await within(8, 'the end', closed).finally(() => clearInterval(timer));
});

test('refusals are counted', async () => {
  await assertRefused(`${head}X-Long: ${'y'.repeat(16_100)}\r\n\r\n`, 431);
  const { text } = await shop.get('/metrics', { token: 'the-token-of-the-metrics' });
  assert.match(text, /code="headers_too_large"\} [1-9]/);
});
