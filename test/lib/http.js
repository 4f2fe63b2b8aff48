// Requests as a client makes them, and raw bytes as a hostile one does.
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { assertContract } from './contract.js';
import { within } from './wait.js';

/**
 * Sends one request. body: an object becomes JSON; a string or Buffer is sent as it is. headers win over what is derived.
 * Gives { status, headers, text, json }; json is undefined where the answer is not JSON. An answer that the OpenAPI document
 * does not promise fails.
 */
export function send(port, method, path, { body, headers = {}, token, key, agent, seconds = 30 } = {}) {
  const bytes = body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  const all = {
    ...(bytes === undefined ? {} : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(bytes) }),
    ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
    ...(key === undefined ? {} : { 'Idempotency-Key': key }),
    ...headers,
  };
  for (const name of Object.keys(all)) if (all[name] === undefined) delete all[name];
  const answer = new Promise((resolve, reject) => {
    const outgoing = httpRequest({ host: '127.0.0.1', port, method, path, headers: all, agent: agent ?? false }, (incoming) => {
      const chunks = [];
      incoming.on('data', (chunk) => chunks.push(chunk));
      incoming.once('error', reject);
      incoming.once('end', () => {
        const text = Buffer.concat(chunks).toString();
        const given = { status: incoming.statusCode, headers: incoming.headers, text, json: parsed(text) };
        try {
          assertContract(method, path, given, bytes);
          resolve(given);
        } catch (error) {
          reject(error);
        }
      });
    });
    outgoing.once('error', reject);
    outgoing.end(bytes);
  });
  return within(seconds, `${method} ${path}`, answer);
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Writes bytes to a new connection; gives all that comes back until the other side closes, or `seconds` are over. */
export function raw(port, bytes, seconds = 10) {
  const socket = connect(port, '127.0.0.1');
  const chunks = [];
  const closed = new Promise((resolve) => {
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('error', () => {});
    socket.once('close', () => resolve(Buffer.concat(chunks).toString('latin1')));
  });
  socket.write(bytes);
  return within(seconds, 'the server closes the connection', closed).finally(() => socket.destroy());
}

/** A number's own text in a JSON document: literal('{"a":19.90}', 'a') is '19.90'. */
export function literal(text, member) {
  const found = text.match(new RegExp(`"${member}"\\s*:\\s*(-?[0-9.eE+-]+)`));
  return found?.[1];
}
