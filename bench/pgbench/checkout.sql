\set n :n + 1
\set cart :first_cart + :n * :clients + :client_id
SELECT status FROM shop.checkout(1, NULL, :cart, :cart, 'bench-0000-4000-8000-' || :cart, NULL, '7f1c9a60-93a5-4a53-9a0e-3f8f2c1d5b77', NULL);
