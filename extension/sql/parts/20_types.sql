CREATE TYPE shop.response AS (
    status integer,
    body text,
    replayed boolean,
    order_id bigint,
    retry_after integer,
    location text
);
COMMENT ON TYPE shop.response IS 'Answer of an API function: HTTP status, finished JSON (a problem document, RFC 9457, from 400 on), whether it is a stored answer, the order it is about, seconds for Retry-After, path for Location.';
COMMENT ON COLUMN shop.response.status IS 'HTTP status';
COMMENT ON COLUMN shop.response.body IS 'finished JSON text, passed to the client byte by byte';
COMMENT ON COLUMN shop.response.replayed IS 'true: the stored answer to an earlier request with the same idempotency key';
COMMENT ON COLUMN shop.response.order_id IS 'the order that the request is about, where known';
COMMENT ON COLUMN shop.response.retry_after IS 'seconds to wait before asking again, where that helps';
COMMENT ON COLUMN shop.response.location IS 'path of what was made, for the Location header';

CREATE TYPE shop.cart_item_request AS (
    actor_id bigint,
    user_id bigint,
    product_id bigint,
    qty integer,
    request_id text
);
COMMENT ON TYPE shop.cart_item_request IS 'One request of shop.add_cart_items(): the arguments of shop.add_cart_item() but the store.';
COMMENT ON COLUMN shop.cart_item_request.actor_id IS 'the user that the caller proved to be; NULL: may act for anyone';
COMMENT ON COLUMN shop.cart_item_request.user_id IS 'whose cart it goes to';
COMMENT ON COLUMN shop.cart_item_request.product_id IS 'the product';
COMMENT ON COLUMN shop.cart_item_request.qty IS 'units to add';
COMMENT ON COLUMN shop.cart_item_request.request_id IS 'the request''s id';

CREATE TYPE shop.checkout_request AS (
    actor_id bigint,
    user_id bigint,
    cart_id bigint,
    idempotency_key text,
    expected_total numeric,
    request_id text,
    traceparent text
);
COMMENT ON TYPE shop.checkout_request IS 'One request of shop.checkout_batch(): the arguments of shop.checkout() but the store.';
COMMENT ON COLUMN shop.checkout_request.actor_id IS 'the user that the caller proved to be; NULL: may act for anyone';
COMMENT ON COLUMN shop.checkout_request.user_id IS 'whose cart it is';
COMMENT ON COLUMN shop.checkout_request.cart_id IS 'the cart';
COMMENT ON COLUMN shop.checkout_request.idempotency_key IS 'value of the Idempotency-Key header';
COMMENT ON COLUMN shop.checkout_request.expected_total IS 'the total that the client expects, or NULL';
COMMENT ON COLUMN shop.checkout_request.request_id IS 'the request''s id';
COMMENT ON COLUMN shop.checkout_request.traceparent IS 'the request''s W3C trace context';
