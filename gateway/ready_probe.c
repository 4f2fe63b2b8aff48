#include "ready_probe.h"

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

/* ask sends the question and reads the status line. */
static bool ask(int fd) {
    static const char good[] = "HTTP/1.1 200 ";
    char answer[sizeof(good)] = "";
    size_t received = 0;

    if (send(fd, question, sizeof(question) - 1, MSG_NOSIGNAL) != (ssize_t)sizeof(question) - 1) {
        return false;
    }
    while (received < sizeof(good) - 1) {
        ssize_t got = recv(fd, answer + received, sizeof(good) - 1 - received, 0);

        if (got <= 0) {
            return false;
        }
        received += (size_t)got;
    }
    return memcmp(answer, good, sizeof(good) - 1) == 0;
}

static bool is_wildcard(const char *address) {
    return address == NULL || strcmp(address, "0.0.0.0") == 0 || strcmp(address, "::") == 0;
}

bool ready_probe(const char *address, long port) {
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
        ready = ask(fd);
        close(fd);
    }
    freeaddrinfo(found);
    return ready;
}
