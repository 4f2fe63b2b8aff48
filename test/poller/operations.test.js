// What an operator has: /healthz and /metrics, and the commands status and redrive.
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { describe, test } from 'node:test';
import { Poller, pollerEnvironment } from '../lib/poller.js';
import { freePort } from '../lib/ports.js';
import { pollerProgram } from '../lib/settings.js';
import { openSettling } from '../lib/settling.js';
import { eventually } from '../lib/wait.js';

const settling = openSettling();
const { shop } = settling;

/** Runs a command of the program; gives { code, stdout, stderr }. */
const command = (words, more = {}) =>
  new Promise((resolve) => {
    execFile(pollerProgram, words, { env: { ASAN_OPTIONS: 'exitcode=99', ...pollerEnvironment(shop.database, more) } }, (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, stdout, stderr }),
    );
  });

/** Makes an open dead letter of a payment that nobody tried; gives its id. */
const letter = async (orderId, key, reason = 'max_retries_exceeded') => {
  await shop.database.sql(
    `SELECT shop.record_dead_letter(1, 'outbox', '${key}', '{"orderId":${orderId}}', NULL, '${reason}', 'e', 1, ${orderId}, NULL,
       (SELECT id FROM shop.outbox WHERE order_id = ${orderId} AND status = 'pending'))`,
  );
  return shop.database.value(`SELECT id FROM shop.dead_letters WHERE message_key = '${key}'`);
};

