/*
 * batch_driver: asks a batch function for checkouts as fast as it answers, over a few connections, and prints what it
 * saw as one line of JSON. Each request is for a cart of its own, with a key of its own; user n has cart n.
 *
 *   batch_driver CONNECTION FUNCTION BATCH CONNECTIONS SECONDS FIRST_CART LAST_CART
 *
 * FUNCTION is the name of a function like shop.checkout_batch(store_id, requests). It ends early when the carts run
 * out.
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libpq-fe.h>

#define CONNECTIONS_MAX 64
#define BATCH_MAX       1000
#define REQUEST_SIZE    160 /* bytes that one request takes in the array, at most */
#define STATEMENT       "checkouts"

struct session {
    PGconn *connection;
    bool busy;
    int64_t sent; /* nanoseconds */
};

struct driver {
    const char *connection_string;
    const char *function;
    long batch;
    long connections;
    long seconds;
    long next_cart;
    long last_cart;
    struct session session[CONNECTIONS_MAX];
    uint32_t *latency; /* microseconds of each call */
    size_t calls;
    size_t latency_capacity;
    long placed;
    long refused;
};

static _Noreturn void die(const char *what, const char *why) {
    fprintf(stderr, "batch_driver: %s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

static int64_t now_ns(void) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* number reads an argument between low and high. */
static long number(const char *text, const char *name, long low, long high) {
    char *end;
    long value;

    errno = 0;
    value = strtol(text, &end, 10);
    if (errno != 0 || *text == '\0' || *end != '\0' || value < low || value > high) {
        die(name, "not a number in range");
    }
    return value;
}

/* open_session connects and prepares the statement. */
static void open_session(const struct driver *driver, struct session *session) {
    char text[256];
    PGresult *result;

    session->connection = PQconnectdb(driver->connection_string);
    if (PQstatus(session->connection) != CONNECTION_OK) {
        die("cannot connect", PQerrorMessage(session->connection));
    }
    snprintf(text, sizeof(text), "SELECT status, body FROM %s(1, $1::shop.checkout_request[])", driver->function);
    result = PQprepare(session->connection, STATEMENT, text, 1, NULL);
    if (PQresultStatus(result) != PGRES_COMMAND_OK) {
        die("cannot prepare", PQerrorMessage(session->connection));
    }
    PQclear(result);
}

/* write_requests prints the array of the next batch; false when the carts have run out. */
static bool write_requests(struct driver *driver, char *text, size_t size) {
    size_t used = 1;

    if (driver->next_cart + driver->batch - 1 > driver->last_cart) {
        return false;
    }
    text[0] = '{';
    for (long i = 0; i < driver->batch; i++) {
        long cart = driver->next_cart++;

        used += (size_t)snprintf(text + used, size - used,
                                 "%s\"(,%ld,%ld,bench-0000-4000-8000-%ld,,7f1c9a60-93a5-4a53-9a0e-3f8f2c1d5b77,)\"",
                                 i == 0 ? "" : ",", cart, cart, cart);
    }
    snprintf(text + used, size - used, "}");
    return true;
}

/* send_batch sends the next call on an idle session. */
static void send_batch(struct driver *driver, struct session *session) {
    static char text[BATCH_MAX * REQUEST_SIZE];
    const char *values[] = {text};

    if (!write_requests(driver, text, sizeof(text))) {
        return;
    }
    session->sent = now_ns();
    if (PQsendQueryPrepared(session->connection, STATEMENT, 1, values, NULL, NULL, 0) != 1) {
        die("cannot send", PQerrorMessage(session->connection));
    }
    session->busy = true;
}

static void remember_latency(struct driver *driver, int64_t nanoseconds) {
    if (driver->calls == driver->latency_capacity) {
        driver->latency_capacity = driver->latency_capacity == 0 ? 4096 : 2 * driver->latency_capacity;
        driver->latency = realloc(driver->latency, driver->latency_capacity * sizeof(*driver->latency));
        if (driver->latency == NULL) {
            die("latencies", "out of memory");
        }
    }
    driver->latency[driver->calls++] = (uint32_t)(nanoseconds / 1000);
}

/* count_answers adds up what a call has answered. */
static void count_answers(struct driver *driver, const PGresult *result) {
    for (int row = 0; row < PQntuples(result); row++) {
        if (strcmp(PQgetvalue(result, row, 0), "201") == 0) {
            driver->placed++;
        } else {
            driver->refused++;
        }
    }
}

/* receive reads what has come; the session is idle again once its call is answered in full. */
static void receive(struct driver *driver, struct session *session) {
    PGresult *result;

    if (PQconsumeInput(session->connection) != 1) {
        die("connection lost", PQerrorMessage(session->connection));
    }
    while (session->busy && PQisBusy(session->connection) == 0) {
        result = PQgetResult(session->connection);
        if (result == NULL) {
            session->busy = false;
            remember_latency(driver, now_ns() - session->sent);
        } else if (PQresultStatus(result) == PGRES_TUPLES_OK) {
            count_answers(driver, result);
        } else {
            die("a call failed", PQresultErrorMessage(result));
        }
        PQclear(result);
    }
}

/* wait_for_answers waits until some busy session has something to read; false when none is busy. */
static bool wait_for_answers(struct driver *driver) {
    struct pollfd wanted[CONNECTIONS_MAX];
    long waiting = 0;

    for (long i = 0; i < driver->connections; i++) {
        wanted[i].fd = driver->session[i].busy ? PQsocket(driver->session[i].connection) : -1;
        wanted[i].events = POLLIN;
        wanted[i].revents = 0;
        waiting += driver->session[i].busy;
    }
    if (waiting == 0) {
        return false;
    }
    if (poll(wanted, (nfds_t)driver->connections, -1) < 0 && errno != EINTR) {
        die("poll", strerror(errno));
    }
    for (long i = 0; i < driver->connections; i++) {
        if (wanted[i].revents != 0) {
            receive(driver, &driver->session[i]);
        }
    }
    return true;
}

/* run keeps every session busy until the time is over or the carts are; then lets the last calls finish. */
static double run(struct driver *driver) {
    int64_t started = now_ns();
    int64_t end = started + driver->seconds * 1000000000;

    do {
        for (long i = 0; i < driver->connections && now_ns() < end; i++) {
            if (!driver->session[i].busy) {
                send_batch(driver, &driver->session[i]);
            }
        }
    } while (wait_for_answers(driver));
    return (double)(now_ns() - started) / 1e9;
}

static int compare_latencies(const void *left, const void *right) {
    uint32_t a = *(const uint32_t *)left;
    uint32_t b = *(const uint32_t *)right;

    return (a > b) - (a < b);
}

/* percentile gives the latency that so many percent of the calls do not exceed; the latencies are sorted. */
static unsigned percentile(const struct driver *driver, unsigned percent) {
    return driver->calls == 0 ? 0 : driver->latency[(driver->calls - 1) * percent / 100];
}

static void print_result(struct driver *driver, double seconds) {
    if (driver->calls > 0) {
        qsort(driver->latency, driver->calls, sizeof(*driver->latency), compare_latencies);
    }
    printf("RESULT "
           "{\"requests\":%ld,\"placed\":%ld,\"refused\":%ld,\"calls\":%zu,\"seconds\":%.6f,\"p50\":%u,\"p95\":%u,"
           "\"p99\":%u}\n",
           driver->placed + driver->refused, driver->placed, driver->refused, driver->calls, seconds,
           percentile(driver, 50), percentile(driver, 95), percentile(driver, 99));
}

int main(int argc, char **argv) {
    struct driver driver = {0};

    if (argc != 8) {
        die("usage", "batch_driver CONNECTION FUNCTION BATCH CONNECTIONS SECONDS FIRST_CART LAST_CART");
    }
    driver.connection_string = argv[1];
    driver.function = argv[2];
    driver.batch = number(argv[3], "BATCH", 1, BATCH_MAX);
    driver.connections = number(argv[4], "CONNECTIONS", 1, CONNECTIONS_MAX);
    driver.seconds = number(argv[5], "SECONDS", 1, 86400);
    driver.next_cart = number(argv[6], "FIRST_CART", 1, INT32_MAX);
    driver.last_cart = number(argv[7], "LAST_CART", 1, INT32_MAX);
    for (long i = 0; i < driver.connections; i++) {
        open_session(&driver, &driver.session[i]);
    }
    print_result(&driver, run(&driver));
    for (long i = 0; i < driver.connections; i++) {
        PQfinish(driver.session[i].connection);
    }
    free(driver.latency);
    return EXIT_SUCCESS;
}
