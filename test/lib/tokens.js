// Tokens made by hand, good and bad.
import { createHmac } from 'node:crypto';

export const jwtSecret = 'a-secret-of-the-tests-9f2c51d07be84a6f';

const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
export const now = () => Math.floor(Date.now() / 1000);

/** Signs claims; header and secret can be other than right ones. */
export function sign(claims, { header = { alg: 'HS256', typ: 'JWT' }, secret = jwtSecret, hash = 'sha256' } = {}) {
  const content = `${part(header)}.${part(claims)}`;
  return `${content}.${createHmac(hash, secret).update(content).digest('base64url')}`;
}

/** A good token: token('admin', 1), token('user', 2). */
export function token(role, sub, more = {}) {
  return sign({ sub: String(sub), role, username: `${role}-${sub}`, iat: now(), exp: now() + 600, ...more });
}
