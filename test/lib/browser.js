// Chromium without a window, for pages of the gateway. Debian's package, driven by playwright-core, which brings none.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { after, before } from 'node:test';
import { root } from './settings.js';

const program = ['/usr/bin/chromium', '/usr/bin/chromium-browser'].find((path) => existsSync(path));

/** Why tests with a browser are skipped, for the runner; false where there is one. */
export const withoutBrowser = program ? false : 'chromium is not installed';

const axe = program && readFileSync(`${root}/test/node_modules/axe-core/axe.min.js`, 'utf8');

/**
 * Registers before and after for the whole file: one browser, which finds no host but 127.0.0.1. Gives an object whose
 * page(options) opens a page in a context of its own.
 */
export function openBrowser() {
  const opened = {};
  before(async () => {
    if (withoutBrowser) return;
    const { chromium } = await import('playwright-core');
    opened.browser = await chromium.launch({
      executablePath: program,
      args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'],
    });
  });
  after(() => opened.browser?.close());
  opened.page = async (options) => Page.open(await opened.browser.newContext({ timezoneId: 'UTC', locale: 'en-GB', ...options }));
  return opened;
}

/** A page, with all that went wrong on it and all that it asked for. */
class Page {
  static async open(context) {
    const page = new Page();
    Object.assign(page, { context, complaints: [], requests: [], page: await context.newPage() });
    page.page.setDefaultTimeout(15_000);
    page.page.on('pageerror', (error) => page.complaints.push(`error: ${error.stack}`));
    page.page.on('console', (message) => page.complaints.push(`console ${message.type()}: ${message.text()}`));
    page.page.on('requestfailed', (request) => page.complaints.push(`failed: ${request.url()}: ${request.failure()?.errorText}`));
    page.page.on('request', (request) => page.requests.push({ method: request.method(), url: request.url(), headers: request.headers(), body: request.postData() }));
    await context.addInitScript(() => {
      addEventListener('securitypolicyviolation', (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));
    });
    return page;
  }

  /**
   * Nothing was complained about, except what `expected` matches: the browser itself reports each answer of 400 and above.
   * Requests that a page took back when it was left are no failures.
   */
  assertClean(expected = /^$/) {
    const rest = this.complaints.filter((text) => !/net::ERR_ABORTED$/.test(text) && !expected.test(text));
    assert.deepEqual(rest, []);
    this.complaints.length = 0;
  }

  /** Every request went to this port of 127.0.0.1. */
  assertOnly(port) {
    assert.deepEqual(this.requests.filter(({ url }) => new URL(url).origin !== `http://127.0.0.1:${port}`), []);
    assert.ok(this.requests.length > 0);
  }

  /** No rule of axe is broken seriously; rules: only these. */
  async assertAccessible(where, rules) {
    if (!(await this.page.evaluate(() => 'axe' in globalThis))) await this.page.evaluate(axe);
    const { violations, passes } = await this.page.evaluate((only) => globalThis.axe.run(only ? { runOnly: only } : {}), rules);
    const serious = violations.filter(({ impact }) => ['serious', 'critical'].includes(impact));
    assert.deepEqual(serious.map(({ id, nodes }) => [id, nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`)]), [], where);
    assert.ok(passes.length >= (rules?.length ?? 10), where);
  }

  close() {
    return this.context.close();
  }
}
