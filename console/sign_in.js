// Signing in as an administrator.
import { html } from './preact.js';
import { post, Problem } from './api.js';
import { Field, valuesOf } from './dialogs.js';
import { useWork } from './loading.js';
import { Failure } from './parts.js';
import { beginSession } from './session.js';

async function signIn(values) {
  const session = await post('auth/login', values);
  if (session.user.role !== 'admin') throw new Problem({ detail: 'This account is not an administrator’s' });
  return session;
}

export function SignIn({ notice }) {
  const { busy, error, run } = useWork();
  const submit = async (event) => {
    event.preventDefault();
    const session = await run(() => signIn(valuesOf(event.target)));
    if (session) beginSession(session);
  };
  return html`<main class="sign-in"><form class="card" onSubmit=${submit}>
    <img src="icon.svg" alt="" width="44" height="44" />
    <h1>Console</h1>
    ${notice && html`<p role="status">${notice}</p>`}
    <${Field} label="User name" name="username" autocomplete="username" autocapitalize="none" autofocus required />
    <${Field} label="Password" name="password" type="password" autocomplete="current-password" required />
    <${Failure} error=${error} />
    <button class="primary" disabled=${busy}>${busy ? 'Signing in…' : 'Sign in'}</button>
  </form></main>`;
}
