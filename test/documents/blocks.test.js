// What the documents say is done: every fenced block of README.md and docs/ is run, parsed or compared with what it shows.
// A block of commands is fenced with its language; text that is no command (a picture, an address) has none or is indented.
// Commands that run for too long to be run here are of the language "text" or indented; they are checked to exist.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { access, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { pathToFileURL } from 'node:url';
import { Database } from '../lib/database.js';
import { anchors, fencedBlocks, localLinks } from '../lib/markdown.js';
import { freePort } from '../lib/ports.js';
import { pgBinaries, root, scratch, sharedCluster } from '../lib/settings.js';
import { openShop } from '../lib/shop.js';
import { eventually, within } from '../lib/wait.js';

const run = promisify(execFile);
const documents = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', ...(await readdir(join(root, 'docs'))).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`)];
const folder = join(scratch, 'documents');
await mkdir(folder, { recursive: true });

// Languages of blocks that are commands, data or code, and what is done with each; others fail below.
const handled = new Set(['', 'sh', 'sql', 'console', 'js', 'json', 'yaml', 'text']);

const blocks = [];
for (const document of documents) {
  for (const block of await fencedBlocks(document)) blocks.push({ document, ...block, name: `${document}:${block.line}` });
}
const ofLanguage = (language) => blocks.filter((block) => block.language === language);

describe('documents', () => {
  test('every fenced block is of a language that is looked at here', () => {
    assert.deepEqual(blocks.filter(({ language }) => !handled.has(language)).map(({ name, language }) => `${name} ${language}`), []);
    assert.ok(blocks.length > 0);
  });

  test('a block without a language is a picture', () => {
    for (const block of ofLanguage('')) assert.match(block.text, /[►▼]/, block.name);
  });

  for (const document of documents) {
    test(`${document}: its links lead somewhere`, async () => {
      for (const { target, anchor } of await localLinks(document)) {
        const file = target === '' ? document : join(dirname(document), target);
        await access(join(root, file));
        if (anchor) assert.ok((await anchors(file)).has(anchor), `${document}: #${anchor} of ${file}`);
      }
    });
  }

  // One value, or one on each line.
  for (const block of ofLanguage('json')) {
    test(`${block.name}: is JSON`, () => {
      const oneOnEachLine = block.text.split('\n').every((line) => line.startsWith('{') && line.endsWith('}'));
      for (const text of oneOnEachLine ? block.text.split('\n') : [block.text]) JSON.parse(text);
    });
  }
});

const webhookSecret = 'a-secret-of-the-documents-test';
const shop = openShop({ PAYMENT_WEBHOOK_SECRET: webhookSecret });

describe('blocks of SQL', () => {
  const asWhom = { 'docs/runbook.md': 'SET ROLE documents_operator;' };
  before(() => shop.database.sql('CREATE ROLE documents_operator IN ROLE shop_maintenance, shop_read, pg_monitor'));
  after(() => shop.database.sql('DROP ROLE documents_operator'));

  for (const block of ofLanguage('sql')) {
    test(`${block.name}: runs`, () => shop.database.sql(`${asWhom[block.document] ?? ''} ${block.text}`));
  }

  for (const block of ofLanguage('js')) {
    test(`${block.name}: buys once, over lost answers`, async () => {
      const file = join(folder, 'checkout.mjs');
      await writeFile(file, block.text);
      const { checkout } = await import(pathToFileURL(file));
      const [userId, productId] = [shop.newUser(), await shop.product()];
      const cartId = await shop.cart(userId, [productId, 2]);
      const address = `http://127.0.0.1:${shop.gateway.port}`;
      const bought = await checkout(address, { userId, cartId, key: 'documented' });
      assert.equal(bought.order.status, 'pending');
      assert.deepEqual(await checkout(address, { userId, cartId, key: 'documented' }), bought);
      const empty = await checkout(address, { userId, cartId, key: 'another' });
      assert.equal(empty.code, 'cart_not_open');
      const nobody = await freePort();
      await assert.rejects(checkout(`http://127.0.0.1:${nobody}`, { userId, cartId, key: 'x', signal: AbortSignal.timeout(300) }));
    });
  }
});

/** Runs a script in bash in the checkout; gives its output, or fails with it. */
async function bash(script, environment) {
  const { stdout } = await run('bash', ['-eu', '-c', script], {
    cwd: root,
    env: { ...process.env, ...environment },
    maxBuffer: 1 << 26,
    timeout: 300_000,
  });
  return stdout;
}

