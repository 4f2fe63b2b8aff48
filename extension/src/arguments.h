/*
 * Arguments of the SQL functions, and what every request carries.
 */
#ifndef SHOP_ARGUMENTS_H
#define SHOP_ARGUMENTS_H

#include "postgres.h"

#include "fmgr.h"

/* What every request carries besides its own arguments. Texts may be NULL where unknown. */
typedef struct RequestContext {
    int32 store_id;
    const char *request_id;  /* goes into problem bodies and every row that the request writes */
    const char *actor;       /* who did it, for histories */
    const char *traceparent; /* W3C trace context, passed on to messages */
} RequestContext;

/* argument_text copies a text argument; NULL for SQL NULL. */
extern char *argument_text(FunctionCallInfo fcinfo, int number);

/* argument_int64 and argument_int32 give the value, or absent for SQL NULL. */
extern int64 argument_int64(FunctionCallInfo fcinfo, int number, int64 absent);
extern int32 argument_int32(FunctionCallInfo fcinfo, int number, int32 absent);

/* argument_store_id gives the store; raises SH005 for NULL and below 1. */
extern int32 argument_store_id(FunctionCallInfo fcinfo, int number);

/*
 * may_act_for tells whether the actor may act for the user: an actor of NULL (an administrator, or an installation with
 * open customer routes) may act for anyone.
 */
extern bool may_act_for(FunctionCallInfo fcinfo, int actor_number, int64 user_id);

#endif
