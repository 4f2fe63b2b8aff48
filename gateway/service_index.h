/*
 * GET /: what this service is and which routes it has.
 */
#ifndef SHOP_GATEWAY_SERVICE_INDEX_H
#define SHOP_GATEWAY_SERVICE_INDEX_H

struct request;

/* service_index_handle answers {service, version, status:"running", endpoints:[{method, path}]}; the endpoints are
 * those of the route table. */
void service_index_handle(struct request *request);

#endif
