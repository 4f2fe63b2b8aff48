// What ships beside the programs names only what exists: variables, metrics, runbook sections, settings.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';
import { fencedBlocks } from '../lib/markdown.js';
import { Poller } from '../lib/poller.js';
import { freePort } from '../lib/ports.js';
import { QueueServer } from '../lib/queue.js';
import { gatewayProgram, pollerProgram, root, scratch } from '../lib/settings.js';
import { openShop } from '../lib/shop.js';
import { eventually } from '../lib/wait.js';

const run = promisify(execFile);
const read = (path) => readFile(join(root, path), 'utf8');
const yaml = async (path) => parseAllDocuments(await read(path), { merge: true }).map((document) => document.toJS());

/** The variables that a program's --help lists. */
async function variables(program) {
  const { stdout } = await run(program, ['--help']);
  return new Set(stdout.match(/\b[A-Z][A-Z0-9_]{3,}\b/g));
}

describe('compose.yml', () => {
  test('gives each program only variables that it knows', async () => {
    const [{ services }] = await yaml('docker/compose.yml');
    for (const [service, program] of [['gateway', gatewayProgram], ['poller', pollerProgram]]) {
      const known = await variables(program);
      assert.deepEqual(Object.keys(services[service].environment).filter((name) => !known.has(name)), [], service);
    }
  });

  test('takes all rights from all services', async () => {
    const [{ services }] = await yaml('docker/compose.yml');
    for (const [name, service] of Object.entries(services)) {
      assert.equal(service.read_only, true, name);
      assert.deepEqual(service.cap_drop, ['ALL'], name);
      assert.deepEqual(service.security_opt, ['no-new-privileges:true'], name);
    }
  });

  test('builds each service from a stage of the Dockerfile of its own, under the name that docker/build gives it', async () => {
    const [{ services }] = await yaml('docker/compose.yml');
    const stages = [...(await read('docker/Dockerfile')).matchAll(/^FROM \S+ AS (\S+)$/gm)].map(([, stage]) => stage);
    for (const [name, { build, image }] of Object.entries(services)) {
      assert.deepEqual(build, { context: '..', dockerfile: 'docker/Dockerfile', target: name });
      assert.ok(stages.includes(name), name);
      assert.equal(image, `pg_shop-${name}`);
    }
  });

  test('reads no variable that .env.example lacks', async () => {
    const used = new Set([...(await read('docker/compose.yml')).matchAll(/\$\{([A-Z_]+)/g)].map(([, name]) => name));
    const listed = new Set([...(await read('docker/.env.example')).matchAll(/^#?([A-Z_]+)=/gm)].map(([, name]) => name));
    assert.deepEqual([...used].filter((name) => !listed.has(name)), []);
  });
});

describe('Kubernetes manifests', async () => {
  for (const file of (await readdir(join(root, 'contrib/kubernetes'))).filter((name) => name.endsWith('.yaml'))) {
    test(`${file}: hardened, probed, and survives the loss of a node`, async () => {
      const documents = await yaml(`contrib/kubernetes/${file}`);
      const deployment = documents.find(({ kind }) => kind === 'Deployment');
      assert.ok(documents.some(({ kind }) => kind === 'PodDisruptionBudget'));
      assert.ok(deployment.spec.replicas >= 2);
      const { securityContext, containers } = deployment.spec.template.spec;
      assert.equal(securityContext.runAsNonRoot, true);
      for (const container of containers) {
        assert.equal(container.securityContext.readOnlyRootFilesystem, true);
        assert.deepEqual(container.securityContext.capabilities.drop, ['ALL']);
        assert.ok(container.livenessProbe);
      }
    });
  }
});

describe('docs/aws.md', async () => {
  const documents = (await fencedBlocks('docs/aws.md')).filter(({ language }) => language === 'json').map(({ text }) => JSON.parse(text));

  test('its task sets only variables that the gateway knows, and asks it for its health as it is asked for', async () => {
    const known = await variables(gatewayProgram);
    const [container] = documents.find(({ containerDefinitions }) => containerDefinitions).containerDefinitions;
    assert.deepEqual([...container.environment, ...container.secrets].map(({ name }) => name).filter((name) => !known.has(name)), []);
    const { stdout: help } = await run(gatewayProgram, ['--help']);
    assert.ok(help.includes(container.healthCheck.command.at(-1)));
  });

  test("its policy allows the poller's calls, and no others", async () => {
    const sources = await Promise.all((await readdir(join(root, 'poller'))).filter((name) => name.endsWith('.c')).map((name) => read(`poller/${name}`)));
    const calls = new Set(sources.join('').match(/"(Receive|Delete|Send|Change|Get|Purge|List|Create)(Message|Queue)\w*"/g).map((name) => name.replaceAll('"', '').replace(/Batch$/, '')));
    const { Statement: statements } = documents.find((document) => document.Statement);
    const allowed = new Set(statements.flatMap(({ Action: action }) => action).filter((action) => action.startsWith('sqs:')).map((action) => action.slice('sqs:'.length)));
    assert.deepEqual([...allowed].sort(), [...calls].sort());
  });
});

describe('alerts and dashboard', () => {
  const shop = openShop({ METRICS_TOKEN: 'a-token-of-the-manifest-test' });

  /** The names of all metrics that gateway and poller have. */
  async function metricNames() {
    const { text: ofGateway } = await shop.get('/metrics', { token: 'a-token-of-the-manifest-test' });
    const port = await freePort();
    const queue = await QueueServer.start();
    const poller = await Poller.start(shop.database, { ...queue.environment, POLLER_PORT: String(port) });
    const ofPoller = await eventually('the poller has seen the queue', async () => {
      const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      return text.includes('shop_poller_queue_depth') && text.includes('shop_poller_dlq_depth') && text;
    });
    await poller.stop();
    await queue.stop();
    return new Set(`${ofGateway}\n${ofPoller}`.match(/\bshop_[a-z_]+/g));
  }

  /** The alerts' rules. */
  async function rules() {
    const [{ groups }] = await yaml('contrib/prometheus/alerts.yml');
    return groups.flatMap((group) => group.rules);
  }

  test('name only metrics that exist', async () => {
    const known = await metricNames();
    for (const file of ['contrib/prometheus/alerts.yml', 'contrib/grafana/pg_shop.json', 'docs/runbook.md']) {
      const used = new Set((await read(file)).match(/\bshop_(gateway|poller)_[a-z_]+/g));
      // A name that ends in an underscore stands for all that begin with it.
      const exists = (name) => known.has(name) || (name.endsWith('_') && [...known].some((one) => one.startsWith(name)));
      assert.ok(used.size > 0, file);
      assert.deepEqual([...used].filter((name) => !exists(name)), [], file);
    }
  });

  test('Prometheus looks for the jobs that the alerts watch', async () => {
    const [{ scrape_configs: scrapes }] = await yaml('contrib/prometheus/scrape.yml');
    const watched = new Set([...(await read('contrib/prometheus/alerts.yml')).matchAll(/job="([^"]+)"/g)].map(([, job]) => job));
    assert.deepEqual([...watched].sort(), scrapes.map((scrape) => scrape.job_name).sort());
  });

  test('the runbook has one section for each alert, in their order, and for no other', async () => {
    const sections = [...(await read('docs/runbook.md')).matchAll(/^## (Shop\w+)$/gm)].map(([, title]) => title);
    const alerts = await rules();
    assert.deepEqual(sections, alerts.map(({ alert }) => alert));
    for (const { alert, annotations } of alerts) assert.equal(annotations.runbook, `docs/runbook.md#${alert.toLowerCase()}`);
  });

  test('each alert is seen to fire, and to keep quiet, by what promtool runs', async () => {
    const [{ tests }] = await yaml('contrib/prometheus/alerts.test.yml');
    const seen = tests.flatMap((one) => one.alert_rule_test);
    const named = (one) => [...new Set(seen.filter(one).map(({ alertname }) => alertname))].sort();
    const all = (await rules()).map(({ alert }) => alert).sort();
    assert.deepEqual(named(({ exp_alerts: expected }) => expected.length > 0), all);
    assert.deepEqual(named(({ exp_alerts: expected }) => expected.length === 0), all);
  });

  test("Prometheus understands each of the dashboard's expressions", async () => {
    const dashboard = JSON.parse(await read('contrib/grafana/pg_shop.json'));
    const expressions = [...dashboard.panels, ...dashboard.annotations.list].flatMap((part) => [part, ...(part.targets ?? [])]).map(({ expr }) => expr).filter(Boolean);
    assert.ok(expressions.length > 20);
    const check = async (all) => {
      // Rules are what promtool reads expressions from; JSON is YAML.
      const rules = all.map((expr, number) => ({ record: `expression_${number}`, expr: expr.replaceAll('$__rate_interval', '5m') }));
      const file = join(scratch, 'dashboard.yml');
      await writeFile(file, JSON.stringify({ groups: [{ name: 'dashboard', rules }] }));
      return run('promtool', ['check', 'rules', file]);
    };
    await check(expressions);
    await assert.rejects(check([...expressions, 'sum by (']));
  });

  test('the alerts fire and keep quiet as they should', async () => {
    await run('promtool', ['check', 'config', 'scrape.yml'], { cwd: join(root, 'contrib/prometheus') });
    await run('promtool', ['test', 'rules', 'alerts.test.yml'], { cwd: join(root, 'contrib/prometheus') });
  });
});

describe('systemd units', () => {
  for (const program of ['gateway', 'poller']) {
    test(`shop-${program}.service gives away no right`, async () => {
      const unit = await read(`contrib/systemd/shop-${program}.service`);
      for (const line of ['NoNewPrivileges=yes', 'CapabilityBoundingSet=', 'ProtectSystem=strict', 'DynamicUser=yes', 'SystemCallFilter=@system-service']) {
        assert.ok(unit.split('\n').includes(line), line);
      }
    });

    test(`shop-${program}.service is started again however often that fails`, async () => {
      const [, head, service] = (await read(`contrib/systemd/shop-${program}.service`)).split(/^\[.*\]$/m);
      assert.ok(head.split('\n').includes('StartLimitIntervalSec=0'));
      assert.ok(service.split('\n').includes('Restart=always'));
    });
  }
});

describe('settings', () => {
  test('docs/settings.md is what the programs say', async () => {
    const { stdout } = await run(join(root, 'scripts/settings-reference'), ['markdown']);
    assert.equal(await read('docs/settings.md'), stdout, 'make it anew: make docs');
  });

  test('docs/errors.md has every code of the API, and no other', async () => {
    const known = JSON.parse(await read('gateway/openapi.json')).components.schemas.ProblemCode.enum;
    const rows = [...(await read('docs/errors.md')).matchAll(/^\| (`[^|]*`) \| \d/gm)].flatMap(([, cell]) => cell.match(/[a-z_]+/g));
    assert.deepEqual(rows.sort(), [...known].sort());
  });

  test('the manual pages are well-formed and list every option', async () => {
    await run('make', ['-C', join(root, 'man')]);
    for (const [program, path] of [['shop-gateway', gatewayProgram], ['shop-poller', pollerProgram]]) {
      const { stdout: page, stderr } = await run('man', ['--warnings', '-E', 'UTF-8', '-l', join(root, `man/${program}.8`)]);
      assert.equal(stderr, '');
      const { stdout: help } = await run(path, ['--help']);
      for (const option of help.match(/--[a-z-]+/g)) assert.ok(page.includes(option), option);
    }
  });
});
