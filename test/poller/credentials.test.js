// Where the poller finds AWS credentials, that it renews them, and that it corrects its clock; all services are stubs.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { Database } from '../lib/database.js';
import { Poller, pollerEnvironment } from '../lib/poller.js';
import { pollerProgram, scratch } from '../lib/settings.js';
import { signatureOf } from '../lib/sigv4.js';
import { eventually } from '../lib/wait.js';

let database, folder, server, origin;
let routes = {}; // what the stub answers: "METHOD /path": (request, body) => [status, text, headers]
let requests = []; // what SQS was asked, with the key and token that it was signed with
let refuse; // (request) => an answer instead of SQS's usual one
const pollers = [];

const keyOf = (request) => /Credential=([^/]+)\//.exec(request.headers.authorization ?? '')?.[1];

async function answer(request, response) {
  let body = '';
  for await (const part of request) body += part;
  request.text = body;
  const path = request.url.split('?')[0];
  const route = routes[`${request.method} ${path}`];
  let result = [404, 'not here', {}];
  if (path === '/' && request.headers['x-amz-target']) {
    requests.push({ key: keyOf(request), token: request.headers['x-amz-security-token'], date: request.headers['x-amz-date'] });
    result = (await refuse?.(request)) ?? [200, '{}', {}];
  } else if (route) {
    result = route(request, body);
  }
  response.writeHead(result[0], { 'Content-Type': 'application/x-amz-json-1.0', ...(result[2] ?? {}) }).end(result[1]);
}

