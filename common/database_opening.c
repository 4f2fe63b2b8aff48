#include "database_opening.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "detached_thread.h"

enum progress { RUNNING, DONE, ABANDONED };

struct database_opening {
    atomic_int progress; /* whoever finds that the other side is through frees everything */
    int event_fd;
    char *conninfo;
    char *application_name;
    PGconn *handle;
};

static void free_opening(struct database_opening *opening) {
    if (opening->event_fd >= 0) {
        close(opening->event_fd);
    }
    free(opening->conninfo);
    free(opening->application_name);
    free(opening);
}

static void *open_in_thread(void *argument) {
    struct database_opening *opening = argument;
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
    const char *const values[] = {"30", "10", "3", opening->application_name, opening->conninfo, "UTF8", NULL};
    uint64_t one = 1;

    opening->handle = PQconnectStartParams(keywords, values, 1);
    if (write(opening->event_fd, &one, sizeof(one)) < 0) {
        abort(); /* a fresh counter takes a 1 */
    }
    if (atomic_exchange(&opening->progress, DONE) == ABANDONED) {
        PQfinish(opening->handle);
        free_opening(opening);
    }
    return NULL;
}

struct database_opening *database_opening_start(const char *conninfo, const char *application_name) {
    struct database_opening *opening = calloc(1, sizeof(*opening));

    if (opening == NULL) {
        return NULL;
    }
    atomic_init(&opening->progress, RUNNING);
    opening->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    opening->conninfo = strdup(conninfo);
    opening->application_name = strdup(application_name);
    if (opening->event_fd < 0 || opening->conninfo == NULL || opening->application_name == NULL ||
        !detached_thread_start(open_in_thread, opening)) {
        free_opening(opening);
        return NULL;
    }
    return opening;
}

int database_opening_fd(const struct database_opening *opening) {
    return opening->event_fd;
}

bool database_opening_take(struct database_opening *opening, PGconn **handle) {
    if (atomic_load(&opening->progress) != DONE) {
        return false;
    }
    *handle = opening->handle;
    free_opening(opening);
    return true;
}

void database_opening_abandon(struct database_opening *opening) {
    if (opening == NULL || atomic_exchange(&opening->progress, ABANDONED) == RUNNING) {
        return;
    }
    PQfinish(opening->handle);
    free_opening(opening);
}
