// The gateway's route table and the document are the same, both ways; so are the codes of problems.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { document, operations } from '../lib/contract.js';
import { gatewayProgram, root } from '../lib/settings.js';

const keys = (requirements) => requirements.map((requirement) => Object.keys(requirement).join('+')).join(' or ');

/** Who may call, in the words of --print-routes: an empty requirement says that no token is needed. The token of /metrics is no
 * account's: the route is open, and looks at the token itself. */
function access(operation) {
  const words = { '': 'open', ' or bearerAuth': 'customer', bearerAuth: 'admin', metricsToken: 'open' };
  const found = keys(operation.security);
  return words[found] ?? found;
}

test('every route is documented, and nothing else is', async () => {
  const { stdout } = await promisify(execFile)(gatewayProgram, ['--print-routes'], { env: {} });
  const table = stdout.trim().split('\n').map((line) => line.replace(/:(\w+)/g, '{$1}'));
  const documented = operations.map(({ method, path, operation }) => `${method} ${path} ${access(operation)}`);
  assert.ok(table.length > 30);
  assert.deepEqual(documented.sort(), table.sort());
});

test('every path parameter is declared, and no other', () => {
  for (const { path, operation } of operations) {
    const declared = operation.parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => name);
    assert.deepEqual(declared.sort(), [...path.matchAll(/\{(\w+)\}/g)].map((found) => found[1]).sort(), path);
  }
});

/** The texts of a folder's files. */
const sources = (folder, ending) =>
  readdirSync(`${root}/${folder}`).filter((name) => name.endsWith(ending)).map((name) => readFileSync(`${root}/${folder}/${name}`, 'utf8'));

const matches = (texts, regex) => texts.flatMap((text) => [...text.matchAll(regex)].map((found) => found[1]));

test('the document lists exactly the codes of problems that the sources have', () => {
  const found = new Set([
    ...matches(sources('extension/src', '.c'), /\[PROBLEM_\w+\] = \{\d+, "(\w+)"/g),
    ...matches(sources('extension/sql/parts', '.sql'), /shop\.problem\(\s*\d+,\s*'(\w+)'/g),
    ...matches(sources('gateway', '.c'), /(?:request_answer_problem|refuse|raw_answer_send)\([^";]*"([a-z][a-z_]*)"/g),
    ...matches(sources('gateway', '.c'), /token_was_bad \? "(\w+)"/g),
    ...matches(sources('gateway', '.c'), /token_was_bad \? "\w+" : "(\w+)"/g),
    ...matches(sources('gateway', 'message_syntax.c'), /\{\d{3}, "(\w+)"/g),
    ...matches(sources('gateway', 'errmap.c'), /\{?"\w*", \d{3}, "(\w+)"/g),
  ]);
  assert.deepEqual([...document.components.schemas.ProblemCode.enum].sort(), [...found].sort());
});
