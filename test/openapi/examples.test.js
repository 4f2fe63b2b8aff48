// Every example of the document keeps the schema that it is an example of, and the document's rules for problems.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { document, faultOfAnswer, faultOfRequest, operations, resolve } from '../lib/contract.js';

const bodies = [];
for (const { method, path, operation } of operations) {
  const where = `${method} ${path}`;
  if (operation.requestBody) bodies.push({ where: `${where}: request`, content: operation.requestBody.content, fault: faultOfRequest });
  for (const [status, given] of Object.entries(operation.responses)) {
    const response = resolve(given);
    if (response.content) bodies.push({ where: `${where}: ${status}`, content: response.content, fault: faultOfAnswer, status: Number(status) });
  }
}

describe('bodies', () => {
  for (const { where, content, fault, status } of bodies) {
    test(where, () => {
      for (const [type, { schema, examples = {} }] of Object.entries(content)) {
        if (!/json$/.test(type)) continue;
        assert.ok(Object.keys(examples).length > 0, 'there is an example');
        for (const [name, { value }] of Object.entries(examples)) assert.equal(fault(schema, value), undefined, name);
      }
      for (const { value } of Object.values(content['application/problem+json']?.examples ?? {})) {
        assert.equal(value.status, status);
        assert.equal(value.type, `urn:pg-shop:problem:${value.code}`);
        assert.equal(value.detail, value.message);
      }
    });
  }
});

test('examples of schemas, parameters and headers', () => {
  for (const [name, schema] of Object.entries(document.components.schemas)) {
    for (const example of schema.examples ?? []) assert.equal(faultOfAnswer(schema, example), undefined, name);
  }
  const parameters = operations.flatMap(({ operation }) => operation.parameters.map(resolve));
  for (const { name, schema, example } of [...parameters, ...Object.values(document.components.headers)]) {
    if (example !== undefined) assert.equal(faultOfAnswer(schema, example), undefined, name);
  }
});

test('a schema that is wrong is noticed', () => {
  const { Product, ApiProblem } = document.components.schemas;
  const product = { id: 7, sku: 'A', name: 'B', price: 19.99 };
  assert.equal(faultOfAnswer(Product, product), undefined);
  for (const wrong of [{ ...product, id: '7' }, { ...product, price: -0.01 }, { ...product, price: '19.99' }, { ...product, more: 1 }, { id: 7 }]) {
    assert.notEqual(faultOfAnswer(Product, wrong), undefined, JSON.stringify(wrong));
  }
  const problem = { type: 'urn:pg-shop:problem:not_found', title: 'Not Found', status: 404, detail: 'x', code: 'not_found', message: 'x', requestId: 'r' };
  assert.notEqual(faultOfAnswer(ApiProblem, problem), undefined);
  assert.equal(faultOfAnswer(ApiProblem, { ...problem, error: 'Not Found' }), undefined);
  assert.notEqual(faultOfAnswer(ApiProblem, { ...problem, error: 'Not Found', code: 'made_up' }), undefined);
});
