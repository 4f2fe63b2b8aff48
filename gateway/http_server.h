/*
 * The HTTP side: libmicrohttpd driven from our own event loop by its epoll descriptor. Connections whose request waits
 * for the database are suspended, so one thread serves all.
 */
#ifndef SHOP_GATEWAY_HTTP_SERVER_H
#define SHOP_GATEWAY_HTTP_SERVER_H

#include <stdbool.h>

struct gateway;
struct http_server;

enum http_purpose {
    HTTP_FOR_SHOP,    /* all routes, over TLS where there is a certificate */
    HTTP_FOR_METRICS, /* /metrics only, for few clients within a private network: plain HTTP, no CORS */
};

/* http_server_start begins to serve on a listening socket, which it takes over. NULL when the library refuses. */
struct http_server *http_server_start(struct gateway *gateway, int listener, enum http_purpose purpose);

/* http_server_fd gives the descriptor to poll for reading, -1 for NULL. */
int http_server_fd(const struct http_server *server);

/* http_server_timeout_ms gives the time until http_server_run must be called even if nothing is ready, -1 for none.
 * NULL is allowed here, in http_server_run and http_server_stop. */
int http_server_timeout_ms(const struct http_server *server);

/* http_server_run does all that can be done now. */
void http_server_run(struct http_server *server);

/* http_server_stop_accepting closes the listening socket and lets idle connections go. */
void http_server_stop_accepting(struct http_server *server);

/* http_server_busy tells whether a request is being read, worked on or answered. */
bool http_server_busy(const struct http_server *server);

/* http_server_stop closes all connections and frees the server. No request may be waiting for an answer any more. */
void http_server_stop(struct http_server *server);

#endif
