/* Tokens: what is issued is accepted, and everything else is not. Foreign tokens are signed here by OpenSSL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "token.h"

#define NOW    1700000000
#define SECRET "a key of the tests, long enough for it"

static const struct token_settings plain = {.secret = SECRET, .lifetime_seconds = 60};

static void append(char *out, const char *text) {
    memcpy(out + strlen(out), text, strlen(text) + 1);
}

/* base64url appends the encoding (RFC 4648 section 5, without padding) of size bytes to out. */
static void base64url(const unsigned char *bytes, size_t size, char *out) {
    char *start = out + strlen(out);
    int length = EVP_EncodeBlock((unsigned char *)start, bytes, (int)size);

    while (length > 0 && start[length - 1] == '=') {
        start[--length] = '\0';
    }
    for (; *start != '\0'; start++) {
        *start = (char)(*start == '+' ? '-' : *start == '/' ? '_' : *start);
    }
}

/* sign makes a token of any header and claims. */
static void sign(const char *header, const char *claims, const char *secret, const EVP_MD *digest, char out[2048]) {
    unsigned char signature[EVP_MAX_MD_SIZE];
    unsigned size = 0;

    out[0] = '\0';
    base64url((const unsigned char *)header, strlen(header), out);
    append(out, ".");
    base64url((const unsigned char *)claims, strlen(claims), out);
    assert_non_null(
        HMAC(digest, secret, (int)strlen(secret), (const unsigned char *)out, strlen(out), signature, &size));
    append(out, ".");
    base64url(signature, size, out);
}

/* verifies signs by HS256 and verifies. */
static bool verifies(const struct token_settings *settings, const char *claims, struct identity *identity) {
    char token[2048];

    sign("{\"alg\":\"HS256\",\"typ\":\"JWT\"}", claims, SECRET, EVP_sha256(), token);
    return token_verify(settings, token, NOW, identity);
}

static void accepts_its_own(void **state) {
    struct token_settings settings = {SECRET, "issuer", "audience", 60};
    struct identity identity;
    char *token = token_issue(&settings, "12", "Zoë \"Z\"", "admin", NOW);

    (void)state;
    assert_non_null(token);
    assert_true(token_verify(&settings, token, NOW + 59, &identity));
    assert_true(identity.subject == 12);
    assert_string_equal(identity.subject_text, "12");
    assert_string_equal(identity.username, "Zoë \"Z\"");
    assert_true(identity.is_admin);
    assert_false(token_verify(&settings, token, NOW + 60, &identity));
    settings.secret = "another";
    assert_false(token_verify(&settings, token, NOW, &identity));
    settings.secret = "";
    assert_false(token_verify(&settings, token, NOW, &identity));
    assert_null(token_issue(&settings, "12", "z", "admin", NOW));
    free(token);
}

static void reads_identities(void **state) {
    struct identity identity;

    (void)state;
    assert_true(verifies(&plain, "{\"sub\":\"9223372036854775807\",\"role\":\"user\",\"exp\":1700000001}", &identity));
    assert_true(identity.subject == INT64_MAX);
    assert_string_equal(identity.username, "9223372036854775807");
    assert_false(identity.is_admin);
    assert_true(verifies(&plain, "{\"sub\":5,\"role\":[\"admin\"],\"exp\":1700000001.5}", &identity));
    assert_true(identity.subject == 5);
    assert_false(identity.is_admin);
    assert_true(verifies(&plain, "{\"sub\":\"5\",\"role\":\"Admin\",\"exp\":1700000001}", &identity));
    assert_false(identity.is_admin);
}

static void knows_who_is_no_user(void **state) {
    static const char *const claims[] = {
        "{\"sub\":\"0\",\"exp\":1700000001}",
        "{\"sub\":\"-1\",\"exp\":1700000001}",
        "{\"sub\":\"one\",\"role\":\"user\",\"exp\":1700000001}",
        "{\"sub\":\"9223372036854775808\",\"exp\":1700000001}",
    };
    struct identity identity;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(claims) / sizeof(claims[0]); i++) {
        assert_true(verifies(&plain, claims[i], &identity));
        assert_true(identity.subject == 0);
        assert_string_equal(identity.subject_text, "0");
        assert_false(identity.is_admin);
    }
}

