\set order 1 + random(0, 1999) * (:orders / 2000)
SELECT status, body FROM shop.get_order(1, NULL, :order, '7f1c9a60-93a5-4a53-9a0e-3f8f2c1d5b77');
