// The operations console in a browser, as an administrator uses it, against a real shop.
import assert from 'node:assert/strict';
import { createServer, request as forward } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { openBrowser, withoutBrowser } from '../lib/browser.js';
import { openShop } from '../lib/shop.js';
import { eventually } from '../lib/wait.js';

const hostile = '<img src=x onerror="document.title=`taken`"><script>throw 1</script>"\'&amp;{{7*7}}${7*7}';
const shop = openShop({}, async () => {
  shop.mug = await shop.product({ name: 'Mug, white', sku: 'MUG-W', price: '12.50', stock: 40 });
  shop.evil = await shop.product({ name: hostile, sku: `E"><b>${shop.newSku()}`, price: '9.99', stock: 5 });
});
const browser = openBrowser();
const group = (name, body) => describe(name, { skip: withoutBrowser }, body);
const refused = (status) => new RegExp(`console error: Failed to load resource: .* ${status} `);

let tab, page;
const at = (hash = '') => `http://127.0.0.1:${shop.gateway.port}/console/${hash}`;
const button = (name) => page.getByRole('button', { name, exact: true });
const link = (name) => page.getByRole('link', { name, exact: true });
const seen = (text) => page.getByText(text).first().waitFor();
const heading = (name) => page.getByRole('heading', { level: 1, name, exact: true }).waitFor();
const dialog = () => page.getByRole('dialog');
const row = (text) => page.getByRole('row').filter({ hasText: text });

async function signIn(onto, password = 'admin123', name = 'admin') {
  await onto.getByLabel('User name').fill(name);
  await onto.getByLabel('Password').fill(password);
  await onto.getByRole('button', { name: 'Sign in' }).click();
}

/** Goes to a page of the console within the page that is open. */
async function go(hash, name) {
  await page.evaluate((text) => { location.hash = text; }, hash);
  await heading(name);
}

/** Opens a page in a tab where an administrator is signed in. */
async function opened(options) {
  tab = await browser.page(options);
  page = tab.page;
  await page.goto(at());
  await signIn(page);
  await heading('Overview');
}

async function closed(expected) {
  tab.assertClean(expected);
  tab.assertOnly(shop.gateway.port);
  for (const { url } of tab.requests) assert.doesNotMatch(url, /token|eyJ|admin123/i);
  await tab.close();
}

/** An order of mugs, paid or not. */
async function order(paid = false, productId = shop.mug) {
  const id = await shop.order(shop.newUser(), [productId, 2]);
  if (paid) await shop.database.sql(`SELECT shop.settle_payment(1, ${id}, true, NULL, NULL, NULL)`);
  return id;
}

const admin = (path) => shop.get(path, { token: shop.admin });
const bodyOf = (pattern) => tab.requests.filter(({ method, url }) => method === 'POST' && pattern.test(url)).at(-1);

let letters = 0;
const deadLetter = (body = '{"orderId":1}', error = 'boom') => shop.database.value(
  `SELECT id::int FROM shop.record_dead_letter(1, 'sqs', 'c-${letters += 1}', $q$${body}$q$, NULL, 'max_retries_exceeded', $q$${error}$q$, 5, NULL, 'r-1', NULL)`,
);

