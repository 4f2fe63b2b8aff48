// Malformed and hostile HTTP over raw sockets: heads that two readers could read in two ways, broken lengths and chunks, slow
// and silent clients, many of them at once. What follows a refused request on its connection must never be read as a request.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, test } from 'node:test';
import { Gateway } from '../lib/gateway.js';
import { openFiles, processorMilliseconds } from '../lib/process.js';
import { openShop } from '../lib/shop.js';
import { eventually, within } from '../lib/wait.js';

const shop = openShop();
const body = '{"username":"a"}'; // 16 bytes, answered 400 "username and password are required"
const host = 'Host: x\r\n';
const last = `GET /ready HTTP/1.1\r\n${host}Connection: close\r\n\r\n`;
const login = (headers, content) => `POST /auth/login HTTP/1.1\r\n${host}Content-Type: application/json\r\n${headers}\r\n${content}`;
const chunked = 'Transfer-Encoding: chunked\r\n';
const chunk = `10\r\n${body}\r\n0\r\n\r\n`;
const statuses = (text) => [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map((found) => Number(found[1]));

/** The request is refused by one problem document, the connection ends, and what follows on it is not answered. */
async function assertRefused(request, expected = [400], gateway = shop.gateway) {
  const text = await gateway.raw(Buffer.from(request + last, 'latin1'));
  assert.equal(statuses(text).length, 1, text);
  assert.ok(expected.includes(statuses(text)[0]), `${expected} expected: ${text}`);
  const end = text.indexOf('\r\n\r\n');
  assert.match(text.slice(0, end), /^Content-Type: application\/problem\+json\r?$/m);
  assert.match(text.slice(0, end), /^Connection: close\r?$/m);
  const problem = JSON.parse(text.slice(end + 4));
  assert.equal(problem.status, statuses(text)[0]);
  assert.ok(text.includes(`\r\nX-Request-Id: ${problem.requestId}\r\n`), text);
}

/** The request is understood, and so is the one behind it. */
async function assertServed(request) {
  const text = await shop.gateway.raw(Buffer.from(request + last, 'latin1'));
  assert.deepEqual(statuses(text), [400, 200], text);
  assert.match(text, /username and password are required/);
  assert.match(text, /"ready"/);
}

describe('the length of a body', () => {
  test('plain digits are understood, blanks around a header’s value too', async () => {
    await assertServed(login('Content-Length: 16\r\n', body));
    await assertServed(login('Content-Length:\t016\r\n', body));
    await assertServed(login('CONTENT-LENGTH:16\r\n', body));
  });

  const bad = ['+16', '-1', '-0', '0x10', '16, 16', '16,', '', '1 6', '1\t6', '16.0', '1e1', '16;', '１６', '16\x00', '16\x0b', 'chunked'];
  for (const value of bad) {
    test(`Content-Length: ${JSON.stringify(value)} is refused`, () => assertRefused(login(`Content-Length: ${value}\r\n`, body)));
  }

  for (const value of ['18446744073709551615', '18446744073709551616', '99999999999999999999', '9223372036854775807']) {
    test(`Content-Length: ${value} is too large`, () => assertRefused(login(`Content-Length: ${value}\r\n`, body), [400, 413]));
  }

  const ambiguous = {
    'two equal lengths': 'Content-Length: 16\r\nContent-Length: 16\r\n',
    'two lengths': 'Content-Length: 16\r\nContent-Length: 5\r\n',
    'a length and chunks': `Content-Length: 4\r\n${chunked}`,
    'chunks and a length': `${chunked}Content-Length: 4\r\n`,
    'chunks and the length 0': `${chunked}Content-Length: 0\r\n`,
    'chunks twice': chunked + chunked,
    'chunks and another coding': 'Transfer-Encoding: chunked, identity\r\n',
    'another coding and chunks': 'Transfer-Encoding: gzip, chunked\r\n',
    'no coding': 'Transfer-Encoding: \r\n',
    'identity': 'Transfer-Encoding: identity\r\n',
    'an unknown coding': 'Transfer-Encoding: xchunked\r\n',
    'a vertical tab before the coding': 'Transfer-Encoding: \x0bchunked\r\n',
    'a coding within quotes': 'Transfer-Encoding: "chunked"\r\n',
    'a NUL behind the coding': 'Transfer-Encoding: chunked\x00\r\nX: y\r\n',
    'a blank before the colon': 'Transfer-Encoding : chunked\r\n',
    'a length with a blank before the colon': 'Content-Length : 16\r\n',
  };
  for (const [name, headers] of Object.entries(ambiguous)) {
    test(`${name}: refused`, () => assertRefused(login(headers, chunk), [400, 501]));
  }

  test('HTTP/1.0 has no chunks', () => assertRefused(`POST /auth/login HTTP/1.0\r\nContent-Type: application/json\r\n${chunked}\r\n${chunk}`));

  test('HTTP/1.0 with a length is served, and the connection ends', async () => {
    const text = await shop.gateway.raw(`POST /auth/login HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n${body}`);
    assert.deepEqual(statuses(text), [400]);
    assert.match(text, /username and password are required/);
  });
});

describe('header lines', () => {
  const bad = {
    'a continued line': 'X: y\r\n z\r\nContent-Length: 16\r\n',
    'a line continued by a tab': 'X: y\r\n\tz\r\nContent-Length: 16\r\n',
    'a length on a continued line': 'Content-Length:\r\n 16\r\n',
    'a coding on a continued line': 'Transfer-Encoding:\r\n chunked\r\n',
    'a length continued': 'Content-Length: 1\r\n 6\r\n',
    'a first line that continues nothing': ' X: y\r\nContent-Length: 16\r\n',
    'no name': ': y\r\nContent-Length: 16\r\n',
    'no name and no value': ':\r\nContent-Length: 16\r\n',
    'no colon': 'novalue\r\nContent-Length: 16\r\n',
    'a blank in a name': 'X y: z\r\nContent-Length: 16\r\n',
    'a NUL in a name': 'X\x00Y: z\r\nContent-Length: 16\r\n',
    'a NUL in a value': 'X: y\x00z\r\nContent-Length: 16\r\n',
    'a NUL in the last value': 'Content-Length: 16\r\nX: y\x00z\r\n',
    'a CR in a value': 'X: y\rz\r\nContent-Length: 16\r\n',
    'a CR alone between lines': 'X: y\rContent-Length: 16\r\n',
    'a bell in a value': 'X: \x07\r\nContent-Length: 16\r\n',
    'a delete in a value': 'X: \x7f\r\nContent-Length: 16\r\n',
    'a bracket in a name': 'X(y): z\r\nContent-Length: 16\r\n',
    'a letter of Latin-1 in a name': 'X\xe9: z\r\nContent-Length: 16\r\n',
    'Host twice': 'Host: y\r\nContent-Length: 16\r\n',
    'Authorization twice': 'Authorization: Bearer a\r\nAuthorization: Bearer b\r\nContent-Length: 16\r\n',
    'Idempotency-Key twice': 'Idempotency-Key: a\r\nIdempotency-Key: b\r\nContent-Length: 16\r\n',
  };
  for (const [name, headers] of Object.entries(bad)) {
    test(`${name}: refused`, () => assertRefused(login(headers, body)));
  }

  test('blanks behind a value are no part of it', async () => {
    const text = await shop.gateway.raw(`GET /health HTTP/1.1\r\n${host}X-Request-Id: trimmed-1 \t \r\nConnection: close \r\n\r\n`);
    assert.match(text, /^X-Request-Id: trimmed-1\r$/m);
    const admin = await shop.gateway.raw(
      `GET /admin/verify HTTP/1.1\r\n${host}Authorization: Bearer ${shop.admin} \r\nConnection: close\r\n\r\n`,
    );
    assert.deepEqual(statuses(admin), [200], admin);
  });

  // RFC 9112 section 2.2 allows to understand them; but not every proxy does, and two readings make a smuggled request.
  test('line breaks without CR are refused', () => assertRefused(login('X: y\nContent-Length: 16\n', body)));

  test('a refused request keeps its id, wherever that stands', async () => {
    for (const headers of ['X-Request-Id: refused-1 \r\nContent-Length: 1\r\nContent-Length: 1\r\n', 'Host: y\r\nX-Request-Id: refused-1\r\n']) {
      assert.match(await shop.gateway.raw(login(headers, body)), /^X-Request-Id: refused-1\r$/m);
    }
  });

  test('and its traceparent, whoever answers and why', async () => {
    const given = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    const gateway = await Gateway.start(shop.database, { HTTP_REQUEST_TIMEOUT_MS: '1500', HTTP_HEADERS_TIMEOUT_MS: '1500' });
    const refused = {
      'two hosts': (headers) => login(`${headers}Host: y\r\nContent-Length: 16\r\n`, body),
      'a large body': (headers) => login(`${headers}Content-Length: 200000\r\n`, ''),
      'a large chunk': (headers) => login(headers + chunked, `${'f'.repeat(16)}\r\n`),
      'a large head': (headers) => login(`${headers}X: ${'y'.repeat(17_000)}\r\n`, ''),
      'a head that stalls': (headers) => `GET /health HTTP/1.1\r\n${host}${headers}X-Slow: `,
      'a body that stalls': (headers) => login(`${headers}Content-Length: 16\r\n`, '{'),
    };
    const cut = `01${given.slice(2)}-${'y'.repeat(190)}`;
    try {
      await Promise.all(Object.entries(refused).map(async ([name, request], i) => {
        const text = await gateway.raw(request(`X-Request-Id: traced-${i}\r\ntraceparent:  ${given} \r\n`));
        assert.match(text, new RegExp(`^X-Request-Id: traced-${i}\r$`, 'm'), `${name}: ${text}`);
        assert.match(text, new RegExp(`^traceparent: ${given}\r$`, 'm'), `${name}: ${text}`);
        assert.equal((await gateway.event('http_request', { requestId: `traced-${i}` })).traceparent, given);
        assert.doesNotMatch(await gateway.raw(request('traceparent: x\r\n')), /^traceparent/m);
      }));
      assert.doesNotMatch(await gateway.raw(refused['two hosts'](`traceparent: ${cut}\r\n`)), /^traceparent/m);
    } finally {
      await gateway.stop();
    }
  });

  test('a head of almost 16 kB is served, one beyond is 431, a line beyond is 414', async () => {
    const head = (size) => `GET /health HTTP/1.1\r\n${host}X: ${'y'.repeat(size)}\r\nConnection: close\r\n\r\n`;
    assert.deepEqual(statuses(await shop.gateway.raw(head(15_000))), [200]);
    await assertRefused(`GET /health HTTP/1.1\r\n${host}X: ${'y'.repeat(17_000)}\r\n\r\n`, [431]);
    await assertRefused(`GET /health HTTP/1.1\r\n${host}${'X: y\r\n'.repeat(5000)}\r\n`, [431]);
    await assertRefused(`GET /${'y'.repeat(17_000)} HTTP/1.1\r\n${host}\r\n`, [414]);
  });
});

describe('chunks', () => {
  const good = {
    'one chunk': chunk,
    'many chunks': `${[...body].map((letter) => `1\r\n${letter}\r\n`).join('')}0\r\n\r\n`,
    'zeros before the size': `0000000000000000000010\r\n${body}\r\n0\r\n\r\n`,
    'an extension': `10;name=value\r\n${body}\r\n0\r\n\r\n`,
    'a trailer': `10\r\n${body}\r\n0\r\nX-Checksum: 1\r\n\r\n`,
    'a trailer that names a length': `10\r\n${body}\r\n0\r\nContent-Length: 500\r\nTransfer-Encoding: gzip\r\n\r\n`,
  };
  for (const [name, content] of Object.entries(good)) {
    test(`${name}: understood`, () => assertServed(login(chunked, content)));
  }

  const bad = {
    '0x before the size': `0x10\r\n${body}\r\n0\r\n\r\n`,
    'a sign before the size': `+10\r\n${body}\r\n0\r\n\r\n`,
    'a negative size': `-1\r\n${body}\r\n0\r\n\r\n`,
    'a blank behind the size': `10 \r\n${body}\r\n0\r\n\r\n`,
    'no size': `\r\n${body}\r\n0\r\n\r\n`,
    'only an extension': `;\r\n${body}\r\n0\r\n\r\n`,
    'letters that are no digits': `zz\r\n${body}\r\n0\r\n\r\n`,
    'more than the size': `10\r\n${body}XX\r\n0\r\n\r\n`,
    'no line break behind the chunk': `10\r\n${body}0\r\n\r\n`,
    'a size beyond 64 bits': `10000000000000010\r\n${body}\r\n0\r\n\r\n`,
    'a trailer without an end': `10\r\n${body}\r\n0\r\n${'X: y\r\n'.repeat(20_000)}\r\n`,
  };
  for (const [name, content] of Object.entries(bad)) {
    test(`${name}: refused`, () => assertRefused(login(chunked, content), [400, 413, 431]));
  }

  test('an extension without an end is cut off at once, and costs no processor time', async () => {
    const before = processorMilliseconds(shop.gateway.child.pid);
    const started = Date.now();
    await assertRefused(login(chunked, `10;${'e'.repeat(40_000)}\r\n${body}\r\n0\r\n\r\n`));
    assert.ok(Date.now() - started < 5000, `${Date.now() - started} ms`);
    assert.ok(processorMilliseconds(shop.gateway.child.pid) - before < 2500);
  });

  test('more than the limit in chunks is 413', async () => {
    const part = `${(4096).toString(16)}\r\n${'x'.repeat(4096)}\r\n`;
    const text = await shop.gateway.raw(`${login(chunked, part.repeat(30))}0\r\n\r\n${last}`);
    assert.deepEqual(statuses(text), [413, 200], text);
  });
});

describe('a body that announces too much', () => {
  const tooMuch = (path, size, headers = '') => `POST ${path} HTTP/1.1\r\n${host}Content-Type: application/json\r\n${headers}Content-Length: ${size}\r\n\r\n`;

  test('is refused at once, without a byte of it; the log says so', async () => {
    for (const [path, size] of [['/auth/login', 102_401], ['/cart/items', 10_000_000], ['/api/orders', 40_000_000]]) {
      const text = await shop.gateway.raw(tooMuch(path, size, `X-Request-Id: big-${size}\r\n`), 5);
      assert.deepEqual(statuses(text), [413], text);
      assert.match(text, new RegExp(`^X-Request-Id: big-${size}\r$`, 'm'));
      assert.match(text, /^Connection: close\r$/m);
      assert.equal((await shop.gateway.event('http_request', { requestId: `big-${size}` })).status, 413);
    }
  });

  test('a client that sends all of it before it reads sees the answer too', async () => {
    for (const size of [200_000, 20_000_000]) {
      const socket = connect(shop.gateway.port, '127.0.0.1').pause();
      await within(20, 'all is sent', new Promise((resolve, reject) => {
        socket.once('error', reject);
        socket.write(tooMuch('/auth/login', size));
        socket.write(Buffer.alloc(size, 'x'), resolve);
      }));
      const chunks = [];
      socket.on('data', (data) => chunks.push(data));
      await within(10, 'the connection ends', new Promise((resolve) => socket.once('close', resolve).resume()));
      const text = Buffer.concat(chunks).toString();
      assert.deepEqual(statuses(text), [413], text);
    }
  });

  test('so does a page of fetch(), whatever the size', async () => {
    for (const size of [200_000, 12_000_000, 40_000_000]) {
      const answer = await fetch(`http://127.0.0.1:${shop.gateway.port}/api/orders`, {
        method: 'POST', body: 'x'.repeat(size), headers: { 'Content-Type': 'application/json' },
      });
      assert.equal(answer.status, size > 10 << 20 ? 413 : 400);
      await answer.text();
    }
  });

  test('a page of an allowed origin may read it', async () => {
    const gateway = await Gateway.start(shop.database, { CORS_ORIGINS: 'https://a.example,https://b.example' });
    const text = await gateway.raw(tooMuch('/auth/login', 200_000, 'Origin: https://b.example\r\n'));
    assert.match(text, /^Access-Control-Allow-Origin: https:\/\/b\.example\r$/m);
    assert.match(text, /^Vary: Origin\r$/m);
    const other = await gateway.raw(tooMuch('/auth/login', 200_000, 'Origin: https://c.example\r\n'));
    assert.doesNotMatch(other, /^Access-Control-Allow-Origin/m);
    await gateway.stop();
  });

  test('a client that does not close then holds up no end', async () => {
    const gateway = await Gateway.start(shop.database);
    const socket = connect({ port: gateway.port, host: '127.0.0.1', allowHalfOpen: true });
    socket.write(tooMuch('/auth/login', 200_000, 'X-Request-Id: stays\r\n'));
    const [answer] = await within(5, 'the answer', once(socket, 'data'));
    assert.deepEqual(statuses(String(answer)), [413]);
    const started = Date.now();
    await gateway.stop();
    assert.ok(Date.now() - started < 4000, `${Date.now() - started} ms`);
    socket.destroy();
  });

  test('what follows it on the connection is never read as a request', async () => {
    await assertRefused(tooMuch('/auth/login', 102_401), [413]);
  });
});

describe('request lines', () => {
  const bad = {
    'no version': 'GET /health\r\n\r\n',
    'HTTP/2.0': `GET /health HTTP/2.0\r\n${host}\r\n`,
    'a version of two digits': `GET /health HTTP/11.1\r\n${host}\r\n`,
    'a version in small letters': `GET /health http/1.1\r\n${host}\r\n`,
    'the preface of HTTP/2': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'no Host': 'GET /health HTTP/1.1\r\n\r\n',
  };
  for (const [name, request] of Object.entries(bad)) {
    test(`${name}: refused`, () => assertRefused(request, [400, 505]));
  }

  const unknown = {
    'a path without a slash': 'GET health', 'another scheme': 'GET ftp://x/health', 'CONNECT': 'CONNECT x:443',
    'a control character': 'GET /he\x01alth', 'a blank': 'GET /he alth', 'a byte that is no UTF-8': 'GET /he\xffalth',
    'small letters': 'get /health', 'a control character in the method': 'G\x01T /health',
  };
  for (const [name, line] of Object.entries(unknown)) {
    test(`${name}: a problem`, async () => {
      const text = await shop.gateway.raw(Buffer.from(`${line} HTTP/1.1\r\n${host}Connection: close\r\n\r\n`, 'latin1'));
      assert.match(text, /^HTTP\/1\.1 (400|404|405|501) /, text);
    });
  }

  test('targets in absolute form, as proxies send them', async () => {
    for (const target of ['http://shop.example/health', 'HTTP://x:1/health?a=b', 'https://x/health']) {
      const text = await shop.gateway.raw(`GET ${target} HTTP/1.1\r\n${host}Connection: close\r\n\r\n`);
      assert.deepEqual(statuses(text), [200], target);
    }
  });

  // RFC 3986 section 3.4.
  test('a query may hold question marks', async () => {
    for (const [i, target] of ['/products?ref=/a?b', '/products?limit=1&x=a?b', '/products??limit=1&?'].entries()) {
      const text = await shop.gateway.raw(`GET ${target} HTTP/1.1\r\n${host}X-Request-Id: query-${i}\r\n\r\n${last}`);
      assert.deepEqual(statuses(text), [200, 200], text);
      assert.equal((await shop.gateway.event('http_request', { requestId: `query-${i}` })).path, '/products');
    }
    await shop.product();
    await shop.product();
    assert.equal((await shop.get('/products?limit=1&x=a?b')).json.length, 1);
  });

  test('empty lines before a request are skipped', async () => {
    assert.deepEqual(statuses(await shop.gateway.raw(`\r\n\r\n${last}`)), [200]);
  });

  test('offers to change the protocol are declined', async () => {
    for (const headers of ['Upgrade: websocket\r\nConnection: Upgrade, close\r\nSec-WebSocket-Key: eA==\r\nSec-WebSocket-Version: 13\r\n',
      'Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings, close\r\nHTTP2-Settings: AAMA\r\n']) {
      const text = await shop.gateway.raw(`GET /health HTTP/1.1\r\n${host}${headers}\r\n`);
      assert.deepEqual(statuses(text), [200], text);
      assert.doesNotMatch(text, / 101 /);
    }
  });

  test('bytes of TLS on the plain port are no request', async () => {
    const socket = connect(shop.gateway.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(Buffer.from('160301020001000001fc0303', 'hex'));
    assert.equal((await shop.get('/health')).status, 200);
    socket.destroy();
  });
});

describe('one connection', () => {
  test('fifty requests at once are answered in their order', async () => {
    let bytes = '';
    for (let i = 0; i < 50; i += 1) {
      bytes += i % 2 === 0 ? `GET /health HTTP/1.1\r\n${host}X-Request-Id: n-${i}\r\n\r\n`
        : login(`X-Request-Id: n-${i}\r\nContent-Length: 16\r\n`, body);
    }
    const text = await shop.gateway.raw(bytes + last);
    const order = [...text.matchAll(/^X-Request-Id: n-(\d+)\r$/gm)].map((found) => Number(found[1]));
    assert.deepEqual(order, [...Array(50).keys()]);
    assert.deepEqual(statuses(text).slice(0, 4), [200, 400, 200, 400]);
  });

  test('a body that nobody asked for is skipped', async () => {
    const text = await shop.gateway.raw(`GET /health HTTP/1.1\r\n${host}Content-Length: 5\r\n\r\nhello${last}`);
    assert.deepEqual(statuses(text), [200, 200], text);
  });

  test('a letter at a time is a request too', async () => {
    const socket = connect(shop.gateway.port, '127.0.0.1').setNoDelay(true);
    const chunks = [];
    socket.on('data', (data) => chunks.push(data));
    const ended = new Promise((resolve) => socket.once('close', resolve));
    for (const letter of login('Content-Length: 16\r\nConnection: close\r\n', body)) {
      await new Promise((resolve) => socket.write(letter, resolve));
    }
    await within(10, 'the answer', ended);
    assert.match(Buffer.concat(chunks).toString(), /username and password are required/);
  });

  test('Expect: 100-continue is answered before the body comes; a body that would be refused is not asked for', async () => {
    const text = await shop.gateway.raw(login('Content-Length: 16\r\nExpect: 100-continue\r\nConnection: close\r\n', body));
    assert.deepEqual(statuses(text), [100, 400], text);
    const refused = await shop.gateway.raw(login('Content-Length: 200000\r\nExpect: 100-continue\r\n', ''));
    assert.deepEqual(statuses(refused), [413], refused);
  });

  test('a client that closes its side still gets the answer to what it has sent', async () => {
    for (const request of [`GET /health HTTP/1.1\r\n${host}\r\n`, login('Content-Length: 16\r\n', body)]) {
      const socket = connect({ port: shop.gateway.port, host: '127.0.0.1', allowHalfOpen: true });
      const chunks = [];
      socket.on('data', (data) => chunks.push(data));
      const ended = new Promise((resolve) => socket.once('end', resolve));
      socket.end(request);
      await within(10, 'the server closes its side', ended);
      assert.equal(statuses(Buffer.concat(chunks).toString()).length, 1);
      socket.destroy();
    }
  });

  test('clients that leave in the middle cost nothing', async () => {
    const before = openFiles(shop.gateway.child.pid);
    for (const part of ['', 'GET /hea', `GET /health HTTP/1.1\r\nHo`, login('Content-Length: 16\r\n', '{"user'), login(chunked, '10\r\n{"')]) {
      for (const leave of ['end', 'resetAndDestroy']) {
        const socket = connect(shop.gateway.port, '127.0.0.1');
        socket.on('error', () => {});
        await new Promise((resolve) => socket.once('connect', resolve));
        await new Promise((resolve) => socket.write(part, resolve));
        socket[leave]();
        if (leave === 'end') socket.destroy();
      }
    }
    await eventually('their descriptors are free', () => openFiles(shop.gateway.child.pid) <= before);
    assert.equal((await shop.get('/health')).status, 200);
  });
});

describe('five hundred stalled connections', () => {
  const limits = { HTTP_HEADERS_TIMEOUT_MS: '3000', HTTP_REQUEST_TIMEOUT_MS: '3000', HTTP_KEEP_ALIVE_TIMEOUT_MS: '2000' };
  const stalls = ['', 'GET /hea', `GET /health HTTP/1.1\r\n${host}X-Slow: `, login('Content-Length: 16\r\n', '{"user'), login(chunked, '10\r\n{"us')];

  test('others are served promptly meanwhile; then all are cut off and their descriptors free', async () => {
    const gateway = await Gateway.start(shop.database, limits);
    try {
      await eventually('nothing is open any more', () => gateway.get('/health'));
      const before = openFiles(gateway.child.pid);
      const connected = [], closed = [];
      const sockets = Array.from({ length: 500 }, (_, i) => {
        const socket = connect(gateway.port, '127.0.0.1');
        socket.on('error', () => {});
        socket.resume();
        connected.push(new Promise((resolve) => socket.once('connect', resolve)));
        closed.push(new Promise((resolve) => socket.once('close', resolve)));
        socket.write(stalls[i % stalls.length]);
        return socket;
      });
      await within(15, 'all are connected', Promise.all(connected)); // not necessarily at once: the first may be cut off by then
      const times = [];
      for (let i = 0; i < 40; i += 1) {
        const started = performance.now();
        assert.equal((await gateway.get(i % 2 === 0 ? '/health' : '/products')).status, 200);
        times.push(performance.now() - started);
      }
      times.sort((a, b) => a - b);
      assert.ok(times[20] < 250, `median ${times[20]} ms`);
      assert.ok(sockets.some((socket) => !socket.destroyed), 'the others were still connected');
      await within(20, 'every stalled connection is cut', Promise.all(closed));
      await eventually('their descriptors are free', () => openFiles(gateway.child.pid) <= before + 1);
    } finally {
      await gateway.stop();
      gateway.assertCleanLog();
    }
  });

  test('an upload that stalls is answered 408, and so says the log', async () => {
    const gateway = await Gateway.start(shop.database, limits);
    try {
      const answer = await gateway.raw(login('X-Request-Id: stall\r\nContent-Length: 16\r\n', '{'));
      assert.deepEqual(statuses(answer), [408], answer);
      const line = await gateway.event('http_request', { requestId: 'stall' });
      assert.equal(line.status, 408);
      assert.equal(line.path, '/auth/login');
    } finally {
      await gateway.stop();
    }
  });

  test('one that was refused for its size and neither goes on nor closes is cut off', async () => {
    const gateway = await Gateway.start(shop.database, limits);
    try {
      const before = openFiles(gateway.child.pid);
      const socket = connect({ port: gateway.port, host: '127.0.0.1', allowHalfOpen: true });
      socket.write(login('X-Request-Id: large\r\nContent-Length: 110000\r\n', '{'));
      const [answer] = await within(5, 'the answer', once(socket, 'data'));
      assert.deepEqual(statuses(String(answer)), [413], answer);
      // Written when the connection is cut, after HTTP_REQUEST_TIMEOUT_MS; the request ended with its answer.
      const line = await gateway.event('http_request', { requestId: 'large' });
      assert.equal(line.status, 413);
      assert.ok(line.durationMs < 1500, `${line.durationMs} ms`);
      await eventually('its descriptor is free', () => openFiles(gateway.child.pid) <= before);
      socket.destroy();
    } finally {
      await gateway.stop();
    }
  });

  test('clients that do not read their answers are cut off too, and others are served meanwhile', async () => {
    const gateway = await Gateway.start(shop.database, limits);
    try {
      const before = openFiles(gateway.child.pid);
      const question = `GET /openapi.json HTTP/1.1\r\n${host}\r\n`;
      const connected = [];
      const sockets = Array.from({ length: 20 }, () => {
        const socket = connect(gateway.port, '127.0.0.1');
        connected.push(new Promise((resolve) => socket.once('connect', resolve)));
        socket.on('error', () => {});
        socket.pause();
        socket.write(question.repeat(200));
        return socket;
      });
      await within(15, 'all are connected', Promise.all(connected)); // not necessarily at once: the first may be cut off by then
      for (let i = 0; i < 20; i += 1) assert.equal((await gateway.get('/health')).status, 200);
      await eventually('they are cut off', () => openFiles(gateway.child.pid) <= before + 1, 30);
      for (const socket of sockets) socket.destroy();
    } finally {
      await gateway.stop();
    }
  });
});