before(async () => {
  database = await Database.create();
  folder = await mkdtemp(join(scratch, 'credentials-'));
  server = createServer((request, response) => answer(request, response));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${server.address().port}`;
});
afterEach(async () => {
  for (const poller of pollers.splice(0)) {
    if (!poller.exited) await poller.stop();
    poller.assertCleanLog();
  }
  routes = {};
  requests = [];
  refuse = undefined;
});
after(async () => {
  server.close();
  server.closeAllConnections();
  await database.drop();
});

const environment = (more) => ({
  SQS_QUEUE_URL: `${origin}/000000000000/payments`, AWS_ENDPOINT_URL_SQS: origin, AWS_EC2_METADATA_DISABLED: 'true',
  SQS_POLL_WAIT_SECONDS: '1', SQS_POLL_IDLE_DELAY_MS: '50', HOME: folder, ...more,
});
const start = async (more) => {
  const poller = await Poller.start(database, environment(more));
  pollers.push(poller);
  return poller;
};
const signedWith = (key, token) => eventually(`SQS is asked with ${key}`, () => requests.some((one) => one.key === key && one.token === token));
const later = (seconds) => new Date(Date.now() + seconds * 1000).toISOString().replace(/\.\d+Z$/, 'Z');
const json = (key, token, more = {}) => JSON.stringify({ AccessKeyId: key, SecretAccessKey: `secret-of-${key}`, Token: token, Expiration: later(7200), ...more });

test('credential_process of the config file, for a named profile', async () => {
  await writeFile(join(folder, 'print'), JSON.stringify({ Version: 1, AccessKeyId: 'PROCESS', SecretAccessKey: 's', SessionToken: 'pt' }));
  await writeFile(join(folder, 'config'), `[default]\nregion=x\n[profile work]\ncredential_process = cat ${join(folder, 'print')}\n`);
  const poller = await start({ AWS_CONFIG_FILE: join(folder, 'config'), AWS_PROFILE: 'work' });
  await signedWith('PROCESS', 'pt');
  assert.equal(poller.events('poll_failed').length, 0);
});

for (const [what, command] of [['fails', 'exit 3'], ['prints no JSON', 'echo no'], ['prints another version', 'echo \'{"Version":2,"AccessKeyId":"a","SecretAccessKey":"b"}\'']]) {
  test(`a credential_process that ${what} is a start-up error`, async () => {
    await writeFile(join(folder, 'broken'), `[default]\ncredential_process = ${command}\n`);
    const poller = new Poller(pollerProgram, pollerEnvironment(database, environment({ AWS_CONFIG_FILE: join(folder, 'broken') })));
    assert.notEqual((await poller.ended()).code, 0);
    assert.match(poller.stderr, /credential_process/);
  });
}

test('web identity: STS is asked with the token of the file', async () => {
  let form;
  await writeFile(join(folder, 'identity'), 'a.b+c/d=\n');
  routes['POST /sts'] = (request, body) => {
    form = new URLSearchParams(body);
    return [200, `<R><Credentials><AccessKeyId>WEB</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>wt==</SessionToken><Expiration>${later(3600)}</Expiration></Credentials></R>`];
  };
  await start({ AWS_WEB_IDENTITY_TOKEN_FILE: join(folder, 'identity'), AWS_ROLE_ARN: 'arn:aws:iam::1:role/poller', AWS_ENDPOINT_URL_STS: `${origin}/sts` });
  await signedWith('WEB', 'wt==');
  assert.deepEqual(Object.fromEntries(form), {
    Action: 'AssumeRoleWithWebIdentity', Version: '2011-06-15', RoleArn: 'arn:aws:iam::1:role/poller', RoleSessionName: 'pg-shop', WebIdentityToken: 'a.b+c/d=',
  });
});

/** An answer of STS. */
const assumed = (key, token, seconds = 3600) =>
  `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>${key}</AccessKeyId><SecretAccessKey>secret-of-${key}</SecretAccessKey><SessionToken>${token}</SessionToken><Expiration>${later(seconds)}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`;

test('a role of a profile: STS is asked, signed with the source profile, and again before its credentials expire', async () => {
  const asked = [];
  await writeFile(join(folder, 'roles'), '[profile shop]\nrole_arn = arn:aws:iam::1:role/shop\nsource_profile = base\nexternal_id = x y\nrole_session_name = me\nduration_seconds = 900\n');
  await writeFile(join(folder, 'keys'), '[base]\naws_access_key_id = BASE\naws_secret_access_key = base-secret\n');
  routes['POST /sts'] = (request, body) => {
    const signed = signatureOf(request, body, 'base-secret');
    asked.push({ ...signed, form: Object.fromEntries(new URLSearchParams(body)) });
    // The first ones expire within the time in which they are renewed.
    return [200, asked.length === 1 ? assumed('ROLE1', 'rt1', 600) : assumed('ROLE2', 'rt2')];
  };
  const poller = await start({ AWS_CONFIG_FILE: join(folder, 'roles'), AWS_SHARED_CREDENTIALS_FILE: join(folder, 'keys'), AWS_PROFILE: 'shop', AWS_ENDPOINT_URL_STS: `${origin}/sts` });
  await signedWith('ROLE2', 'rt2');
  for (const one of asked) {
    assert.deepEqual([one.valid, one.keyId, one.service], [true, 'BASE', 'sts']);
    assert.deepEqual(one.form, { Action: 'AssumeRole', Version: '2011-06-15', RoleArn: 'arn:aws:iam::1:role/shop', RoleSessionName: 'me', ExternalId: 'x y', DurationSeconds: '900' });
  }
  assert.equal(poller.events('poll_failed').length, 0);
});

test('roles in a row, the first by credential_source', async () => {
  const asked = [];
  await writeFile(join(folder, 'row'), '[profile last]\nrole_arn = arn:last\nsource_profile = first\n[profile first]\nrole_arn = arn:first\ncredential_source = EcsContainer\n');
  routes['GET /ecs'] = () => [200, json('ECSKEY', 'ecst')];
  routes['POST /sts'] = (request, body) => {
    const role = new URLSearchParams(body).get('RoleArn');
    asked.push([role, keyOf(request), request.headers['x-amz-security-token']]);
    return [200, assumed(role === 'arn:first' ? 'FIRST' : 'LAST', `token-${role}`)];
  };
  await start({ AWS_CONFIG_FILE: join(folder, 'row'), AWS_PROFILE: 'last', AWS_ENDPOINT_URL_STS: `${origin}/sts`, AWS_CONTAINER_CREDENTIALS_FULL_URI: `${origin}/ecs` });
  await signedWith('LAST', 'token-arn:last');
  assert.deepEqual(asked.slice(0, 2), [['arn:first', 'ECSKEY', 'ecst'], ['arn:last', 'FIRST', 'token-arn:first']]);
});

for (const [what, text, reason] of [
  ['that leads to itself in a circle', '[profile a]\nrole_arn = x\nsource_profile = b\n[profile b]\nrole_arn = y\nsource_profile = a\n', /leads on and on/],
  ['that asks for a one-time password', '[profile a]\nrole_arn = x\nsource_profile = b\nmfa_serial = m\n', /one-time password/],
  ['whose source has no credentials', '[profile a]\nrole_arn = x\nsource_profile = nobody\n', /no credentials to get role x/],
  ['that STS refuses', '[profile a]\nrole_arn = x\nsource_profile = b\n[profile b]\naws_access_key_id = B\naws_secret_access_key = s\n', /403: AccessDenied/],
]) {
  test(`a role ${what} is a start-up error, and no other credentials are used`, async () => {
    await writeFile(join(folder, 'wrong'), text);
    routes['POST /sts'] = () => [403, '<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>'];
    const more = { AWS_CONFIG_FILE: join(folder, 'wrong'), AWS_PROFILE: 'a', AWS_ENDPOINT_URL_STS: `${origin}/sts`, AWS_CONTAINER_CREDENTIALS_FULL_URI: `${origin}/ecs` };
    const poller = new Poller(pollerProgram, pollerEnvironment(database, environment(more)));
    assert.notEqual((await poller.ended()).code, 0);
    assert.match(poller.stderr, reason);
  });
}

test('botocore computes the same signature for the requests of the poller', async () => {
  let seen;
  refuse = async (request) => {
    seen ??= { headers: request.headers, body: request.text };
  };
  await start({ AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE', AWS_SECRET_ACCESS_KEY: 'secret/key+of=test', AWS_SESSION_TOKEN: 'token/with+signs==' });
  await eventually('SQS is asked', () => seen);
  const script = `
import json, sys, datetime, botocore.auth, botocore.awsrequest, botocore.credentials
seen = json.load(sys.stdin)
headers = seen['headers']
names = headers['authorization'].split('SignedHeaders=')[1].split(',')[0].split(';')
request = botocore.awsrequest.AWSRequest('POST', 'http://' + headers['host'] + '/', data=seen['body'].encode(), headers={name: headers[name] for name in names})
auth = botocore.auth.SigV4Auth(botocore.credentials.Credentials('AKIDEXAMPLE', 'secret/key+of=test', 'token/with+signs=='), 'sqs', 'us-east-1')
request.context['timestamp'] = headers['x-amz-date']
canonical = auth.canonical_request(request)
signature = auth.signature(auth.string_to_sign(request, canonical), request)
sys.stdout.write(signature)
`;
  const { status, stdout, stderr } = spawnSync('/usr/bin/python3', ['-c', script], { input: JSON.stringify(seen), encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  assert.ok(seen.headers.authorization.endsWith(`Signature=${stdout}`), `${stdout}\n${seen.headers.authorization}`);
});

test('ECS: the relative URI', async () => {
  routes['GET /v2/credentials/1'] = () => [200, json('ECS', 'et')];
  await start({ AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '/v2/credentials/1', AWS_CONTAINER_CREDENTIALS_ENDPOINT: origin });
  await signedWith('ECS', 'et');
});

test('EKS: the full URI with the token of the file; a busy service is asked again', async () => {
  let asked = 0;
  await writeFile(join(folder, 'pod'), 'pod-token\n');
  routes['GET /pod'] = (request) => {
    asked += 1;
    if (asked === 1) return [503, 'busy'];
    return request.headers.authorization === 'pod-token' ? [200, json('EKS', 'kt')] : [401, 'no'];
  };
  await start({ AWS_CONTAINER_CREDENTIALS_FULL_URI: `${origin}/pod`, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: join(folder, 'pod') });
  await signedWith('EKS', 'kt');
  assert.equal(asked, 2);
});

test('the token is not sent over http to other machines', async () => {
  const poller = new Poller(pollerProgram, pollerEnvironment(database, environment({ AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://192.0.2.1/x', AWS_CONTAINER_AUTHORIZATION_TOKEN: 'hidden-token' })));
  assert.notEqual((await poller.ended()).code, 0);
  assert.match(poller.stderr, /AWS_CONTAINER_CREDENTIALS_FULL_URI/);
  assert.doesNotMatch(poller.stderr, /hidden-token/);
});

test('EC2: the metadata service, version 2 only', async () => {
  const withToken = (result) => (request) => (request.headers['x-aws-ec2-metadata-token'] === 'session' ? [200, result] : [401, '']);
  routes['PUT /latest/api/token'] = (request) => (request.headers['x-aws-ec2-metadata-token-ttl-seconds'] === '21600' ? [200, 'session'] : [400, '']);
  routes['GET /latest/meta-data/iam/security-credentials/'] = withToken('the-role\n');
  routes['GET /latest/meta-data/iam/security-credentials/the-role'] = withToken(json('EC2', 'mt', { Code: 'Success' }));
  await start({ AWS_EC2_METADATA_DISABLED: undefined, AWS_EC2_METADATA_SERVICE_ENDPOINT: origin });
  await signedWith('EC2', 'mt');
});

test('a metadata service without credentials is a start-up error', async () => {
  routes['PUT /latest/api/token'] = () => [200, 'session'];
  routes['GET /latest/meta-data/iam/security-credentials/'] = () => [200, 'the-role'];
  routes['GET /latest/meta-data/iam/security-credentials/the-role'] = () => [200, '{"Code":"AssumeRoleUnauthorizedAccess","Message":"no"}'];
  const poller = new Poller(pollerProgram, pollerEnvironment(database, environment({ AWS_EC2_METADATA_DISABLED: undefined, AWS_EC2_METADATA_SERVICE_ENDPOINT: origin })));
  assert.notEqual((await poller.ended()).code, 0);
  assert.match(poller.stderr, /the-role/);
});

test('credentials that expire soon are renewed in the background; those of now are used until then', async () => {
  let asked = 0;
  routes['GET /c'] = () => {
    asked += 1;
    return [200, json(`KEY${asked}`, `t${asked}`, { Expiration: later(asked === 1 ? 300 : 7200) })];
  };
  const poller = await start({ AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '/c', AWS_CONTAINER_CREDENTIALS_ENDPOINT: origin });
  await signedWith('KEY2', 't2');
  const seen = requests.length;
  await eventually('more requests', () => requests.length > seen + 3);
  assert.equal(asked, 2);
  assert.equal(requests[0].key, 'KEY1');
  assert.equal(poller.events('poll_failed').length, 0);
});

test('a renewal that fails keeps what is there, and is not repeated without a pause', async () => {
  let asked = 0;
  routes['GET /c'] = () => {
    asked += 1;
    return asked === 1 ? [200, json('ONLY', 't', { Expiration: later(300) })] : [400, 'no'];
  };
  const poller = await start({ AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '/c', AWS_CONTAINER_CREDENTIALS_ENDPOINT: origin });
  await poller.event('credentials_renewal_failed');
  const seen = requests.length;
  await eventually('more requests', () => requests.length > seen + 5);
  assert.equal(asked, 2);
  assert.equal(requests.at(-1).key, 'ONLY');
});

test('credentials that SQS refuses are renewed, and the call repeated, without a failed poll', async () => {
  let asked = 0;
  routes['GET /c'] = () => [200, json(`KEY${(asked += 1)}`, 't')];
  refuse = (request) => (keyOf(request) === 'KEY1' ? [400, '{"__type":"com.amazon.coral.service#ExpiredTokenException","message":"expired"}'] : undefined);
  const poller = await start({ AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '/c', AWS_CONTAINER_CREDENTIALS_ENDPOINT: origin });
  await signedWith('KEY2', 't');
  assert.equal(poller.events('poll_failed').length, 0);
  assert.equal(asked, 2);
});

test('a wrong clock is corrected by the Date of the answer, also when calls are refused together', async () => {
  const shift = 40 * 60 * 1000;
  const now = () => Date.now() + shift;
  const stamp = (text) => Date.parse(text.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
  let refused = 0;
  refuse = async (request) => {
    if (Math.abs(stamp(request.headers['x-amz-date']) - now()) < 5 * 60 * 1000) return undefined;
    refused += 1;
    await eventually('a second one to refuse together with it', () => refused > 1, 10);
    return [403, '{"__type":"com.amazon.coral.service#InvalidSignatureException","message":"Signature expired"}', { Date: new Date(now()).toUTCString() }];
  };
  const poller = await start({ AWS_ACCESS_KEY_ID: 'CLOCK', AWS_SECRET_ACCESS_KEY: 's' });
  await eventually('requests with the right time', () => requests.length > refused + 3);
  assert.ok(refused >= 2 && refused <= 3, `refused ${refused} times`);
  assert.equal(poller.events('poll_failed').length, 0);
});
