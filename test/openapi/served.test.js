// GET /openapi.json and GET /docs, with and without Swagger UI.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { document, operations } from '../lib/contract.js';
import { Gateway } from '../lib/gateway.js';
import { raw } from '../lib/http.js';
import { root, scratch } from '../lib/settings.js';
import { assertProblem, openShop } from '../lib/shop.js';

const swaggerUi = `${root}/test/node_modules/swagger-ui-dist`;
const shop = openShop({ DOCS_DIR: '/nonexistent' });

/** Headers that every page, script and document carries. */
function assertSafe({ headers }) {
  const policy = headers['content-security-policy'] ?? '';
  assert.match(policy, /default-src 'self'/);
  assert.match(policy, /style-src 'self' 'unsafe-inline'/);
  assert.match(policy, /img-src 'self' data:/);
  assert.match(policy, /frame-ancestors 'none'/);
  assert.doesNotMatch(policy, /script-src|unsafe-eval|https?:|\*/);
  assert.equal(headers['x-content-type-options'], 'nosniff');
  assert.equal(headers['referrer-policy'], 'no-referrer');
}

describe('the files of Swagger UI', () => {
  const install = (to, more = {}) =>
    spawnSync('make', ['-C', `${root}/gateway`, 'install-swagger-ui', `DESTDIR=${to}`, 'PREFIX=/usr'], { encoding: 'utf8', env: { ...process.env, ...more } });

  test('are installed by make, so that /docs shows them without a network', async () => {
    const folder = mkdtempSync(`${scratch}/installed-`);
    const made = install(folder);
    assert.equal(made.status, 0, made.stderr);
    const gateway = await Gateway.start(shop.database, { DOCS_DIR: `${folder}/usr/share/pg_shop/swagger-ui` });
    try {
      assert.match((await gateway.get('/docs')).text, /swagger-ui-bundle\.js/);
      assert.equal((await gateway.get('/docs/swagger-ui-bundle.js')).status, 200);
    } finally {
      await gateway.stop();
    }
  });

  test('are left out with a word about it where npm cannot fetch them', () => {
    const folder = mkdtempSync(`${scratch}/without-`);
    writeFileSync(`${folder}/npm`, '#!/bin/sh\nexit 1\n', { mode: 0o755 });
    cpSync(`${root}/gateway/Makefile`, `${folder}/Makefile`);
    cpSync(`${root}/gateway/swagger-ui`, `${folder}/swagger-ui`, { recursive: true });
    const made = spawnSync('make', ['-C', folder, 'install-swagger-ui', `DESTDIR=${folder}/to`], {
      encoding: 'utf8', env: { ...process.env, PATH: `${folder}:${process.env.PATH}` } });
    assert.equal(made.status, 0, made.stderr);
    assert.match(made.stderr, /Swagger UI is left out/);
    assert.equal(existsSync(`${folder}/to`), false);
  });
});

describe('GET /openapi.json', () => {
  test('is the document, with the version of META.json', async () => {
    const { version } = JSON.parse(readFileSync(`${root}/META.json`, 'utf8'));
    const answer = await shop.get('/openapi.json');
    assert.equal(answer.status, 200);
    assert.match(answer.headers['content-type'], /^application\/json/);
    assert.equal(answer.json.info.version, version);
    assert.deepEqual(answer.json, JSON.parse(JSON.stringify(document).replaceAll('@VERSION@', version)));
    assertSafe(answer);
  });

  test('HEAD gives its length and tag; 304 to whom has it', async () => {
    const [get, head] = [await shop.get('/openapi.json'), await shop.gateway.send('HEAD', '/openapi.json')];
    assert.equal(head.status, 200);
    assert.equal(head.text, '');
    assert.equal(Number(head.headers['content-length']), Buffer.byteLength(get.text));
    const tag = get.headers.etag;
    assert.match(tag, /^"[0-9a-f]{32}"$/);
    assert.equal(head.headers.etag, tag);
    for (const given of [tag, `W/${tag}`, `"other", ${tag}`, `${tag},"other"`, '*']) {
      const answer = await shop.get('/openapi.json', { headers: { 'If-None-Match': given } });
      assert.equal(answer.status, 304, given);
      assert.equal(answer.text, '');
      assert.equal(answer.headers.etag, tag);
    }
    for (const given of ['"other"', tag.slice(0, -2), tag.slice(1, -1), '']) {
      assert.equal((await shop.get('/openapi.json', { headers: { 'If-None-Match': given } })).status, 200, given);
    }
  });

  test('another method is 405', async () => {
    assertProblem(await shop.post('/openapi.json', {}), 405);
  });
});

