/*
 * What arrives on the connections of clients, looked at before the HTTP library gets it.
 *
 * The library offers no place to look at bytes as they come, and answers what it cannot parse with a page of HTML.
 * Therefore this file defines recv() and gnutls_record_recv(): the library's calls come here (the program's own
 * functions go before those of shared libraries), are carried out, and what was read is checked by message_syntax.
 * Sockets that are not registered, those of the database for example, are read as ever.
 */
#ifndef SHOP_GATEWAY_INBOUND_H
#define SHOP_GATEWAY_INBOUND_H

#include <stdbool.h>

struct watched_connection;

/* inbound_begin makes room for descriptors up to (not including) limit. Returns false when memory is short. */
bool inbound_begin(int limit);

/* inbound_end frees it. */
void inbound_end(void);

/* inbound_register begins to check what comes in over the connection's descriptor. Returns false when that is beyond
 * the limit: then nothing may be read from it. */
bool inbound_register(struct watched_connection *connection);

/* inbound_forget ends it: the descriptor is about to be closed. */
void inbound_forget(const struct watched_connection *connection);

#endif
