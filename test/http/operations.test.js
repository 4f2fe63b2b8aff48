// What operators and administrators see: the index, the health of the queue, dead letters, the integrity report.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertProblem, assertStatus, openShop } from '../lib/shop.js';

const shop = openShop();
const asAdmin = () => ({ token: shop.admin });

test('GET / lists the endpoints, and each of them is one', async () => {
  const answer = await shop.get('/');
  assertStatus(answer, 200);
  const { service, version, status, endpoints } = answer.json;
  assert.deepEqual([service, status], ['pg_shop', 'running']);
  assert.match(version, /^\d+\.\d+\.\d+$/);
  assert.ok(endpoints.length > 30);
  for (const { method, path } of endpoints) {
    const other = await shop.gateway.send('TRACE', path.replaceAll(/:\w+/g, '1'));
    assertProblem(other, 405);
    assert.ok(other.headers.allow.split(', ').includes(method), `${method} ${path}: ${other.headers.allow}`);
  }
});

describe('GET /api/health', () => {
  const report = (age) =>
    shop.database.sql(`DELETE FROM shop.poller_reports; SELECT shop.report_poller(1, 'p', 'sqs', 5, 2, 40, '2026-01-02T03:04:05.678Z');
      UPDATE shop.poller_reports SET reported_at = reported_at - interval '${age} seconds'`);

  test('no poller: degraded, with 200; 503 with strict=1', async () => {
    await shop.database.sql('DELETE FROM shop.poller_reports');
    const answer = await shop.get('/api/health');
    assertStatus(answer, 200);
    assert.equal(answer.json.status, 'degraded');
    assert.deepEqual(answer.json.database, { status: 'connected' });
    assert.equal(answer.json.queue.status, 'disconnected');
    assert.equal(answer.json.queue.last_poll_at, null);
    assert.equal(typeof answer.json.uptime_seconds, 'number');
    assert.match(answer.json.version, /^\d+\.\d+\.\d+$/);
    const strict = await shop.get('/api/health?strict=1');
    assertStatus(strict, 503);
    assert.equal(strict.json.status, 'degraded');
  });

  test('a poller that reported within 60 s: healthy', async () => {
    await report(59);
    for (const path of ['/api/health', '/api/health?strict=1']) {
      const answer = await shop.get(path);
      assertStatus(answer, 200);
      assert.equal(answer.json.status, 'healthy');
      assert.deepEqual(answer.json.queue, {
        status: 'connected', depth: answer.json.queue.depth, dlq_depth: 2, oldest_message_age_seconds: 40,
        last_poll_at: '2026-01-02T03:04:05.678Z', backend: 'sqs',
      });
    }
  });

  test('a poller that has not reported for longer: degraded', async () => {
    await report(61);
    assert.equal((await shop.get('/api/health')).json.status, 'degraded');
  });
});

describe('dead letters', () => {
  let made = 0;
  const deadLetter = async () => {
    made += 1;
    const body = `'{"orderId":1}'`;
    return shop.database.value(
      `SELECT id::int FROM shop.record_dead_letter(1, 'sqs', 'm-${made}', ${body}, NULL, 'max_retries_exceeded', 'boom', 5, NULL, 'r', NULL)`,
    );
  };

  test('listed, newest first, and read', async () => {
    const ids = [await deadLetter(), await deadLetter()].reverse();
    const list = await shop.get('/admin/dead-letters?status=open&limit=2', asAdmin());
    assertStatus(list, 200);
    assert.deepEqual(list.json.map((letter) => letter.id), ids);
    const page = await shop.get(`/admin/dead-letters?before=${ids[0]}&limit=1`, asAdmin());
    assert.deepEqual(page.json.map((letter) => letter.id), [ids[1]]);
    const one = await shop.get(`/admin/dead-letters/${ids[0]}`, asAdmin());
    assertStatus(one, 200);
    assert.deepEqual([one.json.id, one.json.status, one.json.reason], [ids[0], 'open', 'max_retries_exceeded']);
    for (const query of ['status=x', 'limit=0', 'limit=x', 'before=x']) {
      assertProblem(await shop.get(`/admin/dead-letters?${query}`, asAdmin()), 400);
    }
    assertProblem(await shop.get('/admin/dead-letters/987654321', asAdmin()), 404);
    assertProblem(await shop.get('/admin/dead-letters/x', asAdmin()), 400);
  });

  test('redrive: pressing twice does nothing the second time', async () => {
    const id = await deadLetter();
    for (let round = 0; round < 2; round += 1) {
      const answer = await shop.post(`/admin/dead-letters/${id}/redrive`, undefined, asAdmin());
      assertStatus(answer, 200);
      assert.equal(answer.json.status, 'redriven');
      assert.match(answer.json.resolution, /admin-1/);
    }
    assert.equal(await shop.database.value(`SELECT count(*)::int FROM shop.outbox WHERE topic = 'redrive'`), 1);
    assertProblem(await shop.post(`/admin/dead-letters/${id}/discard`, { reason: 'no' }, asAdmin()), 409);
  });

  test('discard needs a reason', async () => {
    const id = await deadLetter();
    assertProblem(await shop.post(`/admin/dead-letters/${id}/discard`, undefined, asAdmin()), 400, 'Invalid JSON body');
    for (const body of [{}, { reason: '' }, { reason: null }, { reason: 5 }]) {
      assertProblem(await shop.post(`/admin/dead-letters/${id}/discard`, body, asAdmin()), 400);
    }
    const answer = await shop.post(`/admin/dead-letters/${id}/discard`, { reason: 'a test' }, asAdmin());
    assertStatus(answer, 200);
    assert.equal(answer.json.status, 'discarded');
    assertProblem(await shop.post(`/admin/dead-letters/${id}/redrive`, undefined, asAdmin()), 409);
  });
});

test('GET /admin/verify: empty when well, and what is wrong when not', async () => {
  const productId = await shop.product({ stock: 5 });
  const well = await shop.get('/admin/verify', asAdmin());
  assertStatus(well, 200);
  assert.deepEqual(well.json, []);
  await shop.database.sql(`UPDATE shop.inventory SET on_hand = 6 WHERE product_id = ${productId}`);
  const broken = await shop.get('/admin/verify', asAdmin());
  assertStatus(broken, 200);
  assert.ok(broken.json.length > 0);
  assert.deepEqual(Object.keys(broken.json[0]), ['check', 'subject', 'detail']);
  await shop.database.sql(`UPDATE shop.inventory SET on_hand = 5 WHERE product_id = ${productId}`);
});
