#include "metrics.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "request_batcher.h"
#include "problem.h"
#include "reading.h"
#include "request.h"
#include "version.h"

#define STATUS_CLASSES 5 /* 1xx to 5xx */
#define BUCKET_COUNT   13
#define CODE_LIMIT     128 /* distinct codes of refusals; there are about 60 */

/* Upper bounds in microseconds; the last bucket of Prometheus, +Inf, is the count. */
static const int64_t bucket_bounds_us[BUCKET_COUNT] = {500,    1000,   2500,   5000,    10000,   25000,  50000,
                                                       100000, 250000, 500000, 1000000, 2500000, 5000000};

struct route_metrics {
    uint64_t by_class[STATUS_CLASSES];
    uint64_t buckets[BUCKET_COUNT]; /* each duration counted once, in the first bucket that holds it */
    uint64_t count;
    int64_t total_us;
};

struct code_metrics {
    char code[PROBLEM_CODE_SIZE];
    uint64_t count;
};

struct metrics {
    struct route_metrics *routes; /* one per row of the route table, then UNMATCHED and PREFLIGHT */
    size_t route_count;           /* rows of the route table */
    struct code_metrics codes[CODE_LIMIT];
    size_t code_count;
    uint64_t replays;
    uint64_t asked_primary;
    uint64_t in_flight;
    double started; /* seconds since 1970 */
};

/* Requests that belong to no route: unknown paths and methods, bad heads; and OPTIONS. */
enum pseudo_route { UNMATCHED, PREFLIGHT, PSEUDO_ROUTES };

struct metrics *metrics_create(void) {
    struct metrics *metrics = calloc(1, sizeof(*metrics));

    if (metrics == NULL) {
        return NULL;
    }
    routes_all(&metrics->route_count);
    metrics->routes = calloc(metrics->route_count + PSEUDO_ROUTES, sizeof(*metrics->routes));
    if (metrics->routes == NULL) {
        free(metrics);
        return NULL;
    }
    metrics->started = (double)time(NULL);
    return metrics;
}

void metrics_free(struct metrics *metrics) {
    if (metrics != NULL) {
        free(metrics->routes);
        free(metrics);
    }
}

void metrics_request_began(struct metrics *metrics) {
    metrics->in_flight++;
}

void metrics_asked_primary(struct metrics *metrics, size_t reads) {
    metrics->asked_primary += reads;
}

static struct route_metrics *metrics_of(struct metrics *metrics, const struct request *request) {
    size_t count;
    const struct route *first = routes_all(&count);

    if (request->route != NULL) {
        return &metrics->routes[request->route - first];
    }
    return &metrics->routes[count + (request->reply.is_preflight ? PREFLIGHT : UNMATCHED)];
}

void metrics_request_ended(struct metrics *metrics, const struct request *request) {
    struct route_metrics *route = metrics_of(metrics, request);
    int64_t took_us = request_took_us(request);
    unsigned status_class = request->reply.status != 0 ? request->reply.status / 100 : 4;
    size_t bucket = 0;

    while (bucket < BUCKET_COUNT && bucket_bounds_us[bucket] < took_us) {
        bucket++;
    }
    if (bucket < BUCKET_COUNT) {
        route->buckets[bucket]++;
    }
    if (status_class >= 1 && status_class <= STATUS_CLASSES) {
        route->by_class[status_class - 1]++;
    }
    route->count++;
    route->total_us += took_us;
    metrics->replays += request->reply.replayed ? 1 : 0;
    metrics->in_flight--;
}

/* count_of finds the counter of a code, or makes it; NULL when there are too many. */
static uint64_t *count_of(struct metrics *metrics, const char *code) {
    size_t i;

    for (i = 0; i < metrics->code_count; i++) {
        if (strcmp(metrics->codes[i].code, code) == 0) {
            return &metrics->codes[i].count;
        }
    }
    if (metrics->code_count == CODE_LIMIT) {
        return NULL;
    }
    snprintf(metrics->codes[i].code, sizeof(metrics->codes[i].code), "%s", code);
    metrics->code_count++;
    return &metrics->codes[i].count;
}

void metrics_refused(struct metrics *metrics, const char *problem) {
    char code[PROBLEM_CODE_SIZE];
    uint64_t *count;

    if (!problem_code(problem, code)) {
        return;
    }
    count = count_of(metrics, code);
    if (count != NULL) {
        (*count)++;
    }
}

/* write_head writes the two lines that explain a metric. */
static void write_head(FILE *out, const char *name, const char *type, const char *help) {
    fprintf(out, "# HELP shop_gateway_%s %s\n# TYPE shop_gateway_%s %s\n", name, help, name, type);
}

