// Signing in, and what a token must be like.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertProblem, assertStatus, openShop } from '../lib/shop.js';
import { jwtSecret, now, sign, token } from '../lib/tokens.js';

const shop = openShop({ DEMO_ADMIN_PASSWORD: 'the admin’s own word', JWT_EXPIRES_IN_SECONDS: '120' });
const login = (username, password) => shop.post('/auth/login', { username, password });

describe('POST /auth/login', () => {
  test('gives a token that opens the admin routes', async () => {
    const answer = await login('admin', 'the admin’s own word');
    assertStatus(answer, 200);
    assert.equal(answer.json.tokenType, 'Bearer');
    assert.equal(answer.json.expiresIn, 120);
    assert.deepEqual(answer.json.user, { id: '1', username: 'admin', role: 'admin' });
    const [header, claims] = answer.json.accessToken.split('.').slice(0, 2)
      .map((text) => JSON.parse(Buffer.from(text, 'base64url')));
    assert.equal(header.alg, 'HS256');
    assert.equal(String(claims.sub), '1');
    assert.equal(claims.role, 'admin');
    assert.equal(claims.username, 'admin');
    assert.equal(claims.exp - claims.iat, 120);
    assert.ok(Math.abs(claims.iat - now()) < 30);
    assertProblem(await shop.get('/admin/inventory/1', { token: answer.json.accessToken }), 404, 'Inventory not found');
  });

  test('the user account may sign in but is no admin', async () => {
    const answer = await login('user', 'user123');
    assertStatus(answer, 200);
    assert.deepEqual(answer.json.user, { id: '2', username: 'user', role: 'user' });
    assertProblem(await shop.get('/admin/inventory/1', { token: answer.json.accessToken }), 403, 'Requires admin role');
  });

  test('missing fields: 400', async () => {
    for (const body of [{}, { username: 'admin' }, { password: 'x' }, { username: '', password: '' }, { username: null, password: null }]) {
      assertProblem(await shop.post('/auth/login', body), 400, 'username and password are required');
    }
  });

  test('wrong password, unknown user, default password of a changed account: the same 401', async () => {
    const answers = [await login('admin', 'wrong'), await login('nobody', 'wrong'), await login('admin', 'admin123'), await login('ADMIN’--', 'x')];
    for (const answer of answers) assertProblem(answer, 401, 'Invalid credentials');
  });

  test('a password of 10,000 characters is refused, not hashed for ever', async () => {
    const answer = await login('admin', 'x'.repeat(10_000));
    assert.ok([400, 401].includes(answer.status), answer.text);
  });

  test('repeated failures: 429 with Retry-After, for the right password too', async () => {
    let answer;
    for (let tries = 0; tries < 30; tries += 1) {
      answer = await login('user', `wrong ${tries}`);
      if (answer.status === 429) break;
      assertProblem(answer, 401, 'Invalid credentials');
    }
    assertProblem(answer, 429);
    const left = Number(answer.headers['retry-after']);
    assert.ok(left > 240 && left <= 300, `the rest of five minutes: ${left}`);
    assertProblem(await login('user', 'user123'), 429);
    await shop.database.sql("UPDATE shop.failed_logins SET locked_until = clock_timestamp() + interval '30 seconds' WHERE locked_until IS NOT NULL");
    const later = Number((await login('user', 'user123')).headers['retry-after']);
    assert.ok(later > 15 && later <= 30, `the rest of thirty seconds: ${later}`);
    assertStatus(await login('admin', 'the admin’s own word'), 200);
  });
});

describe('names that nobody has', () => {
  test('are answered as the others are, down to the 429', async () => {
    const statuses = [];
    for (let tries = 0; tries < 11; tries += 1) statuses.push((await login('no such person', 'wrong')).status);
    assert.deepEqual(statuses, [...Array(10).fill(401), 429]);
    const locked = await login('no such person', 'wrong');
    assertProblem(locked, 429, 'Too many failed logins, please try again later');
    assert.ok(Number(locked.headers['retry-after']) > 240);
    assertProblem(await login('no such person either', 'wrong'), 401, 'Invalid credentials');
  });
});

