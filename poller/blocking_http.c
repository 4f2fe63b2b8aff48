#include "blocking_http.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocation.h"

/* Longest answer: credentials are a few kilobytes. */
#define ANSWER_SIZE_LIMIT ((size_t)256 * 1024)

struct answer {
    char *text;
    size_t length;
};

/* keep_bytes is libcurl's write callback; a result other than the size given makes it fail the transfer. */
static size_t keep_bytes(char *bytes, size_t size, size_t count, void *context) {
    struct answer *answer = context;
    size_t length = size * count;

    if (length > ANSWER_SIZE_LIMIT - answer->length) {
        return 0;
    }
    answer->text = memory_resize(answer->text, answer->length + length + 1);
    memcpy(answer->text + answer->length, bytes, length);
    answer->length += length;
    answer->text[answer->length] = '\0';
    return length;
}

static void set_options(CURL *transfer, const struct blocking_request *request, struct curl_slist *headers,
                        struct answer *answer) {
    curl_easy_setopt(transfer, CURLOPT_URL, request->url);
    curl_easy_setopt(transfer, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(transfer, CURLOPT_PROXY, "");
    curl_easy_setopt(transfer, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(transfer, CURLOPT_TIMEOUT_MS, request->timeout_ms);
    curl_easy_setopt(transfer, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(transfer, CURLOPT_WRITEFUNCTION, keep_bytes);
    curl_easy_setopt(transfer, CURLOPT_WRITEDATA, answer);
    if (request->body != NULL) {
        curl_easy_setopt(transfer, CURLOPT_POSTFIELDS, request->body);
    }
    curl_easy_setopt(transfer, CURLOPT_CUSTOMREQUEST, request->method);
}

/* try_once makes the request; *again tells whether another try may help. */
static char *try_once(const struct blocking_request *request, bool *again, char *error, size_t error_size) {
    CURL *transfer = curl_easy_init();
    struct curl_slist *headers = request->header != NULL ? curl_slist_append(NULL, request->header) : NULL;
    struct answer answer = {0};
    CURLcode result;
    long status = 0;

    if (transfer == NULL || (request->header != NULL && headers == NULL)) {
        abort(); /* no memory: see allocation.h */
    }
    set_options(transfer, request, headers, &answer);
    result = curl_easy_perform(transfer);
    curl_easy_getinfo(transfer, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(transfer);
    curl_slist_free_all(headers);
    if (result == CURLE_OK && status == 200) {
        return answer.text != NULL ? answer.text : memory_duplicate("");
    }
    free(answer.text);
    *again = result != CURLE_OK || status >= 500;
    if (result != CURLE_OK) {
        snprintf(error, error_size, "%s: %s", request->url, curl_easy_strerror(result));
    } else {
        snprintf(error, error_size, "%s answers with status %ld", request->url, status);
    }
    return NULL;
}

char *blocking_http_text(const struct blocking_request *request, char *error, size_t error_size) {
    char *text = NULL;
    bool again = true;
    int tries;

    for (tries = 0; text == NULL && again && tries < request->tries; tries++) {
        text = try_once(request, &again, error, error_size);
    }
    return text;
}
