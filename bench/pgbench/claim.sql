SELECT array_agg(id) AS ids FROM shop.claim_outbox(1, 10, 60000) \gset
SELECT shop.release_outbox(1, :ids, NULL, 0);
