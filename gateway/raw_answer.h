/*
 * Answers written past the HTTP library, which can only answer requests that it has read: to requests that do not
 * arrive in time, and to what is no request at all.
 */
#ifndef SHOP_GATEWAY_RAW_ANSWER_H
#define SHOP_GATEWAY_RAW_ANSWER_H

#include <stdbool.h>

struct request;
struct watched_connection;

/*
 * raw_answer_send writes a whole problem answer, as far as the connection takes it at once, and announces the end of
 * the connection. The library must have written nothing for this request, but perhaps "100 Continue". request: what is
 * known of it, or NULL. Nothing is written to a connection whose TLS handshake is not done.
 */
void raw_answer_send(struct watched_connection *connection, const struct request *request, unsigned status,
                     const char *code, const char *message);

#endif
