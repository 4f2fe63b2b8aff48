#include "http_client.h"

#include <stdlib.h>
#include <string.h>

#include "allocation.h"

#define CONNECT_TIMEOUT_MS 5000

/* Idle connections that are kept: one for each request that commonly runs at the same time. */
#define KEPT_CONNECTIONS 32

/* Largest answer that is accepted, in bytes: ten messages of 1 MiB each, with room for their JSON escapes. */
#define ANSWER_SIZE_LIMIT ((size_t)32 * 1024 * 1024)

struct http_client {
    struct loop *loop;
    struct list calls;
    char *user_agent;
};

struct http_call {
    struct list_place place;
    struct http_client *client;
    CURL *transfer;
    struct curl_slist *headers;
    http_callback *callback;
    void *context;
    char *answer;
    size_t answer_length, answer_capacity;
    char failure[CURL_ERROR_SIZE];
};

static void finish_transfer(void *context, CURL *transfer, CURLcode result);

struct http_client *http_client_create(struct loop *loop, const char *user_agent) {
    struct http_client *client = memory_allocate(sizeof(*client));

    client->loop = loop;
    client->user_agent = memory_duplicate(user_agent);
    curl_multi_setopt(loop_transfers(loop), CURLMOPT_MAXCONNECTS, (long)KEPT_CONNECTIONS);
    loop_set_transfer_callback(loop, finish_transfer, client);
    return client;
}

void http_client_destroy(struct http_client *client) {
    if (client == NULL) {
        return;
    }
    while (!list_is_empty(&client->calls)) {
        http_client_abort(list_first(&client->calls));
    }
    free(client->user_agent);
    free(client);
}

/* free_call takes a call out of the client's list and frees it; its transfer is no longer in the loop. */
static void free_call(struct http_call *call) {
    list_remove(&call->place);
    curl_easy_cleanup(call->transfer);
    curl_slist_free_all(call->headers);
    free(call->answer);
    free(call);
}

/* keep_bytes is libcurl's write callback; a result other than the size given makes it fail the transfer. */
static size_t keep_bytes(char *bytes, size_t size, size_t count, void *context) {
    struct http_call *call = context;
    size_t length = size * count;

    if (length > ANSWER_SIZE_LIMIT - call->answer_length) {
        return 0;
    }
    if (call->answer_length + length >= call->answer_capacity) {
        call->answer_capacity = (call->answer_length + length) * 2 + 1024;
        call->answer = memory_resize(call->answer, call->answer_capacity);
    }
    memcpy(call->answer + call->answer_length, bytes, length);
    call->answer_length += length;
    return length;
}

static void add_header(struct http_call *call, const char *line) {
    struct curl_slist *longer = curl_slist_append(call->headers, line);

    if (longer == NULL) {
        abort(); /* no memory: see allocation.h */
    }
    call->headers = longer;
}

static void set_options(struct http_call *call, const struct http_request *request) {
    CURL *transfer = call->transfer;

    curl_easy_setopt(transfer, CURLOPT_URL, request->url);
    curl_easy_setopt(transfer, CURLOPT_PROTOCOLS_STR, "http,https");
    /* A long poll must not share its connection with another request, as it would under HTTP/2. */
    curl_easy_setopt(transfer, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(transfer, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(transfer, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(transfer, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    curl_easy_setopt(transfer, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
    curl_easy_setopt(transfer, CURLOPT_USERAGENT, call->client->user_agent);
    curl_easy_setopt(transfer, CURLOPT_HTTPHEADER, call->headers);
    if (request->body != NULL) {
        curl_easy_setopt(transfer, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_length);
        curl_easy_setopt(transfer, CURLOPT_COPYPOSTFIELDS, request->body);
    }
    curl_easy_setopt(transfer, CURLOPT_WRITEFUNCTION, keep_bytes);
    curl_easy_setopt(transfer, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(transfer, CURLOPT_ERRORBUFFER, call->failure);
    curl_easy_setopt(transfer, CURLOPT_PRIVATE, call);
}

struct http_call *http_client_post(struct http_client *client, const struct http_request *request,
                                   http_callback *callback, void *context) {
    struct http_call *call = memory_allocate(sizeof(*call));
    size_t i;

    call->client = client;
    call->callback = callback;
    call->context = context;
    call->transfer = curl_easy_init();
    if (call->transfer == NULL) {
        abort(); /* no memory: see allocation.h */
    }
    for (i = 0; i < request->header_count; i++) {
        add_header(call, request->headers[i]);
    }
    add_header(call, "Expect:"); /* no waiting for "100 Continue" with large bodies */
    set_options(call, request);
    curl_multi_add_handle(loop_transfers(client->loop), call->transfer);
    list_append(&client->calls, &call->place);
    return call;
}

void http_client_abort(struct http_call *call) {
    curl_multi_remove_handle(loop_transfers(call->client->loop), call->transfer);
    free_call(call);
}

/* is_unsent tells whether a transfer failed before any byte of its request left. */
static bool is_unsent(CURL *transfer) {
    long sent = 0;

    return curl_easy_getinfo(transfer, CURLINFO_REQUEST_SIZE, &sent) == CURLE_OK && sent == 0;
}

/* finish_transfer is told by the loop that a transfer ended. */
static void finish_transfer(void *context, CURL *transfer, CURLcode result) {
    char *private_data = NULL;
    struct http_call *call;
    struct http_answer answer = {0};

    (void)context; /* the call knows its client */
    curl_easy_getinfo(transfer, CURLINFO_PRIVATE, &private_data);
    call = (struct http_call *)(void *)private_data;
    answer.call = call;
    answer.complete = result == CURLE_OK;
    answer.nothing_sent = !answer.complete && is_unsent(transfer);
    answer.failure = call->failure[0] != '\0' ? call->failure : curl_easy_strerror(result);
    curl_easy_getinfo(transfer, CURLINFO_RESPONSE_CODE, &answer.status);
    if (call->answer != NULL) {
        call->answer[call->answer_length] = '\0'; /* keep_bytes leaves room for it */
    }
    answer.body = call->answer != NULL ? call->answer : "";
    answer.body_length = call->answer_length;
    call->callback(call->context, &answer);
    free_call(call);
}

const char *http_answer_header(const struct http_answer *answer, const char *name) {
    struct curl_header *header = NULL;

    if (answer->call == NULL ||
        curl_easy_header(answer->call->transfer, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK) {
        return NULL;
    }
    return header->value;
}
