// Issuer and audience, where they are configured.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertProblem, assertStatus, openShop } from '../lib/shop.js';
import { token } from '../lib/tokens.js';

const shop = openShop({ JWT_ISSUER: 'shop.example', JWT_AUDIENCE: 'buyers', CORS_ORIGINS: 'https://a.example,https://b.example' });
const open = (more) => shop.get('/admin/inventory/1', { token: token('admin', 1, more) });

test('the right issuer and audience are let in', async () => {
  assertProblem(await open({ iss: 'shop.example', aud: 'buyers' }), 404, 'Inventory not found');
  assertProblem(await open({ iss: 'shop.example', aud: ['others', 'buyers'] }), 404, 'Inventory not found');
});

test('a missing or other issuer or audience: 401', async () => {
  const wrong = [{}, { iss: 'shop.example' }, { aud: 'buyers' }, { iss: 'other', aud: 'buyers' }, { iss: 'shop.example', aud: 'other' },
    { iss: 'shop.example', aud: [] }, { iss: ['shop.example'], aud: 'buyers' }];
  for (const more of wrong) assertProblem(await open(more), 401, 'Invalid or expired token');
});

test('the gateway’s own tokens carry them', async () => {
  const answer = await shop.post('/auth/login', { username: 'admin', password: 'admin123' });
  assertStatus(answer, 200);
  assertProblem(await shop.get('/admin/inventory/1', { token: answer.json.accessToken }), 404, 'Inventory not found');
});

test('only the configured origins are allowed', async () => {
  const origin = async (value) => (await shop.get('/health', { headers: { Origin: value } })).headers['access-control-allow-origin'];
  assert.equal(await origin('https://b.example'), 'https://b.example');
  assert.equal(await origin('https://evil.example'), undefined);
});
