/*
 * When to ask the outbox again: at once while there is work, after a growing pause while there is none, after a longer
 * one with jitter when asking or sending failed. Pure: the caller gives the time.
 */
#ifndef SHOP_POLLER_CLAIM_PACE_H
#define SHOP_POLLER_CLAIM_PACE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Pause after an empty claim, in milliseconds: it doubles from the first to the second. The longest one bounds how long
 * a new row waits. An empty claim costs the database about a tenth of a millisecond.
 */
#define CLAIM_PACE_SHORTEST_MS 5
#define CLAIM_PACE_LONGEST_MS  40

/* Set to zero before its first use: due at once. */
struct claim_pace {
    int64_t due_ms; /* when the next claim is due, on clock_monotonic_ms */
    int64_t idle_ms;
    int failures; /* in a row */
};

/* claim_pace_wait_ms gives the milliseconds until the next claim is due, 0 when it is. */
int64_t claim_pace_wait_ms(const struct claim_pace *pace, int64_t now_ms);

/* claim_pace_note_claim takes notice of a claim that found rows or none. */
void claim_pace_note_claim(struct claim_pace *pace, int64_t now_ms, bool found_rows);

/* claim_pace_note_success ends a row of failures. */
void claim_pace_note_success(struct claim_pace *pace);

/* claim_pace_note_failure postpones the next claim. Failures during such a pause count as one with the failure that
 * began it. Returns the length of the pause that is left, in milliseconds. */
int64_t claim_pace_note_failure(struct claim_pace *pace, int64_t now_ms);

#endif
