/*
 * Time: a monotonic clock for deadlines and ISO 8601 texts for people.
 */
#ifndef SHOP_COMMON_CLOCK_H
#define SHOP_COMMON_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/* Size of the text that clock_iso_text writes, with its closing NUL: "2024-05-06T07:08:09.123Z". */
#define CLOCK_ISO_TEXT_SIZE 25

/* clock_monotonic_ms gives milliseconds since an arbitrary start; it never goes back and ignores clock changes. */
int64_t clock_monotonic_ms(void);

/* clock_monotonic_us is the same in microseconds, for durations in logs. */
int64_t clock_monotonic_us(void);

/* clock_iso_text writes the present time as ISO 8601 in UTC with milliseconds and Z into out. */
void clock_iso_text(char out[CLOCK_ISO_TEXT_SIZE]);

/*
 * clock_remaining_ms gives the milliseconds from now until deadline as poll() takes them: 0 when it has passed, never
 * more than an int holds.
 */
int clock_remaining_ms(int64_t deadline, int64_t now);

#endif
