// Every operation of the document, called as its examples say: who is let in, and how it refuses. That each answer is as
// documented is checked by send() itself.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { operations, resolve } from '../lib/contract.js';
import { Gateway, gatewayEnvironment } from '../lib/gateway.js';
import { freePort } from '../lib/ports.js';
import { assertProblem, openShop } from '../lib/shop.js';
import { token } from '../lib/tokens.js';
import { eventually } from '../lib/wait.js';

const shop = openShop({ CUSTOMER_AUTH: 'jwt' });
const [admin, user] = [token('admin', 1), token('user', 2)];
const needsToken = ({ operation }) => operation.security.some((requirement) => 'bearerAuth' in requirement);
const isAdmins = (entry) => needsToken(entry) && entry.operation.security.length === 1;
const name = ({ method, path }) => `${method} ${path}`;

/** What to send for an operation: its examples, and what it requires. */
function call({ path, operation }) {
  const parameters = operation.parameters.map(resolve);
  const inPath = (found, wanted) => encodeURIComponent(parameters.find((parameter) => parameter.name === wanted).example);
  const query = parameters.filter((parameter) => parameter.in === 'query' && parameter.required).map((parameter) => `${parameter.name}=${parameter.example}`);
  const examples = operation.requestBody?.content['application/json'].examples;
  return {
    target: path.replace(/\{(\w+)\}/g, inPath),
    query: query.length > 0 ? `?${query.join('&')}` : '',
    body: examples && Object.values(examples)[0].value,
    key: parameters.find((parameter) => parameter.name === 'Idempotency-Key') && 'a-key',
  };
}

describe('who is let in', () => {
  for (const entry of operations.filter(needsToken)) {
    test(`${name(entry)}: nobody without a good token${isAdmins(entry) ? ', and only administrators' : ''}`, async () => {
      const { target, query, ...options } = call(entry);
      assertProblem(await shop.gateway.send(entry.method, target + query, options), 401, 'Missing or invalid Authorization header');
      const bad = await shop.gateway.send(entry.method, target + query, { ...options, token: `${admin}x` });
      assertProblem(bad, 401, 'Invalid or expired token');
      if (!isAdmins(entry)) return;
      assertProblem(await shop.gateway.send(entry.method, target + query, { ...options, token: user }), 403, 'Requires admin role');
    });
  }
});

describe('malformed and oversized requests', () => {
  for (const entry of operations) {
    test(`${name(entry)}: a query that cannot be read is 400`, async () => {
      const { target, query, ...options } = call(entry);
      assertProblem(await shop.gateway.send(entry.method, `${target}?x=%zz`, { ...options, token: admin }), 400);
    });
  }

  for (const entry of operations.filter(({ operation }) => operation.requestBody)) {
    test(`${name(entry)}: a body over the limit is 413`, async () => {
      const { target, query, key } = call(entry);
      const body = JSON.stringify({ pad: 'x'.repeat(entry.path.startsWith('/api/') ? 11_000_000 : 110_000) });
      assertProblem(await shop.gateway.send(entry.method, target, { body, key, token: admin }), 413);
    });
  }
});

describe('without a database', () => {
  let gateway;
  before(async () => {
    const port = await freePort();
    const environment = { DATABASE_URL: `postgresql://nobody@127.0.0.1:${await freePort()}/nothing`, METRICS_TOKEN: 'a-token-of-the-walk' };
    gateway = new Gateway(port, gatewayEnvironment(undefined, port, environment));
    await eventually('the gateway listens', async () => (await gateway.get('/health')).status === 200);
  });
  after(() => gateway.stop());

  const serves = ['getServiceInfo', 'getHealth', 'getMetrics', 'getOpenApi', 'getDocs', 'getDocsFile', 'getConsole', 'getConsoleFile', 'receivePaymentEvent'];
  for (const entry of operations) {
    const alone = serves.includes(entry.operation.operationId);
    test(`${name(entry)}: ${alone ? 'needs none' : '503 with Retry-After'}`, async () => {
      const { target, query, ...options } = call(entry);
      const given = entry.path === '/metrics' ? 'a-token-of-the-walk' : admin;
      const answer = await gateway.send(entry.method, target + query, { ...options, token: given });
      if (alone) assert.ok([200, 308, 404].includes(answer.status), answer.text);
      else assert.equal(answer.status, 503, answer.text);
    });
  }
});
