/*
 * shop-gateway --ready: asks the gateway of this machine whether it can serve, for container health checks.
 */
#ifndef SHOP_GATEWAY_READY_PROBE_H
#define SHOP_GATEWAY_READY_PROBE_H

#include <stdbool.h>

/* ready_probe asks GET /ready on a port of an address (NULL or a wildcard: 127.0.0.1), waiting at most 3 s for each
 * step. encrypted: over TLS; whose certificate it is does not matter on the same machine. Returns true for 200. */
bool ready_probe(const char *address, long port, bool encrypted);

#endif
