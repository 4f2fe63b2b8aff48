#include "listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 1024

/* open_socket binds and listens. Returns -1 with errno set on failure. */
static int open_socket(const struct addrinfo *address) {
    int on = 1, off = 0, saved;
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        return -1;
    }
    /* A restart must not wait for old connections; and :: means IPv4 too, as Node's listen() does it. */
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (address->ai_family == AF_INET6) {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    }
    if (bind(fd, address->ai_addr, address->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
        saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

/* open_address resolves and tries each address. */
static int open_address(const char *address, const char *port_setting, const char *port, char *error,
                        size_t error_size) {
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    const struct addrinfo *one;
    int failed = getaddrinfo(address, port, &hints, &found);
    int fd = -1;

    if (failed != 0) {
        snprintf(error, error_size, "BIND_ADDRESS: %s", gai_strerror(failed));
        return -1;
    }
    for (one = found; one != NULL && fd < 0; one = one->ai_next) {
        fd = open_socket(one);
    }
    if (fd < 0) {
        snprintf(error, error_size, "cannot listen on BIND_ADDRESS %s, %s %s: %s", address, port_setting, port,
                 strerror(errno));
    }
    freeaddrinfo(found);
    return fd;
}

int listener_open(const char *address, const char *port_setting, long port, char *error, size_t error_size) {
    char port_text[16];
    int fd;

    snprintf(port_text, sizeof(port_text), "%ld", port);
    if (address != NULL) {
        return open_address(address, port_setting, port_text, error, error_size);
    }
    fd = open_address("::", port_setting, port_text, error, error_size);
    return fd >= 0 ? fd : open_address("0.0.0.0", port_setting, port_text, error, error_size);
}

int listener_port(int listener) {
    union {
        struct sockaddr any;
        struct sockaddr_in ipv4;
        struct sockaddr_in6 ipv6;
    } address = {.ipv6 = {0}};
    socklen_t size = sizeof(address);

    if (getsockname(listener, &address.any, &size) != 0) {
        return 0;
    }
    return ntohs(address.any.sa_family == AF_INET6 ? address.ipv6.sin6_port : address.ipv4.sin_port);
}
