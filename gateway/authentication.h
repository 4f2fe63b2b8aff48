/*
 * Who asks, and whether they may use the route.
 */
#ifndef SHOP_GATEWAY_AUTHENTICATION_H
#define SHOP_GATEWAY_AUTHENTICATION_H

#include <stdbool.h>

struct request;

/*
 * authentication_check reads the Authorization header where the route's access asks for it, and refuses with 401 or
 * 403. When it passes, the actor of the request's argument sources is set: actor_id for a customer with a token,
 * admin_id and actor for an admin.
 */
void authentication_check(struct request *request);

/* authentication_challenge refuses with 401 and says how to sign in (RFC 6750 section 3). */
void authentication_challenge(struct request *request, bool token_was_bad);

/* authentication_is_bearer tells whether an Authorization header (NULL: none) carries this token; how long it takes
 * does not tell how much of it is right. */
bool authentication_is_bearer(const char *header, const char *expected);

#endif
