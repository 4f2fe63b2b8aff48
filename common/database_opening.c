#include "database_opening.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "allocation.h"
#include "clock.h"
#include "database_hosts.h"
#include "detached_thread.h"
#include "log.h"

#define CONNECT_TIMEOUT_MS  5000 /* how long the server may take */
#define SHORTEST_TIMEOUT_MS 2000 /* libpq takes no shorter connect_timeout either */
#define LONGEST_TIMEOUT_S   3600
#define LOOKUP_TIMEOUT_MS   5000 /* how long the name service may take, and the secret */
#define LOOK_ROUND_MS       50   /* how soon a thread notices that it was abandoned */

static atomic_int opening_threads;

enum progress { RUNNING, DONE, ABANDONED };

struct database_opening {
    atomic_int progress; /* whoever finds that the other side is through frees everything */
    int event_fd;
    struct database_login *login;
    char *application_name;
    unsigned turn;
    atomic_llong deadline; /* clock_monotonic_ms: when the caller is to give it up */
    struct database_opened opened;
};

static void free_opening(struct database_opening *opening) {
    if (opening->event_fd >= 0) {
        close(opening->event_fd);
    }
    database_login_release(opening->login);
    free(opening->application_name);
    free(opening);
}

void database_opening_log_notice(void *unused, const PGresult *notice) {
    (void)unused;
    if (log_enabled(LOG_DEBUG)) {
        log_event(LOG_DEBUG, "db_notice",
                  json_pack("{s:o}", "message", log_text(PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY))));
    }
}

static PGconn *begin_connection(const struct database_opening *opening, const char *conninfo,
                                const struct database_hosts *hosts) {
    /* Keywords before dbname are defaults that the string may override, those after it are fixed. Keepalives find a
     * peer that vanished while the connection was idle. */
    const char *const keywords[] = {
        "keepalives_idle",
        "keepalives_interval",
        "keepalives_count",
        "fallback_application_name",
        "dbname",
        "client_encoding",
        "host",
        "hostaddr",
        "port",
        NULL,
    };
    const char *const values[] = {
        "30", "10", "3", opening->application_name, conninfo, "UTF8", hosts->host, hosts->hostaddr, hosts->port, NULL};

    return PQconnectStartParams(keywords, values, 1);
}

/* connect_limit_ms: PQconnectPoll leaves it to its caller to heed connect_timeout. No limit is no choice here: threads
 * would pile up at a silent server. */
static int connect_limit_ms(const PQconninfoOption *options) {
    const char *text = database_hosts_option(options, "connect_timeout");
    long seconds = text != NULL ? strtol(text, NULL, 10) : 0;

    if (seconds <= 0) {
        return CONNECT_TIMEOUT_MS;
    }
    if (seconds > LONGEST_TIMEOUT_S) {
        seconds = LONGEST_TIMEOUT_S;
    }
    return seconds * 1000 < SHORTEST_TIMEOUT_MS ? SHORTEST_TIMEOUT_MS : (int)seconds * 1000;
}

/* wait_for_socket waits for what PQconnectPoll asked for. Returns false when the time is over or nobody wants the
 * connection any more. */
static bool wait_for_socket(const struct database_opening *opening, PostgresPollingStatusType wanted,
                            int64_t deadline) {
    struct pollfd fd = {.fd = PQsocket(opening->opened.handle),
                        .events = wanted == PGRES_POLLING_READING ? POLLIN : POLLOUT};
    int left;

    do {
        left = clock_remaining_ms(deadline, clock_monotonic_ms());
        if (left == 0 || atomic_load(&opening->progress) == ABANDONED) {
            return false;
        }
    } while (poll(&fd, 1, left < LOOK_ROUND_MS ? left : LOOK_ROUND_MS) <= 0);
    return true;
}

/* complete goes on until the connection is made or has failed. */
static void complete(struct database_opening *opening, int limit_ms) {
    struct database_opened *opened = &opening->opened;
    PostgresPollingStatusType wanted =
        PQstatus(opened->handle) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
    int64_t deadline = clock_monotonic_ms() + limit_ms;

    /* PQconnectPoll may look up another host. */
    atomic_store(&opening->deadline, deadline + LOOKUP_TIMEOUT_MS);
    while (wanted == PGRES_POLLING_READING || wanted == PGRES_POLLING_WRITING) {
        if (!wait_for_socket(opening, wanted, deadline)) {
            snprintf(opened->error, sizeof(opened->error), "%sno answer in time", PQerrorMessage(opened->handle));
            return;
        }
        wanted = PQconnectPoll(opened->handle);
    }
}

static void connect_to(struct database_opening *opening, const char *conninfo) {
    PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
    struct database_hosts hosts = database_hosts_from(options, opening->turn);
    struct database_opened *opened = &opening->opened;

    opened->handle = begin_connection(opening, conninfo, &hosts);
    PQsetNoticeReceiver(opened->handle, database_opening_log_notice, NULL);
    complete(opening, connect_limit_ms(options));
    opened->next_turn = database_hosts_turn_after(options, opening->turn, opened->handle);
    database_hosts_free(&hosts);
    PQconninfoFree(options);
}

static void *open_in_thread(void *argument) {
    struct database_opening *opening = argument;
    struct database_opened *opened = &opening->opened;
    char *conninfo =
        database_login_conninfo(opening->login, &opened->login_version, opened->error, sizeof(opened->error));
    uint64_t one = 1;

    if (conninfo != NULL) {
        connect_to(opening, conninfo);
        memory_wipe(conninfo);
    }
    if (write(opening->event_fd, &one, sizeof(one)) < 0) {
        abort(); /* a fresh counter takes a 1 */
    }
    if (atomic_exchange(&opening->progress, DONE) == ABANDONED) {
        PQfinish(opened->handle);
        free_opening(opening);
    }
    atomic_fetch_sub(&opening_threads, 1);
    return NULL;
}

struct database_opening *database_opening_start(struct database_login *login, const char *application_name,
                                                unsigned turn) {
    struct database_opening *opening = calloc(1, sizeof(*opening));

    if (opening == NULL) {
        return NULL;
    }
    atomic_init(&opening->progress, RUNNING);
    atomic_init(&opening->deadline, clock_monotonic_ms() + LOOKUP_TIMEOUT_MS);
    opening->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    opening->login = database_login_share(login);
    opening->application_name = strdup(application_name);
    opening->turn = turn;
    opening->opened.next_turn = turn + 1;
    atomic_fetch_add(&opening_threads, 1);
    if (opening->event_fd < 0 || opening->application_name == NULL || !detached_thread_start(open_in_thread, opening)) {
        atomic_fetch_sub(&opening_threads, 1);
        free_opening(opening);
        return NULL;
    }
    return opening;
}

int database_opening_fd(const struct database_opening *opening) {
    return opening->event_fd;
}

int64_t database_opening_deadline(const struct database_opening *opening) {
    return atomic_load(&opening->deadline);
}

bool database_opening_take(struct database_opening *opening, struct database_opened *opened) {
    if (atomic_load(&opening->progress) != DONE) {
        return false;
    }
    *opened = opening->opened;
    free_opening(opening);
    return true;
}

void database_opening_abandon(struct database_opening *opening) {
    if (opening == NULL || atomic_exchange(&opening->progress, ABANDONED) == RUNNING) {
        return;
    }
    PQfinish(opening->opened.handle);
    free_opening(opening);
}

void database_opening_wait(int limit_ms) {
    detached_thread_wait(&opening_threads, limit_ms);
}
