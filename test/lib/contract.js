// The OpenAPI document as a contract: is an answer one that the document promises?
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import Ajv from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

export const documentPath = new URL('../../gateway/openapi.json', import.meta.url);
export const document = JSON.parse(readFileSync(documentPath, 'utf8'));
export const methods = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace'];

// Answers that any request may get, whatever its route: the description of the document tells of them. The HTTP library
// makes the last ones before there is a request; they have no body to rely on.
const anywhere = { unknownPath: [404, 400], otherMethod: [405, 501, 400], malformed: [400], beforeTheRequest: [408, 414, 431] };

/** What a reference of the document points to; other values are given back. */
export function resolve(value) {
  let found = value;
  while (found?.$ref !== undefined) {
    found = found.$ref.slice(2).split('/').reduce((parent, name) => parent[name.replaceAll('~1', '/').replaceAll('~0', '~')], document);
  }
  return found;
}

/** All operations: { method, path, operation }. */
export const operations = Object.entries(document.paths).flatMap(([path, item]) =>
  methods.filter((method) => item[method]).map((method) => ({ method: method.toUpperCase(), path, operation: item[method] })),
);

/** A copy of a schema for Ajv: references become names; where closed is true, members that are not named are forbidden. */
function prepared(schema, closed) {
  if (Array.isArray(schema)) return schema.map((entry) => prepared(entry, closed));
  if (schema === null || typeof schema !== 'object') return schema;
  const copy = {};
  for (const [name, value] of Object.entries(schema)) {
    if (name === '$ref') copy.$ref = value.replace('#/components/schemas/', '');
    else copy[name] = ['enum', 'const', 'examples', 'example', 'default', 'required'].includes(name) ? value : prepared(value, closed);
  }
  if (closed && copy.type === 'object' && copy.properties && copy.additionalProperties === undefined) copy.additionalProperties = false;
  return copy;
}

function validator(closed) {
  // Amounts are decimal in the text; as binary numbers they are multiples of 0.01 only nearly.
  const ajv = new Ajv({ allErrors: true, strict: false });
  addFormats(ajv);
  for (const [name, schema] of Object.entries(document.components.schemas)) ajv.addSchema(prepared(schema, closed), name);
  const compiled = new Map();
  return (schema, value) => {
    if (!compiled.has(schema)) compiled.set(schema, ajv.compile(prepared(schema, closed)));
    const valid = compiled.get(schema);
    return valid(value) ? undefined : ajv.errorsText(valid.errors, { dataVar: 'body' });
  };
}

/** What is wrong with a value as an answer, where every member must be documented; undefined when nothing is. */
export const faultOfAnswer = validator(true);

/** What is wrong with a value as a request, which may have members that nobody reads; undefined when nothing is. */
export const faultOfRequest = validator(false);

const patterns = operations.map((entry) => ({
  ...entry,
  literals: entry.path.split('/').filter((segment) => !segment.startsWith('{')).length,
  regex: new RegExp(`^${entry.path.replace(/[.]/g, '\\.').replace(/\{\w+\}/g, '[^/]+')}/?$`),
}));

/** The operation that a request is for; pathKnown tells whether the path has any. Escaped slashes separate nothing. */
export function find(method, target) {
  const path = target.split('?')[0].split('/').map((segment) => {
    try {
      return decodeURIComponent(segment).replaceAll('/', '%2F');
    } catch {
      return '\n'; // no well-formed path, so none that is known
    }
  }).join('/') || '/';
  const sought = method === 'HEAD' ? 'GET' : method;
  const known = patterns.filter((entry) => entry.regex.test(path));
  const fitting = known.filter((entry) => entry.method === sought).sort((a, b) => b.literals - a.literals);
  return { ...fitting[0], pathKnown: known.length > 0 };
}

const mediaType = (answer) => (answer.headers['content-type'] ?? '').split(';')[0].trim().toLowerCase();

/** A problem that every route may answer. */
function assertGeneral(where, method, answer, statuses) {
  assert.ok(statuses.includes(answer.status), `${where}: no route, but status ${answer.status}: ${answer.text}`);
  if (method === 'HEAD') return;
  assert.equal(mediaType(answer), 'application/problem+json', `${where}: ${answer.text}`);
  assert.equal(faultOfAnswer(document.components.schemas.Problem, answer.json), undefined, `${where}: ${answer.text}`);
}

function assertBody(where, response, answer) {
  const content = response.content ?? {};
  if (Object.keys(content).length === 0) {
    assert.equal(answer.text, '', `${where}: the document has no body for ${answer.status}`);
    return;
  }
  const type = mediaType(answer);
  assert.ok(content[type], `${where}: ${answer.status} with content type '${type}', documented: ${Object.keys(content)}`);
  if (!/json$/.test(type)) return;
  const fault = answer.json === undefined ? 'the body is no JSON' : faultOfAnswer(content[type].schema, answer.json);
  assert.equal(fault, undefined, `${where}: ${answer.status} is not as documented: ${fault}\n${answer.text}`);
}

/** What was accepted must be what the document allows to send: it may not be narrower than the service. */
function assertRequestDocumented(where, operation, answer, body) {
  const schema = operation.requestBody?.content['application/json'].schema;
  if (schema === undefined || answer.status >= 300 || typeof body !== 'string' || body === '') return;
  assert.equal(faultOfRequest(schema, JSON.parse(body)), undefined, `${where}: accepted, but not documented: ${body}`);
}

/** Fails unless the document promises this answer to this request. body: as sent, where it was a text. */
export function assertContract(method, target, answer, body) {
  const where = `${method} ${target}`;
  if (anywhere.beforeTheRequest.includes(answer.status)) return;
  assert.match(answer.headers['x-request-id'] ?? '', /^[A-Za-z0-9._:-]{1,128}$/, `${where}: X-Request-Id`);
  if (method === 'OPTIONS' && answer.status === 204) return;
  const { operation, path, pathKnown } = find(method, target);
  if (operation === undefined) {
    assertGeneral(where, method, answer, pathKnown ? anywhere.otherMethod : anywhere.unknownPath);
    if (answer.status === 405) assert.ok(answer.headers.allow, `${where}: Allow`);
    return;
  }
  const response = resolve(operation.responses[answer.status]);
  assert.ok(response, `${where}: the document knows no ${answer.status} of ${path}: ${answer.text}`);
  for (const name of Object.keys(answer.headers)) {
    const ours = ['location', 'idempotent-replayed', 'etag', 'www-authenticate', 'retry-after'].includes(name);
    const documented = Object.keys(response.headers ?? {}).some((header) => header.toLowerCase() === name);
    assert.ok(!ours || documented, `${where}: the document knows no header ${name} of ${answer.status}`);
  }
  if ([429, 503].includes(answer.status)) assert.match(answer.headers['retry-after'] ?? '', /^[0-9]+$/, `${where}: Retry-After`);
  if (answer.status === 401) assert.match(answer.headers['www-authenticate'] ?? '', /^Bearer/, `${where}: WWW-Authenticate`);
  if (method !== 'HEAD') assertBody(where, response, answer);
  assertRequestDocumented(where, operation, answer, body);
}
