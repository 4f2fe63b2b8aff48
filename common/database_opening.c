#include "database_opening.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "allocation.h"
#include "detached_thread.h"

enum progress { RUNNING, DONE, ABANDONED };

struct database_opening {
    atomic_int progress; /* whoever finds that the other side is through frees everything */
    int event_fd;
    struct database_login *login;
    char *application_name;
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

static PGconn *begin_connection(const struct database_opening *opening, const char *conninfo) {
    /* Keywords before dbname are defaults that the string may override, those after it are fixed. Keepalives find a
     * peer that vanished while the connection was idle. */
    const char *const keywords[] = {
        "keepalives_idle",
        "keepalives_interval",
        "keepalives_count",
        "fallback_application_name",
        "dbname",
        "client_encoding",
        NULL,
    };
    const char *const values[] = {"30", "10", "3", opening->application_name, conninfo, "UTF8", NULL};

    return PQconnectStartParams(keywords, values, 1);
}

static void *open_in_thread(void *argument) {
    struct database_opening *opening = argument;
    struct database_opened *opened = &opening->opened;
    char *conninfo =
        database_login_conninfo(opening->login, &opened->login_version, opened->error, sizeof(opened->error));
    uint64_t one = 1;

    if (conninfo != NULL) {
        opened->handle = begin_connection(opening, conninfo);
        memory_wipe(conninfo);
    }
    if (write(opening->event_fd, &one, sizeof(one)) < 0) {
        abort(); /* a fresh counter takes a 1 */
    }
    if (atomic_exchange(&opening->progress, DONE) == ABANDONED) {
        PQfinish(opened->handle);
        free_opening(opening);
    }
    return NULL;
}

struct database_opening *database_opening_start(struct database_login *login, const char *application_name) {
    struct database_opening *opening = calloc(1, sizeof(*opening));

    if (opening == NULL) {
        return NULL;
    }
    atomic_init(&opening->progress, RUNNING);
    opening->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    opening->login = database_login_share(login);
    opening->application_name = strdup(application_name);
    if (opening->event_fd < 0 || opening->application_name == NULL || !detached_thread_start(open_in_thread, opening)) {
        free_opening(opening);
        return NULL;
    }
    return opening;
}

int database_opening_fd(const struct database_opening *opening) {
    return opening->event_fd;
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
