#include "sigv4.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "allocation.h"

#define DIGEST_SIZE     32 /* bytes of SHA-256 */
#define DIGEST_HEX_SIZE (2 * DIGEST_SIZE + 1)
#define DATE_LENGTH     8 /* of "20150830", the first part of a timestamp */
#define ALGORITHM       "AWS4-HMAC-SHA256"

/* What the steps below share: the headers in signing order and the text of the scope. */
struct signing {
    const struct sigv4_request *request;
    struct sigv4_header sorted[SIGV4_MAXIMUM_HEADERS];
    char *signed_headers; /* "host;x-amz-date" */
    char *scope;          /* "20150830/us-east-1/sqs/aws4_request" */
};

static bool sort_headers(struct signing *signing);
static char *join_header_names(const struct signing *signing);
static bool hash_canonical_request(const struct signing *signing, char hex[DIGEST_HEX_SIZE]);
static bool sign_text(const struct signing *signing, const char *text, char hex[DIGEST_HEX_SIZE]);

void sigv4_timestamp(time_t now, char out[SIGV4_TIMESTAMP_SIZE]) {
    struct tm utc;

    gmtime_r(&now, &utc);
    if (strftime(out, SIGV4_TIMESTAMP_SIZE, "%Y%m%dT%H%M%SZ", &utc) == 0) {
        out[0] = '\0'; /* a year of five digits: the signer refuses it */
    }
}

/* is_complete tells whether the request keeps the rules that its header file states. */
static bool is_complete(const struct sigv4_request *request) {
    return request->access_key_id != NULL && request->secret_access_key != NULL && request->region != NULL &&
           request->service != NULL && request->method != NULL && request->path != NULL && request->path[0] == '/' &&
           request->query != NULL && request->timestamp != NULL &&
           strlen(request->timestamp) == SIGV4_TIMESTAMP_SIZE - 1 && request->header_count > 0 &&
           request->header_count <= SIGV4_MAXIMUM_HEADERS;
}

char *sigv4_authorization(const struct sigv4_request *request) {
    struct signing signing = {.request = request};
    char request_hash[DIGEST_HEX_SIZE], signature[DIGEST_HEX_SIZE];
    char *text_to_sign, *authorization = NULL;

    if (!is_complete(request) || !sort_headers(&signing)) {
        return NULL;
    }
    signing.signed_headers = join_header_names(&signing);
    signing.scope =
        memory_format("%.*s/%s/%s/aws4_request", DATE_LENGTH, request->timestamp, request->region, request->service);
    if (hash_canonical_request(&signing, request_hash)) {
        text_to_sign = memory_format("%s\n%s\n%s\n%s", ALGORITHM, request->timestamp, signing.scope, request_hash);
        if (sign_text(&signing, text_to_sign, signature)) {
            authorization = memory_format("%s Credential=%s/%s, SignedHeaders=%s, Signature=%s", ALGORITHM,
                                          request->access_key_id, signing.scope, signing.signed_headers, signature);
        }
        free(text_to_sign);
    }
    free(signing.signed_headers);
    free(signing.scope);
    return authorization;
}

static int compare_names(const void *one, const void *other) {
    return strcasecmp(((const struct sigv4_header *)one)->name, ((const struct sigv4_header *)other)->name);
}

/* sort_headers puts the headers in order of their lower-case names; false when a name comes twice. */
static bool sort_headers(struct signing *signing) {
    const struct sigv4_request *request = signing->request;
    size_t i;

    memcpy(signing->sorted, request->headers, request->header_count * sizeof(signing->sorted[0]));
    qsort(signing->sorted, request->header_count, sizeof(signing->sorted[0]), compare_names);
    for (i = 1; i < request->header_count; i++) {
        if (strcasecmp(signing->sorted[i - 1].name, signing->sorted[i].name) == 0) {
            return false;
        }
    }
    return true;
}

static char lower(char letter) {
    return letter >= 'A' && letter <= 'Z' ? (char)(letter - 'A' + 'a') : letter;
}

static char *join_header_names(const struct signing *signing) {
    size_t count = signing->request->header_count, length = 0, i;
    char *names, *end;
    const char *letter;

    for (i = 0; i < count; i++) {
        length += strlen(signing->sorted[i].name) + 1;
    }
    names = end = memory_allocate(length);
    for (i = 0; i < count; i++) {
        for (letter = signing->sorted[i].name; *letter != '\0'; letter++) {
            *end++ = lower(*letter);
        }
        *end++ = i + 1 < count ? ';' : '\0';
    }
    return names;
}

