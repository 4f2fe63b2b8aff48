/* Where credentials are found, what is refused, and how they are renewed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "credentials.h"

static char file[] = "/tmp/test_credentials_XXXXXX";
static char error[512];

static void write_file(const char *content) {
    FILE *out = fopen(file, "w");

    assert_non_null(out);
    fputs(content, out);
    fclose(out);
}

/* renew waits for a renewal, and tells whether it brought other credentials. */
static bool renew(struct credential_store *store) {
    unsigned generation = credential_store_generation(store);

    credential_store_begin_renewal(store);
    while (credential_store_is_renewing(store)) {
        poll(NULL, 0, 1);
    }
    return credential_store_generation(store) != generation;
}

static int make_file(void **state) {
    int descriptor = mkstemp(file);

    (void)state;
    return descriptor < 0 ? -1 : close(descriptor);
}

static int remove_file(void **state) {
    (void)state;
    return unlink(file);
}

static void the_environment_comes_first(void **state) {
    struct credential_settings settings = {.access_key_id = "ENVKEY",
                                           .secret_access_key = "env+secret/",
                                           .session_token = "token",
                                           .shared_credentials_file = file};
    struct credential_store *store;

    (void)state;
    write_file("[default]\naws_access_key_id=FILEKEY\naws_secret_access_key=file\n");
    store = credential_store_open(&settings, error, sizeof(error));
    assert_non_null(store);
    assert_string_equal(credential_store_current(store)->access_key_id, "ENVKEY");
    assert_string_equal(credential_store_current(store)->secret_access_key, "env+secret/");
    assert_string_equal(credential_store_current(store)->session_token, "token");
    assert_false(renew(store));
    credential_store_close(store);
}

static void half_an_environment_is_an_error(void **state) {
    struct credential_settings settings = {.access_key_id = "ENVKEY", .shared_credentials_file = file};

    (void)state;
    assert_null(credential_store_open(&settings, error, sizeof(error)));
    assert_non_null(strstr(error, "AWS_SECRET_ACCESS_KEY"));
    settings = (struct credential_settings){.secret_access_key = "very-secret"};
    assert_null(credential_store_open(&settings, error, sizeof(error)));
    assert_non_null(strstr(error, "AWS_ACCESS_KEY_ID"));
    assert_null(strstr(error, "very-secret"));
}

static void keys_that_break_a_header_are_refused(void **state) {
    struct credential_settings settings = {
        .access_key_id = "A", .secret_access_key = "b", .session_token = "c\r\nx: y"};

    (void)state;
    assert_null(credential_store_open(&settings, error, sizeof(error)));
    assert_null(strstr(error, "x: y"));
}

static void reads_the_profile(void **state) {
    struct credential_settings settings = {.shared_credentials_file = file, .metadata_disabled = "true"};
    struct credential_store *store;

    (void)state;
    write_file(
        "# comment\n[other]\naws_access_key_id = OTHER\naws_secret_access_key = o\naws_session_token = t\n"
        "\n[ default ]\r\n  aws_access_key_id\t=  FILEKEY \r\n;aws_access_key_id = NO\naws_secret_access_key=a=b=\n"
        "aws_session_token =\n[last]\naws_access_key_id = LAST\n");
    store = credential_store_open(&settings, error, sizeof(error));
    assert_non_null(store);
    assert_string_equal(credential_store_current(store)->access_key_id, "FILEKEY");
    assert_string_equal(credential_store_current(store)->secret_access_key, "a=b=");
    assert_null(credential_store_current(store)->session_token);
    credential_store_close(store);

    settings.profile = "other";
    store = credential_store_open(&settings, error, sizeof(error));
    assert_non_null(store);
    assert_string_equal(credential_store_current(store)->access_key_id, "OTHER");
    assert_string_equal(credential_store_current(store)->session_token, "t");
    credential_store_close(store);
}

static void says_where_it_looked(void **state) {
    struct credential_settings settings = {
        .shared_credentials_file = file, .profile = "last", .metadata_disabled = "true"};

    (void)state;
    write_file("[last]\naws_access_key_id = LAST\n");
    assert_null(credential_store_open(&settings, error, sizeof(error)));
    assert_non_null(strstr(error, file));
    assert_non_null(strstr(error, "last"));
    settings.profile = "missing";
    assert_null(credential_store_open(&settings, error, sizeof(error)));
    settings = (struct credential_settings){.home_folder = "/nonexistent", .metadata_disabled = "true"};
    assert_null(credential_store_open(&settings, error, sizeof(error)));
    assert_non_null(strstr(error, "/nonexistent/.aws/credentials"));
    settings = (struct credential_settings){.metadata_disabled = "true"};
    assert_null(credential_store_open(&settings, error, sizeof(error)));
    assert_non_null(strstr(error, "AWS_ACCESS_KEY_ID"));
    settings.shared_credentials_file = "/tmp"; /* a folder */
    assert_null(credential_store_open(&settings, error, sizeof(error)));
}

static void renews_from_the_file(void **state) {
    struct credential_settings settings = {.shared_credentials_file = file, .metadata_disabled = "true"};
    struct credential_store *store;

    (void)state;
    write_file("[default]\naws_access_key_id=ONE\naws_secret_access_key=s\n");
    store = credential_store_open(&settings, error, sizeof(error));
    assert_non_null(store);
    assert_false(renew(store)); /* the same ones again */
    write_file("[default]\n");
    assert_false(renew(store));
    assert_string_equal(credential_store_current(store)->access_key_id, "ONE");
    write_file("[default]\naws_access_key_id=TWO\naws_secret_access_key=s\naws_session_token=t\n");
    assert_true(renew(store));
    assert_string_equal(credential_store_current(store)->access_key_id, "TWO");
    assert_string_equal(credential_store_current(store)->session_token, "t");
    credential_store_close(store);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_environment_comes_first),
        cmocka_unit_test(half_an_environment_is_an_error),
        cmocka_unit_test(keys_that_break_a_header_are_refused),
        cmocka_unit_test(reads_the_profile),
        cmocka_unit_test(says_where_it_looked),
        cmocka_unit_test(renews_from_the_file),
    };

    return cmocka_run_group_tests_name("credentials", tests, make_file, remove_file);
}
