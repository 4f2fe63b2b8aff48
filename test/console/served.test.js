// How GET /console/ and its files are served; what others wrote is what they published.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { raw } from '../lib/http.js';
import { root } from '../lib/settings.js';
import { assertProblem, openShop } from '../lib/shop.js';

const shop = openShop();
const types = { html: 'text/html; charset=utf-8', css: 'text/css; charset=utf-8', js: 'text/javascript; charset=utf-8', svg: 'image/svg+xml' };
const served = (name) => /\.(html|css|js|svg)$/.test(name);
const own = readdirSync(`${root}/console`).filter(served);
const files = new Map([
  ...own.map((name) => [name === 'index.html' ? '' : name, `${root}/console/${name}`]),
  ...readdirSync(`${root}/console/vendor`).filter(served).map((name) => [name, `${root}/console/vendor/${name}`]),
]);

function assertSafe({ headers }) {
  assert.equal(headers['content-security-policy'], "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'");
  assert.equal(headers['x-content-type-options'], 'nosniff');
  assert.equal(headers['referrer-policy'], 'no-referrer');
  assert.equal(headers['cache-control'], 'no-cache');
}

describe('the page and its files', () => {
  for (const [name, path] of files) {
    test(`GET /console/${name}: as it lies in the folder, with type, tag and policy; HEAD; 304; 405`, async () => {
      const target = `/console/${name}`;
      const answer = await shop.get(target);
      assert.equal(answer.status, 200);
      assert.equal(answer.text, readFileSync(path, 'utf8'));
      assert.equal(answer.headers['content-type'], types[path.split('.').pop()]);
      assertSafe(answer);
      const tag = answer.headers.etag;
      assert.equal(tag, `"${createHash('sha256').update(readFileSync(path)).digest('hex').slice(0, 32)}"`);
      const head = await shop.gateway.send('HEAD', target);
      assert.deepEqual([head.status, head.text, head.headers['content-length'], head.headers.etag], [200, '', answer.headers['content-length'], tag]);
      const again = await shop.get(target, { headers: { 'If-None-Match': tag } });
      assert.deepEqual([again.status, again.text, again.headers.etag], [304, '', tag]);
      assertSafe(again);
      assert.equal((await shop.get(target, { headers: { 'If-None-Match': '"other"' } })).status, 200);
      const other = await shop.post(target, {});
      assertProblem(other, 405);
      assert.equal(other.headers.allow, 'GET, HEAD, OPTIONS');
    });
  }

  test('without the slash at its end: to the one with it, by an address that keeps a prefix', async () => {
    const answer = await shop.get('/console?x=1');
    assert.deepEqual([answer.status, answer.headers.location, answer.text], [308, 'console/', '']);
    for (const prefix of ['', '/shop/eu']) {
      assert.equal(new URL(answer.headers.location, `http://h${prefix}/console`).pathname, `${prefix}/console/`);
    }
    assert.equal((await shop.get('/console/?x=1')).status, 200);
  });

  test('nothing else is there', async () => {
    for (const name of ['index.html', 'vendor/preact.js', 'README.md', 'LICENSE.htm', 'App.js', 'app.js.etag', 'app.js%00', '..', '%2e%2e', '..%2fMETA.json', 'app.js%2f']) {
      const answer = await shop.get(`/console/${name}`);
      assert.ok([400, 404].includes(answer.status), `${name}: ${answer.status}`);
      assertProblem(answer, answer.status);
    }
    assert.match(await raw(shop.gateway.port, 'GET /console/../META.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'), /^HTTP\/1\.1 404/);
  });
});

describe('the sources', () => {
  test('have no script or style within the page, and no address but relative ones', () => {
    const page = readFileSync(`${root}/console/index.html`, 'utf8');
    assert.doesNotMatch(page, /<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|javascript:/i);
    for (const name of own) {
      const text = readFileSync(`${root}/console/${name}`, 'utf8').replace('xmlns="http://www.w3.org/2000/svg"', '');
      assert.doesNotMatch(text, /https?:|(?:src|href)="\/|from '(?!\.\/)|dangerouslySetInnerHTML|innerHTML|\beval\(|new Function|localStorage|document\.cookie/, name);
    }
  });

  test('the page loads ahead exactly the modules that there are', () => {
    const page = readFileSync(`${root}/console/index.html`, 'utf8');
    const ahead = [...page.matchAll(/<link rel="modulepreload" href="([^"]+)">/g)].map((found) => found[1]);
    assert.deepEqual([...ahead, 'app.js'].sort(), [...files.keys()].filter((name) => name.endsWith('.js')).sort());
  });

  test('what others wrote is as they published it, with its licences', () => {
    const notes = readFileSync(`${root}/console/vendor/README.md`, 'utf8');
    const { version } = JSON.parse(readFileSync(`${root}/test/node_modules/htm/package.json`, 'utf8'));
    const bytes = readFileSync(`${root}/console/vendor/preact.js`);
    const row = notes.split('\n').find((line) => line.startsWith('| `preact.js`'));
    assert.ok(row.includes(`| ${version} |`) && row.includes(`\`${createHash('sha256').update(bytes).digest('hex')}\``), row);
    assert.deepEqual(bytes, readFileSync(`${root}/test/node_modules/htm/preact/standalone.module.js`));
    assert.equal(readFileSync(`${root}/console/vendor/LICENSE.htm`, 'utf8'), readFileSync(`${root}/test/node_modules/htm/LICENSE`, 'utf8'));
    assert.match(readFileSync(`${root}/console/vendor/LICENSE.preact`, 'utf8'), /MIT License[^]*Jason Miller/);
    assert.deepEqual(readdirSync(`${root}/console/vendor`).sort(), ['LICENSE.htm', 'LICENSE.preact', 'README.md', 'preact.js']);
  });

  test('all of it together is small', () => {
    const size = [...files.values()].reduce((sum, path) => sum + readFileSync(path).length, 0);
    assert.ok(size < 100_000, `${size} bytes`);
  });
});
