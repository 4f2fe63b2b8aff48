// The document is well-formed OpenAPI 3.1 and keeps Redocly's rules.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { document, documentPath, operations } from '../lib/contract.js';
import { root } from '../lib/settings.js';

const redocly = `${root}/test/node_modules/@redocly/cli/bin/cli.js`;

/** Runs the linter; gives its exit code and its list of problems. */
function lint(path) {
  const environment = { ...process.env, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true', NODE_NO_WARNINGS: '1' };
  const given = [redocly, 'lint', path, '--config', fileURLToPath(new URL('redocly.yaml', import.meta.url)), '--format=json'];
  return new Promise((resolve) => {
    execFile(process.execPath, given, { env: environment, timeout: 120_000 }, (error, stdout, stderr) => {
      const json = stdout.slice(stdout.indexOf('{'), stdout.lastIndexOf('}') + 1);
      resolve({ code: error ? error.code : 0, output: stdout + stderr, problems: json ? JSON.parse(json).problems : undefined });
    });
  });
}

test('no error and no warning', async () => {
  const { code, output, problems } = await lint(fileURLToPath(documentPath));
  assert.deepEqual(problems, [], output);
  assert.equal(code, 0, output);
});

test('OpenAPI 3.1; the version comes from META.json at build', () => {
  assert.match(document.openapi, /^3\.1\.\d+$/);
  assert.equal(document.info.version, '@VERSION@');
});

test('every operation has an id of its own, a tag that is described, and names every security it needs', () => {
  const ids = operations.map(({ operation }) => operation.operationId);
  assert.equal(new Set(ids).size, ids.length);
  const tags = document.tags.map(({ name }) => name);
  for (const { operation } of operations) {
    assert.deepEqual(operation.tags.filter((tag) => !tags.includes(tag)), []);
    assert.ok(Array.isArray(operation.security), operation.operationId);
  }
});
