/* The circuit breaker of the payment provider. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "circuit_breaker.h"

static const int one, other;

/* opened gives a breaker that has opened at 1000. */
static struct circuit_breaker opened(void) {
    struct circuit_breaker breaker = {.failure_limit = 2, .pause_ms = 500};

    assert_true(circuit_breaker_enter(&breaker, &one, 1000));
    assert_false(circuit_breaker_leave(&breaker, &one, true, 1000));
    assert_true(circuit_breaker_enter(&breaker, &one, 1000));
    assert_true(circuit_breaker_leave(&breaker, &one, true, 1000));
    assert_int_equal(breaker.state, CIRCUIT_OPEN);
    return breaker;
}

static void only_failures_in_a_row_open_it(void **state) {
    struct circuit_breaker breaker = {.failure_limit = 2, .pause_ms = 500};
    int i;

    (void)state;
    for (i = 0; i < 10; i++) {
        assert_int_equal(circuit_breaker_wait_ms(&breaker, 1), 0);
        assert_true(circuit_breaker_enter(&breaker, &one, 1));
        circuit_breaker_leave(&breaker, &one, i % 2 == 0, 1);
    }
    assert_int_equal(breaker.state, CIRCUIT_CLOSED);
}

static void it_stays_open_for_its_pause(void **state) {
    struct circuit_breaker breaker = opened();

    (void)state;
    assert_int_equal(circuit_breaker_wait_ms(&breaker, 1100), 400);
    assert_false(circuit_breaker_enter(&breaker, &one, 1499));
    assert_int_equal(circuit_breaker_wait_ms(&breaker, 1500), 0);
}

static void one_request_tries_and_decides(void **state) {
    struct circuit_breaker breaker = opened();

    (void)state;
    assert_true(circuit_breaker_enter(&breaker, &one, 1500));
    assert_string_equal(circuit_breaker_state_name(&breaker), "half_open");
    assert_false(circuit_breaker_enter(&breaker, &other, 1500));
    assert_true(circuit_breaker_wait_ms(&breaker, 1500) > 0);
    assert_false(circuit_breaker_leave(&breaker, &other, false, 1500)); /* an older request says nothing */
    assert_true(circuit_breaker_leave(&breaker, &one, true, 1600));
    assert_false(circuit_breaker_enter(&breaker, &one, 2099));
    assert_true(circuit_breaker_enter(&breaker, &other, 2100));
    assert_true(circuit_breaker_leave(&breaker, &other, false, 2200));
    assert_int_equal(breaker.state, CIRCUIT_CLOSED);
    assert_int_equal(breaker.failures, 0);
}

static void a_trial_that_is_given_up_lets_the_next_one_try(void **state) {
    struct circuit_breaker breaker = opened();

    (void)state;
    assert_true(circuit_breaker_enter(&breaker, &one, 1500));
    circuit_breaker_forget(&breaker, &other);
    assert_false(circuit_breaker_enter(&breaker, &other, 1500));
    circuit_breaker_forget(&breaker, &one);
    assert_true(circuit_breaker_enter(&breaker, &other, 1500));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_failures_in_a_row_open_it),
        cmocka_unit_test(it_stays_open_for_its_pause),
        cmocka_unit_test(one_request_tries_and_decides),
        cmocka_unit_test(a_trial_that_is_given_up_lets_the_next_one_try),
    };

    return cmocka_run_group_tests_name("circuit_breaker", tests, NULL, NULL);
}
