/*
 * Routes that are one call of a SQL function: arguments in, shop.response out, byte by byte.
 */
#ifndef SHOP_GATEWAY_SQL_ROUTE_H
#define SHOP_GATEWAY_SQL_ROUTE_H

#include "database.h"

struct request;

/* sql_route_call calls the function of the request's route and answers the request when the database has answered. */
void sql_route_call(struct request *request);

/* sql_route_submit calls that function with these values (borrowed), for a route that makes them by itself. */
void sql_route_submit(struct request *request, const char *const *values);

/* sql_answer_failure answers a request whose call failed, as errmap says, and notes the cause for the log. */
void sql_answer_failure(struct request *request, const struct database_answer *answer, bool repeatable);

#endif
