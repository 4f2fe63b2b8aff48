/*
 * The version of the gateway; the build takes it from META.json.
 */
#ifndef SHOP_GATEWAY_VERSION_H
#define SHOP_GATEWAY_VERSION_H

#ifndef PG_SHOP_VERSION
#define PG_SHOP_VERSION "0.0.0" /* for tools that read the sources without the Makefile */
#endif

#endif