static void refuses_bad_claims(void **state) {
    static const char *const bad[] = {
        "{}",
        "[{\"sub\":\"1\",\"exp\":1700000001}]",
        "{\"sub\":\"1\"}",
        "{\"sub\":\"1\",\"exp\":1700000000}",
        "{\"sub\":\"1\",\"exp\":1}",
        "{\"sub\":\"1\",\"exp\":-1}",
        "{\"sub\":\"1\",\"exp\":\"1700000001\"}",
        "{\"sub\":\"1\",\"exp\":null}",
        "{\"sub\":\"1\",\"exp\":true}",
        "{\"sub\":\"1\",\"exp\":1700000001,\"nbf\":1700000031}",
        "{\"sub\":\"1\",\"exp\":1700000001,\"nbf\":\"soon\"}",
        "{\"exp\":1700000001}",
        "{\"sub\":\"\",\"exp\":1700000001}",
        "{\"sub\":0,\"exp\":1700000001}",
        "{\"sub\":-1,\"exp\":1700000001}",
        "{\"sub\":null,\"exp\":1700000001}",
        "{\"sub\":[\"1\"],\"exp\":1700000001}",
        "{\"sub\":1.5,\"exp\":1700000001}",
        "not json",
    };
    struct identity identity;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(verifies(&plain, bad[i], &identity));
    }
    assert_true(verifies(&plain, "{\"sub\":\"1\",\"exp\":1700000001,\"nbf\":1700000030}", &identity));
}

static void pins_the_algorithm(void **state) {
    static const char claims[] = "{\"sub\":\"1\",\"role\":\"admin\",\"exp\":1700000001}";
    static const char *const headers[] = {
        "{\"alg\":\"none\"}",
        "{\"alg\":\"NONE\"}",
        "{\"alg\":\"hs256\"}",
        "{\"alg\":\"HS512\"}",
        "{\"alg\":\"RS256\"}",
        "{\"alg\":\"ES256\"}",
        "{\"typ\":\"JWT\"}",
        "{\"alg\":5}",
        "[]",
        "x",
        "{\"alg\":\"HS256\",\"crit\":[\"exp\"],\"exp\":1}",
    };
    struct identity identity;
    char token[2048];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        sign(headers[i], claims, SECRET, EVP_sha256(), token);
        assert_false(token_verify(&plain, token, NOW, &identity));
    }
    sign("{\"alg\":\"HS512\"}", claims, SECRET, EVP_sha512(), token);
    assert_false(token_verify(&plain, token, NOW, &identity));
    sign("{\"alg\":\"HS384\"}", claims, SECRET, EVP_sha384(), token);
    assert_false(token_verify(&plain, token, NOW, &identity));
    sign("{\"alg\":\"HS256\"}", claims, "", EVP_sha256(), token);
    assert_false(token_verify(&plain, token, NOW, &identity));
}

static void refuses_broken_tokens(void **state) {
    static const char *const bad[] = {
        "", ".", "..", "...", "a.b", "a.b.c", "a.b.c.d", "eyJhbGciOiJIUzI1NiJ9..", "\xff.\xff.\xff"};
    struct identity identity;
    char token[2048], changed[2048];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(token_verify(&plain, bad[i], NOW, &identity));
    }
    sign("{\"alg\":\"HS256\"}", "{\"sub\":\"1\",\"exp\":1700000001}", SECRET, EVP_sha256(), token);
    assert_true(token_verify(&plain, token, NOW, &identity));
    for (i = 0; i + 2 < strlen(token); i++) { /* the last letter holds bits that do not count */
        snprintf(changed, sizeof(changed), "%s", token);
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        assert_false(token_verify(&plain, changed, NOW, &identity));
    }
    token[strlen(token) - 10] = '\0';
    assert_false(token_verify(&plain, token, NOW, &identity));
}

static void checks_issuer_and_audience(void **state) {
    static const struct token_settings strict = {SECRET, "shop", "buyers", 60};
    static const char *const good[] = {
        "{\"sub\":\"1\",\"exp\":1700000001,\"iss\":\"shop\",\"aud\":\"buyers\"}",
        "{\"sub\":\"1\",\"exp\":1700000001,\"iss\":\"shop\",\"aud\":[\"x\",\"buyers\"]}",
    };
    static const char *const bad[] = {
        "{\"sub\":\"1\",\"exp\":1700000001}",
        "{\"sub\":\"1\",\"exp\":1700000001,\"iss\":\"shop\"}",
        "{\"sub\":\"1\",\"exp\":1700000001,\"aud\":\"buyers\"}",
        "{\"sub\":\"1\",\"exp\":1700000001,\"iss\":\"Shop\",\"aud\":\"buyers\"}",
        "{\"sub\":\"1\",\"exp\":1700000001,\"iss\":\"shop\",\"aud\":[]}",
        "{\"sub\":\"1\",\"exp\":1700000001,\"iss\":\"shop\",\"aud\":{\"buyers\":true}}",
        "{\"sub\":\"1\",\"exp\":1700000001,\"iss\":[\"shop\"],\"aud\":\"buyers\"}",
    };
    struct identity identity;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(verifies(&strict, good[i], &identity));
    }
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(verifies(&strict, bad[i], &identity));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_its_own),
        cmocka_unit_test(reads_identities),
        cmocka_unit_test(knows_who_is_no_user),
        cmocka_unit_test(refuses_bad_claims),
        cmocka_unit_test(pins_the_algorithm),
        cmocka_unit_test(refuses_broken_tokens),
        cmocka_unit_test(checks_issuer_and_audience),
    };

    return cmocka_run_group_tests_name("jwt", tests, NULL, NULL);
}
