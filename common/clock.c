#include "clock.h"

#include <limits.h>
#include <stdio.h>
#include <time.h>

int64_t clock_monotonic_us(void) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_monotonic_ms(void) {
    return clock_monotonic_us() / 1000;
}

void clock_iso_text(char out[CLOCK_ISO_TEXT_SIZE]) {
    struct timespec now;
    struct tm utc;
    char seconds[CLOCK_ISO_TEXT_SIZE];

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(out, CLOCK_ISO_TEXT_SIZE, "%.19s.%03uZ", seconds, (unsigned)(now.tv_nsec / 1000000) % 1000);
}

int clock_remaining_ms(int64_t deadline, int64_t now) {
    if (deadline <= now) {
        return 0;
    }
    return deadline - now > INT_MAX ? INT_MAX : (int)(deadline - now);
}
