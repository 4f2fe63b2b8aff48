// The only place that talks to the gateway: its public API and nothing else, by addresses relative to the console, so that a
// path prefix in front of both changes nothing.
import { currentSession, endSession } from './session.js';

const base = new URL('..', document.baseURI);

/** What the gateway refused, or why it could not be asked. */
export class Problem extends Error {
  constructor({ status = 0, detail, code, requestId, ...more }) {
    super(detail);
    Object.assign(this, { status, code, requestId, more });
  }
}

/** An address below the API's root: path`orders/${id}`, values escaped. */
export function path(literals, ...values) {
  return literals.reduce((text, literal, i) => text + encodeURIComponent(values[i - 1]) + literal);
}

/** A key that makes a call safe to repeat. crypto.randomUUID() is missing where the console is served without TLS. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `console-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}

function address(target, query = {}) {
  const url = new URL(target, base);
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== '') url.searchParams.set(name, value);
  }
  return url;
}

async function problemOf(answer) {
  const fallback = { status: answer.status, requestId: answer.headers.get('x-request-id') };
  try {
    return new Problem({ detail: `The gateway answered ${answer.status}`, ...fallback, ...(await answer.json()) });
  } catch {
    return new Problem({ detail: `The gateway answered ${answer.status}`, ...fallback });
  }
}

/** fetch(), where no answer at all is a Problem, too. */
async function ask(url, options, signal, seconds) {
  const limit = new AbortController();
  const stop = () => limit.abort();
  const timer = setTimeout(stop, seconds * 1000);
  signal?.addEventListener('abort', stop);
  try {
    const answer = await fetch(url, { ...options, signal: limit.signal });
    return { answer, text: answer.ok || answer.status === 503 ? await answer.clone().text() : '' };
  } catch (error) {
    if (signal?.aborted) throw error;
    const late = limit.signal.aborted;
    throw new Problem({ detail: late ? `No answer within ${seconds} seconds` : 'The gateway cannot be reached' });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', stop);
  }
}

/**
 * Calls the API and gives the answer's JSON; throws Problem. query and body are objects; key is an Idempotency-Key; accept
 * lists refusals whose body is as good as a success's. A token that is not accepted any more ends the session.
 */
export async function call(method, target, { query, body, key, signal, accept = [], seconds = 20 } = {}) {
  const token = currentSession()?.token;
  const headers = { Accept: 'application/json' };
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body) headers['Content-Type'] = 'application/json';
  if (key) headers['Idempotency-Key'] = key;
  const options = { method, headers, body: body && JSON.stringify(body), cache: 'no-store', credentials: 'omit', redirect: 'error' };
  const { answer, text } = await ask(address(target, query), options, signal, seconds);
  if (answer.ok || accept.includes(answer.status)) {
    try {
      return JSON.parse(text);
    } catch {
      throw new Problem({ status: answer.status, detail: 'The answer is not JSON: is this the address of the gateway?' });
    }
  }
  const problem = await problemOf(answer);
  if (answer.status === 401 && token && token === currentSession()?.token) {
    endSession('Your session has ended. Please sign in again.');
  }
  throw problem;
}

export const get = (target, options) => call('GET', target, options);
export const post = (target, body, options) => call('POST', target, { body, ...options });

/** GET /api/health, also when it says that the service is not well. */
export const health = (signal) => get('api/health', { signal, accept: [503] });
