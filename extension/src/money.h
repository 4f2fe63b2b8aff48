/*
 * Money: numeric(12,2) in tables and SQL, exact integer cents in C.
 */
#ifndef SHOP_MONEY_H
#define SHOP_MONEY_H

#include "postgres.h"

#include "lib/stringinfo.h"

/* The largest amount: 9,999,999,999.99 (contract, section 1). */
#define MONEY_MAX INT64CONST(999999999999)

/*
 * money_parse reads an argument of an API function: 0 to 9,999,999,999.99 with at most two decimals.
 * Returns false for anything else (NaN and infinities too).
 */
extern bool money_parse(Datum numeric, int64 *cents);

/* money_cents reads a value that a table holds; raises SH003 when it is no amount. */
extern int64 money_cents(Datum numeric);

/* money_numeric makes the numeric value, always with two decimals. */
extern Datum money_numeric(int64 cents);

/* money_append prints the amount as a JSON number with two decimals. */
extern void money_append(StringInfo out, int64 cents);

/* money_add_line adds price * qty to the total; false when the result is over MONEY_MAX. */
extern bool money_add_line(int64 *total, int64 price, int32 qty);

#endif
