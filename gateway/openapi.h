/*
 * GET /openapi.json: the description of this API. Its source is openapi.json; the build writes the version into it and
 * puts it into the program.
 */
#ifndef SHOP_GATEWAY_OPENAPI_H
#define SHOP_GATEWAY_OPENAPI_H

struct request;

/* openapi_handle answers 200 with the document, or 304 to a client that has it. */
void openapi_handle(struct request *request);

#endif
