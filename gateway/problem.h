/*
 * Error bodies: application/problem+json (RFC 9457) with the members that our clients read.
 */
#ifndef SHOP_GATEWAY_PROBLEM_H
#define SHOP_GATEWAY_PROBLEM_H

#include <stdbool.h>

/* Room for a code with its NUL; a longer one is cut. */
#define PROBLEM_CODE_SIZE 48

/*
 * problem_body makes {type, title, status, detail, code, message, requestId} (and error under /api/).
 * code: stable word in snake_case, also the end of type. message: for people, also detail.
 * Returns malloc'd text, or NULL when memory is short.
 */
char *problem_body(unsigned status, const char *code, const char *message, const char *request_id, bool with_error);

/*
 * problem_with_error copies a finished problem document and puts in "error", the title of the status, as its first
 * member: what the clients of /api/ read. A text that is no object is copied as it is. Returns malloc'd text or NULL.
 */
char *problem_with_error(const char *body, unsigned status);

/* problem_code reads the code out of the type of a problem document, ours or a function's. Returns false when the text
 * is none. */
bool problem_code(const char *body, char out[PROBLEM_CODE_SIZE]);

/* problem_title gives the standard phrase of a status code (RFC 9110 section 15), "Error" for others. */
const char *problem_title(unsigned status);

#endif