/* write_value writes a metric that has one value and no labels. */
static void write_value(FILE *out, const char *name, const char *type, uint64_t value, const char *help) {
    write_head(out, name, type, help);
    fprintf(out, "shop_gateway_%s %llu\n", name, (unsigned long long)value);
}

/* write_labels writes the labels that name a route. */
static void write_labels(FILE *out, size_t index) {
    static const char *const pseudo[PSEUDO_ROUTES][2] = {{"any", "unmatched"}, {"OPTIONS", "preflight"}};
    size_t count;
    const struct route *routes = routes_all(&count);
    const char *method = index < count ? routes[index].method : pseudo[index - count][0];
    const char *path = index < count ? routes[index].path : pseudo[index - count][1];

    fprintf(out, "method=\"%s\",route=\"%s\"", method, path);
}

static void write_requests(FILE *out, const struct metrics *metrics) {
    size_t i;
    int status_class;

    write_head(out, "http_requests_total", "counter",
               "Requests that were answered, by route and class of the status; HEAD counts as GET.");
    for (i = 0; i < metrics->route_count + PSEUDO_ROUTES; i++) {
        for (status_class = 0; status_class < STATUS_CLASSES; status_class++) {
            if (metrics->routes[i].by_class[status_class] > 0) {
                fputs("shop_gateway_http_requests_total{", out);
                write_labels(out, i);
                fprintf(out, ",class=\"%dxx\"} %llu\n", status_class + 1,
                        (unsigned long long)metrics->routes[i].by_class[status_class]);
            }
        }
    }
}

/* write_bucket writes one line of a route's histogram. */
static void write_bucket(FILE *out, size_t index, const char *bound, uint64_t count) {
    fputs("shop_gateway_http_request_duration_seconds_bucket{", out);
    write_labels(out, index);
    fprintf(out, ",le=\"%s\"} %llu\n", bound, (unsigned long long)count);
}

static void write_histogram(FILE *out, size_t index, const struct route_metrics *route) {
    char bound[32];
    uint64_t count = 0;
    size_t i;

    for (i = 0; i < BUCKET_COUNT; i++) {
        count += route->buckets[i];
        snprintf(bound, sizeof(bound), "%g", (double)bucket_bounds_us[i] / 1e6);
        write_bucket(out, index, bound, count);
    }
    write_bucket(out, index, "+Inf", route->count);
    fputs("shop_gateway_http_request_duration_seconds_sum{", out);
    write_labels(out, index);
    fprintf(out, "} %.6f\nshop_gateway_http_request_duration_seconds_count{", (double)route->total_us / 1e6);
    write_labels(out, index);
    fprintf(out, "} %llu\n", (unsigned long long)route->count);
}

static void write_durations(FILE *out, const struct metrics *metrics) {
    size_t i;

    write_head(out, "http_request_duration_seconds", "histogram",
               "Time from a request's first line to the end of its answer, by route.");
    for (i = 0; i < metrics->route_count + PSEUDO_ROUTES; i++) {
        if (metrics->routes[i].count > 0) {
            write_histogram(out, i, &metrics->routes[i]);
        }
    }
}

static void write_refusals(FILE *out, const struct metrics *metrics) {
    static const char *const overload_codes[] = {"overloaded", "busy", "timeout"};
    uint64_t overload = 0;
    size_t i, j;

    write_head(out, "refusals_total", "counter",
               "Answers that are problem documents, by their code; 408 is not counted.");
    for (i = 0; i < metrics->code_count; i++) {
        fprintf(out, "shop_gateway_refusals_total{code=\"%s\"} %llu\n", metrics->codes[i].code,
                (unsigned long long)metrics->codes[i].count);
        for (j = 0; j < sizeof(overload_codes) / sizeof(overload_codes[0]); j++) {
            overload += strcmp(metrics->codes[i].code, overload_codes[j]) == 0 ? metrics->codes[i].count : 0;
        }
    }
    write_value(out, "overload_refusals_total", "counter", overload,
                "Answers 503 because too many requests waited, or one waited too long for a lock or the database.");
}

