/* Signatures of webhooks. The digests were made by `openssl dgst -sha256 -hmac KEY`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "webhook_signature.h"

#define KEY    "a-key-of-the-tests"
#define BODY   "{\"id\":\"evt_1\"}"
#define TIME   1700000000
#define DIGEST "fae923b68bff4ee722edd0f73268f1595c3a7fa0f717cb3529f4683aed1ff6bb"
#define OTHER  "0000000000000000000000000000000000000000000000000000000000000000"

static bool valid(const char *secrets, const char *header) {
    return webhook_signature_valid(secrets, header, BODY, strlen(BODY), TIME);
}

static void a_right_signature_is_valid(void **state) {
    (void)state;
    assert_true(valid(KEY, "t=1700000000,v1=" DIGEST));
    assert_true(valid(KEY, "v0=x,v1=" OTHER ",v1=" DIGEST ",t=1700000000"));
    assert_true(valid("another-key-before," KEY, "t=1700000000,v1=" DIGEST));
    assert_true(valid(KEY ",another-key-after", "t=1700000000,v1=" DIGEST));
}

static void any_other_is_not(void **state) {
    static const char *const headers[] = {
        "",
        "t=1700000000",
        "v1=" DIGEST,
        "t=1700000001,v1=" DIGEST,
        "t=1700000000,v1=" OTHER,
        "t=1700000000,v0=" DIGEST,
        "t=1700000000,v1=" DIGEST "0",
        "t=1700000000,v1=",
        "t=,v1=" DIGEST,
        "t=1700000000,t=1700000000,v1=" DIGEST,
        "t=1700000000x,v1=" DIGEST,
        "t=99999999999999999999999,v1=" DIGEST,
    };
    size_t i;

    (void)state;
    assert_false(valid(KEY, NULL));
    for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        assert_false(valid(KEY, headers[i]));
    }
    assert_false(valid("another-key-of-ours", "t=1700000000,v1=" DIGEST));
    assert_false(valid("", "t=1700000000,v1=" DIGEST));
    assert_false(webhook_signature_valid(KEY, "t=1700000000,v1=" DIGEST, BODY " ", strlen(BODY) + 1, TIME));
    assert_false(webhook_signature_valid(KEY, "t=1700000000,v1=" DIGEST, BODY, strlen(BODY) - 1, TIME));
}

static void the_time_may_be_five_minutes_off(void **state) {
    static const char header[] = "t=1700000000,v1=" DIGEST;

    (void)state;
    assert_true(webhook_signature_valid(KEY, header, BODY, strlen(BODY), TIME + 300));
    assert_true(webhook_signature_valid(KEY, header, BODY, strlen(BODY), TIME - 300));
    assert_false(webhook_signature_valid(KEY, header, BODY, strlen(BODY), TIME + 301));
    assert_false(webhook_signature_valid(KEY, header, BODY, strlen(BODY), TIME - 301));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_right_signature_is_valid),
        cmocka_unit_test(any_other_is_not),
        cmocka_unit_test(the_time_may_be_five_minutes_off),
    };

    return cmocka_run_group_tests_name("webhook_signature", tests, NULL, NULL);
}
