import { setTimeout as pause } from 'node:timers/promises';

/**
 * Repeats look() until it gives something truthy, and gives that back. Fails after `seconds`, naming what was awaited.
 * An exception of look() counts as "not yet"; the last one is shown in the failure.
 */
export async function eventually(what, look, seconds = 15) {
  const end = Date.now() + seconds * 1000;
  let last;
  for (;;) {
    try {
      const found = await look();
      if (found) return found;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) {
      throw new Error(`waited ${seconds} s in vain for: ${what}${last ? `\n${last.stack ?? last}` : ''}`);
    }
    await pause(25);
  }
}

/** The promise's outcome, or a failure after `seconds`: nothing in these tests may hang. */
export async function within(seconds, what, promise) {
  const stop = new AbortController();
  const late = pause(seconds * 1000, undefined, { signal: stop.signal }).then(
    () => {
      throw new Error(`not done within ${seconds} s: ${what}`);
    },
    () => {},
  );
  try {
    return await Promise.race([promise, late]);
  } finally {
    stop.abort();
  }
}
