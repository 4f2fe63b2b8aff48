/*
 * Who asks, and whether they may use the route.
 */
#ifndef SHOP_GATEWAY_AUTHENTICATION_H
#define SHOP_GATEWAY_AUTHENTICATION_H

struct request;

/*
 * authentication_check reads the Authorization header where the route's access asks for it, and refuses with 401 or
 * 403. When it passes, the actor of the request's argument sources is set: actor_id for a customer with a token,
 * admin_id and actor for an admin.
 */
void authentication_check(struct request *request);

#endif