describe('POLLER_PORT', () => {
  const watched = async (more = {}) => {
    const port = await freePort();
    const poller = await settling.poller({ POLLER_PORT: String(port), BIND_ADDRESS: '127.0.0.1', ...more });
    const ask = (path, options) => fetch(`http://127.0.0.1:${port}${path}`, options);
    return { poller, port, ask };
  };

  test('/healthz says that it polls', async () => {
    const { ask } = await watched();
    const answer = await eventually('it is connected', async () => {
      const found = await ask('/healthz');
      return found.status === 200 && found;
    });
    assert.equal((await answer.json()).status, 'ok');
    assert.equal((await ask('/healthz', { method: 'HEAD' })).status, 200);
  });

  test('/metrics counts, in the format of Prometheus', async () => {
    const { ask, poller } = await watched();
    const id = await settling.buy();
    await settling.settledByRule([id]);
    await poller.event('order_processed', { orderId: id });
    const answer = await ask('/metrics');
    assert.match(answer.headers.get('content-type'), /^text\/plain; version=0\.0\.4/);
    const text = await answer.text();
    assert.match(text, /^shop_poller_messages_processed_total\{worker="payment"\} 1$/m);
    assert.match(text, /^shop_poller_messages_processed_total\{worker="intake"\} 0$/m);
    assert.match(text, /^shop_poller_polls_total [1-9]\d*$/m);
    assert.match(text, /^shop_poller_last_poll_age_seconds 0(\.\d+)?$/m);
    assert.match(text, /^shop_poller_database_connections [1-9]\d*$/m);
    for (const line of text.trimEnd().split('\n')) {
      assert.match(line, /^(# (HELP [a-z_]+ .+|TYPE [a-z_]+ (counter|gauge))|[a-z_]+(\{[a-z]+="[a-z_]+"\})? \d+(\.\d+)?)$/);
    }
    const checked = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
    assert.equal(checked.status, 0, `${checked.stdout}${checked.stderr}`);
    const types = text.split('\n').filter((line) => line.startsWith('# TYPE')).map((line) => line.split(' ')[2]);
    assert.equal(new Set(types).size, types.length, 'each name is described once');
  });

  test('/metrics shows what waits, and since when', async () => {
    const order = await settling.buy();
    await shop.database.sql(`UPDATE shop.outbox SET created_at = now() - interval '1 hour', next_attempt_at = now() + interval '1 hour' WHERE order_id = ${order}`);
    const { ask } = await watched();
    const gauge = async (name) => Number(new RegExp(`^${name} (.*)$`, 'm').exec(await (await ask('/metrics')).text())?.[1]);
    await eventually('it has looked', async () => (await gauge('shop_poller_queue_depth')) === 1);
    const age = await gauge('shop_poller_outbox_oldest_age_seconds');
    assert.ok(age >= 3600 && age < 3660, `${age} s`);
    await shop.database.sql(`UPDATE shop.outbox SET next_attempt_at = now() WHERE order_id = ${order}`);
    await settling.settledByRule([order]);
    await eventually('nothing waits', async () => (await gauge('shop_poller_queue_depth')) === 0, 20);
    assert.equal(await gauge('shop_poller_outbox_oldest_age_seconds'), 0);
  });

  test('anything else is refused, and strange or slow clients do no harm', async () => {
    const { ask, port } = await watched();
    assert.equal((await ask('/')).status, 404);
    assert.equal((await ask('/metrics', { method: 'POST', body: 'x'.repeat(100000) })).status, 405);
    const sockets = Array.from({ length: 20 }, () => connect(port, '127.0.0.1'));
    for (const socket of sockets) {
      socket.on('error', () => {});
      socket.write('GET /metr');
    }
    sockets[0].write('\0\r\n\r\n');
    await eventually('it answers', async () => (await ask('/healthz')).status === 200);
    await settling.settledByRule([await settling.buy()]);
    for (const socket of sockets) socket.destroy();
  });

  test('a port in use is a start-up error that names the variable', async () => {
    const { port } = await watched();
    const second = new Poller(pollerProgram, pollerEnvironment(shop.database, { POLLER_PORT: String(port), BIND_ADDRESS: '127.0.0.1' }));
    assert.notEqual((await second.ended()).code, 0);
    assert.match(second.stderr, /POLLER_PORT/);
  });
});

describe('commands', () => {
  test('redrive lets one dead letter be tried again; the second time changes nothing', async () => {
    const order = await settling.buy();
    const id = await letter(order, 'redrive-1');
    for (let press = 0; press < 2; press += 1) {
      const { code, stdout, stderr } = await command(['redrive', String(id)]);
      assert.equal(code, 0, stderr);
      assert.equal(JSON.parse(stdout).status, 'redriven');
    }
    assert.equal(await shop.database.value(`SELECT count(*)::int FROM shop.outbox WHERE topic = 'redrive' AND order_id = ${order}`), 1);
    await settling.poller();
    await settling.settledByRule([order]);
  });

  test('redrive --all redrives every open one', async () => {
    const orders = [await settling.buy(), await settling.buy(), await settling.buy()];
    for (const order of orders) await letter(order, `all-${order}`);
    const { code, stdout } = await command(['redrive', '--all']);
    assert.equal(code, 0);
    assert.equal(stdout.trimEnd().split('\n').length, 3);
    await settling.poller();
    await settling.settledByRule(orders);
    assert.equal((await command(['redrive', '--all'])).stdout, '');
  });

  test('status prints the state of the queue', async () => {
    const poller = await settling.poller();
    const order = await settling.buy();
    await settling.settledByRule([order]);
    const before = JSON.parse((await command(['status'])).stdout).open_dead_letters;
    await letter(order, 'status-1', 'total_mismatch');
    await eventually('it has reported', async () => JSON.parse((await command(['status'])).stdout).connected === true);
    const status = JSON.parse((await command(['status'])).stdout);
    assert.equal(status.backend, 'embedded');
    assert.equal(status.depth, 0);
    assert.equal(status.open_dead_letters, before + 1);
    assert.equal(poller.exited, undefined);
  });

  test('--ready says by its exit code whether the poller of this machine is well', async () => {
    const port = String(await freePort());
    const ready = (more = {}) => command(['--ready'], { POLLER_PORT: port, ...more });
    const nobody = await ready();
    assert.equal(nobody.code, 1);
    assert.match(nobody.stderr, /healthz/);
    const poller = await settling.poller({ POLLER_PORT: port, BIND_ADDRESS: '::' });
    assert.deepEqual(await ready({ BIND_ADDRESS: '::' }), { code: 0, stdout: '', stderr: '' });
    assert.equal((await ready({ BIND_ADDRESS: '::1' })).code, 0);
    await poller.stop();
    assert.equal((await ready()).code, 1);
    const nowhere = await command(['--ready']);
    assert.equal(nowhere.code, 2);
    assert.match(nowhere.stderr, /POLLER_PORT/);
  });

  test('--ready is 1 while the poller cannot do its work', async () => {
    const server = createServer((request, response) => response.writeHead(503).end()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { code, stderr } = await command(['--ready'], { POLLER_PORT: String(server.address().port) });
    server.close();
    assert.equal(code, 1);
    assert.match(stderr, /503/);
  });

  test('what cannot be done ends with an exit code and a reason', async () => {
    const wrongUsage = [['redrive'], ['redrive', '0'], ['redrive', 'x'], ['status', '1'], ['what']];
    for (const [words, expected] of [[['redrive', '99999999'], 1], ...wrongUsage.map((words) => [words, 2])]) {
      const { code, stderr } = await command(words);
      assert.equal(code, expected, words.join(' '));
      assert.ok(stderr.length > 10);
    }
    assert.equal((await command(['status'], { DATABASE_URL: 'postgresql:///nothing?host=/nonexistent' })).code, 1);
  });
});
