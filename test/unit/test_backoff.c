/* Waiting times: growth, bounds, jitter, and the pace of outbox claims. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "backoff.h"
#include "claim_pace.h"

static void the_ceiling_doubles_up_to_its_maximum(void **state) {
    (void)state;
    assert_int_equal(backoff_ceiling_ms(100, 1000, 0), 100);
    assert_int_equal(backoff_ceiling_ms(100, 1000, 1), 100);
    assert_int_equal(backoff_ceiling_ms(100, 1000, 2), 200);
    assert_int_equal(backoff_ceiling_ms(100, 1000, 4), 800);
    assert_int_equal(backoff_ceiling_ms(100, 1000, 5), 1000);
    assert_int_equal(backoff_ceiling_ms(100, 1000, 2000000000), 1000);
    assert_int_equal(backoff_ceiling_ms(0, 1000, 9), 0);
    assert_int_equal(backoff_ceiling_ms(5000, 1000, 1), 1000);
}

static void jitter_covers_the_whole_range(void **state) {
    int low = 0, high = 0, i;

    (void)state;
    assert_int_equal(backoff_jitter_ms(1000, 0), 0);
    assert_int_equal(backoff_jitter_ms(1000, 0.5), 500);
    assert_int_equal(backoff_jitter_ms(1000, 0.9999999), 1000);
    assert_int_equal(backoff_jitter_ms(0, 0.9999999), 0);
    for (i = 0; i < 1000; i++) {
        int64_t delay = backoff_delay_ms(1000, 1000, 1);

        assert_in_range(delay, 0, 1000);
        low += delay < 250 ? 1 : 0;
        high += delay > 750 ? 1 : 0;
    }
    assert_in_range(low, 150, 350);
    assert_in_range(high, 150, 350);
}

static void empty_claims_slow_down_and_rows_speed_up(void **state) {
    struct claim_pace pace = {0};
    static const int expected[] = {20, 25, 31, 38, 47, 58, 72, 90, 112, 140, 150, 150};
    int64_t now = 1000;
    size_t i;

    (void)state;
    assert_int_equal(claim_pace_wait_ms(&pace, 1000), 0);
    for (i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        claim_pace_note_claim(&pace, now, 0, 320);
        assert_int_equal(claim_pace_wait_ms(&pace, now), expected[i]);
        assert_true(expected[i] <= 20 + (now - 1000) / 4); /* the bound on what a new row waits */
        now += expected[i];
    }
    claim_pace_note_claim(&pace, now, 1, 320);
    assert_int_equal(claim_pace_wait_ms(&pace, now), 20);
    claim_pace_note_claim(&pace, now, 319, 320);
    assert_int_equal(claim_pace_wait_ms(&pace, now), 20);
    claim_pace_note_claim(&pace, now, 0, 320);
    assert_int_equal(claim_pace_wait_ms(&pace, now), 25);
}

static void a_full_claim_is_followed_at_once(void **state) {
    struct claim_pace pace = {0};

    (void)state;
    claim_pace_note_claim(&pace, 1000, 0, 320);
    claim_pace_note_claim(&pace, 1020, 320, 320);
    assert_int_equal(claim_pace_wait_ms(&pace, 1020), 0);
    claim_pace_note_claim(&pace, 1020, 0, 320);
    assert_int_equal(claim_pace_wait_ms(&pace, 1020), 20);
}

static void failures_pause_and_count_once_per_pause(void **state) {
    struct claim_pace pace = {0};
    int64_t pause, now = 1000;
    int i;

    (void)state;
    for (i = 1; i <= 10; i++) {
        pause = claim_pace_note_failure(&pace, now);
        assert_in_range(pause, 200, 200 + 5000);
        assert_int_equal(pace.failures, i);
        assert_int_equal(claim_pace_note_failure(&pace, now + 1), pause - 1);
        assert_int_equal(pace.failures, i);
        now += pause;
    }
    claim_pace_note_success(&pace);
    assert_int_equal(pace.failures, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_ceiling_doubles_up_to_its_maximum),    cmocka_unit_test(jitter_covers_the_whole_range),
        cmocka_unit_test(empty_claims_slow_down_and_rows_speed_up), cmocka_unit_test(a_full_claim_is_followed_at_once),
        cmocka_unit_test(failures_pause_and_count_once_per_pause),
    };

    return cmocka_run_group_tests_name("backoff", tests, NULL, NULL);
}
