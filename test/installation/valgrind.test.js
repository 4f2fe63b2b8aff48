// The C code under valgrind: some hundred calls of every function in a server of one process. PostgreSQL gives out memory
// from blocks of its own, so this sees what leaves a block or was never written, not every step over the end of a piece.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { text } from 'node:stream/consumers';
import { Cluster } from '../lib/cluster.js';
import { Database } from '../lib/database.js';
import { root } from '../lib/settings.js';

const missing = spawnSync('valgrind', ['--version']).error !== undefined;
if (missing) console.log('    valgrind is not installed: the run under valgrind is left out');

const intake = (id, qty, total) =>
  `'{"order_id":"${id}","customer_id":"c","total_amount":${total},"items":[{"product_id":"p1","quantity":${qty},"price":1.5},{"product_id":"?","quantity":1,"price":1}]}'`;

/** What one customer does; the whole of it is one statement. */
const customer = `DO $$ DECLARE n bigint; cart bigint; ordered bigint; attempt bigint; BEGIN FOR n IN 101..130 LOOP
  PERFORM shop.add_cart_item(1, NULL, n, 1 + n % 3, 2, 'r'); PERFORM shop.add_cart_item(1, n, n, 1 + (n + 1) % 3, 1, 'r');
  PERFORM shop.add_cart_item(1, n, n, 99, 1, 'r'); PERFORM shop.get_cart(1, n, n, 'r'); PERFORM shop.remove_cart_item(1, n, n, 99, 'r');
  SELECT id INTO cart FROM shop.carts WHERE user_id = n AND status = 'open';
  PERFORM shop.checkout(1, n, n, cart, 'k' || n, 0.01, 'r', NULL); PERFORM shop.checkout(1, n, n, cart, '', NULL, 'r', NULL);
  SELECT order_id INTO ordered FROM shop.checkout(1, n, n, cart, 'k' || n, NULL, 'r', 't');
  PERFORM shop.checkout(1, n, n, cart, '"k' || n || '"', NULL, 'r', NULL); PERFORM shop.checkout(1, n, n, 1, 'k' || n, NULL, 'r', NULL);
  PERFORM shop.get_order(1, n, ordered, 'r'); PERFORM shop.order_events(1, n, ordered, 'r'); PERFORM shop.list_orders(1, n, n, NULL, 10, 'r');
  SELECT attempt_id INTO attempt FROM shop.begin_payment(1, ordered, 'test', 'r');
  PERFORM shop.apply_payment(1, attempt, 'authorized', 'x', NULL, NULL, 's', 'a' || n, 'r', NULL);
  IF n % 4 = 0 THEN PERFORM shop.cancel_order(1, n, false, ordered, 'why', 'u', 'r'); END IF;
  PERFORM shop.apply_payment(1, attempt, CASE WHEN n % 5 = 0 THEN 'declined' ELSE 'captured' END, 'x', NULL, 'why', 's', 'b' || n, 'r', NULL);
  PERFORM shop.settle_payment(1, ordered, true, NULL, 'r', NULL); PERFORM shop.fulfil_order(1, ordered, 'a', 'r');
  PERFORM shop.refund_order(1, NULL, ordered, 1, n % 2 = 0, 'why', 'r' || n, 'a', 'r'); PERFORM shop.refund_order(1, NULL, ordered, NULL, false, 'why', NULL, 'a', 'r');
  PERFORM shop.return_to_stock(1, ordered, 1, 1, 'why', 'a', 'r'); PERFORM shop.cancel_order(1, NULL, true, ordered, 'why', 'a', 'r');
  PERFORM shop.settle_refund(1, id, 'completed', 'x', NULL, 'r', NULL) FROM shop.refunds WHERE order_id = ordered AND kind = 'refund';
  PERFORM shop.restock(1, NULL, 1 + n % 3, 1, 'k' || n, 'a', 'r'); PERFORM shop.get_inventory(1, 1, 'r'); PERFORM shop.adjust_stock(1, 1, 0, 3, 'a', 'r');
  END LOOP; END $$`.replaceAll('\n', ' ');

const statements = [
  customer,
  `DO $$ BEGIN FOR n IN 201..240 LOOP PERFORM shop.add_cart_item(1, NULL, n, 1 + n % 3, 1, NULL); END LOOP;
   PERFORM shop.checkout_batch(1, (SELECT array_agg(ROW(user_id, user_id, id, 'b' || user_id % 30, NULL, 'r', NULL)::shop.checkout_request)
     FROM shop.carts WHERE status = 'open')); END $$`.replaceAll('\n', ' '),
  ...Array.from({ length: 10 }, (_, index) => `SELECT shop.accept_order(1, ${intake(`i${index}`, 1 + index % 3, 2.5 + 1.5 * (index % 3))}, 'k${index}', 'r', NULL)`),
  ...Array.from({ length: 12 }, (_, index) => `SELECT shop.ingest_order(1, ${intake(`i${index}`, 1 + index % 3, 2.5 + 1.5 * (index % 3))}, 'r', NULL)`),
  `SELECT shop.ingest_orders(1, ARRAY[${[...Array.from({ length: 12 }, (_, index) => intake(`j${index % 8}`, 1 + index % 4, 2.5)), "'no JSON'"]}], NULL, NULL)`,
  "SELECT shop.accept_order(1, '{\"items\": [{}]}', NULL, NULL, NULL)",
  "SELECT shop.update_product(1, 1, NULL, 'Other', 2.25, 'a', 'r')",
  'SELECT shop.list_products(1, NULL, NULL, NULL), shop.get_product(1, 1, NULL), shop.get_product(1, 99, NULL)',
  "SET shop.pending_order_ttl = '1s'",
  "UPDATE shop.orders SET created_at = created_at - interval '1 day' WHERE status = 'pending'",
  "UPDATE shop.outbox SET status = 'delivered', finished_at = now() WHERE status = 'pending'",
  'SELECT shop.expire_pending_orders(1, 5), shop.maintain(1), shop.count_orders(1)',
  'SELECT * FROM shop.order_transitions',
];

test('no error of memory in some hundred calls', { skip: missing && 'valgrind is not installed' }, async (context) => {
  const cluster = await Cluster.create();
  context.after(() => cluster.remove());
  const database = await Database.create(cluster);
  await database.sql(`SELECT shop.create_product(1, 'p' || number, 'Thing', 1.50, NULL, NULL) FROM generate_series(1, 3) number;
    SELECT shop.restock(1, NULL, number, 500, NULL, NULL, NULL) FROM generate_series(1, 3) number`);
  await cluster.stop();
  const child = spawn(join(root, 'test/lib/under-valgrind'), [cluster.folder, database.name], { stdio: ['pipe', 'pipe', 'inherit'] });
  // With -j a statement ends with a semicolon and an empty line.
  child.stdin.end(statements.map((statement) => `${statement};\n\n`).join(''));
  const output = await text(child.stdout);
  assert.doesNotMatch(output, /ERROR: |PANIC/, output);
  // What PostgreSQL itself is told of is not ours: only findings with our library on the stack count.
  const findings = output.split(/^==\d+== $/m).filter((finding) => /pg_shop\.so/.test(finding));
  assert.deepEqual(findings, []);
  assert.match(output, /ERROR SUMMARY: \d+ errors/, 'valgrind came to its end');
  await cluster.start();
  assert.ok((await database.value('SELECT count(*)::int FROM shop.orders')) > 60, 'the statements were run');
  await database.verify();
});