group('signing in', () => {
  test('wrong password, an account that is no administrator’s, right; out again', async () => {
    tab = await browser.page();
    page = tab.page;
    await page.goto(at());
    await signIn(page, 'wrong');
    const alert = page.getByRole('alert');
    await alert.filter({ hasText: 'Invalid credentials' }).filter({ hasText: 'Request id' }).waitFor();
    await signIn(page, 'user123', 'user');
    await alert.filter({ hasText: 'not an administrator' }).waitFor();
    assert.equal(await page.evaluate(() => sessionStorage.length), 0);
    await signIn(page);
    await heading('Overview');
    assert.equal(await page.evaluate(() => localStorage.length + document.cookie.length), 0);
    await page.reload();
    await heading('Overview');
    await button('Sign out').click();
    await page.getByLabel('Password').waitFor();
    assert.equal(await page.evaluate(() => sessionStorage.length), 0);
    await closed(refused(401));
  });

  test('a token that is not accepted any more: back to signing in, then on to where one was', async () => {
    tab = await browser.page();
    page = tab.page;
    await page.addInitScript(() => sessionStorage.setItem(`pg_shop.console ${location.pathname}`,
      JSON.stringify({ token: 'a.b.c', username: 'x', expires: Date.now() + 1e6 })));
    await page.goto(at('#/orders?status=CONFIRMED'));
    await seen('Your session has ended');
    await signIn(page);
    await heading('Orders');
    assert.match(page.url(), /#\/orders\?status=CONFIRMED$/);
    await closed(refused(401));
  });
});

group('pages', () => {
  before(() => opened());
  after(() => closed(/Failed to load resource: .* (400|404|409) /));

  test('the overview shows the shop’s figures, and new ones by itself', async () => {
    await order();
    await shop.database.sql(`SELECT shop.report_poller(1, 'p', 'sqs', 5, 2, 40, now())`);
    const figure = (label) => page.locator('.figure').filter({ hasText: label }).locator('strong').innerText();
    const { json } = await shop.get('/api/stats');
    await eventually('the figures are the API’s', async () => await figure('All orders') === String(json.total_orders)
      && await figure('Orders today') === String(json.orders_today) && await figure('In the queue') === String(json.queue_depth));
    assert.match(await page.getByRole('img', { name: 'Orders by hour' }).getAttribute('aria-label'), new RegExp(`: ${json.total_orders} in all`));
    await page.locator('.facts').getByText('healthy', { exact: true }).waitFor();
    await order();
    await eventually('the new order is counted', async () => await figure('All orders') === String(json.total_orders + 1));
  });

  test('orders: by status, page by page, and by number', async () => {
    const paid = await order(true);
    for (let i = 0; i < 52; i += 1) await shop.post('/api/orders', { customer_id: `PAGE-${i}`, items: [{ product_id: 'X', quantity: 1, price: 1 }] });
    await go('#/orders', 'Orders');
    await eventually('a full page', async () => await page.getByRole('row').count() === 51);
    const { json } = await admin('/admin/orders?limit=51');
    await link('Older →').click();
    await link(String(json[50].id)).waitFor();
    assert.equal(await link(String(json[49].id)).count(), 0);
    await link('First page').click();
    await link(String(json[0].id)).waitFor();
    await link('CONFIRMED').click();
    await link(String(paid)).waitFor();
    await eventually('only these', async () => !(await page.locator('tbody .status').allInnerTexts()).some((text) => text !== 'CONFIRMED'));
    await page.getByLabel('Order number or id').fill(String(paid));
    await button('Find').click();
    await heading(`Order ${paid}`);
    await page.goBack();
    await heading('Orders');
    await go('#/orders/987654321', 'Order 987654321');
    await page.getByRole('alert').filter({ hasText: 'Order not found' }).filter({ hasText: 'Request id' }).waitFor();
  });

  test('an order from elsewhere: its items by its own id', async () => {
    const accepted = await shop.post('/api/orders', { customer_id: `CUST-17 ${hostile}`, order_id: 'ORD-1A:x.17', items: [{ product_id: hostile, quantity: 3, price: 12.5 }] });
    assert.equal(accepted.status, 202, accepted.text);
    await go('#/orders', 'Orders');
    await row(`CUST-17 ${hostile}`).getByRole('link').click();
    await page.getByText('ORD-1A:x.17', { exact: true }).waitFor();
    await page.getByRole('cell', { name: hostile }).waitFor();
    await seen('accepted');
    await go('#/orders/ORD-1A:x.17', 'Order ORD-1A:x.17');
    await page.getByRole('cell', { name: hostile }).waitFor();
  });

  test('cancel a pending order, with a reason', async () => {
    const id = await order();
    await go(`#/orders/${id}`, `Order ${id}`);
    await link('Mug, white').waitFor();
    await button('Cancel').click();
    await page.keyboard.press('Escape');
    await dialog().waitFor({ state: 'detached' });
    assert.equal(bodyOf(/\/cancel$/), undefined);
    await button('Cancel').click();
    await dialog().getByLabel('Reason').fill(hostile);
    await button('Cancel the order').click();
    await page.locator('.timeline').getByText(hostile).waitFor();
    await page.getByText(`Order ${id} is cancelled`).waitFor();
    const { json } = await shop.get(`/orders/${id}/events`);
    assert.deepEqual([json.at(-1).to, json.at(-1).reason], ['CANCELLED', hostile]);
    await page.locator('.timeline code').filter({ hasText: json.at(-1).request_id }).waitFor();
  });

  test('fulfil, then refund a part: the same answer asked for twice is one refund', async () => {
    const id = await order(true);
    await go(`#/orders/${id}`, `Order ${id}`);
    await button('Fulfil').click();
    await button('Fulfil the order').click();
    await page.locator('.timeline').getByText('FULFILLED', { exact: true }).waitFor();
    await button('Refund').click();
    await dialog().getByLabel('Amount').fill('1000');
    await dialog().getByRole('button', { name: 'Refund' }).click();
    await dialog().getByRole('alert').filter({ hasText: 'what can still be refunded: 25.00' }).waitFor();
    const first = bodyOf(/\/refund$/);
    await dialog().getByLabel('Amount').fill('5.50');
    // The answer gets lost on its way: the shop has refunded, the browser does not know.
    await page.route('**/refund', async (route) => {
      await route.fetch();
      await route.abort();
    }, { times: 1 });
    await dialog().getByRole('button', { name: 'Refund' }).click();
    await dialog().getByRole('alert').filter({ hasText: 'cannot be reached' }).waitFor();
    const second = bodyOf(/\/refund$/);
    await dialog().getByRole('button', { name: 'Refund' }).click();
    await dialog().waitFor({ state: 'detached' });
    const third = bodyOf(/\/refund$/);
    const key = ({ headers }) => headers['idempotency-key'];
    assert.match(key(first), /^console-[0-9a-f]{32}$/);
    assert.notEqual(key(first), key(second));
    assert.equal(key(second), key(third));
    assert.deepEqual(JSON.parse(third.body), { amount: '5.50', restock: false });
    assert.equal(await shop.database.value(`SELECT string_agg(amount::text, ' ') FROM shop.refunds WHERE order_id = ${id}`), '5.50');
    tab.complaints = tab.complaints.filter((text) => !/\/refund: net::ERR_FAILED|console error: Failed to load resource: net::ERR_FAILED/.test(text));
  });

  test('dead letters: read, redrive one and all that are listed, discard with a reason', async () => {
    const body = JSON.stringify({ orderId: 'x', note: hostile });
    const [first, second, third, fourth] = [await deadLetter(body, hostile), await deadLetter(), await deadLetter(), await deadLetter()];
    await go('#/dead-letters?status=open', 'Dead letters');
    await row(hostile).getByRole('link').click();
    await heading(`Dead letter ${first}`);
    assert.equal(await page.getByLabel('Body').innerText(), JSON.stringify(JSON.parse(body), null, 2));
    await button('Discard').click();
    await button('Discard').last().click();
    assert.equal(bodyOf(/\/discard$/), undefined, 'a reason is required');
    await dialog().getByLabel('Reason').fill('no such order');
    await dialog().getByRole('button', { name: 'Discard' }).click();
    await page.getByText('discarded', { exact: true }).waitFor();
    const discarded = (await admin(`/admin/dead-letters/${first}`)).json;
    assert.equal(discarded.status, 'discarded');
    assert.match(discarded.resolution, /no such order/);
    await link('← Dead letters').click();
    await button(`Redrive dead letter ${fourth}`).click();
    await dialog().getByRole('button', { name: 'Redrive' }).click();
    await page.getByText('One message is on its way again').waitFor();
    await button('Redrive all 2 listed').click();
    await dialog().getByRole('button', { name: 'Redrive' }).click();
    await seen('No open dead letters: all is well');
    for (const id of [second, third, fourth]) assert.equal((await admin(`/admin/dead-letters/${id}`)).json.status, 'redriven');
  });

  test('stock: find, goods in (each once), count against what was seen', async () => {
    await go('#/stock', 'Stock');
    await page.getByLabel('Name, SKU or number').fill('mug-w');
    await button('Find').click();
    await eventually('only this one', async () => await page.getByRole('row').count() === 2);
    await link('Mug, white').click();
    await heading('Mug, white');
    const before = await shop.stock(shop.mug);
    const onHand = () => page.locator('.figure').filter({ hasText: 'On hand' }).locator('strong').innerText();
    for (const round of [1, 2]) {
      await page.getByLabel('Units that came in').fill('7');
      await button('Restock').click();
      await eventually('the level rises', async () => await onHand() === String(before.on_hand + 7 * round));
    }
    await shop.restock(shop.mug, 1);
    await page.getByLabel('Units counted').fill('70');
    await button('Set to what was counted').click();
    await page.getByRole('alert').filter({ hasText: `on_hand is ${before.on_hand + 15}, not ${before.on_hand + 14}` }).waitFor();
    await eventually('the level is shown as it is now', async () => await onHand() === String(before.on_hand + 15));
    await button('Set to what was counted').click();
    await page.getByText('The stock is 70, as counted').waitFor();
    assert.equal((await shop.stock(shop.mug)).on_hand, 70);
  });

  test('the integrity report: empty, and with a finding', async () => {
    await go('#/integrity', 'Integrity');
    await button('Check now').click();
    await seen('All is well');
    await shop.database.sql(`UPDATE shop.inventory SET on_hand = on_hand + 1 WHERE product_id = ${shop.evil}`);
    try {
      await button('Check now').click();
      const { json } = await admin('/admin/verify');
      await row(json[0].check).filter({ hasText: json[0].detail }).waitFor();
    } finally {
      await shop.database.sql(`UPDATE shop.inventory SET on_hand = on_hand - 1 WHERE product_id = ${shop.evil}`);
    }
  });

  test('hostile names are shown as they are', async () => {
    await go('#/stock', 'Stock');
    await link(hostile).click();
    await heading(hostile);
    assert.equal(await page.title(), `${hostile} · Console`);
    assert.equal(await page.locator('#app img').count(), 1, 'the icon');
    assert.equal(await page.locator('#app script, #app b').count(), 0);
  });

  test('an address that is no page says so', () => go('#/nothing/here', 'No such page'));
});

group('live figures', () => {
  test('stop while the tab is hidden or paused, and go on', async () => {
    tab = await browser.page();
    page = tab.page;
    await page.clock.install();
    await page.goto(at());
    await signIn(page);
    await seen('Orders today');
    const asked = () => tab.requests.filter(({ url }) => /\/api\/(stats|health)$/.test(url)).length;
    const hide = (hidden) => page.evaluate((value) => {
      Object.defineProperty(document, 'hidden', { configurable: true, get: () => value });
      document.dispatchEvent(new Event('visibilitychange'));
    }, hidden);
    const goesOn = async (what) => {
      const before = asked();
      await eventually(what, async () => {
        await page.clock.runFor(3100);
        return asked() > before + 2;
      });
    };
    await goesOn('it asks again and again');
    await hide(true);
    await page.waitForLoadState('networkidle');
    const before = asked();
    await page.clock.runFor(60_000);
    assert.equal(asked(), before, 'nothing is asked while the tab is hidden');
    await hide(false);
    await eventually('it asks at once', () => asked() > before);
    await goesOn('it goes on');
    await button('Pause').click();
    await button('Go on').waitFor();
    const statistics = () => tab.requests.filter(({ url }) => /\/api\/stats$/.test(url)).length;
    await page.waitForLoadState('networkidle');
    const paused = statistics();
    await page.clock.runFor(30_000);
    assert.equal(statistics(), paused, 'nothing is asked while paused');
    await closed();
  });

  test('a gateway that is away is said, and forgotten when it is back', async () => {
    await opened();
    await page.route('**/api/stats', (route) => route.abort());
    await page.getByRole('alert').filter({ hasText: 'The gateway cannot be reached' }).waitFor();
    await page.unroute('**/api/stats');
    await page.getByRole('alert').waitFor({ state: 'detached' });
    await closed(/net::ERR_FAILED/);
  });
});

group('for everybody', () => {
  // Only the contrast depends on the scheme.
  for (const [colorScheme, rules] of [['light', undefined], ['dark', ['color-contrast']]]) {
    test(`no serious finding of axe in the ${colorScheme} scheme`, async () => {
      const id = await order(true);
      const letter = await deadLetter();
      tab = await browser.page({ colorScheme, reducedMotion: 'reduce' });
      page = tab.page;
      await page.goto(at());
      await page.getByLabel('User name').waitFor();
      await tab.assertAccessible('sign in', rules);
      await signIn(page);
      await seen('Latest orders');
      await tab.assertAccessible('overview', rules);
      for (const [hash, text] of [['#/orders', 'Total'], [`#/orders/${id}`, 'payment captured'], ['#/dead-letters', 'boom'], [`#/dead-letters/${letter}`, 'Last error'],
        ['#/stock', 'Mug, white'], [`#/stock/${shop.mug}`, 'Goods in'], ['#/integrity', 'Check now'], ['#/orders/987654321', 'Order not found']]) {
        await page.evaluate((to) => { location.hash = to; }, hash);
        await seen(text);
        await tab.assertAccessible(hash, rules);
      }
      await page.evaluate((to) => { location.hash = to; }, `#/orders/${id}`);
      await button('Refund').click();
      await tab.assertAccessible('a dialog', rules);
      await closed(refused(404));
    });
  }

  test('on a telephone nothing is wider than the window', async () => {
    await opened({ viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });
    const id = await order(true);
    for (const [hash, text] of [['#/overview', 'Latest orders'], ['#/orders', 'Total'], [`#/orders/${id}`, 'payment captured'], ['#/dead-letters', 'Reason'], ['#/stock', hostile],
      [`#/stock/${shop.evil}`, 'Goods in'], ['#/integrity', 'Check now']]) {
      await page.evaluate((to) => { location.hash = to; }, hash);
      await seen(text);
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360, hash);
    }
    await closed();
  });

  test('with the keyboard alone: sign in, skip to the content, open an order, cancel it', async () => {
    const id = await order();
    tab = await browser.page();
    page = tab.page;
    const press = async (...keys) => {
      for (const key of keys) await page.keyboard.press(key);
    };
    const focused = (text) => eventually(`the focus is on ${text}`, async () => (await page.evaluate(() => document.activeElement.innerText)) === text);
    await page.goto(at(`#/orders/${id}`));
    await page.getByLabel('User name').waitFor();
    await page.keyboard.type('admin');
    await press('Tab');
    await page.keyboard.type('admin123');
    await press('Enter');
    await heading(`Order ${id}`);
    await button('Cancel').waitFor();
    await focused(`Order ${id}`);
    await press('Tab');
    await focused('Cancel');
    await press('Enter');
    await dialog().waitFor();
    await page.keyboard.type('by keyboard');
    await press('Enter');
    await page.locator('.timeline').getByText('by keyboard').waitFor();
    assert.equal((await shop.get(`/orders/${id}`)).json.status, 'CANCELLED');
    await closed();
  });
});

group('behind a proxy that takes off a prefix', () => {
  let proxy;
  before(async () => {
    proxy = createServer((incoming, outgoing) => {
      if (!incoming.url.startsWith('/shop/eu/')) return outgoing.writeHead(404).end();
      const { method, headers } = incoming;
      return incoming.pipe(forward({ host: '127.0.0.1', port: shop.gateway.port, method, headers, path: incoming.url.slice('/shop/eu'.length) }, (answer) => {
        outgoing.writeHead(answer.statusCode, answer.headers);
        answer.pipe(outgoing);
      }));
    });
    await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  });
  after(() => {
    proxy?.closeAllConnections();
    proxy?.close();
  });

  test('everything is asked below the prefix', async () => {
    const { port } = proxy.address();
    tab = await browser.page();
    page = tab.page;
    await page.goto(`http://127.0.0.1:${port}/shop/eu/console`);
    await signIn(page);
    await seen('Latest orders');
    await go('#/stock', 'Stock');
    await link('Mug, white').waitFor();
    tab.assertClean();
    tab.assertOnly(port);
    assert.deepEqual(tab.requests.filter(({ url }) => !new URL(url).pathname.startsWith('/shop/eu/')), []);
    await tab.close();
  });
});
