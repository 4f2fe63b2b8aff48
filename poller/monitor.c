#include "monitor.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "allocation.h"

#define CONNECTION_LIMIT           32
#define CONNECTION_TIMEOUT_SECONDS 10
#define CONNECTION_MEMORY          ((size_t)16 * 1024)
#define BACKLOG                    32

struct monitor {
    struct monitor_settings settings;
    struct MHD_Daemon *daemon;
    struct loop_timer timer; /* when the library wants to be called at the latest */
};

/* ---- answers ---- */

/* answer queues a text, which is taken over. */
static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, const char *type, char *text) {
    struct MHD_Response *response = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
    enum MHD_Result result;

    if (response == NULL) {
        free(text);
        return MHD_NO;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    }
    result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer_health(const struct monitor *monitor, struct MHD_Connection *connection) {
    struct metrics_gauges gauges = {0};
    int64_t age_ms = metrics_last_poll_age_ms();
    const char *status = "ok";

    monitor->settings.gauges(monitor->settings.context, &gauges);
    if (gauges.connections == 0) {
        status = "database_away";
    } else if (age_ms >= monitor->settings.stalled_ms) {
        status = "stalled";
    }
    return answer(connection, strcmp(status, "ok") == 0 ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE,
                  "application/json",
                  memory_format("{\"status\":\"%s\",\"last_poll_age_seconds\":%.3f}", status, (double)age_ms / 1000));
}

static enum MHD_Result answer_metrics(const struct monitor *monitor, struct MHD_Connection *connection) {
    struct metrics_gauges gauges = {.queue_depth = -1, .dlq_depth = -1, .outbox_age_seconds = -1};

    monitor->settings.gauges(monitor->settings.context, &gauges);
    return answer(connection, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", metrics_text(&gauges));
}

/* on_request is the library's handler, called for the header, each part of a body, and the end. */
static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *upload, size_t *upload_size, void **request) {
    const struct monitor *monitor = context;
    static char header_seen;

    (void)version;
    (void)upload;
    if (*request == NULL) {
        *request = &header_seen;
        return MHD_YES;
    }
    if (*upload_size > 0) {
        *upload_size = 0; /* nobody reads it */
        return MHD_YES;
    }
    if (strcmp(url, "/healthz") != 0 && strcmp(url, "/metrics") != 0) {
        return answer(connection, MHD_HTTP_NOT_FOUND, "text/plain", memory_duplicate("there are /healthz, /metrics\n"));
    }
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
        return answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain", memory_duplicate("GET only\n"));
    }
    return strcmp(url, "/healthz") == 0 ? answer_health(monitor, connection) : answer_metrics(monitor, connection);
}

/* ---- the library and the loop ---- */

static void serve(void *context) {
    struct monitor *monitor = context;
    MHD_UNSIGNED_LONG_LONG wait_ms;

    MHD_run(monitor->daemon);
    loop_disarm(&monitor->timer);
    if (MHD_get_timeout(monitor->daemon, &wait_ms) == MHD_YES) {
        loop_arm(monitor->settings.loop, &monitor->timer, (int64_t)wait_ms, serve, monitor);
    }
}

/* open_listener gives a listening socket, or -1 with a message. */
static int open_listener(const struct monitor_settings *settings, char *error, size_t error_size) {
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found, *one;
    const int yes = 1;
    char port[16];
    int failure, listener = -1;

    snprintf(port, sizeof(port), "%d", settings->port);
    failure = getaddrinfo(settings->address, port, &hints, &found);
    if (failure != 0) {
        snprintf(error, error_size, "BIND_ADDRESS cannot be used: %s", gai_strerror(failure));
        return -1;
    }
    errno = 0;
    for (one = found; listener < 0 && one != NULL; one = one->ai_next) {
        listener = socket(one->ai_family, one->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, one->ai_protocol);
        if (listener >= 0 && (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) != 0 ||
                              bind(listener, one->ai_addr, one->ai_addrlen) != 0 || listen(listener, BACKLOG) != 0)) {
            failure = errno;
            close(listener);
            errno = failure;
            listener = -1;
        }
    }
    freeaddrinfo(found);
    if (listener < 0) {
        snprintf(error, error_size, "cannot listen on POLLER_PORT %d: %s", settings->port, strerror(errno));
    }
    return listener;
}

struct monitor *monitor_open(const struct monitor_settings *settings, char *error, size_t error_size) {
    struct monitor *monitor = memory_allocate(sizeof(*monitor));
    int listener = open_listener(settings, error, error_size);
    const union MHD_DaemonInfo *info;

    monitor->settings = *settings;
    if (listener >= 0) {
        monitor->daemon =
            MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, monitor, MHD_OPTION_LISTEN_SOCKET, listener,
                             MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTION_LIMIT, MHD_OPTION_CONNECTION_TIMEOUT,
                             (unsigned)CONNECTION_TIMEOUT_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                             CONNECTION_MEMORY, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_END);
        if (monitor->daemon == NULL) {
            snprintf(error, error_size, "the HTTP server for POLLER_PORT cannot be started");
            close(listener);
        }
    }
    info = monitor->daemon != NULL ? MHD_get_daemon_info(monitor->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    if (info == NULL) {
        monitor_close(monitor);
        return NULL;
    }
    loop_set_descriptor(settings->loop, info->epoll_fd, serve, monitor);
    return monitor;
}

void monitor_close(struct monitor *monitor) {
    if (monitor == NULL) {
        return;
    }
    if (monitor->daemon != NULL) {
        loop_set_descriptor(monitor->settings.loop, -1, NULL, NULL);
        MHD_stop_daemon(monitor->daemon);
    }
    loop_disarm(&monitor->timer);
    free(monitor);
}
