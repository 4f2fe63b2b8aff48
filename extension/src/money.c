#include "postgres.h"

#include "common/int.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "compat.h"
#include "errors.h"
#include "money.h"

bool money_parse(Datum numeric, int64 *cents) {
    /* numeric_out prints plain decimal digits, never an exponent; NaN and Infinity fail at their first letter. */
    const char *text = DatumGetCString(DirectFunctionCall1(numeric_out, numeric));
    int decimals = -1;

    *cents = 0;
    for (; *text != '\0'; text++) {
        if (*text == '.' && decimals < 0) {
            decimals = 0;
            continue;
        }
        if (*text < '0' || *text > '9' || decimals == 2)
            return false;
        if (decimals >= 0)
            decimals++;
        *cents = *cents * 10 + (*text - '0');
        if (*cents > MONEY_MAX)
            return false;
    }
    for (decimals = Max(decimals, 0); decimals < 2; decimals++)
        *cents *= 10;
    return *cents <= MONEY_MAX;
}

int64 money_cents(Datum numeric) {
    int64 cents;

    if (!money_parse(numeric, &cents))
        raise_invariant_lost("A stored amount is not between 0 and 9999999999.99 with two decimals.");
    return cents;
}

Datum money_numeric(int64 cents) {
    return NumericGetDatum(compat_numeric_of_cents(cents));
}

void money_append(StringInfo out, int64 cents) {
    appendStringInfo(out, INT64_FORMAT ".%02d", cents / 100, (int)(cents % 100));
}

bool money_add_line(int64 *total, int64 price, int32 qty) {
    int64 line;

    return !pg_mul_s64_overflow(price, qty, &line) && !pg_add_s64_overflow(*total, line, total) && *total <= MONEY_MAX;
}
