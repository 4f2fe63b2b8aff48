/*
 * POST /auth/login: name and password against a token.
 */
#ifndef SHOP_GATEWAY_LOGIN_H
#define SHOP_GATEWAY_LOGIN_H

struct request;

/*
 * login_handle answers 200 with a token; 400 without name and password; 401 for a wrong one (the same text, and nearly
 * the same time, whether or not the account exists); 429 while the account is locked after repeated failures; 503 while
 * the database or the hash thread has no room.
 */
void login_handle(struct request *request);

#endif
