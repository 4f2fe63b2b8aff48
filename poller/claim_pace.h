/*
 * When to ask the outbox again: at once while more waits than a claim takes, after a short pause while rows come in,
 * after a growing one while none come, after a longer one with jitter when asking or sending failed. Pure: the caller
 * gives the time.
 */
#ifndef SHOP_POLLER_CLAIM_PACE_H
#define SHOP_POLLER_CLAIM_PACE_H

#include <stddef.h>
#include <stdint.h>

/*
 * Pauses in milliseconds. The shortest one follows a claim that took all there was: what comes in meanwhile shares the
 * next claim and its commits, which costs a row that comes in a stream a fraction of what it costs alone, and lets it
 * wait for half of this in the middle. Each empty claim makes the pause a quarter longer, so that a new row waits for
 * the shortest one and a quarter of the idle time before it at most, and never for more than the longest one.
 */
#define CLAIM_PACE_SHORTEST_MS 20
#define CLAIM_PACE_LONGEST_MS  150

/* Set to zero before its first use: due at once. */
struct claim_pace {
    int64_t due_ms;   /* when the next claim is due, on clock_monotonic_ms */
    int64_t pause_ms; /* after the last claim */
    int failures;     /* in a row */
};

/* claim_pace_wait_ms gives the milliseconds until the next claim is due, 0 when it is. */
int64_t claim_pace_wait_ms(const struct claim_pace *pace, int64_t now_ms);

/* claim_pace_note_claim takes notice of a claim that asked for up to limit rows and found that many. */
void claim_pace_note_claim(struct claim_pace *pace, int64_t now_ms, size_t found, size_t limit);

/* claim_pace_note_success ends a row of failures. */
void claim_pace_note_success(struct claim_pace *pace);

/* claim_pace_note_failure postpones the next claim. Failures during such a pause count as one with the failure that
 * began it. Returns the length of the pause that is left, in milliseconds. */
int64_t claim_pace_note_failure(struct claim_pace *pace, int64_t now_ms);

#endif
