/*
 * GET /metrics: on the gateway's own port with METRICS_TOKEN as Bearer token, or on a port of its own, METRICS_PORT.
 */
#ifndef SHOP_GATEWAY_METRICS_ENDPOINT_H
#define SHOP_GATEWAY_METRICS_ENDPOINT_H

struct gateway;
struct metrics_endpoint;
struct request;

/* metrics_handle answers on the gateway's port: 404 where METRICS_TOKEN is not set, 401 without it. */
void metrics_handle(struct request *request);

/*
 * metrics_endpoint_start serves on a listening socket, which it takes over: GET and HEAD of /metrics, with the token
 * where one is set, and nothing else. NULL when the library refuses.
 */
struct metrics_endpoint *metrics_endpoint_start(struct gateway *gateway, int listener);

/* metrics_endpoint_fd gives the descriptor to poll for reading; -1 for NULL. */
int metrics_endpoint_fd(const struct metrics_endpoint *endpoint);

/* metrics_endpoint_timeout_ms gives the time until metrics_endpoint_run must be called, -1 for none. */
int metrics_endpoint_timeout_ms(const struct metrics_endpoint *endpoint);

/* metrics_endpoint_run does all that can be done now. NULL is allowed here and below. */
void metrics_endpoint_run(struct metrics_endpoint *endpoint);

/* metrics_endpoint_stop closes its connections and frees it. */
void metrics_endpoint_stop(struct metrics_endpoint *endpoint);

#endif
