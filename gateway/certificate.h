/*
 * The certificate of the gateway's own TLS (TLS_CERT_FILE, TLS_KEY_FILE), and its renewal without a restart.
 */
#ifndef SHOP_GATEWAY_CERTIFICATE_H
#define SHOP_GATEWAY_CERTIFICATE_H

#include <gnutls/abstract.h>
#include <stdbool.h>
#include <stddef.h>

struct certificate;

/*
 * certificate_load reads the chain (PEM, the server's own first) and its private key (PEM, not encrypted). The paths
 * are borrowed and must stay. Returns NULL with a message that names the variable when a file cannot be read, is
 * malformed, or the key is not the certificate's.
 */
struct certificate *certificate_load(const char *certificate_file, const char *key_file, char *error,
                                     size_t error_size);

/* certificate_reload reads the files anew, for the handshakes from now on. Where that fails, with a message as above,
 * the old one stays in use. */
bool certificate_reload(struct certificate *certificate, char *error, size_t error_size);

/* certificate_for_handshake is GnuTLS' callback (gnutls_certificate_retrieve_function2): it finds the certificate that
 * certificate_serve has named. */
int certificate_for_handshake(gnutls_session_t session, const gnutls_datum_t *authorities, int authority_count,
                              const gnutls_pk_algorithm_t *algorithms, int algorithm_count, gnutls_pcert_st **chain,
                              unsigned int *chain_length, gnutls_privkey_t *key);

/* certificate_serve names the certificate of all handshakes of this process; NULL: none any more. */
void certificate_serve(struct certificate *certificate);

/* certificate_free frees it. NULL is allowed. No connection may use it any more. */
void certificate_free(struct certificate *certificate);

#endif
