#include "metrics_endpoint.h"

#include <limits.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "authentication.h"
#include "errmap.h"
#include "metrics.h"
#include "request.h"

#define METRICS_TYPE       "text/plain; version=0.0.4; charset=utf-8"
#define CONNECTION_LIMIT   16
#define CONNECTION_SECONDS 10
#define LONGEST_PAUSE_MS   1000

struct metrics_endpoint {
    struct gateway *gateway;
    struct MHD_Daemon *daemon;
    int epoll_fd;
};

void metrics_handle(struct request *request) {
    const char *token = request->gateway->configuration.metrics_token;

    if (token == NULL) {
        request_answer_problem(request, MHD_HTTP_NOT_FOUND, "not_found", "Not found", NO_RETRY);
    } else if (!authentication_is_bearer(request_header(request, "Authorization"), token)) {
        authentication_challenge(request, request_header(request, "Authorization") != NULL);
    } else {
        request_answer_text(request, MHD_HTTP_OK, METRICS_TYPE, metrics_text(request->gateway));
    }
    request_answered(request);
}

/* answer queues a text that is malloc'd, or none. */
static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, char *text) {
    struct MHD_Response *response =
        MHD_create_response_from_buffer(text != NULL ? strlen(text) : 0, text, MHD_RESPMEM_MUST_FREE);
    enum MHD_Result queued;

    if (response == NULL) {
        free(text);
        return MHD_NO;
    }
    if (status == MHD_HTTP_OK) {
        (void)MHD_add_response_header(response, "Content-Type", METRICS_TYPE);
    } else if (status == MHD_HTTP_UNAUTHORIZED) {
        (void)MHD_add_response_header(response, "WWW-Authenticate", "Bearer");
    } else if (status == MHD_HTTP_METHOD_NOT_ALLOWED) {
        (void)MHD_add_response_header(response, "Allow", "GET, HEAD");
    }
    queued = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return queued;
}

/* on_request is called for the head, for parts of a body that nobody reads, and at the end. */
static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *data, size_t *size, void **slot) {
    const struct metrics_endpoint *endpoint = context;
    const char *token = endpoint->gateway->configuration.metrics_token;
    const char *given = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Authorization");
    char *text;

    (void)version;
    (void)data;
    if (*slot == NULL) {
        *slot = context; /* an answer in the first call would close the connection */
        return MHD_YES;
    }
    if (*size > 0) {
        *size = 0;
        return MHD_YES;
    }
    if (strcmp(url, "/metrics") != 0) {
        return answer(connection, MHD_HTTP_NOT_FOUND, NULL);
    }
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        return answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, NULL);
    }
    if (token != NULL && !authentication_is_bearer(given, token)) {
        return answer(connection, MHD_HTTP_UNAUTHORIZED, NULL);
    }
    text = metrics_text(endpoint->gateway);
    return answer(connection, text != NULL ? MHD_HTTP_OK : MHD_HTTP_INTERNAL_SERVER_ERROR, text);
}

struct metrics_endpoint *metrics_endpoint_start(struct gateway *gateway, int listener) {
    struct metrics_endpoint *endpoint = calloc(1, sizeof(*endpoint));
    const union MHD_DaemonInfo *info = NULL;

    if (endpoint == NULL) {
        return NULL;
    }
    endpoint->gateway = gateway;
    endpoint->daemon = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, endpoint, MHD_OPTION_LISTEN_SOCKET,
                                        listener, MHD_OPTION_CONNECTION_LIMIT, CONNECTION_LIMIT,
                                        MHD_OPTION_CONNECTION_TIMEOUT, CONNECTION_SECONDS, MHD_OPTION_STRICT_FOR_CLIENT,
                                        1, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_END);
    if (endpoint->daemon != NULL) {
        info = MHD_get_daemon_info(endpoint->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    }
    if (info == NULL) {
        free(endpoint);
        return NULL;
    }
    endpoint->epoll_fd = info->epoll_fd;
    return endpoint;
}

int metrics_endpoint_fd(const struct metrics_endpoint *endpoint) {
    return endpoint != NULL ? endpoint->epoll_fd : -1;
}

int metrics_endpoint_timeout_ms(const struct metrics_endpoint *endpoint) {
    MHD_UNSIGNED_LONG_LONG library;

    if (endpoint == NULL || MHD_get_timeout(endpoint->daemon, &library) != MHD_YES) {
        return -1;
    }
    return library > LONGEST_PAUSE_MS ? LONGEST_PAUSE_MS : (int)library;
}

void metrics_endpoint_run(struct metrics_endpoint *endpoint) {
    if (endpoint != NULL) {
        MHD_run(endpoint->daemon);
    }
}

void metrics_endpoint_stop(struct metrics_endpoint *endpoint) {
    if (endpoint != NULL) {
        MHD_stop_daemon(endpoint->daemon);
        free(endpoint);
    }
}
