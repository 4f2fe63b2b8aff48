/*
 * Error bodies: application/problem+json (RFC 9457) with the members that our clients read.
 */
#ifndef SHOP_GATEWAY_PROBLEM_H
#define SHOP_GATEWAY_PROBLEM_H

#include <stdbool.h>

/*
 * problem_body makes {type, title, status, detail, code, message, requestId} (and error under /api/).
 * code: stable word in snake_case, also the end of type. message: for people, also detail.
 * Returns malloc'd text, or NULL when memory is short.
 */
char *problem_body(unsigned status, const char *code, const char *message, const char *request_id, bool with_error);

/* problem_title gives the standard phrase of a status code (RFC 9110 section 15), "Error" for others. */
const char *problem_title(unsigned status);

#endif
