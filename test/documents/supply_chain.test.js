// What is handed out: the bill of materials is valid and whole, and the bundle of a commit is always the same.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import Ajv from 'ajv';
import addFormats from 'ajv-formats';
import { root, scratch } from '../lib/settings.js';

const run = promisify(execFile);
const sh = async (script, environment = {}) =>
  (await run('bash', ['-euo', 'pipefail', '-c', script], { cwd: root, env: { ...process.env, ...environment }, maxBuffer: 1 << 26 })).stdout;

/** The official schema of CycloneDX 1.6 as a function that tells whether a document follows it. */
async function cycloneDx() {
  const schemas = join(createRequire(import.meta.url).resolve('@cyclonedx/cyclonedx-library/package.json'), '../res/schema');
  const schema = async (name) => JSON.parse(await readFile(join(schemas, `${name}.SNAPSHOT.schema.json`), 'utf8'));
  const ajv = new Ajv({ strict: false });
  for (const name of ['spdx', 'jsf-0.82']) ajv.addSchema(await schema(name), `http://cyclonedx.org/schema/${name}.SNAPSHOT.schema.json`);
  addFormats(ajv);
  // ajv-formats has no international ones; nothing of ours is international.
  ajv.addFormat('iri-reference', /^\S*$/);
  ajv.addFormat('idn-email', /^\S+@\S+$/);
  return ajv.compile(await schema('bom-1.6'));
}

describe('bill of materials', () => {
  const programs = ['gateway/shop-gateway', 'poller/shop-poller', 'extension/pg_shop.so'];
  let bill, valid;

  before(async () => {
    await sh('make -s all && scripts/sbom');
    bill = JSON.parse(await readFile(join(root, 'dist/sbom.cdx.json'), 'utf8'));
    valid = await cycloneDx();
  });

  test('follows the schema of CycloneDX 1.6, which knows a bad one', () => {
    assert.ok(valid(bill), JSON.stringify(valid.errors));
    assert.ok(!valid({ ...bill, components: [{ type: 'library' }] }));
    assert.ok(!valid({ ...bill, specVersion: 1.6 }));
  });

  test('refers only to what it lists', () => {
    const listed = ['pg_shop', ...bill.components.map((component) => component['bom-ref'])];
    assert.equal(new Set(listed).size, listed.length);
    const used = bill.dependencies.flatMap(({ ref, dependsOn }) => [ref, ...dependsOn]);
    assert.deepEqual(used.filter((ref) => !listed.includes(ref)), []);
    assert.deepEqual(listed.filter((ref) => !used.includes(ref)), []);
  });

  for (const program of programs) {
    test(`${program}: each library that it asks the loader for is in a package that is listed`, async () => {
      const { dependsOn } = bill.dependencies.find(({ ref }) => ref === program);
      const packages = bill.components.filter((component) => dependsOn.includes(component['bom-ref'])).map(({ name }) => name);
      const files = (await sh(`dpkg -L ${packages.join(' ')}`)).split('\n').map((path) => path.split('/').at(-1));
      const needed = [...(await sh(`readelf --dynamic ${program}`)).matchAll(/\(NEEDED\).*\[(.*)\]/g)].map(([, name]) => name);
      assert.ok(needed.includes('libc.so.6'));
      assert.deepEqual(needed.filter((name) => !files.includes(name)), []);
    });

    test(`${program}: has the checksum that is given`, async () => {
      const [{ content }] = bill.components.find((component) => component['bom-ref'] === program).hashes;
      assert.equal((await sh(`sha256sum ${program}`)).split(' ')[0], content);
    });
  }

  test('the same build gives the same bill', async () => {
    const first = await readFile(join(root, 'dist/sbom.cdx.json'));
    await sh('scripts/sbom', { TZ: 'Asia/Tokyo' });
    assert.ok(first.equals(await readFile(join(root, 'dist/sbom.cdx.json'))));
  });
});

describe('make dist', () => {
  test('makes the same bytes of a commit in another folder, time zone and umask, a moment later', async () => {
    const { version } = JSON.parse(await readFile(join(root, 'META.json'), 'utf8'));
    const elsewhere = join(scratch, 'dist');
    const bundle = `pg_shop-${version}.zip`;
    await rm(elsewhere, { recursive: true, force: true });
    await sh(`umask 077; git clone --quiet . '${elsewhere}'; find '${elsewhere}' -name '*.c' -exec touch {} +; make -s -C '${elsewhere}' dist`, {
      TZ: 'America/New_York',
    });
    await sh('make -s dist', { TZ: 'Asia/Tokyo' });
    const [here, there] = await Promise.all([root, elsewhere].map((folder) => readFile(join(folder, bundle))));
    assert.ok(here.equals(there));
    const names = (await sh(`unzip -Z1 ${bundle}`)).split('\n');
    for (const name of ['META.json', 'README.md', 'LICENSE', 'extension/pg_shop.control']) {
      assert.ok(names.includes(`pg_shop-${version}/${name}`), name);
    }
    await rm(join(root, bundle));
    await rm(elsewhere, { recursive: true });
  });
});
