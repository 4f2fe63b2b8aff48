/*
 * GET /metrics: on the gateway's own port with METRICS_TOKEN as Bearer token, or on a port of its own, METRICS_PORT.
 */
#ifndef SHOP_GATEWAY_METRICS_ENDPOINT_H
#define SHOP_GATEWAY_METRICS_ENDPOINT_H

struct request;

/* metrics_handle answers: 401 without the token where METRICS_TOKEN is set; where it is not, the gateway's port answers
 * 404 and the metrics' own port all who ask. */
void metrics_handle(struct request *request);

#endif
