// How the shop is doing, live.
import { html, useState } from './preact.js';
import { get, health } from './api.js';
import { HourChart } from './chart.js';
import { useLive } from './loading.js';
import { OrderTable } from './orders.js';
import { Facts, Failure, formatDuration, formatNumber, Heading, Loading, Nothing, Status, Time } from './parts.js';
import { link } from './routing.js';

const INTERVAL_SECONDS = 3;

async function load(signal) {
  const [statistics, condition, orders] = await Promise.all([
    get('api/stats', { signal }), health(signal), get('admin/orders', { signal, query: { limit: 8 } }),
  ]);
  return { statistics, condition, orders };
}

const Figure = ({ label, value, note, href, alarm }) => html`<div class=${`figure card ${alarm ? 'alarm' : ''}`}>
  <span class="label">${href ? html`<a href=${href}>${label}</a>` : label}</span>
  <strong>${value}</strong>
  <small>${note}</small>
</div>`;

function Figures({ statistics, condition: { queue } }) {
  const oldest = queue.oldest_message_age_seconds;
  return html`<section class="figures" aria-label="Figures">
    <${Figure} label="Orders today" value=${formatNumber(statistics.orders_today)} note="since midnight UTC" href=${link('orders')} />
    <${Figure} label="Orders per hour" value=${formatNumber(statistics.processing_rate)} note="over the last 24 hours" />
    <${Figure} label="All orders" value=${formatNumber(statistics.total_orders)} note="ever" />
    <${Figure} label="In the queue" value=${formatNumber(queue.depth ?? statistics.queue_depth)}
      note=${oldest === null ? 'nothing waits' : `the oldest for ${formatDuration(oldest)}`} />
    <${Figure} label="Dead letters" value=${formatNumber(queue.dlq_depth)} alarm=${queue.dlq_depth > 0}
      note=${queue.dlq_depth > 0 ? 'see which are open' : 'none'} href=${link('dead-letters', undefined, { status: 'open' })} />
  </section>`;
}

const Condition = ({ condition: { status, database, queue, uptime_seconds: uptime, version } }) => html`<section>
  <h2>Health</h2>
  <${Facts} facts=${[
    ['Service', html`<${Status} of=${status} />`],
    ['Database', html`<${Status} of=${database.status} />`],
    ['Queue', html`<${Status} of=${queue.status} /> ${queue.backend ?? ''}`],
    ['Last poll', html`<${Time} at=${queue.last_poll_at} />`],
    ['Gateway up for', formatDuration(uptime)],
    ['Version', version],
  ]} />
</section>`;

export function Overview() {
  const [paused, setPaused] = useState(false);
  const { data, error, at } = useLive(load, INTERVAL_SECONDS, paused);
  const live = html`
    <span class="muted live" data-at=${at}>${paused ? 'Paused' : `Live, every ${INTERVAL_SECONDS} s`}</span>
    <button type="button" aria-pressed=${String(paused)} onClick=${() => setPaused(!paused)}>${paused ? 'Go on' : 'Pause'}</button>`;
  return html`<${Heading} title="Overview" aside=${live} />
    <${Failure} error=${error} />
    ${!data && !error && html`<${Loading} />`}
    ${data && html`<${Figures} ...${data} />
      <section><h2>Orders by hour <small class="muted">last 24 hours, UTC</small></h2>
        <div class="card padded"><${HourChart} hours=${data.statistics.orders_by_hour} /></div></section>
      <div class="columns">
        <section><h2>Latest orders</h2>
          ${data.orders.length > 0 ? html`<${OrderTable} orders=${data.orders} />` : html`<${Nothing}>No order yet<//>`}</section>
        <${Condition} condition=${data.condition} />
      </div>`}`;
}