describe('tokens', () => {
  const open = (options) => shop.get('/admin/inventory/1', options);
  const claims = () => ({ sub: '1', role: 'admin', username: 'admin', iat: now(), exp: now() + 600 });

  test('a good one is let in', async () => {
    assertProblem(await open({ token: sign(claims()) }), 404, 'Inventory not found');
  });

  test('no header, another scheme, no token: 401', async () => {
    for (const value of [undefined, '', 'Basic YWRtaW46YWRtaW4=', 'Bearer', 'Bearer ', sign(claims())]) {
      const answer = await open({ headers: { Authorization: value } });
      assertProblem(answer, 401, 'Missing or invalid Authorization header');
      assert.match(answer.headers['www-authenticate'] ?? '', /^Bearer/, 'a 401 says how to sign in');
    }
  });

  const unsigned = (header, body) =>
    `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${Buffer.from(JSON.stringify(body)).toString('base64url')}.`;
  const bad = {
    'no algorithm': () => unsigned({ alg: 'none', typ: 'JWT' }, claims()),
    'no algorithm, in capitals': () => unsigned({ alg: 'NONE' }, claims()),
    'no algorithm but a signature': () => sign(claims(), { header: { alg: 'none', typ: 'JWT' } }),
    'HS512, well signed': () => sign(claims(), { header: { alg: 'HS512', typ: 'JWT' }, hash: 'sha512' }),
    'HS384, well signed': () => sign(claims(), { header: { alg: 'HS384', typ: 'JWT' }, hash: 'sha384' }),
    'RS256 in the header, HMAC below': () => sign(claims(), { header: { alg: 'RS256', typ: 'JWT' } }),
    'no alg at all': () => sign(claims(), { header: { typ: 'JWT' } }),
    'another secret': () => sign(claims(), { secret: `${jwtSecret}x` }),
    'an empty secret': () => sign(claims(), { secret: '' }),
    'an expired one': () => sign({ ...claims(), exp: now() - 120 }),
    'one that expired in 1970': () => sign({ ...claims(), exp: 1 }),
    'no exp': () => sign({ ...claims(), exp: undefined }),
    'exp as text': () => sign({ ...claims(), exp: String(now() + 600) }),
    'exp null': () => sign({ ...claims(), exp: null }),
    'a negative exp': () => sign({ ...claims(), exp: -1 }),
    'not valid before tomorrow': () => sign({ ...claims(), nbf: now() + 86_400 }),
    'claims that are an array': () => sign([claims()]),
    'two parts only': () => sign(claims()).split('.').slice(0, 2).join('.'),
    'four parts': () => `${sign(claims())}.x`,
    'an empty signature': () => `${sign(claims()).split('.').slice(0, 2).join('.')}.`,
    garbage: () => 'abc.def.ghi',
    'a thousand dots': () => '.'.repeat(1000),
  };
  for (const [name, make] of Object.entries(bad)) {
    test(`${name}: 401`, async () => {
      assertProblem(await open({ token: make() }), 401, 'Invalid or expired token');
    });
  }

  test('one changed letter anywhere in the signature or the claims: 401', async () => {
    const [header, body, signature] = token('user', 2).split('.');
    const raised = Buffer.from(Buffer.from(body, 'base64url').toString().replace('"user"', '"admin"')).toString('base64url');
    assertProblem(await open({ token: `${header}.${raised}.${signature}` }), 401, 'Invalid or expired token');
    const swap = (letter) => (letter === 'A' ? 'B' : 'A');
    for (const at of [0, 10, signature.length - 2]) {
      const changed = signature.slice(0, at) + swap(signature[at]) + signature.slice(at + 1);
      assertProblem(await open({ token: `${header}.${body}.${changed}` }), 401, 'Invalid or expired token');
    }
  });

  test('a role that is not exactly admin: 403', async () => {
    for (const role of ['user', 'Admin', 'admin ', '', null, true, ['admin'], undefined]) {
      assertProblem(await open({ token: sign({ ...claims(), role }) }), 403, 'Requires admin role');
    }
  });

  test('every admin route asks for it', async () => {
    const routes = [['POST', '/admin/products'], ['PATCH', '/admin/products/1'], ['POST', '/admin/inventory/restock'], ['GET', '/admin/inventory/1']];
    for (const [method, path] of routes) {
      const body = method === 'GET' ? undefined : {};
      assertProblem(await shop.gateway.send(method, path, { body }), 401, 'Missing or invalid Authorization header');
      assertProblem(await shop.gateway.send(method, path, { body, token: token('user', 2) }), 403, 'Requires admin role');
    }
  });
});
