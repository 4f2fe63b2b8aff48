// The least that stands between HTTP and a checkout function: Node's own HTTP server, a pool of 20 connections, one prepared
// call per request, the function's JSON passed through. Arguments: PORT CONNECTION FUNCTION.
import http from 'node:http';
import pg from 'pg';

const [port, connectionString, name] = process.argv.slice(2);
const pool = new pg.Pool({ connectionString, max: 20 });
const counters = { retries: 0, errors: 0 };
const text = `SELECT status, body FROM ${name}(1, NULL, $1, $2, $3, NULL, $4, NULL)`;

/** The request's body as text. */
async function read(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

async function checkout(request) {
  const { userId, cartId } = JSON.parse(await read(request));
  const { rows } = await pool.query({
    name: 'checkout',
    text,
    values: [userId, cartId, request.headers['idempotency-key'], '7f1c9a60-93a5-4a53-9a0e-3f8f2c1d5b77'],
  });
  return rows[0];
}

const server = http.createServer(async (request, response) => {
  try {
    const { status, body } =
      request.method === 'POST' ? await checkout(request) : { status: 200, body: '{"status":"ok"}' };
    response
      .writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) })
      .end(body);
  } catch (error) {
    counters.errors++;
    response.writeHead(500).end(JSON.stringify({ message: error.message }));
  }
});
server.listen(Number(port), '127.0.0.1', () => console.log('READY'));
process.on('SIGTERM', () => {
  console.log(`COUNTERS ${JSON.stringify(counters)}`);
  server.close();
  server.closeAllConnections();
  pool.end();
});