static void write_database(FILE *out, const struct gateway *gateway) {
    struct database_pool_statistics pool = database_pool_statistics_of(gateway->database);

    write_value(out, "database_connected", "gauge", database_pool_connected(gateway->database) ? 1 : 0,
                "1 while at least one connection to the database is open.");
    write_value(out, "database_connections_open", "gauge", (uint64_t)pool.open, "Open connections to the database.");
    write_value(out, "database_connections_in_use", "gauge", (uint64_t)pool.in_use, "Connections that work on a call.");
    write_value(out, "database_connections_limit", "gauge", (uint64_t)gateway->configuration.shared.db_pool_max,
                "Most connections to the database (DB_POOL_MAX).");
    write_value(out, "database_calls_waiting", "gauge", (uint64_t)pool.waiting, "Calls that wait for a connection.");
}

/* write_replica writes the series of DATABASE_READ_URL, where there is one. */
static void write_replica(FILE *out, const struct gateway *gateway) {
    struct database_pool_statistics pool;

    if (gateway->replica == NULL) {
        return;
    }
    pool = database_pool_statistics_of(gateway->replica);
    write_value(out, "replica_connected", "gauge", database_pool_connected(gateway->replica) ? 1 : 0,
                "1 while at least one connection to the replica of DATABASE_READ_URL is open.");
    write_value(out, "replica_connections_open", "gauge", (uint64_t)pool.open, "Open connections to the replica.");
    write_value(out, "replica_connections_in_use", "gauge", (uint64_t)pool.in_use,
                "Connections to the replica that work on a call.");
    write_value(out, "replica_fallbacks_total", "counter", gateway->metrics->asked_primary,
                "Reads that the replica could not answer, or not find, and that the primary was asked for.");
}

/* write_batcher writes the series of a batcher. noun: what the requests are called, in the names and the help. */
static void write_batcher(FILE *out, const struct request_batcher *batcher, const char *noun) {
    struct request_batcher_statistics statistics = request_batcher_statistics_of(batcher);
    uint64_t count = 0;
    char name[64];
    char help[128];
    size_t i;

    snprintf(name, sizeof(name), "%s_batch_size", noun);
    snprintf(help, sizeof(help), "Requests (%ss) that went to the database in one call.", noun);
    write_head(out, name, "histogram", help);
    for (i = 0; i < BATCH_BUCKETS; i++) {
        count += statistics.sizes[i];
        fprintf(out, "shop_gateway_%s_bucket{le=\"%d\"} %llu\n", name, 1 << i, (unsigned long long)count);
    }
    fprintf(out,
            "shop_gateway_%s_bucket{le=\"+Inf\"} %llu\nshop_gateway_%s_sum %llu\n"
            "shop_gateway_%s_count %llu\n",
            name, (unsigned long long)statistics.calls, name, (unsigned long long)statistics.requests, name,
            (unsigned long long)statistics.calls);
    snprintf(name, sizeof(name), "%ss_repeated_alone_total", noun);
    snprintf(help, sizeof(help), "Requests (%ss) that their batch left undecided and that were sent again alone.",
             noun);
    write_value(out, name, "counter", statistics.repeated_alone, help);
    snprintf(name, sizeof(name), "%ss_waiting", noun);
    snprintf(help, sizeof(help), "Requests (%ss) that wait for the next call.", noun);
    write_value(out, name, "gauge", (uint64_t)statistics.waiting, help);
}

static void write_all(FILE *out, const struct gateway *gateway) {
    const struct metrics *metrics = gateway->metrics;

    write_head(out, "build_info", "gauge", "Always 1; the label tells the version.");
    fputs("shop_gateway_build_info{version=\"" PG_SHOP_VERSION "\"} 1\n", out);
    write_head(out, "start_time_seconds", "gauge", "When the gateway was started, in seconds since 1970.");
    fprintf(out, "shop_gateway_start_time_seconds %.0f\n", metrics->started);
    write_requests(out, metrics);
    write_durations(out, metrics);
    write_value(out, "http_requests_in_flight", "gauge", metrics->in_flight,
                "Requests that are being read, worked on or answered.");
    write_refusals(out, metrics);
    write_value(out, "idempotent_replays_total", "counter", metrics->replays,
                "Answers that were stored answers to an earlier request with the same Idempotency-Key.");
    write_batcher(out, gateway->cart_items, "cart_item");
    write_batcher(out, gateway->checkouts, "checkout");
    write_database(out, gateway);
    write_replica(out, gateway);
    write_value(out, "reads_waiting", "gauge", (uint64_t)reading_lanes_waiting(gateway->readings),
                "Reads that wait to be sent together in the next call.");
}

char *metrics_text(const struct gateway *gateway) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    bool written;

    if (out == NULL) {
        return NULL;
    }
    write_all(out, gateway);
    written = ferror(out) == 0;
    if (fclose(out) != 0 || !written) {
        free(text);
        return NULL;
    }
    return text;
}
