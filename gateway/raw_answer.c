#include "raw_answer.h"

#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "connection_watch.h"
#include "cors.h"
#include "problem.h"
#include "request.h"

#define DATE_SIZE        40
#define IDENTIFIERS_SIZE (REQUEST_ID_SIZE + TRACEPARENT_SIZE + 64)

/* http_date writes the time as RFC 9110 section 5.6.7 wants it. */
static void http_date(char out[DATE_SIZE]) {
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t now = time(NULL);
    struct tm parts;

    gmtime_r(&now, &parts);
    snprintf(out, DATE_SIZE, "%s, %02d %s %d %02d:%02d:%02d GMT", days[parts.tm_wday], parts.tm_mday % 100,
             months[parts.tm_mon], parts.tm_year + 1900, parts.tm_hour % 100, parts.tm_min % 100, parts.tm_sec % 100);
}

/* cors_lines makes the headers for a page of another origin, as far as the request's own is known by now; the caller
 * frees them. Returns NULL when memory is short. */
static char *cors_lines(const struct connection_watch *watch, const struct request *request) {
    const char *origins = watch->gateway->configuration.cors_origins;
    const char *origin = request != NULL && request->connection != NULL ? request_header(request, "Origin") : NULL;
    const char *allowed = cors_allowed_origin(origins, origin);
    char *lines = NULL;

    if (watch->for_metrics) {
        return strdup("");
    }
    if (asprintf(&lines, "%s%s%s%s", cors_varies_by_origin(origins) ? "Vary: Origin\r\n" : "",
                 allowed != NULL ? "Access-Control-Allow-Origin: " : "", allowed != NULL ? allowed : "",
                 allowed != NULL ? "\r\nAccess-Control-Expose-Headers: " CORS_EXPOSED_HEADERS "\r\n" : "") < 0) {
        return NULL;
    }
    return lines;
}

/* identifier_lines writes the headers that the answer shares with everything that the request caused. */
static void identifier_lines(const struct request *request, const char *request_id, char out[IDENTIFIERS_SIZE]) {
    bool traced = request != NULL && request->traceparent[0] != '\0';

    snprintf(out, IDENTIFIERS_SIZE, "X-Request-Id: %s\r\n%s%s%s", request_id, traced ? "traceparent: " : "",
             traced ? request->traceparent : "", traced ? "\r\n" : "");
}

/* answer_text makes the bytes; the caller frees them. Returns NULL when memory is short. */
static char *answer_text(const struct connection_watch *watch, const struct request *request, unsigned status,
                         const char *code, const char *message) {
    bool without_body = request != NULL && strcmp(request->method, "HEAD") == 0;
    char request_id[REQUEST_ID_SIZE], identifiers[IDENTIFIERS_SIZE], date[DATE_SIZE];
    char *cors = cors_lines(watch, request);
    char *body, *answer = NULL;

    request_id_choose(request != NULL ? request->request_id : NULL, request_id);
    identifier_lines(request, request_id, identifiers);
    http_date(date);
    body = problem_body(status, code, message, request_id, request != NULL && request_is_api(request));
    if (body != NULL && cors != NULL &&
        asprintf(&answer,
                 "HTTP/1.1 %u %s\r\nDate: %s\r\nContent-Type: application/problem+json\r\n%s"
                 "Cache-Control: no-store\r\n%sConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
                 status, problem_title(status), date, identifiers, cors, strlen(body), without_body ? "" : body) < 0) {
        answer = NULL;
    }
    free(body);
    free(cors);
    return answer;
}

static void send_text(const struct watched_connection *connection, const char *text) {
    if (connection->encrypted) {
        if (connection->tls_session != NULL && gnutls_record_send(connection->tls_session, text, strlen(text)) > 0) {
            (void)gnutls_bye(connection->tls_session, GNUTLS_SHUT_WR);
        }
        return;
    }
    (void)send(connection->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);
}

void raw_answer_send(struct watched_connection *connection, const struct request *request, unsigned status,
                     const char *code, const char *message) {
    char *text = answer_text(connection->watch, request, status, code, message);

    if (text != NULL) {
        send_text(connection, text);
        free(text);
    }
}
