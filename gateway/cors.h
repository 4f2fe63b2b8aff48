/*
 * Cross-origin access for browser pages (Fetch standard, "CORS protocol").
 */
#ifndef SHOP_GATEWAY_CORS_H
#define SHOP_GATEWAY_CORS_H

#include <stdbool.h>
#include <stddef.h>

/* Headers of ours that a page's script may read. */
#define CORS_EXPOSED_HEADERS "X-Request-Id, Idempotent-Replayed, Retry-After, Location, Traceparent"

/* Headers that a page may send when its preflight does not name any. */
#define CORS_REQUEST_HEADERS "Authorization, Content-Type, Idempotency-Key, X-Request-Id, Traceparent"

/* cors_origins_valid tells whether the setting is "*" or a comma-separated list of scheme://host[:port]. */
bool cors_origins_valid(const char *origins);

/*
 * cors_allowed_origin gives the value of Access-Control-Allow-Origin for a request with this Origin header (NULL when
 * it has none): "*", the origin itself when it is in the list, or NULL for no header. The result is one of the
 * arguments or static.
 */
const char *cors_allowed_origin(const char *origins, const char *origin);

/* cors_varies_by_origin tells whether answers depend on the Origin header and must say so to caches. */
bool cors_varies_by_origin(const char *origins);

/*
 * cors_request_headers gives the value of Access-Control-Allow-Headers: what the preflight asked for when that is a
 * well-formed list of header names, else CORS_REQUEST_HEADERS.
 */
const char *cors_request_headers(const char *asked);

#endif
