\set order random(1, :orders)
SELECT status, body FROM shop.get_order(1, NULL, :order, '7f1c9a60-93a5-4a53-9a0e-3f8f2c1d5b77');
