#include "database_hosts.h"

#include <netdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "allocation.h"

#define MAXIMUM_ADDRESSES 16

/* What the string says. */
struct lists {
    const char *host, *hostaddr, *port;
    unsigned count; /* of the hosts; 0: none are named, or the lists do not fit together, which libpq will say */
};

const char *database_hosts_option(const PQconninfoOption *options, const char *keyword) {
    const PQconninfoOption *option;

    for (option = options; option != NULL && option->keyword != NULL; option++) {
        if (strcmp(option->keyword, keyword) == 0) {
            return option->val == NULL && option->envvar != NULL ? getenv(option->envvar) : option->val;
        }
    }
    return NULL;
}

/* count_of counts the entries of a list; none where there is no list. */
static unsigned count_of(const char *list) {
    unsigned count = 1;

    if (list == NULL || list[0] == '\0') {
        return 0;
    }
    while ((list = strchr(list, ',')) != NULL) {
        list++;
        count++;
    }
    return count;
}

/* entry_of copies an entry of a list; an empty text where there is none. */
static char *entry_of(const char *list, unsigned index) {
    if (list == NULL) {
        return memory_duplicate("");
    }
    for (; index > 0; index--) {
        list += strcspn(list, ",");
        list += *list == ',' ? 1 : 0;
    }
    return memory_format("%.*s", (int)strcspn(list, ","), list);
}

/* fits tells whether a list has an entry for each host, or is left out. */
static bool fits(const char *list, unsigned count) {
    return count_of(list) == 0 || count_of(list) == count;
}

static struct lists lists_of(const PQconninfoOption *options) {
    struct lists lists = {.host = database_hosts_option(options, "host"),
                          .hostaddr = database_hosts_option(options, "hostaddr"),
                          .port = database_hosts_option(options, "port")};
    unsigned count = count_of(count_of(lists.hostaddr) > 0 ? lists.hostaddr : lists.host);

    if (fits(lists.host, count) && (count_of(lists.port) == 1 || fits(lists.port, count))) {
        lists.count = count;
    }
    return lists;
}

/* host_of copies what the lists say about one host; freed by database_hosts_free. */
static struct database_hosts host_of(const struct lists *lists, unsigned index) {
    return (struct database_hosts){.host = entry_of(lists->host, index),
                                   .hostaddr = entry_of(lists->hostaddr, index),
                                   .port = entry_of(lists->port, count_of(lists->port) == 1 ? 0 : index)};
}

static void append(char **list, const char *entry) {
    char *longer = *list == NULL ? memory_duplicate(entry) : memory_format("%s,%s", *list, entry);

    free(*list);
    *list = longer;
}

static void append_host(struct database_hosts *hosts, const struct database_hosts *host, const char *address) {
    append(&hosts->host, host->host);
    append(&hosts->hostaddr, address);
    append(&hosts->port, host->port);
}

/* look_up gives the addresses of a host's name as texts, MAXIMUM_ADDRESSES at most, and returns how many; none for the
 * folder or the abstract name of a Unix socket. */
static unsigned look_up(const char *name, char addresses[][NI_MAXHOST]) {
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL, *next;
    unsigned count = 0;

    if (name[0] == '\0' || name[0] == '/' || name[0] == '@' || getaddrinfo(name, NULL, &hints, &found) != 0) {
        return 0;
    }
    for (next = found; next != NULL && count < MAXIMUM_ADDRESSES; next = next->ai_next) {
        if (getnameinfo(next->ai_addr, next->ai_addrlen, addresses[count], NI_MAXHOST, NULL, 0, NI_NUMERICHOST) == 0) {
            count++;
        }
    }
    freeaddrinfo(found);
    return count;
}

/* append_addresses appends a host once for each address of its name, beginning with number `first` of them. The name
 * stays beside the address, for certificates are checked against it. Without any, libpq is left to look it up. */
static void append_addresses(struct database_hosts *hosts, const struct database_hosts *host, unsigned first) {
    char addresses[MAXIMUM_ADDRESSES][NI_MAXHOST];
    unsigned count = host->hostaddr[0] == '\0' ? look_up(host->host, addresses) : 0, i;

    for (i = 0; i < count; i++) {
        append_host(hosts, host, addresses[(first + i) % count]);
    }
    if (count == 0) {
        append_host(hosts, host, host->hostaddr);
    }
}

struct database_hosts database_hosts_from(const PQconninfoOption *options, unsigned turn) {
    const struct lists lists = lists_of(options);
    struct database_hosts hosts = {.host = NULL};
    unsigned i;

    for (i = 0; turn > 0 && i < lists.count; i++) {
        struct database_hosts host = host_of(&lists, (turn + i) % lists.count);

        /* Only the first is looked up here: a slow name service must not keep the attempt from a host that is there. */
        if (i == 0 && turn >= lists.count) {
            append_addresses(&hosts, &host, turn / lists.count);
        } else {
            append_host(&hosts, &host, host.hostaddr);
        }
        database_hosts_free(&host);
    }
    return hosts;
}

/* is_at tells whether the connection is, or was at its end, at this host. */
static bool is_at(const PGconn *handle, const struct database_hosts *host) {
    return (host->host[0] == '\0' || strcmp(host->host, PQhost(handle)) == 0) &&
           (host->hostaddr[0] == '\0' || strcmp(host->hostaddr, PQhostaddr(handle)) == 0) &&
           (host->port[0] == '\0' || strcmp(host->port, PQport(handle)) == 0);
}

unsigned database_hosts_turn_after(const PQconninfoOption *options, unsigned turn, const PGconn *handle) {
    const struct lists lists = lists_of(options);
    unsigned i;

    for (i = 0; handle != NULL && i < lists.count; i++) {
        struct database_hosts host = host_of(&lists, (turn + i) % lists.count);
        bool found = is_at(handle, &host);

        database_hosts_free(&host);
        if (found) {
            return turn + i + 1;
        }
    }
    return turn + 1;
}

void database_hosts_free(struct database_hosts *hosts) {
    free(hosts->host);
    free(hosts->hostaddr);
    free(hosts->port);
}
