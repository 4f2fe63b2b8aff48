// Properties of every operation of the OpenAPI document, whatever is sent to it: no answer is a fault of ours (5xx), and each
// is one that the document promises (send() of lib/http.js holds it against the document). The integrity report is empty
// afterwards. FUZZ_SEED repeats a run; FUZZ_RUNS is the number of requests for each operation (100).
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { operations, resolve } from '../lib/contract.js';
import { openShop } from '../lib/shop.js';

const seed = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));
const runs = Number(process.env.FUZZ_RUNS ?? 100);

// The first few ids of everything exist, so that requests get beyond the first check; some products have as few units as a
// guess may name.
const shop = openShop({ DEMO_USER_PASSWORD: 'user-password-of-the-fuzz' }, async () => {
  for (let i = 0; i < 5; i += 1) {
    const product = await shop.product({ sku: `FUZZ-${i}`, price: `${i}.99`, stock: 100_000 });
    await shop.cart(i + 1, [product, 1]);
    await shop.order(i + 1, [product, 2]);
    await shop.cart(i + 1, [product, 1]);
  }
  for (let stock = 0; stock < 3; stock += 1) await shop.product({ sku: `FEW-${stock}`, stock });
});

/** JSON as text, since JSON.stringify() cannot write most of what is interesting about numbers and strings. */
const texts = {
  number: fc.oneof(
    fc.constantFrom('0', '-0', '1', '1.0', '1e0', '1E-2', '1e400', '-1e400', '5e-324', '0.1', '19.99', '19.990', '0.005', '9999999999.99',
      '10000000000', '2147483647', '2147483648', '-2147483649', '9223372036854775807', '9223372036854775808', '1'.repeat(400)),
    fc.integer({ min: -5, max: 12 }).map(String), fc.bigInt().map(String), fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  ),
  string: fc.oneof(
    fc.constantFrom('""', '" "', '"0x1"', '"1e2"', '"NaN"', '"Infinity"', '"-0"', '"\\u0000"', '"a\\u0000b"', '"\\ud800"', '"\\udc00\\ud800"', '"\\ufeff"',
      '"\\u202e"', '"%s%n%d"', '"\'; DROP TABLE shop.orders; --"', '"{}"', '"\\\\"', '"\\""', '"FUZZ-1"', '"pending"', '"admin"', '"true"'),
    fc.integer({ min: -2, max: 12 }).map((number) => `"${number}"`),
    fc.string({ unit: 'binary', maxLength: 40 }).map((text) => JSON.stringify(text)),
    fc.integer({ min: 250, max: 5000 }).map((length) => `"${'x'.repeat(length)}"`),
  ),
  other: fc.oneof(fc.constantFrom('null', 'true', 'false', '[]', '{}', '[[]]', '[null]', '{"":{}}', `${'['.repeat(70)}${']'.repeat(70)}`),
    fc.jsonValue({ maxDepth: 3 }).map((value) => JSON.stringify(value))),
};
const anything = fc.oneof({ weight: 3, arbitrary: texts.number }, { weight: 3, arbitrary: texts.string }, texts.other);

/** A number, where the schema knows strings too also as one: as it is, or with a little more, which may be too much. */
function number(type, digits) {
  if (![type.type].flat().includes('string')) return digits;
  const more = fc.constantFrom(...['', '0', '000000000000000000000', '-', '+', ' '].map((before) => [before, '']), ['', '0'], ['', '.0'], ['', ' ']);
  return fc.oneof({ weight: 4, arbitrary: digits }, fc.tuple(digits, more).map(([text, [before, after]]) => `"${before}${text}${after}"`));
}

/** A value that a schema allows, as far as it tells. */
function plausible(schema) {
  const type = resolve(schema);
  const one = (type.oneOf ?? type.anyOf)?.[0];
  if (one) return plausible(one);
  if (type.enum) return fc.constantFrom(...type.enum.map((value) => JSON.stringify(value)));
  switch ([type.type].flat()[0]) {
    case 'integer': return number(type, fc.integer({ min: 0, max: 8 }).map(String));
    case 'number': return number(type, fc.constantFrom('0', '1.99', '3.98', '5'));
    case 'boolean': return fc.constantFrom('true', 'false');
    case 'array': return fc.array(value(type.items), { minLength: 1, maxLength: 4 }).map((items) => `[${items}]`);
    case 'object': return object(type);
    default: return fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme' }).map((text) => JSON.stringify(text));
  }
}

