/*
 * Reads that may be a moment behind: they go to the replica of DATABASE_READ_URL where there is one, and to the primary
 * when that fails in whatever way.
 */
#ifndef SHOP_GATEWAY_READING_H
#define SHOP_GATEWAY_READING_H

#include <stdint.h>

#include "database.h"

struct gateway;

/*
 * reading_submit asks the replica, or the primary where there is none. Whatever the replica cannot do (it is away,
 * slow, too far behind for the extension's version, cancels the query because of recovery), and every 404, which may be
 * the delay's, the primary answers instead. Arguments as those of database_pool_submit; the callback is called once,
 * later.
 */
void reading_submit(struct gateway *gateway, const struct database_statement *statement, const char *const *values,
                    int timeout_ms, database_callback *callback, void *context);

#endif
