#include "webhook_signature.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

#define DIGEST_SIZE  32
#define HEADER_LIMIT 2048 /* bytes; room for some thirty signatures */

/* next_part gives the next part of a list separated by commas and its length; NULL at the end. */
static const char *next_part(const char **rest, size_t *length) {
    const char *part = *rest;

    if (part == NULL) {
        return NULL;
    }
    *length = strcspn(part, ",");
    *rest = part[*length] == ',' ? part + *length + 1 : NULL;
    return part;
}

/* find_time reads "t=" of the header; false when there is none, or more than one. */
static bool find_time(const char *header, char text[24], int64_t *seconds) {
    const char *rest = header, *part;
    size_t length;
    int found = 0;

    while ((part = next_part(&rest, &length)) != NULL) {
        if (length > 2 && length < 24 && strncmp(part, "t=", 2) == 0) {
            snprintf(text, 24, "%.*s", (int)length - 2, part + 2);
            found++;
        }
    }
    return found == 1 && text_to_int64(text, 0, INT64_MAX / 2, seconds);
}

static int hex_value(char letter) {
    static const char digits[] = "0123456789abcdef";
    const char *found = letter != '\0' ? strchr(digits, letter) : NULL;

    return found != NULL ? (int)(found - digits) : -1;
}

/* read_digest reads 64 hexadecimal digits. */
static bool read_digest(const char *text, size_t length, unsigned char digest[DIGEST_SIZE]) {
    size_t i;

    if (length != 2 * (size_t)DIGEST_SIZE) {
        return false;
    }
    for (i = 0; i < DIGEST_SIZE; i++) {
        int high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);

        if (high < 0 || low < 0) {
            return false;
        }
        digest[i] = (unsigned char)(high * 16 + low);
    }
    return true;
}

/* is_in_header tells whether a digest is one of the header's v1 signatures. */
static bool is_in_header(const char *header, const unsigned char expected[DIGEST_SIZE]) {
    const char *rest = header, *part;
    unsigned char given[DIGEST_SIZE];
    bool found = false;
    size_t length;

    while ((part = next_part(&rest, &length)) != NULL) {
        if (length > 3 && strncmp(part, "v1=", 3) == 0 && read_digest(part + 3, length - 3, given)) {
            found = CRYPTO_memcmp(given, expected, DIGEST_SIZE) == 0 || found;
        }
    }
    return found;
}

bool webhook_signature_valid(const char *secrets, const char *header, const char *body, size_t size, int64_t now) {
    const char *rest = secrets, *secret;
    unsigned char digest[DIGEST_SIZE];
    char time_text[24], *signed_text;
    int64_t signed_at;
    size_t length, prefix;
    bool valid = false;

    if (header == NULL || strlen(header) > HEADER_LIMIT || !find_time(header, time_text, &signed_at) ||
        signed_at < now - WEBHOOK_TOLERANCE_SECONDS || signed_at > now + WEBHOOK_TOLERANCE_SECONDS) {
        return false;
    }
    prefix = strlen(time_text) + 1;
    signed_text = malloc(prefix + size + 1);
    if (signed_text == NULL) {
        return false;
    }
    snprintf(signed_text, prefix + 1, "%s.", time_text);
    if (size > 0) {
        memcpy(signed_text + prefix, body, size);
    }
    while ((secret = next_part(&rest, &length)) != NULL) {
        if (length > 0 && HMAC(EVP_sha256(), secret, (int)length, (const unsigned char *)signed_text, prefix + size,
                               digest, NULL) != NULL) {
            valid = is_in_header(header, digest) || valid;
        }
    }
    free(signed_text);
    return valid;
}
