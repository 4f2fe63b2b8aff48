// Who is signed in. The token lives in this tab alone and ends with it; it is never part of an address.
const place = `pg_shop.console ${location.pathname}`;
const listeners = new Set();
let session = restore();

function restore() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(place));
    return kept?.expires > Date.now() ? kept : null;
  } catch {
    return null; // storage is forbidden, or not ours
  }
}

function change(next) {
  session = next;
  try {
    if (next?.token) sessionStorage.setItem(place, JSON.stringify(next));
    else sessionStorage.removeItem(place);
  } catch {
    // It lives on in memory.
  }
  for (const listener of listeners) listener();
}

/** { token, username, expires }; { notice } when it ended by itself; or null. */
export const currentSession = () => session;

/** Begins with the answer of POST /auth/login. */
export function beginSession({ accessToken, expiresIn, user }) {
  change({ token: accessToken, username: user.username, expires: Date.now() + expiresIn * 1000 });
}

/** Ends; notice is shown where one signs in. */
export function endSession(notice) {
  change(notice ? { notice } : null);
}

/** Calls back on every change; gives a function that ends this. */
export function onSession(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
