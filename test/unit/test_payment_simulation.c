/* The simulated payment provider. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "payment.h"

/* count_paid is the callback: it counts the payments that went through. */
static void count_paid(void *context, const struct payment_answer *answer) {
    assert_non_null(answer->reason);
    assert_int_not_equal(answer->outcome, PAYMENT_UNKNOWN);
    *(int *)context += answer->outcome == PAYMENT_CAPTURED ? 1 : 0;
}

static int paid_of(const char *mode, double rate, int64_t first_order, int64_t step, int orders) {
    struct payment_provider *provider = payment_simulation_create(mode, rate);
    int paid = 0, i;

    for (i = 0; i < orders; i++) {
        struct payment_request request = {.operation = PAYMENT_CHARGE, .order_id = first_order + i * step};

        provider->start(provider, &request, count_paid, &paid);
    }
    provider->destroy(provider);
    return paid;
}

static void rule_based_goes_by_the_order_id(void **state) {
    (void)state;
    assert_int_equal(paid_of("rule_based", 0, 2, 2, 100), 100);
    assert_int_equal(paid_of("rule_based", 1, 1, 2, 100), 0);
    assert_int_equal(paid_of("rule_based", 0.5, INT64_MAX, 0, 1), 0);
}

static void random_goes_by_the_rate(void **state) {
    (void)state;
    assert_int_equal(paid_of("random", 1, 1, 1, 500), 500);
    assert_int_equal(paid_of("random", 0, 1, 1, 500), 0);
    assert_in_range(paid_of("random", 0.7, 1, 1, 2000), 1300, 1500);
}

static void take_refund(void *context, const struct payment_answer *answer) {
    assert_int_equal(answer->outcome, PAYMENT_REFUNDED);
    assert_string_equal(answer->reference, "simulation-refund-7");
    *(int *)context += 1;
}

static void money_goes_back_at_once(void **state) {
    struct payment_provider *provider = payment_simulation_create("random", 0);
    struct payment_request request = {.operation = PAYMENT_REFUND, .order_id = 3, .refund_id = 7};
    int answers = 0;

    (void)state;
    provider->start(provider, &request, take_refund, &answers);
    request.operation = PAYMENT_VOID;
    provider->start(provider, &request, take_refund, &answers);
    assert_int_equal(answers, 2);
    provider->destroy(provider);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule_based_goes_by_the_order_id),
        cmocka_unit_test(random_goes_by_the_rate),
        cmocka_unit_test(money_goes_back_at_once),
    };

    return cmocka_run_group_tests_name("payment_simulation", tests, NULL, NULL);
}
