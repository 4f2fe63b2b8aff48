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
