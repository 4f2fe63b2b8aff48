/*
 * Answers of API functions: status and finished JSON, success or problem (RFC 9457), as a value of type shop.response.
 */
#ifndef SHOP_RESPONSE_H
#define SHOP_RESPONSE_H

#include "postgres.h"

#include "fmgr.h"
#include "lib/stringinfo.h"

typedef struct Response {
    int status;      /* HTTP status */
    char *body;      /* JSON text */
    bool replayed;   /* the stored answer to an earlier request with the same idempotency key */
    int64 order_id;  /* the order that the request is about, for logs; 0 where unknown */
    int retry_after; /* seconds for the Retry-After header, 0 for none */
    char *location;  /* path for the Location header, NULL for none */
} Response;

/* The reasons for which a request is refused; each has one status, code and title in response.c. */
typedef enum ProblemKind {
    PROBLEM_INVALID_FIELD,
    PROBLEM_IDEMPOTENCY_KEY_MISSING,
    PROBLEM_IDEMPOTENCY_KEY_INVALID,
    PROBLEM_IDEMPOTENCY_KEY_REUSED,
    PROBLEM_IDEMPOTENCY_KEY_IN_USE,
    PROBLEM_FORBIDDEN,
    PROBLEM_PRODUCT_NOT_FOUND,
    PROBLEM_INVENTORY_NOT_FOUND,
    PROBLEM_CART_NOT_FOUND,
    PROBLEM_CART_ITEM_NOT_FOUND,
    PROBLEM_ORDER_NOT_FOUND,
    PROBLEM_SKU_EXISTS,
    PROBLEM_CART_NOT_OWNED,
    PROBLEM_CART_NOT_OPEN,
    PROBLEM_CART_EMPTY,
    PROBLEM_INSUFFICIENT_STOCK,
    PROBLEM_TOTAL_TOO_LARGE,
    PROBLEM_TOTAL_CHANGED,
    PROBLEM_ADMIN_REQUIRED,
    PROBLEM_ILLEGAL_TRANSITION,
    PROBLEM_NOTHING_TO_REFUND,
    PROBLEM_REFUND_TOO_LARGE,
    PROBLEM_RETURN_TOO_LARGE,
    PROBLEM_STOCK_CHANGED,
    PROBLEM_STOCK_RESERVED,
    PROBLEM_ORDER_ID_REUSED,
    PROBLEM_DEAD_LETTER_NOT_FOUND,
    PROBLEM_DEAD_LETTER_CLOSED
} ProblemKind;

/* success makes the answer with this status and the JSON text in body. */
extern Response success(int status, StringInfo body);

/*
 * problem makes the answer to a refused request. The message is for people, printf-style, and goes into "detail" and
 * "message" alike (contract, section 1). request_id may be NULL.
 */
extern Response problem(ProblemKind kind, const char *request_id, const char *format, ...) pg_attribute_printf(3, 4);

/* problem_with is the same with further members: JSON text like ,"orderId":7 that begins with a comma. */
extern Response problem_with(ProblemKind kind, const char *request_id, const char *members, const char *format, ...)
    pg_attribute_printf(4, 5);

/* undecided is the answer of a batch to a request that would have to wait for somebody: nothing was done for it, and it
 * is to be sent alone. */
extern Response undecided(void);

/* The columns of shop.response. */
#define RESPONSE_COLUMNS 6

/* response_columns fills in the columns of shop.response. */
extern void response_columns(const Response *response, Datum values[RESPONSE_COLUMNS], bool nulls[RESPONSE_COLUMNS]);

/* response_datum turns the answer into the composite value that the SQL function returns. */
extern Datum response_datum(FunctionCallInfo fcinfo, const Response *response);

#endif
