#include "http_server.h"

#include <limits.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "certificate.h"
#include "connection_watch.h"
#include "dispatch.h"
#include "inbound.h"
#include "log.h"
#include "request.h"

/* The library takes and fills it for each connection as long as that lasts, so it is no more than what
 * MESSAGE_KEPT_LIMIT and an answer's head need. */
#define CONNECTION_MEMORY   ((size_t)13 * 1024)
#define RESERVED_FILES      64 /* descriptors left for the database, logs and the like */
#define LEAST_CONNECTIONS   16
#define MOST_CONNECTIONS    65536
#define METRICS_CONNECTIONS 16
#define WATCH_INTERVAL_MS   200
#define MOST_TURNS_IN_A_RUN 4

/* What GnuTLS is asked for: TLS 1.2 and 1.3 with ciphers of 128 bits and more. */
#define TLS_PRIORITIES "SECURE128:+SECURE192:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

struct http_server {
    struct gateway *gateway;
    struct MHD_Daemon *daemon;
    int epoll_fd;
    unsigned connection_limit;
    struct connection_watch watch;
};

/* keep_escapes is the library's decoder replaced by nothing: targets are decoded by request_target. */
static size_t keep_escapes(void *context, struct MHD_Connection *connection, char *text) {
    (void)context;
    (void)connection;
    return strlen(text);
}

static struct watched_connection *watched_of(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info != NULL ? info->socket_context : NULL;
}

/* begin_connection registers a new connection. One that cannot be registered is of no use and is ended. */
static struct watched_connection *begin_connection(struct http_server *server, int fd) {
    struct watched_connection *watched = connection_watch_add(&server->watch, fd);

    if (watched != NULL && inbound_register(watched)) {
        return watched;
    }
    shutdown(fd, SHUT_RDWR);
    if (watched != NULL) {
        connection_watch_remove(&server->watch, watched);
    }
    return NULL;
}

/* on_connection is called when a connection begins and ends. */
static void on_connection(void *context, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode code) {
    struct http_server *server = context;
    const union MHD_ConnectionInfo *info;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        *socket_context = info != NULL ? begin_connection(server, info->connect_fd) : NULL;
    } else if (*socket_context != NULL) {
        inbound_forget(*socket_context);
        connection_watch_remove(&server->watch, *socket_context);
        *socket_context = NULL;
    }
}

static void enter(struct http_server *server, struct request *request, enum connection_phase phase, size_t size) {
    if (request->watched != NULL) {
        connection_watch_enter(request->watched, phase, &server->watch, size);
    }
}

/* replace puts one character in the place of another. */
static void replace(char *text, char old, char new) {
    for (text = strchr(text, old); text != NULL; text = strchr(text, old)) {
        *text++ = new;
    }
}

/* make_request makes the request of a target in the library's buffer, where each '?' is replaced (see message_syntax.h;
 * a query may hold more of them): the library must not see them. */
static struct request *make_request(const struct http_server *server, struct MHD_Connection *connection,
                                    const char *uri) {
    struct request *request;

    replace((char *)uri, MESSAGE_QUERY_MARK, '?');
    request = request_create(server->gateway, connection, uri);
    replace((char *)uri, '?', MESSAGE_QUERY_MARK);
    return request;
}

/* on_first_line makes the request as soon as its first line is known. */
static void *on_first_line(void *context, const char *uri, struct MHD_Connection *connection) {
    struct http_server *server = context;
    struct watched_connection *watched = watched_of(connection);
    struct request *request;

    if (watched == NULL || !watched->checked) {
        /* Nothing may be served that message_syntax has not read. */
        log_event(LOG_ERROR, "http_unchecked", json_pack("{s:s}", "error", "the HTTP library reads past inbound.c"));
        return NULL;
    }
    request = make_request(server, connection, uri);
    if (request == NULL) {
        return NULL;
    }
    request->for_metrics = server->watch.for_metrics;
    request->watched = watched;
    watched->request = request;
    enter(server, request, CONNECTION_HEAD, 0);
    return request;
}

/* on_completed is called when the answer is sent, or the connection ended before that. */
static void on_completed(void *context, struct MHD_Connection *connection, void **slot,
                         enum MHD_RequestTerminationCode code) {
    struct http_server *server = context;
    struct request *request = *slot;

    (void)connection;
    (void)code;
    if (request == NULL) {
        return;
    }
    *slot = NULL;
    if (request->watched != NULL) {
        request->watched->request = NULL;
        enter(server, request, CONNECTION_RESTING, 0);
    }
    /* A head that never became complete and was not refused is no request. */
    if (request->phase != REQUEST_HEAD || request->reply.status != 0) {
        request_log(request);
    }
    request_free(request);
}