/** The commands that a document shows without running: lines of its text blocks, and indented ones that are no settings. */
async function shownCommands(document) {
  const outside = [];
  let inside = false;
  for (const line of (await readFile(join(root, document), 'utf8')).split('\n')) {
    if (/^ *```/.test(line)) inside = !inside;
    else if (!inside && /^ {4}[^ ]/.test(line) && !/^ {4}[A-Z_]+=/.test(line)) outside.push(line.trim());
  }
  const inBlocks = ofLanguage('text').filter((block) => block.document === document).flatMap(({ text }) => text.split('\n'));
  return [...outside, ...inBlocks].map((line) => ({ document, line }));
}

/** One answer of a session without what differs from run to run. */
function comparable(text) {
  return text
    .replace(/\r/g, '')
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '<uuid>')
    .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, '<time>')
    .replace(/^Date: .*$/gm, 'Date: <date>')
    .trim();
}

describe('blocks of shell', () => {
  const state = join(folder, 'demo');
  const demo = { DEMO_DIR: state, BIND_ADDRESS: '127.0.0.1' };

  after(() => bash('make down PURGE=1', demo));

  test('README.md: two commands', async () => {
    const [block] = ofLanguage('sh').filter(({ text }) => text.includes('make demo'));
    const output = await bash(block.text, { ...demo, PORT: String(await freePort()) });
    assert.match(output, /empty: every sum, level and state agrees/);
  });

  for (const block of ofLanguage('console')) {
    test(`${block.name}: says what it shows`, async () => {
      const port = await freePort();
      await bash('make down PURGE=1 && make up PAYMENT_SUCCESS_RATE=1', { ...demo, PORT: String(port) });
      const steps = block.text.split(/^\$ /m).slice(1).map((step) => step.split(/\n([\s\S]*)/));
      let past = '';
      for (const [command, shown = ''] of steps) {
        const said = command.replace('localhost:3000', `127.0.0.1:${port}`);
        const assignment = /^\w+=/.test(said);
        // Reading is repeated until it shows what is written: "a moment later" is not a time.
        const repeated = !/--json/.test(said) && !assignment;
        const look = async () => {
          const output = await bash(`${past}\n${said}`, demo);
          assert.equal(comparable(output), comparable(shown), said);
          return true;
        };
        if (repeated) await eventually(`${said} says what it shows`, look);
        else await look();
        if (assignment) past += `\n${said}`;
      }
    });
  }

  test('README.md: into a PostgreSQL that one has', async () => {
    const [block] = ofLanguage('sh').filter(({ text }) => text.includes('make install'));
    const prefix = join(folder, 'prefix');
    const port = await freePort();
    await new Database('postgres').sql('CREATE DATABASE mydb TEMPLATE template0');
    const database = new Database('mydb');
    const child = spawn('bash', ['-eu', '-c', `${block.text}\nwait`], {
      cwd: root,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        PREFIX: prefix,
        PATH: `${prefix}/bin:${pgBinaries}:${process.env.PATH}`,
        PGHOST: sharedCluster.socket,
        PGPORT: String(sharedCluster.port),
        PGUSER: 'postgres',
        PORT: String(port),
        BIND_ADDRESS: '127.0.0.1',
      },
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
    const ended = new Promise((resolve) => child.once('close', resolve));
    try {
      await eventually(`the shop opens; so far:\n${output}`, async () => (await fetch(`http://127.0.0.1:${port}/ready`)).ok, 120);
      await eventually('the poller works', () => output.includes('"worker_started"'));
    } catch (error) {
      throw new Error(`${error.message}\n${output}`);
    } finally {
      process.kill(-child.pid, 'SIGTERM');
      await within(30, 'the programs end', ended);
      await database.verify();
      await new Database('postgres').sql('DROP DATABASE mydb');
      await new Database('postgres').sql('DROP ROLE gateway, poller');
    }
  });

  test('docs/payments.md: a signed event is taken, one signed with another secret is not', async () => {
    const [block] = ofLanguage('sh').filter(({ text }) => text.includes('PAYMENT_WEBHOOK_SECRET'));
    const script = block.text.replace('localhost:3000', `127.0.0.1:${shop.gateway.port}`);
    assert.match(await bash(script, { PAYMENT_WEBHOOK_SECRET: webhookSecret }), /^\{"received":true,"result":/);
    assert.match(await bash(script, { PAYMENT_WEBHOOK_SECRET: 'another-secret-of-sixteen' }), /"code":"invalid_signature"/);
  });

  // What takes an hour, or runs this very test, is not run but read: the target exists, and the variables are known.
  test('the make commands that are only shown name what exists', async () => {
    const shown = [];
    for (const document of documents) shown.push(...(await shownCommands(document)));
    assert.ok(shown.length > 5);
    const makefile = await readFile(join(root, 'Makefile'), 'utf8');
    const known = makefile + (await readFile(join(root, 'bench/run'), 'utf8'));
    for (const { document, line } of shown) {
      const [command, ...words] = line.replace(/ +#.*/, '').split(' ');
      assert.equal(command, 'make', `${document}: ${line}`);
      const [target, ...settings] = words;
      await run('make', ['--dry-run', '--no-print-directory', target], { cwd: root });
      for (const setting of settings) assert.match(known, new RegExp(`\\b${setting.split('=')[0]}\\b`), `${document}: ${line}`);
    }
  });

  test('no other block of commands is left', () => {
    const known = /make demo|make install|PAYMENT_WEBHOOK_SECRET/;
    assert.deepEqual(ofLanguage('sh').filter(({ text }) => !known.test(text)).map(({ name }) => name), []);
  });
});
