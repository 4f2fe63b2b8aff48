/*
 * Files that lie in the program itself, put there by embedded.S. Each ends with a NUL that its size does not count.
 */
#ifndef SHOP_GATEWAY_EMBEDDED_H
#define SHOP_GATEWAY_EMBEDDED_H

#include <stdint.h>

/* openapi.json with this program's version in it. */
extern const char embedded_openapi[];
extern const uint64_t embedded_openapi_size;

/* Its entity tag, quotes included: a hash of its bytes. */
extern const char embedded_openapi_etag[];

/* docs.js, which starts Swagger UI. */
extern const char embedded_docs_script[];
extern const uint64_t embedded_docs_script_size;

#endif