/* on_library_message gets the library's messages. */
static void on_library_message(void *context, const char *format, va_list arguments) {
    char message[512];

    (void)context;
    if (log_enabled(LOG_DEBUG)) {
        vsnprintf(message, sizeof(message), format, arguments);
        message[strcspn(message, "\n")] = '\0';
        log_event(LOG_DEBUG, "http_library", json_pack("{s:o}", "message", log_text(message)));
    }
}

/* send_reply hands the answer over. */
static enum MHD_Result send_reply(struct http_server *server, struct request *request) {
    enter(server, request, CONNECTION_SENDING, reply_size(&request->reply));
    return reply_send(request) == MHD_YES ? MHD_YES : MHD_NO;
}

/*
 * must_answer_now tells whether the answer has to leave before the body is read, which ends the connection: the body is
 * too large to read for nothing, or the client waits for permission to send it.
 */
static bool must_answer_now(const struct request *request) {
    if (request->reply.status == 0) {
        return false;
    }
    return framing_has_body(&request->framing) &&
           (request->framing.expects_continue || request->framing.content_length > INBOUND_DISCARD_LIMIT);
}

/* begin reads the head. The library would close the connection after any answer given here, so answers wait for the
 * next call where they can. */
static enum MHD_Result begin(struct http_server *server, struct request *request, const char *method) {
    snprintf(request->method, sizeof(request->method), "%s", method);
    request->phase = REQUEST_BODY;
    enter(server, request, CONNECTION_BODY, 0);
    dispatch_head(request);
    if (request->body_too_large && !request->framing.expects_continue) {
        inbound_refuse_body(request->watched);
    } else if (must_answer_now(request)) {
        request->reply.close = true;
        return send_reply(server, request);
    }
    return MHD_YES;
}

/* complete is called when the whole request is there. */
static enum MHD_Result complete(struct http_server *server, struct request *request) {
    request->phase = REQUEST_WORKING;
    enter(server, request, CONNECTION_WORKING, 0);
    dispatch_complete(request);
    if (request->phase == REQUEST_ANSWERED) {
        return send_reply(server, request);
    }
    request->suspended = true;
    MHD_suspend_connection(request->connection);
    return MHD_YES;
}

/* on_request is the library's one callback for a request: once for the head, once per part of the body, once at its
 * end, and once more when a suspended connection was woken up. */
static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *data, size_t *size, void **slot) {
    struct http_server *server = context;
    struct request *request = *slot;

    (void)connection;
    (void)url;
    (void)version;
    if (request == NULL) {
        return MHD_NO;
    }
    switch (request->phase) {
    case REQUEST_HEAD:
        return begin(server, request, method);
    case REQUEST_BODY:
        if (*size == 0) {
            return complete(server, request);
        }
        if (request->reply.status == 0 && request->route->body != BODY_NONE) {
            request_add_body(request, data, *size);
        }
        *size = 0;
        return MHD_YES;
    case REQUEST_ANSWERED:
        return send_reply(server, request);
    case REQUEST_WORKING:
    case REQUEST_SENT:
        break;
    }
    return MHD_YES;
}

static unsigned reserved_files(const struct gateway *gateway) {
    return 2 * (unsigned)gateway->configuration.shared.db_pool_max + RESERVED_FILES;
}

/* connections_allowed raises the limit of descriptors as far as the process may, and derives that of connections. */
static unsigned connections_allowed(const struct gateway *gateway) {
    struct rlimit files;
    rlim_t reserved = reserved_files(gateway);

    if (getrlimit(RLIMIT_NOFILE, &files) != 0) {
        return LEAST_CONNECTIONS;
    }
    if (files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
        (void)getrlimit(RLIMIT_NOFILE, &files);
    }
    if (files.rlim_cur < reserved + LEAST_CONNECTIONS) {
        return LEAST_CONNECTIONS;
    }
    return files.rlim_cur - reserved > MOST_CONNECTIONS ? MOST_CONNECTIONS : (unsigned)(files.rlim_cur - reserved);
}

/* stall_seconds: a connection on which nothing moves at all is the library's to close. */
static unsigned stall_seconds(const struct configuration *configuration) {
    long longest = configuration->http_request_timeout_ms;

    if (longest < configuration->http_keep_alive_timeout_ms) {
        longest = configuration->http_keep_alive_timeout_ms;
    }
    return (unsigned)(longest / 1000 + 2);
}

