// The console's frame: who is signed in, which page is shown, and what needs attention.
import { html, render, useEffect, useRef, useState } from './preact.js';
import { health } from './api.js';
import { DeadLetter, DeadLetters } from './dead_letters.js';
import { Integrity } from './integrity.js';
import { useLive } from './loading.js';
import { Order } from './order.js';
import { Orders } from './orders.js';
import { Overview } from './overview.js';
import { Heading, NoticeBoard, Nothing } from './parts.js';
import { link, useRoute } from './routing.js';
import { currentSession, endSession, onSession } from './session.js';
import { SignIn } from './sign_in.js';
import { Product, Stock } from './stock.js';

const HEALTH_SECONDS = 10;

// Each page with its list and, where it has one, what one entry of that list is.
const pages = {
  overview: { label: 'Overview', list: Overview },
  orders: { label: 'Orders', list: Orders, one: Order },
  'dead-letters': { label: 'Dead letters', list: DeadLetters, one: DeadLetter, query: { status: 'open' } },
  stock: { label: 'Stock', list: Stock, one: Product },
  integrity: { label: 'Integrity', list: Integrity },
};

const Unknown = () => html`<${Heading} title="No such page" /><${Nothing}><a href=${link('overview')}>Overview</a><//>`;

function Navigation({ present, deadLetters }) {
  return html`<nav class="pages" aria-label="Pages">
    ${Object.entries(pages).map(([name, { label, query }]) => html`<a href=${link(name, undefined, query)} aria-current=${name === present ? 'page' : undefined}>
      ${label}${name === 'dead-letters' && deadLetters > 0 && html`<span class="count" aria-label=${`${deadLetters} dead letters`}>${deadLetters}</span>`}</a>`)}
  </nav>`;
}

function Console({ username }) {
  const route = useRoute();
  const main = useRef();
  const { data, error } = useLive(health, HEALTH_SECONDS);
  const page = pages[route.page];
  const Page = (route.id === undefined || route.id === '' ? page?.list : page?.one) ?? Unknown;
  const skip = (event) => {
    event.preventDefault();
    main.current.focus();
  };
  const condition = error ? 'unreachable' : data?.status;
  return html`<a class="skip" href="#main" onClick=${skip}>Skip to content</a>
    <header class="frame">
      <a class="brand" href=${link('overview')}><img src="icon.svg" alt="" width="28" height="28" /> Console</a>
      <${Navigation} present=${route.page} deadLetters=${data?.queue.dlq_depth} />
      <div class="account">
        <span class=${`dot ${condition ?? ''}`} role="img" aria-label=${`Service: ${condition ?? 'not known yet'}`} title=${`Service: ${condition ?? 'not known yet'}`}></span>
        <span class="name">${username}</span>
        <button type="button" onClick=${() => endSession()}>Sign out</button>
      </div>
    </header>
    <main id="main" tabindex="-1" ref=${main}><${Page} key=${route.text} id=${route.id} query=${route.query} /></main>`;
}

function App() {
  const [session, setSession] = useState(currentSession);
  useEffect(() => onSession(() => setSession(currentSession())), []);
  return session?.token
    ? html`<${NoticeBoard}><${Console} username=${session.username} /><//>`
    : html`<${SignIn} notice=${session?.notice} />`;
}

render(html`<${App} />`, document.getElementById('app'));
