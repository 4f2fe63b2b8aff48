#include "certificate.h"

#include <stdio.h>
#include <stdlib.h>

#define LONGEST_CHAIN 16

/* What was read at one time. A handshake may still use the one before, so all are kept: renewals are rare. */
struct generation {
    struct generation *before;
    gnutls_pcert_st chain[LONGEST_CHAIN];
    unsigned chain_length;
    gnutls_privkey_t key;
};

struct certificate {
    const char *certificate_file, *key_file;
    struct generation *current;
};

static struct certificate *served;

static void free_generation(struct generation *generation) {
    unsigned i;

    for (i = 0; i < generation->chain_length; i++) {
        gnutls_pcert_deinit(&generation->chain[i]);
    }
    if (generation->key != NULL) {
        gnutls_privkey_deinit(generation->key);
    }
    free(generation);
}

/* complain writes the message. */
static bool complain(char *error, size_t error_size, const char *variable, const char *file, const char *reason) {
    snprintf(error, error_size, "%s: %s: %s", variable, file, reason);
    return false;
}

static bool read_chain(struct generation *generation, const char *file, char *error, size_t error_size) {
    gnutls_datum_t text = {0};
    unsigned length = LONGEST_CHAIN;
    int code = gnutls_load_file(file, &text);

    if (code < 0) {
        return complain(error, error_size, "TLS_CERT_FILE", file, "cannot be read");
    }
    code = gnutls_pcert_list_import_x509_raw(generation->chain, &length, &text, GNUTLS_X509_FMT_PEM,
                                             GNUTLS_X509_CRT_LIST_FAIL_IF_UNSORTED);
    gnutls_free(text.data);
    if (code < 0) {
        return complain(error, error_size, "TLS_CERT_FILE", file, gnutls_strerror(code));
    }
    generation->chain_length = length;
    return true;
}

static bool read_key(struct generation *generation, const char *file, char *error, size_t error_size) {
    gnutls_datum_t text = {0};
    int code = gnutls_load_file(file, &text);

    if (code < 0) {
        return complain(error, error_size, "TLS_KEY_FILE", file, "cannot be read");
    }
    code = gnutls_privkey_init(&generation->key);
    if (code >= 0) {
        code = gnutls_privkey_import_x509_raw(generation->key, &text, GNUTLS_X509_FMT_PEM, NULL, 0);
    }
    gnutls_memset(text.data, 0, text.size);
    gnutls_free(text.data);
    return code >= 0 || complain(error, error_size, "TLS_KEY_FILE", file, gnutls_strerror(code));
}

/* key_fits tells whether the key is that of the first certificate: both have the same key id. */
static bool key_fits(const struct generation *generation) {
    unsigned char of_certificate[64], of_key[64];
    size_t certificate_size = sizeof(of_certificate), key_size = sizeof(of_key);
    gnutls_pubkey_t public_key;
    bool fits = false;

    if (gnutls_pubkey_init(&public_key) < 0) {
        return false;
    }
    if (gnutls_pubkey_get_key_id(generation->chain[0].pubkey, 0, of_certificate, &certificate_size) == 0 &&
        gnutls_pubkey_import_privkey(public_key, generation->key, 0, 0) == 0 &&
        gnutls_pubkey_get_key_id(public_key, 0, of_key, &key_size) == 0) {
        fits = certificate_size == key_size && gnutls_memcmp(of_certificate, of_key, key_size) == 0;
    }
    gnutls_pubkey_deinit(public_key);
    return fits;
}

bool certificate_reload(struct certificate *certificate, char *error, size_t error_size) {
    struct generation *generation = calloc(1, sizeof(*generation));

    if (generation == NULL) {
        return complain(error, error_size, "TLS_CERT_FILE", certificate->certificate_file, "out of memory");
    }
    if (!read_chain(generation, certificate->certificate_file, error, error_size) ||
        !read_key(generation, certificate->key_file, error, error_size) ||
        (!key_fits(generation) &&
         !complain(error, error_size, "TLS_KEY_FILE", certificate->key_file, "is not the key of TLS_CERT_FILE"))) {
        free_generation(generation);
        return false;
    }
    generation->before = certificate->current;
    certificate->current = generation;
    return true;
}

struct certificate *certificate_load(const char *certificate_file, const char *key_file, char *error,
                                     size_t error_size) {
    struct certificate *certificate = calloc(1, sizeof(*certificate));

    if (certificate == NULL) {
        snprintf(error, error_size, "TLS_CERT_FILE: out of memory");
        return NULL;
    }
    certificate->certificate_file = certificate_file;
    certificate->key_file = key_file;
    if (!certificate_reload(certificate, error, error_size)) {
        free(certificate);
        return NULL;
    }
    return certificate;
}

int certificate_for_handshake(gnutls_session_t session, const gnutls_datum_t *authorities, int authority_count,
                              const gnutls_pk_algorithm_t *algorithms, int algorithm_count, gnutls_pcert_st **chain,
                              unsigned int *chain_length, gnutls_privkey_t *key) {
    (void)session;
    (void)authorities;
    (void)authority_count;
    (void)algorithms;
    (void)algorithm_count;
    if (served == NULL) {
        return -1;
    }
    *chain = served->current->chain;
    *chain_length = served->current->chain_length;
    *key = served->current->key;
    return 0;
}

void certificate_serve(struct certificate *certificate) {
    served = certificate;
}

void certificate_free(struct certificate *certificate) {
    struct generation *generation;

    if (certificate == NULL) {
        return;
    }
    while ((generation = certificate->current) != NULL) {
        certificate->current = generation->before;
        free_generation(generation);
    }
    free(certificate);
}
