#include "claim_pace.h"

#include "backoff.h"

#define FAILURE_LEAST_MS   200
#define FAILURE_BASE_MS    250
#define FAILURE_MAXIMUM_MS 5000

int64_t claim_pace_wait_ms(const struct claim_pace *pace, int64_t now_ms) {
    return pace->due_ms > now_ms ? pace->due_ms - now_ms : 0;
}

void claim_pace_note_claim(struct claim_pace *pace, int64_t now_ms, size_t found, size_t limit) {
    if (found >= limit) {
        pace->pause_ms = 0;
    } else if (found > 0 || pace->pause_ms == 0) {
        pace->pause_ms = CLAIM_PACE_SHORTEST_MS;
    } else {
        pace->pause_ms += pace->pause_ms / 4;
    }
    if (pace->pause_ms > CLAIM_PACE_LONGEST_MS) {
        pace->pause_ms = CLAIM_PACE_LONGEST_MS;
    }
    pace->due_ms = now_ms + pace->pause_ms;
}

void claim_pace_note_success(struct claim_pace *pace) {
    pace->failures = 0;
}

int64_t claim_pace_note_failure(struct claim_pace *pace, int64_t now_ms) {
    if (pace->failures == 0 || pace->due_ms <= now_ms) {
        pace->failures++;
        pace->due_ms =
            now_ms + FAILURE_LEAST_MS + backoff_delay_ms(FAILURE_BASE_MS, FAILURE_MAXIMUM_MS, pace->failures);
    }
    return pace->due_ms - now_ms;
}
