/*
 * The poller's own small HTTP server, for the machine that watches it: GET /healthz and GET /metrics on POLLER_PORT,
 * served by the event loop.
 */
#ifndef SHOP_POLLER_MONITOR_H
#define SHOP_POLLER_MONITOR_H

#include <stddef.h>
#include <stdint.h>

#include "loop.h"
#include "metrics.h"

struct monitor;

/* Fills in the numbers of now. */
typedef void monitor_gauges_callback(void *context, struct metrics_gauges *gauges);

struct monitor_settings {
    struct loop *loop;
    const char *address; /* to listen on; NULL: all interfaces */
    int port;
    int64_t stalled_ms; /* without an answered poll for so long the poller is not well */
    monitor_gauges_callback *gauges;
    void *context;
};

/* monitor_open begins to listen. Returns NULL, with a message in error, when it cannot. */
struct monitor *monitor_open(const struct monitor_settings *settings, char *error, size_t error_size);

/* monitor_close ends it. NULL is allowed. */
void monitor_close(struct monitor *monitor);

#endif