describe('GET /docs without Swagger UI', () => {
  test('lists every operation and links to the document', async () => {
    const answer = await shop.get('/docs');
    assert.equal(answer.status, 200);
    assert.match(answer.headers['content-type'], /^text\/html/);
    assertSafe(answer);
    assert.match(answer.text, /<a href="\/openapi\.json">/);
    for (const { method, path } of operations) {
      assert.ok(answer.text.includes(`<tr><td>${method}</td><td><code>${path}</code></td>`), `${method} ${path}`);
    }
    assert.doesNotMatch(answer.text, /<script/);
  });

  test('its files are not there', async () => {
    for (const name of ['swagger-ui-bundle.js', 'swagger-ui.css', 'favicon-32x32.png']) {
      assertProblem(await shop.get(`/docs/${name}`), 404);
    }
  });
});

describe('GET /docs with Swagger UI', () => {
  let withSwagger;
  before(async () => {
    withSwagger = await Gateway.start(shop.database, { DOCS_DIR: swaggerUi });
  });
  after(async () => {
    await withSwagger.stop();
    withSwagger.assertCleanLog();
  });

  test('is a page without scripts within it, whose files are all there', async () => {
    const answer = await withSwagger.get('/docs');
    assert.equal(answer.status, 200);
    assert.match(answer.headers['content-type'], /^text\/html/);
    assertSafe(answer);
    assert.doesNotMatch(answer.text, /<script(?![^>]*\ssrc=)|\son\w+=|javascript:|https?:/);
    const files = [...answer.text.matchAll(/(?:src|href)="(\/docs\/[^"]+)"/g)].map((found) => found[1]);
    assert.equal(files.length, 5);
    for (const file of files) {
      const found = await withSwagger.get(file);
      assert.equal(found.status, 200, file);
      assertSafe(found);
    }
  });

  test('gives the files as they are, with type and tag', async () => {
    const types = { 'swagger-ui-bundle.js': /^text\/javascript/, 'swagger-ui.css': /^text\/css/, 'favicon-16x16.png': /^image\/png$/ };
    for (const [name, type] of Object.entries(types)) {
      const answer = await withSwagger.get(`/docs/${name}`);
      assert.match(answer.headers['content-type'], type);
      assert.equal(answer.text, readFileSync(`${swaggerUi}/${name}`).toString(), name);
      const again = await withSwagger.get(`/docs/${name}`, { headers: { 'If-None-Match': answer.headers.etag } });
      assert.equal(again.status, 304, name);
      const head = await withSwagger.send('HEAD', `/docs/${name}`);
      assert.equal(head.headers['content-length'], answer.headers['content-length'], name);
    }
  });

  test('gives nothing else of the folder, and nothing outside it', async () => {
    const names = ['index.html', 'package.json', 'swagger-ui.css.map', 'swagger-initializer.js', '..', '.', '%2e%2e', '..%2f..%2fpackage.json',
      '%2e%2e%2f%2e%2e%2f%2e%2e%2fMETA.json', '..%5c..%5cMETA.json', 'swagger-ui.css%00.png', 'swagger-ui.css%2f', 'SWAGGER-UI.CSS', '%2fetc%2fpasswd'];
    for (const name of names) {
      const answer = await withSwagger.get(`/docs/${name}`);
      assert.ok([400, 404].includes(answer.status), `${name}: ${answer.status}`);
      assertProblem(answer, answer.status);
    }
    const text = await raw(withSwagger.port, 'GET /docs/../../../META.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    assert.match(text, /^HTTP\/1\.1 404/);
  });

  test('follows no symbolic link', async () => {
    const folder = mkdtempSync(`${scratch}/docs-`);
    writeFileSync(`${folder}/swagger-ui-bundle.js`, '// nothing');
    symlinkSync('/etc/passwd', `${folder}/swagger-ui.css`);
    const gateway = await Gateway.start(shop.database, { DOCS_DIR: folder });
    try {
      assert.equal((await gateway.get('/docs/swagger-ui-bundle.js')).status, 200);
      assertProblem(await gateway.get('/docs/swagger-ui.css'), 404);
      assert.match((await gateway.get('/docs')).text, /<table>/, 'incomplete, so the plain list');
    } finally {
      await gateway.stop();
    }
  });
});
