/*
 * delay_proxy: stands between programs and a server's Unix socket and lets every byte wait, so that the server seems to
 * be on another machine. Both ways wait half of the round trip. It needs no rights and no kernel module, unlike tc
 * netem.
 *
 *   delay_proxy PORT SOCKET ROUND_TRIP_MICROSECONDS
 *
 * Listens on that port of 127.0.0.1 and says READY.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define LINKS_MAX  512
#define CHUNK_SIZE 65536
#define RETRY_NS   50000 /* a full socket is tried again after this time */

/* Bytes on their way, and when they arrive. */
struct chunk {
    struct chunk *next;
    int64_t due; /* nanoseconds */
    size_t size;
    size_t sent;
    char bytes[];
};

struct direction {
    int from;
    int to;
    bool ended;  /* the sender has nothing more to say */
    bool passed; /* and the receiver knows it */
    struct chunk *first;
    struct chunk *last;
};

struct link {
    struct direction way[2];
};

struct proxy {
    int listener;
    const char *socket_path;
    int64_t delay; /* nanoseconds, one way */
    struct link link[LINKS_MAX];
    size_t links;
};

static _Noreturn void die(const char *what) {
    fprintf(stderr, "delay_proxy: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static int64_t now_ns(void) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int listen_on(uint16_t port) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
        bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(listener, LINKS_MAX) != 0) {
        die("cannot listen");
    }
    return listener;
}

static int connect_to(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    if (server < 0 || connect(server, (struct sockaddr *)&address, sizeof(address)) != 0) {
        die("cannot connect to the server");
    }
    return server;
}

/* accept_client links a new client with a connection of its own to the server. */
static void accept_client(struct proxy *proxy) {
    int one = 1;
    int client = accept4(proxy->listener, NULL, NULL, SOCK_CLOEXEC);
    int server;

    if (client < 0) {
        die("cannot accept");
    }
    if (proxy->links == LINKS_MAX) {
        close(client);
        return;
    }
    server = connect_to(proxy->socket_path);
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    proxy->link[proxy->links++] = (struct link){{{.from = client, .to = server}, {.from = server, .to = client}}};
}

/* take reads what has come and puts it on its way. */
static void take(struct direction *way, int64_t due) {
    struct chunk *chunk = malloc(sizeof(*chunk) + CHUNK_SIZE);
    ssize_t size;

    if (chunk == NULL) {
        die("out of memory");
    }
    size = recv(way->from, chunk->bytes, CHUNK_SIZE, MSG_DONTWAIT);
    if (size <= 0) {
        way->ended = size == 0 || errno != EAGAIN;
        free(chunk);
        return;
    }
    chunk->next = NULL;
    chunk->due = due;
    chunk->size = (size_t)size;
    chunk->sent = 0;
    if (way->first == NULL) {
        way->first = chunk;
    } else {
        way->last->next = chunk;
    }
    way->last = chunk;
}

/* drop_first forgets the oldest chunk. */
static void drop_first(struct direction *way) {
    struct chunk *chunk = way->first;

    way->first = chunk->next;
    free(chunk);
}

/* deliver hands over what has arrived; the end of the stream comes after its last byte. */
static void deliver(struct direction *way, int64_t now) {
    while (way->first != NULL && way->first->due <= now) {
        struct chunk *chunk = way->first;
        ssize_t size =
            send(way->to, chunk->bytes + chunk->sent, chunk->size - chunk->sent, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (size < 0 && errno == EAGAIN) {
            chunk->due = now + RETRY_NS;
            return;
        }
        chunk->sent += size < 0 ? chunk->size - chunk->sent : (size_t)size;
        if (chunk->sent == chunk->size) {
            drop_first(way);
        }
    }
    if (way->ended && !way->passed && way->first == NULL) {
        shutdown(way->to, SHUT_WR);
        way->passed = true;
    }
}

/* wait_for_bytes waits until somebody has sent something or the next chunk arrives; reads what was sent. */
static void wait_for_bytes(struct proxy *proxy) {
    static struct pollfd wanted[1 + 2 * LINKS_MAX];
    int64_t next = INT64_MAX, now;
    struct timespec timeout;
    size_t links = proxy->links;

    wanted[0] = (struct pollfd){.fd = proxy->listener, .events = POLLIN};
    for (size_t i = 0; i < 2 * links; i++) {
        const struct direction *way = &proxy->link[i / 2].way[i % 2];

        wanted[1 + i] = (struct pollfd){.fd = way->ended ? -1 : way->from, .events = POLLIN};
        next = way->first != NULL && way->first->due < next ? way->first->due : next;
    }
    now = now_ns();
    next = next < now ? 0 : next - now;
    timeout = (struct timespec){.tv_sec = next / 1000000000, .tv_nsec = next % 1000000000};
    if (ppoll(wanted, 1 + 2 * links, next > (int64_t)3600 * 1000000000 ? NULL : &timeout, NULL) < 0 && errno != EINTR) {
        die("ppoll");
    }
    now = now_ns();
    for (size_t i = 0; i < 2 * links; i++) {
        if (wanted[1 + i].revents != 0) {
            take(&proxy->link[i / 2].way[i % 2], now + proxy->delay);
        }
    }
    if (wanted[0].revents != 0) {
        accept_client(proxy);
    }
}

/* move_on delivers what is due and closes links that both sides have ended. */
static void move_on(struct proxy *proxy) {
    int64_t now = now_ns();

    for (size_t i = 0; i < proxy->links; i++) {
        struct link *link = &proxy->link[i];

        deliver(&link->way[0], now);
        deliver(&link->way[1], now);
        if (link->way[0].passed && link->way[1].passed) {
            close(link->way[0].from);
            close(link->way[1].from);
            *link = proxy->link[--proxy->links];
            i--;
        }
    }
}

/* number reads an argument between low and high. */
static long number(const char *text, long low, long high) {
    char *end;
    long value;

    errno = 0;
    value = strtol(text, &end, 10);
    if (errno != 0 || *text == '\0' || *end != '\0' || value < low || value > high) {
        errno = EINVAL;
        die(text);
    }
    return value;
}

int main(int argc, char **argv) {
    static struct proxy proxy;

    if (argc != 4) {
        errno = EINVAL;
        die("usage: delay_proxy PORT SOCKET ROUND_TRIP_MICROSECONDS");
    }
    proxy.listener = listen_on((uint16_t)number(argv[1], 1, 65535));
    proxy.socket_path = argv[2];
    proxy.delay = number(argv[3], 0, 1000000) * 1000 / 2;
    puts("READY");
    fflush(stdout);
    for (;;) {
        wait_for_bytes(&proxy);
        move_on(&proxy);
    }
}
