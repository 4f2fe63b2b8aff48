#include "ready_probe.h"

#include <gnutls/gnutls.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define STEP_SECONDS 3

static const char question[] = "GET /ready HTTP/1.1\r\n"
                               "Host: localhost\r\n"
                               "Connection: close\r\n"
                               "\r\n";

/* connect_to opens a connection with time limits, or returns -1. */
static int connect_to(const struct addrinfo *address) {
    struct timeval limit = {.tv_sec = STEP_SECONDS};
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        return -1;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    if (connect(fd, address->ai_addr, address->ai_addrlen) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* A connection to the gateway, plain where session is NULL. */
struct stream {
    int fd;
    gnutls_session_t session;
};

static bool send_all(const struct stream *stream, const char *text, size_t size) {
    if (stream->session != NULL) {
        return gnutls_record_send(stream->session, text, size) == (ssize_t)size;
    }
    return send(stream->fd, text, size, MSG_NOSIGNAL) == (ssize_t)size;
}

static ssize_t receive(const struct stream *stream, char *out, size_t size) {
    return stream->session != NULL ? gnutls_record_recv(stream->session, out, size) : recv(stream->fd, out, size, 0);
}

/* ask sends the question and reads the status line. */
static bool ask(const struct stream *stream) {
    static const char good[] = "HTTP/1.1 200 ";
    char answer[sizeof(good)] = "";
    size_t received = 0;

    if (!send_all(stream, question, sizeof(question) - 1)) {
        return false;
    }
    while (received < sizeof(good) - 1) {
        ssize_t got = receive(stream, answer + received, sizeof(good) - 1 - received);

        if (got <= 0) {
            return false;
        }
        received += (size_t)got;
    }
    return memcmp(answer, good, sizeof(good) - 1) == 0;
}

/* ask_encrypted asks within TLS. */
static bool ask_encrypted(int fd) {
    gnutls_certificate_credentials_t credentials;
    struct stream stream = {.fd = fd};
    bool ready = false;

    if (gnutls_certificate_allocate_credentials(&credentials) < 0) {
        return false;
    }
    if (gnutls_init(&stream.session, GNUTLS_CLIENT) == GNUTLS_E_SUCCESS) {
        gnutls_transport_set_int(stream.session, fd);
        ready = gnutls_set_default_priority(stream.session) == GNUTLS_E_SUCCESS &&
                gnutls_credentials_set(stream.session, GNUTLS_CRD_CERTIFICATE, credentials) == GNUTLS_E_SUCCESS &&
                gnutls_handshake(stream.session) == GNUTLS_E_SUCCESS && ask(&stream);
        gnutls_deinit(stream.session);
    }
    gnutls_certificate_free_credentials(credentials);
    return ready;
}

static bool is_wildcard(const char *address) {
    return address == NULL || strcmp(address, "0.0.0.0") == 0 || strcmp(address, "::") == 0;
}

bool ready_probe(const char *address, long port, bool encrypted) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char port_text[16];
    bool ready = false;
    int fd;

    snprintf(port_text, sizeof(port_text), "%ld", port);
    if (getaddrinfo(is_wildcard(address) ? "127.0.0.1" : address, port_text, &hints, &found) != 0) {
        return false;
    }
    fd = connect_to(found);
    if (fd >= 0) {
        ready = encrypted ? ask_encrypted(fd) : ask(&(struct stream){.fd = fd});
        close(fd);
    }
    freeaddrinfo(found);
    return ready;
}
