#include "postgres.h"

#include "utils/builtins.h"

#include "arguments.h"
#include "errors.h"

char *argument_text(FunctionCallInfo fcinfo, int number) {
    return PG_ARGISNULL(number) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(number));
}

int64 argument_int64(FunctionCallInfo fcinfo, int number, int64 absent) {
    return PG_ARGISNULL(number) ? absent : PG_GETARG_INT64(number);
}

int32 argument_int32(FunctionCallInfo fcinfo, int number, int32 absent) {
    return PG_ARGISNULL(number) ? absent : PG_GETARG_INT32(number);
}

int32 argument_store_id(FunctionCallInfo fcinfo, int number) {
    if (PG_ARGISNULL(number) || PG_GETARG_INT32(number) < 1)
        raise_invalid_argument("store_id", "It must be an integer greater than 0.");
    return PG_GETARG_INT32(number);
}

bool may_act_for(FunctionCallInfo fcinfo, int actor_number, int64 user_id) {
    return PG_ARGISNULL(actor_number) || PG_GETARG_INT64(actor_number) == user_id;
}
