-- Giving up a message whose order was settled after all, by a try that nobody heard of again.
BEGIN;
SELECT plan(4);
\ir fixture.psql

SELECT pg_temp.product('apple', 1, 100) AS apple \gset
SELECT pg_temp.order_of(1, :apple, 2) AS first \gset
SELECT result FROM shop.settle_payment(1, :first, true, 'why', 'r', NULL) \g /dev/null

SELECT is((SELECT id FROM shop.record_dead_letter(1, 'outbox', 'k-1', '{"orderId": 1}', NULL, 'max_retries_exceeded', 'late',
              5, :first, 'r', (SELECT id FROM shop.outbox WHERE order_id = :first))), NULL,
    'an order that was settled after all is no dead letter');
SELECT is((SELECT status FROM shop.outbox WHERE order_id = :first), 'delivered', 'its message is done');
SELECT isnt((SELECT id FROM shop.record_dead_letter(1, 'outbox', 'k-2', '{"refundId": 3, "orderId": 1}', NULL,
                'max_retries_exceeded', 'late', 5, :first, 'r', NULL)), NULL, 'a refund of it can be one');
SELECT is_empty('SELECT * FROM shop.verify(1)', 'the shop is in order');

SELECT * FROM finish();
ROLLBACK;
