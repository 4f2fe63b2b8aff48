// Messages that could not be handled, and what becomes of them.
import { html } from './preact.js';
import { get, path, post } from './api.js';
import { Field, Question, useQuestion } from './dialogs.js';
import { useLoad } from './loading.js';
import { Facts, Failure, Heading, Loading, Nothing, Pager, Status, Table, Tabs, Time, useNotice } from './parts.js';
import { link } from './routing.js';

const PAGE = 50;
const redrive = (id) => post(path`admin/dead-letters/${id}/redrive`, {});

/** One after the other, so that a refusal names its letter and leaves the rest alone. */
async function redriveAll(letters) {
  for (const { id } of letters) await redrive(id);
  return letters.length;
}

const Row = ({ letter, onRedrive }) => html`<tr>
  <td><a href=${link('dead-letters', letter.id)}>${letter.id}</a></td>
  <td class="long">${letter.reason}<small class="muted">${letter.error}</small></td>
  <td class="wide"><${Status} of=${letter.status} /></td>
  <td class="number wide">${letter.attempts}</td>
  <td class="wide">${letter.order_id && html`<a href=${link('orders', letter.order_id)}>${letter.order_id}</a>`}</td>
  <td class="number wide"><${Time} at=${letter.created_at} /></td>
  <td class="number">${letter.status === 'open' && html`<button type="button" aria-label=${`Redrive dead letter ${letter.id}`} onClick=${() => onRedrive(letter)}>Redrive</button>`}</td>
</tr>`;

const columns = [['Letter'], ['Reason'], ['Status', 'wide'], ['Attempts', 'number wide'], ['Order', 'wide'], ['Since', 'number wide'], [html`<span class="unseen">Action</span>`]];

export function DeadLetters({ query: { status, before } }) {
  const { data, error, loading, reload } = useLoad((signal) => get('admin/dead-letters', { signal, query: { status, before, limit: PAGE + 1 } }));
  const [letters, ask, close] = useQuestion();
  const notice = useNotice();
  const shown = data?.slice(0, PAGE) ?? [];
  const open = shown.filter((letter) => letter.status === 'open');
  const tab = (label, value) => [label, link('dead-letters', undefined, { status: value }), status === value];
  const finish = (count) => {
    notice(count === 1 ? 'One message is on its way again' : `${count} messages are on their way again`);
    reload();
  };
  return html`<${Heading} title="Dead letters" aside=${html`
      ${open.length > 0 && html`<button type="button" class="primary" onClick=${() => ask(open)}>Redrive all ${open.length} listed</button>`}
      <button type="button" onClick=${reload} disabled=${loading}>Refresh</button>`} />
    <${Tabs} label="Status" tabs=${[tab('All', undefined), tab('Open', 'open'), tab('Redriven', 'redriven'), tab('Discarded', 'discarded')]} />
    <${Failure} error=${error} />
    ${!data && loading && html`<${Loading} />`}
    ${data && shown.length === 0 && html`<${Nothing}>${status === 'open' ? 'No open dead letters: all is well' : 'No such dead letters'}<//>`}
    ${shown.length > 0 && html`<${Table} label="Dead letters" columns=${columns}>
      ${shown.map((letter) => html`<${Row} key=${letter.id} letter=${letter} onRedrive=${(one) => ask([one])} />`)}<//>`}
    <${Pager} first=${before && link('dead-letters', undefined, { status })}
      next=${data?.length > PAGE && link('dead-letters', undefined, { status, before: shown.at(-1).id })} />
    ${letters && html`<${Question} title=${letters.length === 1 ? `Redrive dead letter ${letters[0].id}?` : `Redrive ${letters.length} dead letters?`}
      verb="Redrive" work=${() => redriveAll(letters)} onDone=${finish} onClose=${close}>
      <p>The message is queued again and handled as if it were new. What was already done is not done twice.</p><//>`}`;
}

/** A JSON text with indentation; any other text as it is. */
function indented(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

const Text = ({ title, children }) => html`<section><h2>${title}</h2><pre class="card padded" tabindex="0" aria-label=${title}>${children}</pre></section>`;

const Letter = ({ letter }) => html`<${Facts} facts=${[
    ['Status', html`<${Status} of=${letter.status} />`],
    ['Reason', letter.reason],
    ['Attempts', letter.attempts],
    ['From', letter.source],
    ['Message', html`<code>${letter.message_key}</code>`],
    ['Order', letter.order_id && html`<a href=${link('orders', letter.order_id)}>${letter.order_id}</a>`],
    ['Request id', letter.request_id && html`<code>${letter.request_id}</code>`],
    ['Came', html`<${Time} at=${letter.created_at} exact />`],
    ['Changed', html`<${Time} at=${letter.updated_at} exact />`],
    ['On the dead-letter queue', letter.dlq_moved_at && html`<${Time} at=${letter.dlq_moved_at} exact />`],
    ['Resolution', letter.resolution],
  ]} />
  ${letter.error && html`<${Text} title="Last error">${letter.error}<//>`}
  <${Text} title="Body">${indented(letter.body)}<//>
  ${letter.attributes && html`<${Text} title="Attributes">${JSON.stringify(letter.attributes, null, 2)}<//>`}`;

export function DeadLetter({ id }) {
  const { data, error, loading, reload } = useLoad((signal) => get(path`admin/dead-letters/${id}`, { signal }));
  const [action, ask, close] = useQuestion();
  const notice = useNotice();
  const finish = () => {
    notice(action === 'redrive' ? 'The message is on its way again' : `Dead letter ${id} is discarded`);
    reload();
  };
  const buttons = data?.status === 'open' && html`
    <button type="button" class="primary" onClick=${() => ask('redrive')}>Redrive</button>
    <button type="button" class="danger" onClick=${() => ask('discard')}>Discard</button>`;
  return html`<p><a href=${link('dead-letters', undefined, { status: 'open' })}>← Dead letters</a></p>
    <${Heading} title=${`Dead letter ${id}`} aside=${buttons} />
    <${Failure} error=${error} />
    ${!data && loading && html`<${Loading} />`}
    ${data && html`<${Letter} letter=${data} />`}
    ${action === 'redrive' && html`<${Question} title=${`Redrive dead letter ${id}?`} verb="Redrive" work=${() => redrive(id)} onDone=${finish} onClose=${close}>
      <p>The message is queued again and handled as if it were new.</p><//>`}
    ${action === 'discard' && html`<${Question} title=${`Discard dead letter ${id}?`} verb="Discard" danger onDone=${finish} onClose=${close}
      work=${({ reason }) => post(path`admin/dead-letters/${id}/discard`, { reason })}>
      <p>The message will never be handled. The letter stays to be read.</p><${Field} label="Reason" name="reason" required autofocus /><//>`}`;
}
