// Products and their stock.
import { html } from './preact.js';
import { get, path, post } from './api.js';
import { StockBar } from './chart.js';
import { Field, useKey, valuesOf } from './dialogs.js';
import { useLoad, useWork } from './loading.js';
import { Failure, formatMoney, formatNumber, Heading, Loading, Nothing, Pager, Search, Table, useNotice } from './parts.js';
import { go, link } from './routing.js';

const PAGE = 25;
const SCANNED_PAGE = 1000;
const SCANNED_PAGES = 20;

const stockOf = (id, signal) => get(path`admin/inventory/${id}`, { signal });

/** The API lists products by id; a text is looked for in the names and SKUs of the first 20,000. */
async function find(text, signal) {
  const wanted = text.toLowerCase();
  const found = [];
  let after;
  for (let page = 0; page < SCANNED_PAGES && found.length <= PAGE; page += 1) {
    const products = await get('products', { signal, query: { after, limit: SCANNED_PAGE } });
    found.push(...products.filter(({ id, sku, name }) => String(id) === wanted || `${sku}\n${name}`.toLowerCase().includes(wanted)));
    if (products.length < SCANNED_PAGE) break;
    after = products.at(-1).id;
  }
  return found;
}

async function load({ find: text, after }, signal) {
  const all = text ? await find(text, signal) : await get('products', { signal, query: { after, limit: PAGE + 1 } });
  const products = all.slice(0, PAGE);
  const levels = await Promise.all(products.map(({ id }) => stockOf(id, signal).catch(() => undefined)));
  return { rows: products.map((product, i) => ({ ...product, stock: levels[i] })), more: all.length > PAGE };
}

const Row = ({ product: { id, sku, name, price, stock } }) => html`<tr>
  <td class="long"><a href=${link('stock', id)}>${name}</a><small class="muted">${sku}</small></td>
  <td class="number wide">${formatMoney(price)}</td>
  <td class="number wide">${formatNumber(stock?.on_hand)}</td>
  <td class="number">${formatNumber(stock?.reserved)}</td>
  <td class=${`number ${stock?.available_qty === 0 ? 'bad' : ''}`}>${formatNumber(stock?.available_qty)}</td>
</tr>`;

const columns = [['Product'], ['Price', 'number wide'], ['On hand', 'number wide'], ['Reserved', 'number'], ['Available', 'number']];

export function Stock({ query }) {
  const { data, error, loading } = useLoad((signal) => load(query, signal));
  const search = html`<${Search} label="Name, SKU or number" value=${query.find} onSearch=${(text) => go(link('stock', undefined, { find: text }))} />`;
  return html`<${Heading} title="Stock" aside=${search} />
    <${Failure} error=${error} />
    ${!data && loading && html`<${Loading} />`}
    ${data?.rows.length === 0 && html`<${Nothing}>No such product<//>`}
    ${data?.rows.length > 0 && html`<${Table} label="Products" columns=${columns}>
      ${data.rows.map((product) => html`<${Row} key=${product.id} product=${product} />`)}<//>`}
    ${data?.more && query.find && html`<p class="muted">The first ${PAGE} that were found. A longer text finds fewer.</p>`}
    <${Pager} first=${(query.after || query.find) && link('stock')} nextLabel="Next"
      next=${data?.more && !query.find && link('stock', undefined, { after: data.rows.at(-1).id })} />`;
}

/** A form that is always open: what it did is said on the notice board, why it did not in the form. */
function Action({ title, verb, work, children }) {
  const { busy, error, run } = useWork();
  const submit = async (event) => {
    event.preventDefault();
    const form = event.target;
    if (await run(async () => (await work(valuesOf(form))) ?? true)) form.reset();
  };
  return html`<form class="card padded" onSubmit=${submit} aria-label=${title}>
    <h2>${title}</h2>${children}<${Failure} error=${error} />
    <div class="actions"><button class="primary" disabled=${busy}>${verb}</button></div>
  </form>`;
}

function Restock({ id, onDone }) {
  const key = useKey();
  const notice = useNotice();
  const work = async ({ qty }) => {
    await post('admin/inventory/restock', { productId: id, qty }, { key: key({ id, qty }) });
    key(null); // the next one means another delivery, even of as many units
    notice(`${qty} units came in`);
    onDone();
  };
  return html`<${Action} title="Goods in" verb="Restock" work=${work}>
    <${Field} label="Units that came in" name="qty" inputmode="numeric" pattern="[1-9][0-9]*" required /><//>`;
}

function Count({ id, stock, onDone }) {
  const notice = useNotice();
  const work = async ({ counted }) => {
    try {
      await post('admin/inventory/adjust', { productId: id, expectedOnHand: stock.on_hand, counted });
      notice(`The stock is ${counted}, as counted`);
    } finally {
      onDone();
    }
  };
  return html`<${Action} title="Count" verb="Set to what was counted" work=${work}>
    <${Field} label="Units counted" name="counted" inputmode="numeric" pattern="[0-9]+" required
      hint=${`Taken only while ${stock.on_hand} are on hand, as shown here`} /><//>`;
}

const Level = ({ label, value }) => html`<div class="figure card"><span class="label">${label}</span><strong>${formatNumber(value)}</strong></div>`;

export function Product({ id }) {
  const { data, error, loading, reload } = useLoad(async (signal) => {
    const [product, stock] = await Promise.all([get(path`products/${id}`, { signal }), stockOf(id, signal)]);
    return { product, stock };
  });
  return html`<p><a href=${link('stock')}>← Stock</a></p>
    <${Heading} title=${data?.product.name ?? `Product ${id}`} aside=${html`<button type="button" onClick=${reload} disabled=${loading}>Refresh</button>`} />
    <${Failure} error=${error} />
    ${!data && loading && html`<${Loading} />`}
    ${data && html`<p class="muted">${data.product.sku} · product ${data.product.id} · ${formatMoney(data.product.price)}</p>
      <section class="figures" aria-label="Levels">
        <${Level} label="On hand" value=${data.stock.on_hand} />
        <${Level} label="Reserved by pending orders" value=${data.stock.reserved} />
        <${Level} label="Available" value=${data.stock.available_qty} />
      </section>
      <${StockBar} reserved=${data.stock.reserved} available=${data.stock.available_qty} />
      <div class="columns even"><${Restock} id=${data.product.id} onDone=${reload} /><${Count} id=${data.product.id} stock=${data.stock} onDone=${reload} /></div>`}`;
}
