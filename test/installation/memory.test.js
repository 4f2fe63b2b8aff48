// A backend that sells all day does not grow: what it holds after some thousand checkouts it holds after many.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import pg from 'pg';
import { Database } from '../lib/database.js';

const quick = Boolean(process.env.SHOP_TEST_QUICK);
const marks = quick ? [2_000, 6_000] : [10_000, 20_000, 30_000, 40_000, 50_000];
const batchSize = 100;
const block = 1_000; // half of it one by one, half of it in batches

/** Bytes: what the backend's memory contexts have, and what it keeps for itself of the machine's memory. */
async function memory(client) {
  const { rows: [{ pid, contexts }] } = await client.query(
    'SELECT pg_backend_pid() AS pid, sum(total_bytes)::bigint AS contexts FROM pg_backend_memory_contexts');
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const resident = status.match(/^RssAnon:\s+(\d+) kB/m);
  return { contexts: Number(contexts), resident: resident === null ? null : Number(resident[1]) * 1024 };
}

async function one(client, number) {
  const { rows } = await client.query({ name: 'checkout', text: 'SELECT status FROM shop.checkout(1, NULL, $1, $1, $2, NULL, NULL, NULL)',
    values: [number, `k${number}`] });
  assert.equal(rows[0].status, 201);
}

async function batch(client, first) {
  const { rows } = await client.query({ name: 'batch', text: `SELECT count(*)::int AS sold FROM shop.checkout_batch(1, ARRAY(
      SELECT ROW(NULL, number, number, 'k' || number, NULL, NULL, NULL)::shop.checkout_request
      FROM generate_series($1::bigint, $1::bigint + ${batchSize - 1}) number)) WHERE status = 201`, values: [first] });
  assert.equal(rows[0].sold, batchSize);
}

test(`the memory of one backend is flat between ${marks[0]} and ${marks.at(-1)} checkouts`, async (context) => {
  const database = await Database.create();
  context.after(() => database.drop());
  await database.sql(`SELECT shop.create_product(1, 'p' || number, 'Thing', 1.50, NULL, NULL) FROM generate_series(1, 20) number;
    SELECT shop.restock(1, NULL, number, 1000000, NULL, NULL, NULL) FROM generate_series(1, 20) number;
    INSERT INTO shop.carts (store_id, user_id) SELECT 1, number FROM generate_series(1, ${marks.at(-1)}) number;
    INSERT INTO shop.cart_items (store_id, cart_id, product_id, qty)
      SELECT 1, number, 1 + (number + line * 7) % 20, 1 FROM generate_series(1, ${marks.at(-1)}) number, generate_series(1, 2) line;
    ANALYZE`);
  const client = new pg.Client({ host: database.cluster.socket, port: database.cluster.port, user: 'postgres', database: database.name });
  await client.connect();
  const measured = [];
  try {
    await client.query('SET synchronous_commit = off');
    for (let done = 0; done < marks.at(-1); done += block) {
      for (let number = done + 1; number <= done + block / 2; number += 1) await one(client, number);
      for (let first = done + block / 2 + 1; first <= done + block; first += batchSize) await batch(client, first);
      if (marks.includes(done + block)) measured.push(await memory(client));
    }
  } finally {
    await client.end();
  }
  const kib = (bytes) => (bytes === null ? '?' : Math.round(bytes / 1024));
  console.log(`    checkouts: memory contexts / private memory, KiB: ${measured.map(({ contexts, resident }, index) =>
    `${marks[index]}: ${kib(contexts)} / ${kib(resident)}`).join(', ')}`);
  const [first, last] = [measured[0], measured.at(-1)];
  assert.ok(last.contexts < first.contexts * 1.05, `memory contexts grew from ${first.contexts} to ${last.contexts} bytes`);
  if (first.resident !== null) {
    assert.ok(last.resident < first.resident * 1.05, `private memory grew from ${first.resident} to ${last.resident} bytes`);
  }
  assert.equal(await database.value('SELECT count(*)::int FROM shop.orders'), marks.at(-1));
  await database.verify();
});
