/*
 * Times as the API prints them.
 */
#ifndef SHOP_UTC_TIME_H
#define SHOP_UTC_TIME_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* utc_time_text prints ISO 8601 in UTC with milliseconds and Z (contract, section 1). */
extern char *utc_time_text(TimestampTz time);

#endif
