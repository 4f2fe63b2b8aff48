// Rules for every route: health, unknown paths and methods, request ids, CORS, bodies, limits.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertProblem, assertStatus, openShop } from '../lib/shop.js';

const shop = openShop();
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

describe('health', () => {
  test('GET /health says ok', async () => {
    const answer = await shop.get('/health');
    assertStatus(answer, 200);
    assert.equal(answer.json.status, 'ok');
  });

  test('GET /ready says ready', async () => {
    const answer = await shop.get('/ready');
    assertStatus(answer, 200);
    assert.equal(answer.json.status, 'ready');
  });

  test('HEAD works wherever GET does, without a body', async () => {
    for (const path of ['/health', '/ready', '/products']) {
      const [head, get] = [await shop.gateway.send('HEAD', path), await shop.get(path)];
      assert.equal(head.status, 200, path);
      assert.equal(head.text, '', path);
      assert.equal(head.headers['content-type'], get.headers['content-type'], path);
    }
    const missing = await shop.gateway.send('HEAD', '/products/999999');
    assert.equal(missing.status, 404);
    assert.equal(missing.text, '');
  });
});

describe('paths and methods', () => {
  test('an unknown path is a 404 problem', async () => {
    for (const path of ['/nothing', '/products/1/2', '/Products', '/product', '/admin', '/orders/1/nothing', '/..%2f..', '/products%00']) {
      const answer = await shop.get(path);
      assert.ok([400, 404].includes(answer.status), `${path}: ${answer.status}`);
      assertProblem(answer, answer.status);
    }
  });

  const allowed = {
    '/health': ['GET', 'HEAD'],
    '/ready': ['GET', 'HEAD'],
    '/auth/login': ['POST'],
    '/products': ['GET', 'HEAD'],
    '/products/1': ['GET', 'HEAD'],
    '/admin/products': ['POST'],
    '/admin/products/1': ['PATCH'],
    '/admin/inventory/restock': ['POST'],
    '/cart': ['GET', 'HEAD'],
    '/cart/items': ['POST'],
    '/cart/items/1': ['DELETE'],
    '/checkout': ['POST'],
    '/orders': ['GET', 'HEAD'],
    '/orders/1': ['GET', 'HEAD'],
    '/orders/1/events': ['GET', 'HEAD'],
  };
  for (const [path, methods] of Object.entries(allowed)) {
    test(`${path}: another method is 405 with Allow`, async () => {
      const other = ['PUT', 'DELETE', 'POST', 'GET'].find((method) => !methods.includes(method));
      const answer = await shop.gateway.send(other, path, { token: shop.admin, body: other === 'GET' ? undefined : {} });
      assertProblem(answer, 405);
      const allow = (answer.headers.allow ?? '').split(/\s*,\s*/);
      for (const method of methods) assert.ok(allow.includes(method), `Allow: ${answer.headers.allow} has ${method}`);
      assert.ok(!allow.includes(other), `Allow: ${answer.headers.allow} has no ${other}`);
    });
  }

  test('GET /admin/inventory/restock is read as a product id, and refused', async () => {
    assertProblem(await shop.get('/admin/inventory/restock', { token: shop.admin }), 400);
  });

  test('a made-up method is 405 (or 501), never 500', async () => {
    const answer = await shop.gateway.send('PROPFIND', '/products');
    assert.ok([405, 501].includes(answer.status), answer.text);
  });

  test('escapes in a path are decoded once and cannot cut it', async () => {
    assertStatus(await shop.get('/%70roducts'), 200);
    for (const path of ['/products/%00', '/products/1%00', '/products/%zz', '/products/%ff', '/products/1%2F2']) {
      const answer = await shop.get(path);
      assert.ok([400, 404].includes(answer.status), `${path}: ${answer.text}`);
    }
  });
});

describe('request ids', () => {
  test('a well-formed one is kept, on success and on failure', async () => {
    for (const id of ['abc', 'A.b_c:d-1', 'x'.repeat(128)]) {
      for (const path of ['/health', '/nothing', '/products']) {
        const answer = await shop.get(path, { headers: { 'x-request-id': id } });
        assert.equal(answer.headers['x-request-id'], id);
      }
    }
  });

  test('any other is replaced by a new UUID', async () => {
    const seen = new Set();
    for (const id of [undefined, '', 'x'.repeat(129), 'with blank', 'a/b', 'ä', 'a"b']) {
      const answer = await shop.get('/health', { headers: { 'x-request-id': id && Buffer.from(id).toString('latin1') } });
      assert.match(answer.headers['x-request-id'], uuid, `for ${id}`);
      seen.add(answer.headers['x-request-id']);
    }
    assert.equal(seen.size, 7);
  });
});

