// The integrity report: one row per broken invariant, empty when all is well.
import { html, useState } from './preact.js';
import { get } from './api.js';
import { useWork } from './loading.js';
import { Failure, Heading, Table } from './parts.js';

const SECONDS = 65; // a little more than the gateway gives it

async function check() {
  const started = Date.now();
  const findings = await get('admin/verify', { seconds: SECONDS });
  return { findings, at: new Date(), seconds: ((Date.now() - started) / 1000).toFixed(1) };
}

const Findings = ({ findings }) => html`<${Table} label="Findings" columns=${[['Rule'], ['Where'], ['What was found']]}>
  ${findings.map(({ check: rule, subject, detail }, i) => html`<tr key=${i}><td><code>${rule}</code></td><td>${subject}</td><td class="long">${detail}</td></tr>`)}
<//>`;

export function Integrity() {
  const [report, setReport] = useState(null);
  const { busy, error, run } = useWork();
  const start = async () => {
    const found = await run(check);
    if (found) setReport(found);
  };
  const good = report?.findings.length === 0;
  return html`<${Heading} title="Integrity" aside=${html`<button type="button" class="primary" onClick=${start} disabled=${busy}>${busy ? 'Checking…' : 'Check now'}</button>`} />
    <p class="muted">Stock levels against their ledger, orders against their history, payments, messages: every rule that must always hold is
      checked over all rows. On a large shop this takes a while.</p>
    <${Failure} error=${error} />
    <div role="status">${report && html`<div class=${`verdict card padded ${good ? 'good' : 'bad'}`}>
      <strong>${good ? 'All is well' : `${report.findings.length} ${report.findings.length === 1 ? 'finding' : 'findings'}`}</strong>
      <span class="muted">Checked at ${report.at.toLocaleTimeString('en-GB')} in ${report.seconds} s</span></div>`}</div>
    ${report && !good && html`<${Findings} findings=${report.findings} />`}`;
}
