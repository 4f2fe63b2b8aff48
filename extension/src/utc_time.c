#include "postgres.h"

#include "utils/timestamp.h"

#include "errors.h"
#include "utc_time.h"

char *utc_time_text(TimestampTz time) {
    struct pg_tm parts;
    fsec_t microseconds;

    if (timestamp2tm(time, NULL, &parts, &microseconds, NULL, NULL) != 0)
        raise_invariant_lost("A stored time is out of range.");
    return psprintf("%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", parts.tm_year, parts.tm_mon, parts.tm_mday, parts.tm_hour,
                    parts.tm_min, parts.tm_sec, (int)(microseconds / 1000));
}