describe('CORS', () => {
  test('a preflight is answered 204 without a token', async () => {
    const answer = await shop.gateway.send('OPTIONS', '/admin/products', {
      headers: {
        Origin: 'https://shop.example',
        'Access-Control-Request-Method': 'POST',
        'Access-Control-Request-Headers': 'authorization,content-type,idempotency-key',
      },
    });
    assert.equal(answer.status, 204);
    assert.equal(answer.text, '');
    assert.equal(answer.headers['access-control-allow-origin'], '*');
    assert.match(answer.headers['access-control-allow-methods'], /POST/);
    for (const header of [/authorization/i, /content-type/i, /idempotency-key/i]) {
      assert.match(answer.headers['access-control-allow-headers'], header);
    }
  });

  test('so is one of any path, for the page is to read the 404 that follows', async () => {
    const answer = await shop.gateway.send('OPTIONS', '/nothing', { headers: { Origin: 'https://shop.example', 'Access-Control-Request-Method': 'GET' } });
    assert.equal(answer.status, 204);
    assert.equal(answer.headers['access-control-allow-origin'], '*');
    assert.equal((await shop.gateway.send('GET', '/nothing')).status, 404);
  });

  test('every answer carries the allowed origin', async () => {
    for (const path of ['/health', '/products', '/nothing', '/orders/x']) {
      const answer = await shop.get(path, { headers: { Origin: 'https://shop.example' } });
      assert.equal(answer.headers['access-control-allow-origin'], '*', path);
    }
  });
});

describe('bodies', () => {
  const invalid = {
    'no body': { body: undefined },
    'an empty one': { body: '' },
    'broken JSON': { body: '{"username":' },
    'something after the JSON': { body: '{"username":"a","password":"b"} x' },
    'an array': { body: '[1]' },
    'a string': { body: '"x"' },
    'a number': { body: '5' },
    null: { body: 'null' },
    'invalid UTF-8': { body: Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]) },
    'a lone surrogate': { body: '{"username":"\\ud800","password":"b"}' },
    'text/plain': { body: '{}', headers: { 'Content-Type': 'text/plain' } },
    'a form': { body: 'username=a', headers: { 'Content-Type': 'application/x-www-form-urlencoded' } },
    'no content type': { body: '{}', headers: { 'Content-Type': undefined } },
    'ten thousand brackets': { body: `{"username":${'['.repeat(10000)}${']'.repeat(10000)}}` },
    'a NUL after the JSON': { body: '{"username":"a","password":"b"}\0' },
  };
  for (const [name, options] of Object.entries(invalid)) {
    test(`${name}: 400 Invalid JSON body`, async () => {
      assertProblem(await shop.gateway.send('POST', '/auth/login', options), 400, 'Invalid JSON body');
    });
  }

  test('the same holds on every route that takes a body', async () => {
    const routes = [['POST', '/admin/products'], ['PATCH', '/admin/products/1'], ['POST', '/admin/inventory/restock'],
      ['POST', '/cart/items'], ['POST', '/checkout']];
    for (const [method, path] of routes) {
      const answer = await shop.gateway.send(method, path, { body: '{"a', token: shop.admin, key: 'a-key' });
      assertProblem(answer, 400, 'Invalid JSON body');
    }
  });

  test('a charset, other letters of the type and added blanks are fine', async () => {
    for (const type of ['application/json; charset=utf-8', 'Application/JSON', 'application/json;charset=UTF-8']) {
      const answer = await shop.gateway.send('POST', '/cart/items', { body: '{}', headers: { 'Content-Type': type } });
      assertProblem(answer, 400, 'userId must be a positive integer');
    }
  });

  test('a NUL in a string is refused', async () => {
    const answer = await shop.post('/admin/products', '{"sku":"a\\u0000b","name":"x","price":1}', { token: shop.admin });
    assertProblem(answer, 400);
  });

  test('a field that must be text and is not: 400, never 500', async () => {
    for (const sku of [5, true, ['a'], { a: 1 }]) {
      assertProblem(await shop.post('/admin/products', { sku, name: 'x', price: 1 }, { token: shop.admin }), 400);
    }
    assertProblem(await shop.post('/auth/login', { username: 5, password: ['x'] }), 400);
  });
});

