// Small parts that every page uses. Texts given to html`` are escaped by it; nothing here writes HTML by itself.
import { createContext, html, useContext, useEffect, useLayoutEffect, useRef, useState } from './preact.js';
import { link } from './routing.js';

const money = new Intl.NumberFormat('en', { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const whole = new Intl.NumberFormat('en');
const ago = new Intl.RelativeTimeFormat('en', { numeric: 'auto', style: 'short' });
const units = [['second', 60], ['minute', 60], ['hour', 24], ['day', 30], ['month', 12], ['year', Infinity]];

/** '20', '5K': for scales, where there is little room. */
export const formatShort = (number) => new Intl.NumberFormat('en', { notation: 'compact' }).format(number);

/** An amount with its two decimals; a number with its groups. Nothing known is a dash. */
export const formatMoney = (amount) => (amount === null || amount === undefined ? '–' : money.format(amount));
export const formatNumber = (number) => (number === null || number === undefined ? '–' : whole.format(number));

/** '3 min. ago' of milliseconds since 1970. */
export function formatAgo(time, now = Date.now()) {
  let distance = (time - now) / 1000;
  for (const [unit, size] of units) {
    if (Math.abs(distance) < size) return ago.format(Math.round(distance), unit);
    distance /= size;
  }
  return '';
}

/** '3 h 20 min' of seconds. */
export function formatDuration(seconds) {
  if (seconds === null || seconds === undefined) return '–';
  const parts = [[86400, 'd'], [3600, 'h'], [60, 'min'], [1, 's']].filter(([size]) => seconds >= size || size === 1).slice(0, 2);
  let rest = Math.floor(seconds);
  return parts.map(([size, unit]) => {
    const count = Math.floor(rest / size);
    rest -= count * size;
    return `${count} ${unit}`;
  }).join(' ');
}

const twoDigits = (number) => String(number).padStart(2, '0');

function formatLocal(date) {
  const day = [date.getFullYear(), twoDigits(date.getMonth() + 1), twoDigits(date.getDate())].join('-');
  return `${day} ${[date.getHours(), date.getMinutes(), date.getSeconds()].map(twoDigits).join(':')}`;
}

/** A time of the API: relative with the exact one on hover, or the local time in full. */
export function Time({ at, exact }) {
  if (!at) return '–';
  const date = new Date(at);
  return html`<time datetime=${at} title=${`${at} (${formatAgo(date)})`}>${exact ? formatLocal(date) : formatAgo(date)}</time>`;
}

const looks = {
  QUEUED: 'grey', pending: 'amber', CONFIRMED: 'blue', FULFILLED: 'green', CANCELLED: 'red', REFUNDED: 'violet',
  queued: 'grey', completed: 'green', failed: 'red', open: 'red', redriven: 'green', discarded: 'grey',
  healthy: 'green', connected: 'green', degraded: 'amber', disconnected: 'red',
};

export const Status = ({ of }) => html`<span class=${`status ${looks[of] ?? 'grey'}`}>${of}</span>`;

/** A problem as people read it: what is wrong, and what to name when reporting it. */
export function Failure({ error }) {
  if (!error) return null;
  return html`<div class="failure" role="alert">
    <strong>${error.message}</strong>
    ${error.code && html`<span class="muted">${error.status} ${error.code}</span>`}
    ${error.more?.orderIds && html`<span>Orders: ${error.more.orderIds.map((id) => html`<a href=${link('orders', id)}>${id}</a> `)}</span>`}
    ${error.requestId && html`<span class="muted">Request id <code>${error.requestId}</code></span>`}
  </div>`;
}

export const Loading = () => html`<p class="loading" role="status">Loading…</p>`;
export const Nothing = ({ children }) => html`<p class="nothing">${children}</p>`;

/** The page's name, where the keyboard is put when one comes to the page; all of it before the page is painted, so that nobody sees or types into the one before. */
export function Heading({ children, title, aside }) {
  const heading = useRef();
  useLayoutEffect(() => {
    document.title = `${title} · Console`;
    heading.current.focus({ preventScroll: true });
    scrollTo(0, 0);
  }, [title]);
  return html`<header class="heading"><h1 tabindex="-1" ref=${heading}>${children ?? title}</h1><div class="actions">${aside}</div></header>`;
}

/** Links that look like a row of buttons, one of which is the present one: [[label, address, present], …]. */
export const Tabs = ({ label, tabs }) => html`<nav class="tabs" aria-label=${label}>
  ${tabs.map(([text, address, present]) => html`<a href=${address} aria-current=${present ? 'true' : undefined}>${text}</a>`)}
</nav>`;

/** A table in a frame that scrolls when it is too narrow. columns: [label, class]. */
export const Table = ({ label, columns, children }) => html`<div class="scroll card" role="region" aria-label=${label} tabindex="0"><table>
  <thead><tr>${columns.map(([text, kind]) => html`<th scope="col" class=${kind}>${text}</th>`)}</tr></thead>
  <tbody>${children}</tbody>
</table></div>`;

/** Names and values: [[name, value], …]; those without a value are left out. */
export const Facts = ({ facts }) => html`<dl class="facts card">
  ${facts.filter(([, value]) => value !== null && value !== undefined && value !== '').map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}
</dl>`;

/** The links below a page of a list that goes on. */
export const Pager = ({ first, next, nextLabel = 'Older' }) => (first || next) && html`<nav class="pager" aria-label="Pages">
  ${first && html`<a class="button" href=${first}>First page</a>`}
  ${next && html`<a class="button" href=${next}>${nextLabel} →</a>`}
</nav>`;

/** A field for looking something up. */
export function Search({ label, value = '', onSearch }) {
  const [text, setText] = useState(value);
  const submit = (event) => {
    event.preventDefault();
    onSearch(text.trim());
  };
  return html`<form class="search" role="search" onSubmit=${submit}>
    <input type="search" aria-label=${label} placeholder=${label} value=${text} onInput=${(event) => setText(event.target.value)} />
    <button>Find</button>
  </form>`;
}

const Notices = createContext(() => {});
export const useNotice = () => useContext(Notices);

/** Shows what was done, at the bottom, for a while; useNotice() gives the function that says it. */
export function NoticeBoard({ children }) {
  const [text, setText] = useState('');
  useEffect(() => {
    const timer = text && setTimeout(() => setText(''), 8000);
    return () => clearTimeout(timer);
  }, [text]);
  return html`<${Notices.Provider} value=${setText}>${children}<//>
    <div class="notice" role="status" aria-live="polite">${text && html`<p>${text}</p>`}</div>`;
}
