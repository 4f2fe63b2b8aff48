#include "aws_request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "allocation.h"
#include "sigv4.h"

/* Clocks that differ by less are not why a request is refused; AWS allows five minutes. */
#define CLOCK_TOLERANCE_SECONDS 60

/* Content-Type, Host, X-Amz-Date and, where there are such, X-Amz-Security-Token and X-Amz-Target. */
#define SIGNED_HEADERS_MAXIMUM 5

/* fill_headers names what is signed and sent; gives their number. */
static size_t fill_headers(const struct aws_request *request, const struct aws_endpoint *endpoint,
                           const char *timestamp, struct sigv4_header headers[SIGNED_HEADERS_MAXIMUM]) {
    size_t count = 0;

    headers[count++] = (struct sigv4_header){"Content-Type", request->content_type};
    headers[count++] = (struct sigv4_header){"Host", endpoint->host};
    headers[count++] = (struct sigv4_header){"X-Amz-Date", timestamp};
    if (request->credentials->session_token != NULL) {
        headers[count++] = (struct sigv4_header){"X-Amz-Security-Token", request->credentials->session_token};
    }
    if (request->target != NULL) {
        headers[count++] = (struct sigv4_header){"X-Amz-Target", request->target};
    }
    return count;
}

/* send_at signs by the time given and sends. */
static bool send_at(const struct aws_request *request, const struct aws_endpoint *endpoint, time_t now,
                    struct blocking_answer *answer, char *error, size_t error_size) {
    struct sigv4_header headers[SIGNED_HEADERS_MAXIMUM];
    char timestamp[SIGV4_TIMESTAMP_SIZE], *lines[SIGNED_HEADERS_MAXIMUM + 1], *authorization;
    size_t count = fill_headers(request, endpoint, timestamp, headers), i;
    struct sigv4_request signing = {
        .access_key_id = request->credentials->access_key_id,
        .secret_access_key = request->credentials->secret_access_key,
        .region = request->region,
        .service = request->service,
        .timestamp = timestamp,
        .method = "POST",
        .path = endpoint->path,
        .query = "",
        .headers = headers,
        .header_count = count,
        .body = request->body,
        .body_length = strlen(request->body),
    };
    struct blocking_request http = {.method = "POST",
                                    .url = endpoint->url,
                                    .body = request->body,
                                    .timeout_ms = request->timeout_ms,
                                    .tries = request->tries};
    bool answered = false;

    sigv4_timestamp(now, timestamp);
    authorization = sigv4_authorization(&signing);
    if (authorization == NULL) {
        snprintf(error, error_size, "the request to %s could not be signed", endpoint->url);
        return false;
    }
    for (i = 0; i < count; i++) {
        http.headers[i] = lines[i] = memory_format("%s: %s", headers[i].name, headers[i].value);
    }
    http.headers[count] = lines[count] = memory_format("Authorization: %s", authorization);
    answered = blocking_http_exchange(&http, answer, error, error_size);
    for (i = 0; i <= count; i++) {
        memory_wipe(lines[i]);
    }
    free(authorization);
    return answered;
}

/* is_clock_refusal tells whether the answer may be a refusal because of our clock. */
static bool is_clock_refusal(const struct blocking_answer *answer, time_t now) {
    time_t difference = answer->date > now ? answer->date - now : now - answer->date;

    return answer->status >= 400 && answer->status < 500 && answer->date != -1 && difference > CLOCK_TOLERANCE_SECONDS;
}

bool aws_request_send(const struct aws_request *request, struct blocking_answer *answer, char *error,
                      size_t error_size) {
    struct aws_endpoint endpoint;
    char reason[128];
    time_t now = time(NULL), theirs;
    bool answered;

    if (!aws_endpoint_set(&endpoint, request->endpoint_url, request->service, request->region, reason,
                          sizeof(reason))) {
        snprintf(error, error_size, "the endpoint of %s %s", request->service, reason);
        return false;
    }
    answered = send_at(request, &endpoint, now, answer, error, error_size);
    if (answered && is_clock_refusal(answer, now)) {
        theirs = answer->date;
        memory_wipe(answer->body);
        answered = send_at(request, &endpoint, theirs, answer, error, error_size);
    }
    aws_endpoint_clear(&endpoint);
    return answered;
}