static struct MHD_Daemon *start_daemon(struct http_server *server, int listener) {
    const unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    const struct MHD_OptionItem plain[] = {{MHD_OPTION_END, 0, NULL}};
    const struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)TLS_PRIORITIES},
        {MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)certificate_for_handshake},
        {MHD_OPTION_END, 0, NULL},
    };

    return MHD_start_daemon(
        server->watch.encrypted ? flags | MHD_USE_TLS : flags, 0, NULL, NULL, on_request, server,
        MHD_OPTION_EXTERNAL_LOGGER, on_library_message, server, MHD_OPTION_LISTEN_SOCKET, listener,
        MHD_OPTION_CONNECTION_LIMIT, server->connection_limit, MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY,
        MHD_OPTION_CONNECTION_TIMEOUT, stall_seconds(&server->gateway->configuration), MHD_OPTION_STRICT_FOR_CLIENT, 0,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_URI_LOG_CALLBACK, on_first_line, server,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, server, MHD_OPTION_NOTIFY_CONNECTION, on_connection, server,
        MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_ARRAY, server->watch.encrypted ? tls : plain, MHD_OPTION_END);
}

/* epoll_of gives the descriptor on which the library waits, or -1. */
static int epoll_of(struct MHD_Daemon *daemon) {
    const union MHD_DaemonInfo *info = daemon != NULL ? MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;

    return info != NULL ? info->epoll_fd : -1;
}

struct http_server *http_server_start(struct gateway *gateway, int listener, enum http_purpose purpose) {
    struct http_server *server = calloc(1, sizeof(*server));

    if (server == NULL) {
        return NULL;
    }
    server->gateway = gateway;
    server->connection_limit = purpose == HTTP_FOR_SHOP ? connections_allowed(gateway) : METRICS_CONNECTIONS;
    server->watch.gateway = gateway;
    server->watch.for_metrics = purpose == HTTP_FOR_METRICS;
    server->watch.encrypted = gateway->certificate != NULL && purpose == HTTP_FOR_SHOP;
    server->watch.deadlines = (struct connection_deadlines){
        .headers_ms = gateway->configuration.http_headers_timeout_ms,
        .request_ms = gateway->configuration.http_request_timeout_ms,
        .keep_alive_ms = gateway->configuration.http_keep_alive_timeout_ms,
    };
    if (server->watch.encrypted) {
        certificate_serve(gateway->certificate);
    }
    if (inbound_begin((int)(server->connection_limit + reserved_files(gateway)))) {
        server->daemon = start_daemon(server, listener);
    }
    server->epoll_fd = epoll_of(server->daemon);
    if (server->epoll_fd < 0) {
        if (server->daemon != NULL) {
            MHD_stop_daemon(server->daemon);
        }
        inbound_end();
        free(server);
        return NULL;
    }
    return server;
}

int http_server_fd(const struct http_server *server) {
    return server != NULL ? server->epoll_fd : -1;
}

int http_server_timeout_ms(const struct http_server *server) {
    MHD_UNSIGNED_LONG_LONG library;
    int timeout = -1;

    if (server == NULL) {
        return -1;
    }
    if (MHD_get_timeout(server->daemon, &library) == MHD_YES) {
        timeout = library > INT_MAX ? INT_MAX : (int)library;
    }
    /* With the limit reached the library looks at the listening socket again only when it is run. */
    if (server->watch.count > 0 && (timeout < 0 || timeout > WATCH_INTERVAL_MS)) {
        timeout = WATCH_INTERVAL_MS;
    }
    return timeout;
}

void http_server_run(struct http_server *server) {
    MHD_UNSIGNED_LONG_LONG timeout;
    int turn = 0;

    if (server == NULL) {
        return;
    }
    do {
        MHD_run(server->daemon);
    } while (++turn < MOST_TURNS_IN_A_RUN && MHD_get_timeout(server->daemon, &timeout) == MHD_YES && timeout == 0);
    connection_watch_cut(&server->watch);
}

void http_server_stop_accepting(struct http_server *server) {
    MHD_socket listener = MHD_quiesce_daemon(server->daemon);

    if (listener >= 0) {
        close(listener);
    }
    connection_watch_close_resting(&server->watch);
}

bool http_server_busy(const struct http_server *server) {
    return connection_watch_busy(&server->watch);
}

void http_server_stop(struct http_server *server) {
    if (server == NULL) {
        return;
    }
    MHD_stop_daemon(server->daemon);
    if (server->watch.encrypted) {
        certificate_serve(NULL);
    }
    inbound_end();
    free(server);
}
