// All orders, newest first.
import { html } from './preact.js';
import { get } from './api.js';
import { useLoad } from './loading.js';
import { Failure, formatMoney, Heading, Loading, Nothing, Pager, Search, Status, Table, Tabs, Time } from './parts.js';
import { go, link } from './routing.js';

const PAGE = 50;
const statuses = ['QUEUED', 'pending', 'CONFIRMED', 'FULFILLED', 'REFUNDED', 'CANCELLED'];

/** An order's page; as is the id under which POST /api/orders took it. */
export const orderLink = ({ id, order_id: as }) => link('orders', id, { as });

const Row = ({ order }) => html`<tr>
  <td><a href=${orderLink(order)}>${order.id}</a></td>
  <td class="long">${order.user_id === null ? order.customer_id : `user ${order.user_id}`}${order.order_id && html`<small class="muted">${order.order_id}</small>`}</td>
  <td><${Status} of=${order.status} /></td>
  <td class="number">${formatMoney(order.total_price)}</td>
  <td class="number wide"><${Time} at=${order.created_at} /></td>
</tr>`;

export const OrderTable = ({ orders }) => html`<${Table} label="Orders" columns=${[['Order'], ['Customer'], ['Status'], ['Total', 'number'], ['Placed', 'number wide']]}>
  ${orders.map((order) => html`<${Row} key=${order.id} order=${order} />`)}
<//>`;

export function Orders({ query: { status, before } }) {
  // One more than is shown tells whether there are more.
  const { data, error, loading, reload } = useLoad((signal) => get('admin/orders', { signal, query: { status, before, limit: PAGE + 1 } }));
  const shown = data?.slice(0, PAGE);
  const tab = (label, value) => [label, link('orders', undefined, { status: value }), status === value];
  const next = data?.length > PAGE && link('orders', undefined, { status, before: shown.at(-1).id });
  return html`<${Heading} title="Orders" aside=${html`
      <${Search} label="Order number or id" onSearch=${(text) => text && go(link('orders', text))} />
      <button type="button" onClick=${reload} disabled=${loading}>Refresh</button>`} />
    <${Tabs} label="Status" tabs=${[tab('All', undefined), ...statuses.map((value) => tab(value, value))]} />
    <${Failure} error=${error} />
    ${!data && loading && html`<${Loading} />`}
    ${shown?.length === 0 && html`<${Nothing}>No such orders<//>`}
    ${shown?.length > 0 && html`<${OrderTable} orders=${shown} />`}
    <${Pager} first=${before && link('orders', undefined, { status })} next=${next} />`;
}
