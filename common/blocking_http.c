#include "blocking_http.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "allocation.h"

/* Longest answer: credentials are a few kilobytes. */
#define ANSWER_SIZE_LIMIT ((size_t)256 * 1024)

struct received {
    char *text;
    size_t length;
    time_t date;
};

/* keep_bytes is libcurl's write callback; a result other than the size given makes it fail the transfer. */
static size_t keep_bytes(char *bytes, size_t size, size_t count, void *context) {
    struct received *received = context;
    size_t length = size * count;

    if (length > ANSWER_SIZE_LIMIT - received->length) {
        return 0;
    }
    received->text = memory_resize(received->text, received->length + length + 1);
    memcpy(received->text + received->length, bytes, length);
    received->length += length;
    received->text[received->length] = '\0';
    return length;
}

/* keep_date is libcurl's header callback: one line, not closed by a NUL. */
static size_t keep_date(char *line, size_t size, size_t count, void *context) {
    struct received *received = context;
    char value[64];

    if (count > 5 && count < sizeof(value) && strncasecmp(line, "Date:", 5) == 0) {
        snprintf(value, sizeof(value), "%.*s", (int)count - 5, line + 5);
        received->date = curl_getdate(value, NULL);
    }
    return size * count;
}

static void set_options(CURL *transfer, const struct blocking_request *request, struct curl_slist *headers,
                        struct received *received) {
    curl_easy_setopt(transfer, CURLOPT_URL, request->url);
    curl_easy_setopt(transfer, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(transfer, CURLOPT_PROXY, "");
    curl_easy_setopt(transfer, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(transfer, CURLOPT_TIMEOUT_MS, request->timeout_ms);
    curl_easy_setopt(transfer, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(transfer, CURLOPT_HEADERFUNCTION, keep_date);
    curl_easy_setopt(transfer, CURLOPT_HEADERDATA, received);
    curl_easy_setopt(transfer, CURLOPT_WRITEFUNCTION, keep_bytes);
    curl_easy_setopt(transfer, CURLOPT_WRITEDATA, received);
    if (request->body != NULL) {
        curl_easy_setopt(transfer, CURLOPT_POSTFIELDS, request->body);
    }
    curl_easy_setopt(transfer, CURLOPT_CUSTOMREQUEST, request->method);
}

static struct curl_slist *header_list(const struct blocking_request *request) {
    struct curl_slist *list = NULL, *longer;
    size_t i;

    for (i = 0; request->headers[i] != NULL; i++) {
        longer = curl_slist_append(list, request->headers[i]);
        if (longer == NULL) {
            abort(); /* no memory: see allocation.h */
        }
        list = longer;
    }
    return list;
}

static bool try_once(const struct blocking_request *request, struct blocking_answer *answer, char *error,
                     size_t error_size) {
    CURL *transfer = curl_easy_init();
    struct curl_slist *headers = header_list(request);
    struct received received = {.date = -1};
    CURLcode result;

    if (transfer == NULL) {
        abort(); /* no memory: see allocation.h */
    }
    set_options(transfer, request, headers, &received);
    result = curl_easy_perform(transfer);
    curl_easy_getinfo(transfer, CURLINFO_RESPONSE_CODE, &answer->status);
    curl_easy_cleanup(transfer);
    curl_slist_free_all(headers);
    if (result != CURLE_OK) {
        snprintf(error, error_size, "%s: %s", request->url, curl_easy_strerror(result));
        memory_wipe(received.text);
        return false;
    }
    answer->body = received.text != NULL ? received.text : memory_duplicate("");
    answer->date = received.date;
    return true;
}

bool blocking_http_exchange(const struct blocking_request *request, struct blocking_answer *answer, char *error,
                            size_t error_size) {
    int left;

    for (left = request->tries; left > 0; left--) {
        if (!try_once(request, answer, error, error_size)) {
            continue;
        }
        if (answer->status < 500 || left == 1) {
            return true;
        }
        memory_wipe(answer->body);
    }
    return false;
}

char *blocking_http_text(const struct blocking_request *request, char *error, size_t error_size) {
    struct blocking_answer answer;

    if (!blocking_http_exchange(request, &answer, error, error_size)) {
        return NULL;
    }
    if (answer.status == 200) {
        return answer.body;
    }
    snprintf(error, error_size, "%s answers with status %ld", request->url, answer.status);
    memory_wipe(answer.body);
    return NULL;
}
