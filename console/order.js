// One order: what is in it, what happened to it, and what can be done with it.
import { html } from './preact.js';
import { get, path, post } from './api.js';
import { Field, Question, useKey, useQuestion } from './dialogs.js';
import { useLoad } from './loading.js';
import { Facts, Failure, formatMoney, Heading, Loading, Nothing, Status, Table, Time, useNotice } from './parts.js';
import { link } from './routing.js';

// What is worth offering; whether it is allowed is the shop's decision, which is shown as it comes.
const offered = { pending: ['cancel'], CONFIRMED: ['fulfil', 'refund', 'cancel'], FULFILLED: ['refund'], CANCELLED: ['refund'] };
const verbs = { cancel: 'Cancel', fulfil: 'Fulfil', refund: 'Refund' };
const done = { cancel: 'is cancelled', fulfil: 'is fulfilled', refund: ': the refund is asked for' };

/** The products of the order by id; what cannot be read is left out. */
async function productsOf(order, signal) {
  const ids = [...new Set(order.items.map((item) => item.product_id).filter(Boolean))].slice(0, 50);
  const found = await Promise.all(ids.map((id) => get(path`products/${id}`, { signal }).catch(() => undefined)));
  return new Map(found.filter(Boolean).map((product) => [product.id, product]));
}

const intakeOrder = async (id, signal) => (await get(path`api/orders/${id}`, { signal })).data;

/** An order by its number with its history; by another id, as POST /api/orders knows it, without. */
async function load(id, as, signal) {
  if (!/^\d+$/.test(id)) return { intake: await intakeOrder(id, signal) };
  const [order, events, intake] = await Promise.all([
    get(path`orders/${id}`, { signal }), get(path`orders/${id}/events`, { signal }), as && intakeOrder(as, signal).catch(() => undefined),
  ]);
  return { order, events, intake, products: await productsOf(order, signal) };
}

const Item = ({ item, product }) => html`<tr>
  <td class="long">${item.product_id === null ? html`<span class="muted">not in the catalogue</span>` : html`<a href=${link('stock', item.product_id)}>${product?.name ?? `Product ${item.product_id}`}</a>`}
    <small class="muted">${product?.sku}</small></td>
  <td class="number">${item.qty}</td>
  <td class="number">${formatMoney(item.price)}</td>
</tr>`;

const IntakeItem = ({ item }) => html`<tr>
  <td class="long">${item.product_id}</td><td class="number">${item.quantity}</td><td class="number">${formatMoney(item.price)}</td>
</tr>`;

const Items = ({ order, intake, products }) => html`<section><h2>Items</h2>
  <${Table} label="Items" columns=${[['Product'], ['Quantity', 'number'], ['Price of one', 'number']]}>
    ${intake
      ? intake.items.map((item, i) => html`<${IntakeItem} key=${i} item=${item} />`)
      : order.items.map((item) => html`<${Item} key=${item.id} item=${item} product=${products.get(item.product_id)} />`)}
  <//></section>`;

const Event = ({ event }) => html`<li>
  <p><strong>${event.event.replaceAll('_', ' ')}</strong> <${Status} of=${event.to} /></p>
  <p class="muted"><${Time} at=${event.at} exact />${event.actor && ` by ${event.actor}`}</p>
  ${event.reason && html`<p>${event.reason}</p>`}
  ${event.request_id && html`<p class="muted">Request id <code>${event.request_id}</code></p>`}
</li>`;

const Timeline = ({ events }) => html`<section><h2>History</h2>
  <ol class="timeline card padded">${events.map((event) => html`<${Event} key=${event.seq} event=${event} />`)}</ol></section>`;

const Summary = ({ order, intake }) => html`<${Facts} facts=${[
  ['Status', html`<${Status} of=${order?.status ?? intake.status} />`],
  ['Total', formatMoney(order?.total_price ?? intake.total_amount)],
  ['Customer', order && order.user_id !== null ? `user ${order.user_id}` : intake?.customer_id],
  ['Accepted as', intake?.order_id],
  ['Failed because', intake?.failure_reason],
  ['Placed', html`<${Time} at=${(order ?? intake).created_at} exact />`],
  ['Changed', html`<${Time} at=${(order ?? intake).updated_at} exact />`],
]} />`;

const Reason = () => html`<${Field} label="Reason" name="reason" hint="Kept with the order" />`;

function ActionQuestion({ action, id, ...question }) {
  const key = useKey();
  const reasonOf = ({ reason }) => (reason ? { reason } : {});
  if (action === 'cancel') {
    return html`<${Question} title=${`Cancel order ${id}?`} verb="Cancel the order" danger ...${question}
      work=${(values) => post(path`orders/${id}/cancel`, reasonOf(values))}>
      <p>Its stock becomes free again, and money that was paid goes back.</p><${Reason} /><//>`;
  }
  if (action === 'fulfil') {
    return html`<${Question} title=${`Fulfil order ${id}?`} verb="Fulfil the order" ...${question}
      work=${() => post(path`admin/orders/${id}/fulfil`, {})}><p>The goods are on their way. It cannot be cancelled after that.</p><//>`;
  }
  const refund = (values) => {
    const body = { ...reasonOf(values), ...(values.amount && { amount: values.amount }), restock: values.restock };
    return post(path`admin/orders/${id}/refund`, body, { key: key(body) });
  };
  return html`<${Question} title=${`Refund order ${id}?`} verb="Refund" danger ...${question} work=${refund}>
    <${Field} label="Amount" name="amount" inputmode="decimal" pattern="\\d+([.]\\d{1,2})?" hint="Empty: all that is left" />
    <${Field} label="The goods come back into stock" name="restock" type="checkbox" /><${Reason} /><//>`;
}

export function Order({ id, query }) {
  const { data, error, loading, reload } = useLoad((signal) => load(id, query.as, signal));
  const [action, ask, close] = useQuestion();
  const notice = useNotice();
  const buttons = (data?.order ? offered[data.order.status] ?? [] : []).map((name) => html`<button type="button"
    class=${name === 'fulfil' ? 'primary' : 'danger'} onClick=${() => ask(name)}>${verbs[name]}</button>`);
  const finish = () => {
    notice(`Order ${id} ${done[action]}`.replace(' :', ':'));
    reload();
  };
  return html`<p><a href=${link('orders')}>← Orders</a></p>
    <${Heading} title=${`Order ${id}`} aside=${html`${buttons}<button type="button" onClick=${reload} disabled=${loading}>Refresh</button>`} />
    <${Failure} error=${error} />
    ${!data && loading && html`<${Loading} />`}
    ${data && html`<${Summary} ...${data} />
      <div class="columns"><${Items} ...${data} />
        ${data.events ? html`<${Timeline} events=${data.events} />` : html`<${Nothing}>Its history is kept under its number, which the list of orders shows<//>`}</div>`}
    ${action && html`<${ActionQuestion} action=${action} id=${id} onDone=${finish} onClose=${close} />`}`;
}
