/*
 * What arrives on the connections of clients, looked at before the HTTP library gets it.
 *
 * libmicrohttpd offers no place to look at bytes as they come: it has no transport of the application's own, and no
 * callback before it has parsed. Therefore inbound.c defines recv() and gnutls_record_recv(), the two functions it
 * reads with; the dynamic linker finds the program's definition before that of the C library or GnuTLS (System V ABI,
 * "Shared Object Dependencies"), a static link finds it before the archives. A call for the descriptor of a client is
 * carried out, what was read is given to message_syntax, and what that keeps of it to the library; for any other
 * descriptor (libpq's, GnuTLS' own reads) it is a recvfrom() without an address, which is what recv() is.
 *
 * - The table of descriptors never moves, and its entries are written by the event loop only: between accept() and
 *   close(), while no other thread can own the descriptor. So any thread may call recv().
 * - Both definitions stand in the dynamic symbol table whatever -fvisibility or -flto say. AddressSanitizer's own
 *   definition is a weak one, and gives way.
 * - Should a build or a later version of the library read in another way all the same, nothing is served unseen:
 *   http_server closes every connection whose first line did not come through here, and logs http_unchecked.
 *
 * Weighed and left: a pair of sockets and a copying reader before MHD_add_connection() (three descriptors and two
 * copies for each connection, and TLS to be done anew); peeking before the library reads (what arrives in between is
 * not seen); checks of the parsed head in its callbacks (too late for what it answers or skips by itself).
 */
#ifndef SHOP_GATEWAY_INBOUND_H
#define SHOP_GATEWAY_INBOUND_H

#include <stdbool.h>
#include <stddef.h>

struct watched_connection;

/* A body that is refused is still read for nothing up to this size: closing at once would reset the connection while
 * the client sends, and it might never see the answer. */
#define INBOUND_DISCARD_LIMIT ((size_t)32 * 1024 * 1024)

/* inbound_begin makes room for descriptors up to (not including) limit. Returns false when memory is short. */
bool inbound_begin(int limit);

/* inbound_end frees it. */
void inbound_end(void);

/* inbound_register begins to check what comes in over the connection's descriptor. Returns false when that is beyond
 * the limit: then nothing may be read from it. */
bool inbound_register(struct watched_connection *connection);

/*
 * inbound_refuse_body answers a request whose body is too large as soon as its head says so, and reads the body for
 * nothing: the client sees the answer whether it looks for it while it sends, afterwards, or never sends.
 */
void inbound_refuse_body(struct watched_connection *connection);

/* inbound_forget ends it: the descriptor is about to be closed. */
void inbound_forget(const struct watched_connection *connection);

#endif
