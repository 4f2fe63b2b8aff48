#include "postgres.h"

#include "arguments.h"
#include "paging.h"

bool page_read(FunctionCallInfo fcinfo, int number, const char *request_id, PageRequest *page, Response *refusal) {
    int32 limit = argument_int32(fcinfo, number, 0);

    page->request_id = request_id;
    page->has_limit = !PG_ARGISNULL(number);
    page->limit = Int64GetDatum(limit);
    if (!page->has_limit || (limit >= 1 && limit <= PAGE_LIMIT_MAX))
        return true;
    *refusal = problem(PROBLEM_INVALID_FIELD, request_id, "limit must be an integer between 1 and %d", PAGE_LIMIT_MAX);
    return false;
}
