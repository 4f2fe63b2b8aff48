SELECT shop.release_outbox(1, (SELECT array_agg(id) FROM shop.claim_outbox(1, 10, 60000)), NULL, 0, false);
