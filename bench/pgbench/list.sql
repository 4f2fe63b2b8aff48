\set user 1000000 + random(0, 199) * (:orders / 2000)
SELECT status, body FROM shop.list_orders(1, NULL, :user, NULL, 20, '7f1c9a60-93a5-4a53-9a0e-3f8f2c1d5b77');
