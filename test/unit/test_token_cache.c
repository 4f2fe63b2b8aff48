/* Tokens that were verified before: the same answers, no longer than they live. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "token_cache.h"

#define NOW 1700000000

static const struct token_settings settings = {.secret = "k8Jf0-2mVq9_xTz4LrWb7Yc1NdHs6PgEo3Ua",
                                               .lifetime_seconds = 60};

static void knows_a_token_again_until_it_expires(void **state) {
    struct token_cache *cache = token_cache_create();
    char *token = token_issue(&settings, "7", "ann", "user", NOW);
    struct identity identity;
    int64_t now;

    (void)state;
    for (now = NOW; now < NOW + 60; now += 10) {
        memset(&identity, 0, sizeof(identity));
        assert_true(token_cache_verify(cache, &settings, token, now, &identity));
        assert_int_equal(identity.subject, 7);
        assert_string_equal(identity.username, "ann");
        assert_false(identity.is_admin);
    }
    assert_false(token_cache_verify(cache, &settings, token, NOW + 60, &identity));
    assert_false(token_cache_verify(cache, &settings, token, NOW + 61, &identity));
    free(token);
    token_cache_free(cache);
}

static void takes_no_token_for_another(void **state) {
    struct token_cache *cache = token_cache_create();
    char *token = token_issue(&settings, "7", "ann", "admin", NOW);
    struct identity identity;
    size_t i, length = strlen(token);

    (void)state;
    assert_true(token_cache_verify(cache, &settings, token, NOW, &identity));
    for (i = 0; i < length; i++) {
        char kept = token[i];

        token[i] = kept == 'A' ? 'B' : 'A';
        if (token[i] != kept && i + 1 < length) { /* the last letter has bits that say nothing */
            assert_false(token_cache_verify(cache, &settings, token, NOW, &identity));
        }
        token[i] = kept;
    }
    token[length - 1] = '\0';
    assert_false(token_cache_verify(cache, &settings, token, NOW, &identity));
    assert_false(token_cache_verify(cache, &settings, "", NOW, &identity));
    free(token);
    token_cache_free(cache);
}

static void serves_more_tokens_than_it_has_room_for(void **state) {
    struct token_cache *cache = token_cache_create();
    struct identity identity;
    char subject[16];
    int i, round;

    (void)state;
    for (round = 0; round < 2; round++) {
        for (i = 1; i <= 3000; i++) {
            char *token;

            snprintf(subject, sizeof(subject), "%d", i);
            token = token_issue(&settings, subject, "ann", "user", NOW);
            assert_true(token_cache_verify(cache, &settings, token, NOW, &identity));
            assert_int_equal(identity.subject, i);
            free(token);
        }
    }
    token_cache_free(cache);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_a_token_again_until_it_expires),
        cmocka_unit_test(takes_no_token_for_another),
        cmocka_unit_test(serves_more_tokens_than_it_has_room_for),
    };

    return cmocka_run_group_tests_name("token_cache", tests, NULL, NULL);
}