function value(schema) {
  return fc.oneof({ weight: 4, arbitrary: plausible(schema) }, anything);
}

/** An object of the schema's members, some of them missing, some hostile, and now and then one that nobody knows, or twice. */
function object(schema) {
  const known = Object.entries(schema.properties ?? {}).map(([name, type]) =>
    fc.option(value(type).map((text) => `${JSON.stringify(name)}:${text}`), { freq: 8 }));
  const unknown = fc.option(fc.tuple(fc.string({ maxLength: 8 }), anything).map(([name, text]) => `${JSON.stringify(name)}:${text}`), { freq: 1 });
  return fc.tuple(...known, unknown).map((members) => `{${members.filter((member) => member !== null).join(',')}}`);
}

/** A body: mostly an object, sometimes cut short or with other bytes in it, sometimes no JSON at all. */
function body(schema) {
  const whole = object(resolve(schema));
  return fc.oneof(
    { weight: 12, arbitrary: whole },
    fc.tuple(whole, fc.nat(200)).map(([text, length]) => text.slice(0, length)),
    fc.tuple(whole, fc.nat(200), fc.uint8Array({ maxLength: 3 })).map(([text, at, bytes]) =>
      Buffer.concat([Buffer.from(text.slice(0, at)), bytes, Buffer.from(text.slice(at))])),
    anything,
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  );
}

const word = fc.oneof(
  fc.integer({ min: -1, max: 12 }).map(String),
  fc.constantFrom('', '0x1', '1e2', '1.0', '+1', '%201', '%00', '%', '%zz', '%ff', '%c3%28', '..', '%2e%2e', '%2F', ';', '1;2', '9223372036854775807',
    '9223372036854775808', '-9223372036854775809', 'x'.repeat(3000), 'pending', 'open', 'CONFIRMED'),
  fc.string({ unit: 'binary', maxLength: 30 }).map((text) => encodeURIComponent(text.toWellFormed?.() ?? text)),
);

function query(operation) {
  const names = (operation.parameters ?? []).map(resolve).filter((one) => one.in === 'query').map((one) => one.name);
  const pair = fc.tuple(names.length > 0 ? fc.constantFrom(...names, 'other') : fc.constant('other'), word);
  return fc.array(pair, { maxLength: 4 }).map((pairs) => (pairs.length > 0 ? `?${pairs.map((one) => one.join('=')).join('&')}` : ''));
}

function path(pattern) {
  const count = [...pattern.matchAll(/\{\w+\}/g)].length;
  return fc.array(word, { minLength: count, maxLength: count }).map((words) => pattern.replace(/\{\w+\}/g, () => words.shift()));
}

const header = fc.option(fc.oneof(
  fc.integer({ min: 1, max: 20 }).map((number) => `key-${number}`),
  fc.constantFrom('', '"', '""', '"a"', 'x'.repeat(255), 'x'.repeat(256), 'a\tb', 'a, b'),
  fc.string({ minLength: 1, maxLength: 20 }),
), { freq: 5 });

const type = fc.oneof(
  { weight: 15, arbitrary: fc.constant('application/json') },
  fc.constantFrom('application/json; charset=utf-8', 'application/json;', 'text/json', 'application/jsonp', 'application/json;charset=latin1', '', ';', undefined),
);

// Their 503 is a true answer here: no poller reports.
const left = ['/api/health'];

describe(`every operation (FUZZ_SEED=${seed})`, () => {
  for (const { method, path: pattern, operation } of operations) {
    if (left.includes(pattern)) continue;
    test(`${method} ${pattern}`, async () => {
      const content = operation.requestBody?.content['application/json'];
      const request = fc.record({
        target: fc.tuple(path(pattern), query(operation)).map((parts) => parts.join('')),
        sent: content ? body(content.schema) : fc.constant(undefined),
        key: header,
        contentType: type,
      });
      const property = fc.asyncProperty(request, async ({ target, sent, key, contentType }) => {
        const headers = sent === undefined ? {} : { 'Content-Type': contentType };
        if (key !== null) headers['Idempotency-Key'] = key;
        const answer = await shop.gateway.send(method, target, { body: sent, headers, token: shop.admin });
        assert.ok(answer.status < 500, `${answer.status}: ${answer.text}`);
      });
      await fc.assert(property, { seed, numRuns: runs, endOnFailure: false });
    });
  }
});
