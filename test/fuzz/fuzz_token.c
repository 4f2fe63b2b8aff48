/*
 * A token. An input that begins with 't' is the token as it is sent: without the secret nobody can make one, so none
 * may be accepted. Any other input is "header NUL claims", which are signed here, so that what they say is looked at.
 */
#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "fuzz.h"
#include "token.h"

#define NOW ((int64_t)1700000000)

static const char secret[] = "a-secret-that-the-fuzzer-does-not-know-000";
static const struct token_settings settings = {
    .secret = secret, .issuer = "shop", .audience = "web", .lifetime_seconds = 60};

/* add_part appends the base64url form (RFC 4648 section 5, without padding) of size bytes, behind a dot where something
 * is there already. */
static void add_part(char *token, const void *data, size_t size) {
    char *part = token + strlen(token);
    size_t i;

    if (part != token) {
        *part++ = '.';
    }
    EVP_EncodeBlock((unsigned char *)part, data, (int)size);
    part[strcspn(part, "=")] = '\0';
    for (i = 0; part[i] != '\0'; i++) {
        part[i] = part[i] == '+' ? '-' : part[i];
        part[i] = part[i] == '/' ? '_' : part[i];
    }
}

/* sign makes a token of a header and claims; free it. */
static char *sign(const char *header, size_t header_size, const char *claims, size_t claims_size) {
    char *token = calloc(1, (header_size + claims_size) * 2 + 128);
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned mac_size = 0;
    size_t length;

    REQUIRE(token != NULL);
    add_part(token, header, header_size);
    add_part(token, claims, claims_size);
    length = strlen(token);
    REQUIRE(HMAC(EVP_sha256(), secret, sizeof(secret) - 1, (unsigned char *)token, length, mac, &mac_size) != NULL);
    add_part(token, mac, mac_size);
    return token;
}

/* check_accepted: whoever is let in is a user or, as number 0, none, and the claims say for how long. */
static void check_accepted(const char *claims, size_t size, const struct identity *identity) {
    json_t *parsed = json_loadb(claims, size, JSON_DISABLE_EOF_CHECK, NULL);
    const json_t *expires = json_object_get(parsed, "exp");

    REQUIRE(identity->subject >= 0 && identity->subject_text[0] != '-' && identity->username[0] != '\0' &&
            identity->expires > (double)NOW);
    REQUIRE(json_is_number(expires) && json_number_value(expires) > (double)NOW);
    REQUIRE(json_is_string(json_object_get(parsed, "iss")));
    json_decref(parsed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = fuzz_text(data, size);
    struct identity identity;

    if (size > 0 && text[0] == 't') {
        REQUIRE(!token_verify(&settings, text + 1, NOW, &identity));
    } else if (memchr(text, '\0', size) != NULL) {
        size_t header_size = strlen(text);
        const char *claims = text + header_size + 1;
        size_t claims_size = size - header_size - 1;
        char *token = sign(text, header_size, claims, claims_size);

        if (token_verify(&settings, token, NOW, &identity)) {
            check_accepted(claims, claims_size, &identity);
        }
        free(token);
    }
    free(text);
    return 0;
}
