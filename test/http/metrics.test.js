// GET /metrics: who may read it, and that the numbers are those of what happened.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { assertProblem, assertStatus, openShop } from '../lib/shop.js';
import { Gateway } from '../lib/gateway.js';
import { raw } from '../lib/http.js';
import { freePort } from '../lib/ports.js';

const secret = 'metrics-token-of-the-tests';
const shop = openShop({ METRICS_TOKEN: secret });

async function metrics() {
  const answer = await shop.get('/metrics', { token: secret });
  assert.equal(answer.status, 200, answer.text);
  return answer;
}

/** The value of a series, 0 where it is not there. */
async function value(series) {
  const line = (await metrics()).text.split('\n').find((one) => one.startsWith(`shop_gateway_${series} `));
  return line === undefined ? 0 : Number(line.split(' ').at(-1));
}

/** A request to the metrics' own port, which is no part of the API. */
async function ask(port, method, path, options = {}) {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method, ...options });
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
}

/** Text exposition format 0.0.4: every sample belongs to a metric with HELP and TYPE, written once, no series twice. */
function assertExposition(text) {
  assert.ok(text.endsWith('\n'));
  const types = new Map();
  const helped = new Set();
  const series = new Set();
  for (const line of text.trimEnd().split('\n')) {
    const comment = line.match(/^# (HELP|TYPE) ([a-z_]+) (.+)$/);
    if (comment?.[1] === 'HELP') {
      assert.ok(!helped.has(comment[2]), line);
      helped.add(comment[2]);
    } else if (comment) {
      assert.ok(helped.has(comment[2]) && !types.has(comment[2]), line);
      assert.match(comment[3], /^(counter|gauge|histogram)$/);
      types.set(comment[2], comment[3]);
    } else {
      const sample = line.match(/^([a-z_]+)(\{(?:[a-z]+="[^"\\]*",?)+\})? (\d+(?:\.\d+)?)$/);
      assert.ok(sample, line);
      const base = sample[1].replace(/_(bucket|sum|count)$/, '');
      const type = types.get(sample[1]) ?? types.get(base);
      assert.ok(type, `${line} has no TYPE`);
      if (type === 'counter') assert.match(sample[1], /_total$/);
      assert.ok(!series.has(sample[1] + (sample[2] ?? '')), line);
      series.add(sample[1] + (sample[2] ?? ''));
    }
  }
}

test('only with the token', async () => {
  assertProblem(await shop.get('/metrics'), 401, 'Missing or invalid Authorization header');
  for (const token of ['x', `${secret}x`, secret.slice(1), shop.admin]) {
    assertProblem(await shop.get('/metrics', { token }), 401, 'Invalid or expired token');
  }
  const answer = await metrics();
  assert.match(answer.headers['content-type'], /^text\/plain; version=0\.0\.4/);
  assert.equal((await shop.gateway.send('HEAD', '/metrics', { token: secret })).text, '');
});

test('the text is well-formed', async (context) => {
  const userId = shop.newUser();
  await shop.checkout(userId, await shop.cart(userId, [await shop.product(), 1]));
  await shop.get('/nothing"\\');
  await shop.gateway.send('OPTIONS', '/products');
  const { text } = await metrics();
  assertExposition(text);
  if (spawnSync('promtool', ['--version']).status === 0) {
    execFileSync('promtool', ['check', 'metrics'], { input: text });
  } else {
    context.diagnostic('promtool is not installed: checked by our own rules only');
  }
});

test('requests by route and class, refusals by code, replays', async () => {
  const userId = shop.newUser();
  const cart = await shop.cart(userId, [await shop.product(), 1]);
  const series = {
    'http_requests_total{method="POST",route="/checkout",class="2xx"}': 2,
    'http_requests_total{method="POST",route="/checkout",class="4xx"}': 1,
    'http_request_duration_seconds_count{method="POST",route="/checkout"}': 3,
    'http_request_duration_seconds_bucket{method="POST",route="/checkout",le="+Inf"}': 3,
    'refusals_total{code="cart_not_found"}': 1,
    'refusals_total{code="not_found"}': 1,
    'http_requests_total{method="any",route="unmatched",class="4xx"}': 1,
    idempotent_replays_total: 1,
    checkout_batch_size_sum: 3,
    checkout_batch_size_count: 3,
    'checkout_batch_size_bucket{le="1"}': 3,
  };
  const before = {};
  for (const name of Object.keys(series)) before[name] = await value(name);
  assertStatus(await shop.checkout(userId, cart, { key: 'twice' }), 201);
  assertStatus(await shop.checkout(userId, cart, { key: 'twice' }), 201);
  assertProblem(await shop.checkout(userId, 987654321), 404);
  assertProblem(await shop.get('/nothing'), 404);
  for (const [name, more] of Object.entries(series)) assert.equal((await value(name)) - before[name], more, name);
  assert.equal(await value('http_requests_in_flight'), 1, 'the one that asks');
  assert.equal(await value('database_connected'), 1);
  assert.ok((await value('database_connections_open')) >= 1);
});

test('buckets grow, up to the count', async () => {
  const lines = (await metrics()).text.split('\n').filter((line) => line.includes('_seconds_bucket{method="POST",route="/checkout"'));
  const counts = lines.map((line) => Number(line.split(' ').at(-1)));
  assert.equal(counts.length, 14);
  assert.deepEqual(counts, counts.toSorted((a, b) => a - b));
});

test('a port of its own needs no token and serves nothing else; without either there are no metrics', async () => {
  const port = await freePort();
  const gateway = await Gateway.start(shop.database, { METRICS_PORT: String(port) });
  const answer = await ask(port, 'GET', '/metrics');
  assert.equal(answer.status, 200);
  assertExposition(answer.text);
  assert.equal((await ask(port, 'HEAD', '/metrics')).status, 200);
  assert.equal((await ask(port, 'GET', '/health')).status, 404);
  const posted = await ask(port, 'POST', '/metrics', { body: 'x'.repeat(100_000) });
  assert.deepEqual([posted.status, posted.headers.get('allow')], [405, 'GET, HEAD']);
  assert.equal(JSON.parse(posted.text).code, 'method_not_allowed');
  assert.equal((await ask(port, 'OPTIONS', '/metrics')).status, 405);
  assert.equal(answer.headers.get('access-control-allow-origin'), null, 'not for pages of another origin');
  const malformed = await raw(port, 'GET /metrics HTTP/1.1\r\nHost: x\r\nA: b\n\r\n');
  assert.match(malformed, /^HTTP\/1\.1 400 .*application\/problem\+json/s);
  assert.doesNotMatch(malformed, /Access-Control/);
  assert.match(await raw(port, 'GET /metrics HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n'), /"code":"bad_request"/);
  assertProblem(await gateway.get('/metrics'), 404, 'Not found');
  assertProblem(await gateway.get('/metrics', { token: secret }), 404, 'Not found');
  await gateway.stop();
  gateway.assertCleanLog();
});

test('with both, the own port asks for the token too', async () => {
  const port = await freePort();
  const gateway = await Gateway.start(shop.database, { METRICS_PORT: String(port), METRICS_TOKEN: secret });
  const refused = await ask(port, 'GET', '/metrics');
  assert.deepEqual([refused.status, refused.headers.get('www-authenticate')], [401, 'Bearer']);
  assert.equal((await ask(port, 'GET', '/metrics', { headers: { Authorization: `Bearer ${secret}` } })).status, 200);
  assert.equal((await gateway.get('/metrics', { token: secret })).status, 200);
  await gateway.stop();
});
