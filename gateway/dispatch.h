/*
 * What a request goes through, in order: path, method, authorisation, body, then its route.
 */
#ifndef SHOP_GATEWAY_DISPATCH_H
#define SHOP_GATEWAY_DISPATCH_H

struct request;

/* dispatch_head decides what the head alone allows to decide; a refusal is set as the request's reply. */
void dispatch_head(struct request *request);

/* dispatch_complete serves the complete request: its phase is REQUEST_ANSWERED when it returns, or becomes so later by
 * request_answered. */
void dispatch_complete(struct request *request);

#endif