describe('limits', () => {
  const padded = (size) => JSON.stringify({ pad: 'x'.repeat(size) });

  test('90 kB are read', async () => {
    assertProblem(await shop.post('/cart/items', padded(90_000)), 400, 'userId must be a positive integer');
  });

  test('more than 100 kB: 413', async () => {
    const answer = await shop.post('/cart/items', padded(103_000));
    assertProblem(answer, 413);
  });

  test('more than 100 kB in chunks, without a length: 413', async () => {
    const answer = await shop.post('/cart/items', padded(200_000), {
      headers: { 'Content-Length': undefined, 'Transfer-Encoding': 'chunked' },
    });
    assertProblem(answer, 413);
  });

  test('a header or a request line beyond the limit: 431 or 414, and the gateway lives', async () => {
    const line = await shop.gateway.raw(`GET /products?x=${'y'.repeat(70_000)} HTTP/1.1\r\nHost: x\r\n\r\n`);
    assert.match(line, /^HTTP\/1\.1 (414|431)/);
    const header = await shop.gateway.raw(`GET /products HTTP/1.1\r\nHost: x\r\nX-Long: ${'y'.repeat(70_000)}\r\n\r\n`);
    assert.match(header, /^HTTP\/1\.1 431/);
    assertStatus(await shop.get('/health'), 200);
  });

  test('two lengths, or a length and chunks, are refused', async () => {
    const heads = [
      'Content-Length: 2\r\nContent-Length: 3',
      'Content-Length: 2\r\nTransfer-Encoding: chunked',
      'Transfer-Encoding: gzip, chunked',
      'Transfer-Encoding: xchunked',
      'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked',
    ];
    for (const head of heads) {
      const text = await shop.gateway.raw(
        `POST /cart/items HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n${head}\r\n\r\n{}`,
      );
      assert.match(text, /^HTTP\/1\.1 (400|501)/, head);
      assert.equal(text.match(/HTTP\/1\.1 /g).length, 1, `one answer for ${head}`);
    }
  });

  test('a request without Host is refused', async () => {
    assert.match(await shop.gateway.raw('GET /health HTTP/1.1\r\nConnection: close\r\n\r\n'), /^HTTP\/1\.1 400/);
  });

  test('a traceparent comes back and is in the log; a malformed one does neither', async () => {
    const given = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    for (const [traceparent, path] of [[given, '/health'], [given, '/nothing'], [given, '/products'], [given.toUpperCase(), '/health'], ['x', '/health']]) {
      const id = shop.newKey();
      const kept = traceparent === given ? given : undefined;
      assert.equal((await shop.get(path, { headers: { traceparent, 'x-request-id': id } })).headers.traceparent, kept);
      assert.equal((await shop.gateway.event('http_request', { requestId: id })).traceparent, kept);
    }
  });

  test('several requests on one connection are answered in order', async () => {
    const one = (path, more = '') => `GET ${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`;
    const text = await shop.gateway.raw(one('/health') + one('/nothing') + one('/ready', 'Connection: close\r\n'));
    assert.deepEqual([...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map((found) => found[1]), ['200', '404', '200']);
  });
});

describe('log', () => {
  test('http_request names request, method, path, status and time', async () => {
    await shop.get('/products?limit=1', { headers: { 'x-request-id': 'log-1' } });
    const line = await shop.gateway.event('http_request', { requestId: 'log-1' });
    assert.equal(line.method, 'GET');
    assert.match(line.path, /^\/products/);
    assert.equal(line.status, 200);
    assert.equal(typeof line.durationMs, 'number');
    assert.equal(line.level, 'info');
  });

  test('refused and malformed requests are logged too', async () => {
    await shop.get('/nothing', { headers: { 'x-request-id': 'log-2' } });
    assert.equal((await shop.gateway.event('http_request', { requestId: 'log-2' })).status, 404);
    await shop.post('/cart/items', '{"a', { headers: { 'x-request-id': 'log-3' } });
    assert.equal((await shop.gateway.event('http_request', { requestId: 'log-3' })).status, 400);
  });

  test('a checkout is logged with its order', async () => {
    const userId = shop.newUser();
    const cart = await shop.cart(userId, [await shop.product(), 1]);
    const headers = { 'x-request-id': 'log-4' };
    const first = await shop.checkout(userId, cart, { key: 'log', headers });
    const line = await shop.gateway.event('checkout_created', { requestId: 'log-4' });
    assert.equal(String(line.orderId), String(first.json.order.id));
    assert.equal(line.replayed, false);
    assert.equal(String((await shop.gateway.event('http_request', { requestId: 'log-4' })).orderId), String(line.orderId));
    await shop.checkout(userId, cart, { key: 'log', headers: { 'x-request-id': 'log-5' } });
    assert.equal((await shop.gateway.event('checkout_created', { requestId: 'log-5' })).replayed, true);
  });

  test('no password and no token reaches it', async () => {
    await shop.post('/auth/login', { username: 'admin', password: 'a-wrong-password-in-the-body' });
    await shop.get('/admin/inventory/1', { token: 'a-token-that-must-stay-secret' });
    await shop.get('/health', { headers: { 'x-request-id': 'log-6' } });
    await shop.gateway.event('http_request', { requestId: 'log-6' });
    assert.doesNotMatch(shop.gateway.stdout + shop.gateway.stderr, /a-wrong-password|must-stay-secret|a-secret-of-the-tests/);
  });
});
