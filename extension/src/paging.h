/*
 * Keyset pages: the optional argument row_limit of the list functions (query parameter "limit").
 */
#ifndef SHOP_PAGING_H
#define SHOP_PAGING_H

#include "postgres.h"

#include "fmgr.h"

#include "response.h"

#define PAGE_LIMIT_MAX 1000

typedef struct PageRequest {
    const char *request_id;
    bool has_limit; /* false: all rows */
    Datum limit;    /* int8, for LIMIT */
} PageRequest;

/* page_read reads argument number as a limit of 1 to 1000; false with the refusal for any other value. */
extern bool page_read(FunctionCallInfo fcinfo, int number, const char *request_id, PageRequest *page,
                      Response *refusal);

#endif
