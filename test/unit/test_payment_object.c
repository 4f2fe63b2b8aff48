/* Payments and refunds as providers describe them, keys and amounts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <string.h>

#include "payment_object.h"

static void keys_are_written_and_read(void **state) {
    static const char *const bad[] = {"",
                                      "payment-1",
                                      "payment-1-",
                                      "payment--1-2",
                                      "payment-0-2",
                                      "payment-1-0",
                                      "payment-1-2-3",
                                      "payment-1-2 ",
                                      "refund-1-2",
                                      "payment-2147483648-1",
                                      "payment-1-9223372036854775808",
                                      "payment-1-00000000000000000000000000000000000000000001"};
    char key[PAYMENT_KEY_SIZE];
    int64_t store, id;
    size_t i;

    (void)state;
    payment_key(key, "payment", INT32_MAX, INT64_MAX);
    assert_string_equal(key, "payment-2147483647-9223372036854775807");
    assert_true(payment_key_read(key, "payment", &store, &id));
    assert_true(store == INT32_MAX && id == INT64_MAX);
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(payment_key_read(bad[i], "payment", &store, &id));
    }
    assert_false(payment_key_read(NULL, "payment", &store, &id));
}

static void amounts_are_exact(void **state) {
    static const struct {
        const char *text;
        int64_t cents;
    } good[] = {{"0", 0}, {"0.0", 0}, {"8.2", 820}, {"19.99", 1999}, {"9999999999.99", INT64_C(999999999999)}};
    static const char *const bad[] = {"",      ".",   "1.",  ".5", "-1", "+1",
                                      "1.234", "1,5", "1e2", " 1", "1 ", "12345678901"};
    char text[PAYMENT_AMOUNT_SIZE];
    int64_t cents;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(payment_amount_read(good[i].text, &cents));
        assert_true(cents == good[i].cents);
    }
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(payment_amount_read(bad[i], &cents));
    }
    assert_false(payment_amount_read(NULL, &cents));
    payment_amount_text(text, 820);
    assert_string_equal(text, "8.20");
    payment_amount_text(text, 5);
    assert_string_equal(text, "0.05");
}

/* stripe reads one object; the caller looks at the outcome before the text is gone. */
static bool stripe(const char *text, struct payment_object *object, json_t **owner) {
    *owner = json_loads(text, 0, NULL);
    assert_non_null(*owner);
    return payment_object_read_stripe(*owner, object);
}

static void stripe_says_what_became_of_an_intent(void **state) {
    static const struct {
        const char *status;
        enum payment_outcome outcome;
    } statuses[] = {
        {"succeeded", PAYMENT_CAPTURED}, {"requires_capture", PAYMENT_AUTHORIZED},
        {"processing", PAYMENT_PENDING}, {"requires_action", PAYMENT_PENDING},
        {"canceled", PAYMENT_VOIDED},    {"requires_payment_method", PAYMENT_DECLINED},
    };
    struct payment_object object;
    json_t *intent;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        intent = json_pack("{s:s,s:s,s:s,s:i,s:s,s:{s:s}}", "object", "payment_intent", "id", "pi_1", "status",
                           statuses[i].status, "amount_received", 820, "currency", "eur", "metadata", "attempt",
                           "payment-1-42");
        assert_true(payment_object_read_stripe(intent, &object));
        assert_int_equal(object.outcome, statuses[i].outcome);
        assert_true(object.store_id == 1 && object.attempt_id == 42 && !object.is_refund);
        assert_string_equal(object.reference, "pi_1");
        assert_true(object.amount_cents == (i == 0 ? 820 : -1));
        json_decref(intent);
    }
}

static void stripe_says_why_not(void **state) {
    struct payment_object object;
    json_t *owner;

    (void)state;
    assert_true(stripe("{\"object\":\"payment_intent\",\"id\":\"pi_1\",\"status\":\"requires_payment_method\","
                       "\"last_payment_error\":{\"code\":\"card_declined\",\"decline_code\":\"lost_card\"}}",
                       &object, &owner));
    assert_string_equal(object.reason, "lost_card");
    assert_true(object.attempt_id == 0);
    json_decref(owner);
}

static void what_is_no_object_is_refused(void **state) {
    static const char *const texts[] = {
        "{}",
        "[]",
        "{\"object\":\"charge\",\"id\":\"ch_1\",\"status\":\"succeeded\"}",
        "{\"object\":\"payment_intent\",\"status\":\"succeeded\"}",
        "{\"object\":\"payment_intent\",\"id\":\"pi_1\",\"status\":\"new_word\"}",
        "{\"object\":\"payment_intent\",\"id\":\"pi_1\",\"status\":7}",
    };
    struct payment_object object;
    json_t *owner;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_false(stripe(texts[i], &object, &owner));
        assert_false(payment_object_read_http(owner, false, &object));
        json_decref(owner);
    }
    assert_false(payment_object_read_stripe(NULL, &object));
    assert_false(payment_object_read_http(NULL, true, &object));
}

static void currencies_have_two_decimals(void **state) {
    static const char *const refused[] = {"JPY", "KWD", "eur", "EURO", "EU", "E1R", ""};
    size_t i;

    (void)state;
    assert_true(payment_currency_is_valid("EUR"));
    assert_true(payment_currency_is_valid("USD"));
    for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        assert_false(payment_currency_is_valid(refused[i]));
    }
}

static void our_contract_is_read(void **state) {
    struct payment_object object;
    json_t *payment = json_pack("{s:s,s:s,s:s,s:s,s:s}", "id", "pay_1", "attempt_id", "payment-3-7", "status",
                                "captured", "amount", "19.99", "currency", "EUR");
    json_t *refund =
        json_pack("{s:s,s:s,s:s}", "refund_id", "refund-3-9", "attempt_id", "payment-3-7", "status", "completed");

    (void)state;
    assert_true(payment_object_read_http(payment, false, &object));
    assert_int_equal(object.outcome, PAYMENT_CAPTURED);
    assert_true(object.store_id == 3 && object.attempt_id == 7 && object.amount_cents == 1999);
    payment_object_expect(&object, "eur");
    assert_int_equal(object.outcome, PAYMENT_CAPTURED);
    payment_object_expect(&object, "USD");
    assert_int_equal(object.outcome, PAYMENT_PENDING);
    assert_false(payment_object_read_http(payment, true, &object)); /* a payment is no refund */
    assert_true(payment_object_read_http(refund, true, &object));
    assert_int_equal(object.outcome, PAYMENT_REFUNDED);
    assert_true(object.refund_id == 9 && object.attempt_id == 0);
    json_object_set_new(payment, "amount", json_real(19.99));
    assert_false(payment_object_read_http(payment, false, &object)); /* money is a text, never a binary fraction */
    json_decref(payment);
    json_decref(refund);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_written_and_read),
        cmocka_unit_test(amounts_are_exact),
        cmocka_unit_test(stripe_says_what_became_of_an_intent),
        cmocka_unit_test(stripe_says_why_not),
        cmocka_unit_test(what_is_no_object_is_refused),
        cmocka_unit_test(currencies_have_two_decimals),
        cmocka_unit_test(our_contract_is_read),
    };

    return cmocka_run_group_tests_name("payment_object", tests, NULL, NULL);
}
