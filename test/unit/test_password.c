/* Password hashes, and the thread that makes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "hash_thread.h"
#include "password.h"

static void verifies_what_it_makes(void **state) {
    char hash[PASSWORD_HASH_SIZE], other[PASSWORD_HASH_SIZE];

    (void)state;
    assert_true(password_hash("correct horse", hash));
    assert_true(password_hash("correct horse", other));
    assert_int_equal(strncmp(hash, "$y$", 3), 0);
    assert_string_not_equal(hash, other); /* salted */
    assert_true(password_verify("correct horse", hash));
    assert_false(password_verify("correct hors", hash));
    assert_false(password_verify("", hash));
}

static void verifies_bcrypt(void **state) {
    char hash[PASSWORD_HASH_SIZE];
    struct crypt_data work = {0};
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];

    (void)state;
    assert_non_null(crypt_gensalt_rn("$2b$", 4, NULL, 0, setting, (int)sizeof(setting)));
    snprintf(hash, sizeof(hash), "%s", crypt_r("old password", setting, &work));
    assert_true(password_verify("old password", hash));
    assert_false(password_verify("another password", hash));
}

static void refuses_other_kinds(void **state) {
    static const char *const bad[] = {"",   "x",   "old password", "$1$salt$hash", "$5$salt$hash",
                                      "*0", "$y$", "$2b$",         "$2b$04$short"};
    char long_password[600], hash[PASSWORD_HASH_SIZE];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(password_verify("old password", bad[i]));
        assert_false(password_verify("", bad[i]));
    }
    memset(long_password, 'x', sizeof(long_password) - 1);
    long_password[sizeof(long_password) - 1] = '\0';
    assert_false(password_hash(long_password, hash));
    assert_true(password_hash("x", hash));
    assert_false(password_verify(long_password, hash));
}

struct noted {
    int done;
    int matched;
    int mismatched;
    int failed;
    char hash[PASSWORD_HASH_SIZE];
};

static void note(void *context, enum hash_outcome outcome, const char *hash) {
    struct noted *noted = context;

    noted->done++;
    noted->matched += outcome == HASH_DONE ? 1 : 0;
    noted->mismatched += outcome == HASH_MISMATCH ? 1 : 0;
    noted->failed += outcome == HASH_FAILED ? 1 : 0;
    if (hash != NULL) {
        snprintf(noted->hash, sizeof(noted->hash), "%s", hash);
    }
}

static void wait_for(struct hash_thread *thread, const struct noted *noted, int count) {
    while (noted->done < count) {
        struct pollfd entry = {.fd = hash_thread_fd(thread), .events = POLLIN};

        assert_int_equal(poll(&entry, 1, 20000), 1);
        hash_thread_process(thread);
    }
}

static void works_in_the_background(void **state) {
    struct hash_thread *thread = hash_thread_start();
    struct noted noted = {0};

    (void)state;
    assert_non_null(thread);
    assert_true(hash_thread_make(thread, "secret", note, &noted));
    wait_for(thread, &noted, 1);
    assert_int_equal(noted.matched, 1);
    assert_true(hash_thread_verify(thread, "secret", noted.hash, note, &noted));
    assert_true(hash_thread_verify(thread, "wrong", noted.hash, note, &noted));
    assert_true(hash_thread_verify(thread, "secret", NULL, note, &noted)); /* no such account */
    wait_for(thread, &noted, 4);
    assert_int_equal(noted.matched, 2);
    assert_int_equal(noted.mismatched, 2);
    hash_thread_stop(thread);
    hash_thread_free(thread);
}

static void bounds_its_queue(void **state) {
    struct hash_thread *thread = hash_thread_start();
    struct noted noted = {0};
    int i;

    (void)state;
    for (i = 0; i < HASH_QUEUE_LIMIT; i++) {
        assert_true(hash_thread_verify(thread, "secret", NULL, note, &noted));
    }
    assert_false(hash_thread_verify(thread, "secret", NULL, note, &noted));
    assert_false(hash_thread_make(thread, "secret", note, &noted));
    hash_thread_stop(thread); /* what was not begun is answered all the same */
    assert_int_equal(noted.done, HASH_QUEUE_LIMIT);
    assert_true(noted.failed > 0);
    assert_false(hash_thread_verify(thread, "secret", NULL, note, &noted)); /* nothing is begun any more */
    hash_thread_free(thread);
    hash_thread_stop(NULL);
    hash_thread_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verifies_what_it_makes), cmocka_unit_test(verifies_bcrypt),
        cmocka_unit_test(refuses_other_kinds),    cmocka_unit_test(works_in_the_background),
        cmocka_unit_test(bounds_its_queue),
    };

    return cmocka_run_group_tests_name("password", tests, NULL, NULL);
}