static void write_hex(const unsigned char digest[DIGEST_SIZE], char hex[DIGEST_HEX_SIZE]) {
    size_t i;

    for (i = 0; i < DIGEST_SIZE; i++) {
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    }
}

static bool hash_text(EVP_MD_CTX *hash, const char *text) {
    return EVP_DigestUpdate(hash, text, strlen(text)) == 1;
}

/* hash_value adds a header's value as canonical text: outer blanks dropped, inner runs of blanks made one space. */
static bool hash_value(EVP_MD_CTX *hash, const char *value) {
    bool first = true;

    for (;;) {
        size_t word;

        value += strspn(value, " \t");
        word = strcspn(value, " \t");
        if (word == 0) {
            return true;
        }
        if ((!first && !hash_text(hash, " ")) || EVP_DigestUpdate(hash, value, word) != 1) {
            return false;
        }
        first = false;
        value += word;
    }
}

static bool hash_headers(EVP_MD_CTX *hash, const struct signing *signing) {
    size_t i;

    for (i = 0; i < signing->request->header_count; i++) {
        const struct sigv4_header *header = &signing->sorted[i];
        const char *letter;

        for (letter = header->name; *letter != '\0'; letter++) {
            char small = lower(*letter);

            if (EVP_DigestUpdate(hash, &small, 1) != 1) {
                return false;
            }
        }
        if (!hash_text(hash, ":") || !hash_value(hash, header->value) || !hash_text(hash, "\n")) {
            return false;
        }
    }
    return true;
}

static bool hash_request_parts(EVP_MD_CTX *hash, const struct signing *signing, const char *body_hash) {
    const struct sigv4_request *request = signing->request;

    return hash_text(hash, request->method) && hash_text(hash, "\n") && hash_text(hash, request->path) &&
           hash_text(hash, "\n") && hash_text(hash, request->query) && hash_text(hash, "\n") &&
           hash_headers(hash, signing) && hash_text(hash, "\n") && hash_text(hash, signing->signed_headers) &&
           hash_text(hash, "\n") && hash_text(hash, body_hash);
}

/* hash_canonical_request hashes the canonical request piece by piece, so that no header or body has a size limit. */
static bool hash_canonical_request(const struct signing *signing, char hex[DIGEST_HEX_SIZE]) {
    const struct sigv4_request *request = signing->request;
    unsigned char digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    bool done = false;

    if (hash != NULL && EVP_Digest(request->body, request->body_length, digest, NULL, EVP_sha256(), NULL) == 1) {
        write_hex(digest, hex);
        done = EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1 && hash_request_parts(hash, signing, hex) &&
               EVP_DigestFinal_ex(hash, digest, NULL) == 1;
        write_hex(digest, hex);
    }
    EVP_MD_CTX_free(hash);
    return done;
}

/* chain replaces key, of key_length bytes, by the HMAC of text under it. */
static bool chain(unsigned char key[DIGEST_SIZE], const void *first_key, size_t key_length, const char *text,
                  size_t length) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    bool done =
        HMAC(EVP_sha256(), first_key, (int)key_length, (const unsigned char *)text, length, digest, &size) != NULL &&
        size == DIGEST_SIZE;

    memcpy(key, digest, DIGEST_SIZE);
    OPENSSL_cleanse(digest, sizeof(digest));
    return done;
}

/* sign_text derives the signing key for date, region and service and signs text with it. */
static bool sign_text(const struct signing *signing, const char *text, char hex[DIGEST_HEX_SIZE]) {
    const struct sigv4_request *request = signing->request;
    char *secret = memory_format("AWS4%s", request->secret_access_key);
    unsigned char key[DIGEST_SIZE] = {0};
    bool done = chain(key, secret, strlen(secret), request->timestamp, DATE_LENGTH) &&
                chain(key, key, DIGEST_SIZE, request->region, strlen(request->region)) &&
                chain(key, key, DIGEST_SIZE, request->service, strlen(request->service)) &&
                chain(key, key, DIGEST_SIZE, "aws4_request", strlen("aws4_request")) &&
                chain(key, key, DIGEST_SIZE, text, strlen(text));

    if (done) {
        write_hex(key, hex);
    }
    OPENSSL_cleanse(key, sizeof(key));
    OPENSSL_cleanse(secret, strlen(secret));
    free(secret);
    return done;
}
