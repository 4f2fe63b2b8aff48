/*
 * Checkouts as one SQL value: the text of an array of shop.checkout_request.
 */
#ifndef SHOP_GATEWAY_CHECKOUT_REQUESTS_H
#define SHOP_GATEWAY_CHECKOUT_REQUESTS_H

#include <stddef.h>
#include <stdio.h>

/* The values of checkout_statement: the store, and then the columns of shop.checkout_request in their order. */
#define CHECKOUT_VALUES 8

/* checkout_requests_begin starts the array's text, checkout_requests_end ends it. */
void checkout_requests_begin(FILE *out);
void checkout_requests_end(FILE *out);

/*
 * checkout_requests_add writes one element. values: those of checkout_statement, NULL is SQL NULL. index: of the
 * element. Quoting follows the PostgreSQL manual, "Array Input and Output Syntax" and "Composite Type Input and Output
 * Syntax".
 */
void checkout_requests_add(FILE *out, const char *const values[CHECKOUT_VALUES], size_t index);

#endif
