SELECT status, body FROM shop.list_all_orders(1, 'CONFIRMED', NULL, 50, '7f1c9a60-93a5-4a53-9a0e-3f8f2c1d5b77');
