#include "sqs_client.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "allocation.h"
#include "sigv4.h"

#define CONTENT_TYPE  "application/x-amz-json-1.0"
#define TARGET_PREFIX "AmazonSQS."

/* A difference to the service's clock that is worth correcting; AWS accepts about five minutes. */
#define CLOCK_TOLERANCE_SECONDS 60

#define SIGNED_HEADERS 5 /* at most: content-type, host, x-amz-date, x-amz-target, x-amz-security-token */

struct sqs_client {
    struct sqs_client_settings settings;
    time_t clock_correction; /* seconds to add to our clock to get the service's */
};

struct sqs_call {
    struct sqs_client *client;
    const char *action;
    char *body;
    int timeout_ms;
    sqs_callback *callback;
    void *context;
    struct http_call *http_call;     /* NULL while no request is under way */
    struct loop_timer failure_timer; /* tells a failure that was found before anything was sent */
    struct loop_timer renewal_timer; /* while it waits for other credentials */
    unsigned generation;             /* of the credentials that it was signed with */
    time_t clock_correction;         /* that it was signed with */
    struct sqs_error refusal;        /* why it waits for them */
    bool credentials_renewed, clock_corrected;
};

static void start_request(struct sqs_call *call);
static void handle_answer(void *context, const struct http_answer *http_answer);
static void report_unsent(void *context);
static void await_credentials(void *context);

struct sqs_client *sqs_client_create(const struct sqs_client_settings *settings) {
    struct sqs_client *client = memory_allocate(sizeof(*client));

    client->settings = *settings;
    return client;
}

void sqs_client_destroy(struct sqs_client *client) {
    free(client);
}

struct sqs_call *sqs_client_call(struct sqs_client *client, const char *action, char *body, int timeout_ms,
                                 sqs_callback *callback, void *context) {
    struct sqs_call *call = memory_allocate(sizeof(*call));

    call->client = client;
    call->action = action;
    call->body = body;
    call->timeout_ms = timeout_ms;
    call->callback = callback;
    call->context = context;
    start_request(call);
    return call;
}

static void free_call(struct sqs_call *call) {
    loop_disarm(&call->failure_timer);
    loop_disarm(&call->renewal_timer);
    free(call->body);
    free(call);
}

void sqs_client_abort(struct sqs_call *call) {
    if (call->http_call != NULL) {
        http_client_abort(call->http_call);
    }
    free_call(call);
}

/* finish calls back and frees the call. */
static void finish(struct sqs_call *call, const struct sqs_answer *answer) {
    sqs_callback *callback = call->callback;
    void *context = call->context;

    callback(context, answer);
    free_call(call);
}

/* sign gives the Authorization header's value for the headers of a call, or NULL. */
static char *sign(const struct sqs_call *call, const struct aws_credentials *credentials, const char *timestamp,
                  const struct sigv4_header *headers, size_t header_count) {
    const struct sqs_client_settings *settings = &call->client->settings;
    struct sigv4_request request = {
        .access_key_id = credentials->access_key_id,
        .secret_access_key = credentials->secret_access_key,
        .region = settings->region,
        .service = "sqs",
        .timestamp = timestamp,
        .method = "POST",
        .path = settings->endpoint->path,
        .query = "",
        .headers = headers,
        .header_count = header_count,
        .body = call->body,
        .body_length = strlen(call->body),
    };

    return sigv4_authorization(&request);
}

/* post sends the signed headers, the signature and the body. */
static void post(struct sqs_call *call, const struct sigv4_header *headers, size_t header_count,
                 const char *authorization) {
    const struct sqs_client_settings *settings = &call->client->settings;
    char *lines[SIGNED_HEADERS + 1];
    struct http_request request = {
        .url = settings->endpoint->url,
        .headers = (const char *const *)lines,
        .header_count = header_count + 1,
        .body = call->body,
        .body_length = strlen(call->body),
        .timeout_ms = call->timeout_ms,
    };
    size_t i;

    for (i = 0; i < header_count; i++) {
        lines[i] = memory_format("%s: %s", headers[i].name, headers[i].value);
    }
    lines[header_count] = memory_format("Authorization: %s", authorization);
    call->http_call = http_client_post(settings->http, &request, handle_answer, call);
    for (i = 0; i <= header_count; i++) {
        OPENSSL_cleanse(lines[i], strlen(lines[i]));
        free(lines[i]);
    }
}

static void start_request(struct sqs_call *call) {
    const struct sqs_client_settings *settings = &call->client->settings;
    /* Asked once: the next question may take over others and free these. */
    const struct aws_credentials *credentials = credential_store_current(settings->credentials);
    const char *token = credentials->session_token;
    char timestamp[SIGV4_TIMESTAMP_SIZE];
    char *target = memory_format("%s%s", TARGET_PREFIX, call->action);
    struct sigv4_header headers[SIGNED_HEADERS] = {{"Content-Type", CONTENT_TYPE},
                                                   {"Host", settings->endpoint->host},
                                                   {"X-Amz-Date", timestamp},
                                                   {"X-Amz-Target", target},
                                                   {"X-Amz-Security-Token", token}};
    size_t count = token != NULL ? SIGNED_HEADERS : SIGNED_HEADERS - 1;
    char *authorization = NULL;

    call->generation = credential_store_generation(settings->credentials);
    call->clock_correction = call->client->clock_correction;
    sigv4_timestamp(time(NULL) + call->client->clock_correction, timestamp);
    if (call->body != NULL) {
        authorization = sign(call, credentials, timestamp, headers, count);
    }
    if (authorization != NULL) {
        post(call, headers, count, authorization);
    } else {
        loop_arm(settings->loop, &call->failure_timer, 0, report_unsent, call);
    }
    free(authorization);
    free(target);
}

static void report_unsent(void *context) {
    struct sqs_answer answer = {0};

    sqs_error_set(&answer.error, SQS_ERROR_REQUEST, "NotSent", "the request could not be encoded or signed");
    finish(context, &answer);
}

/* correct_clock takes over the service's time from the Date header; false when ours was near enough. */
static bool correct_clock(struct sqs_client *client, const struct http_answer *answer) {
    const char *date = http_answer_header(answer, "Date");
    time_t theirs = date != NULL ? curl_getdate(date, NULL) : -1, ours = time(NULL) + client->clock_correction;
    time_t difference = theirs > ours ? theirs - ours : ours - theirs;

    if (theirs == -1 || difference <= CLOCK_TOLERANCE_SECONDS) {
        return false;
    }
    client->clock_correction = theirs - time(NULL);
    return true;
}

/* How often a call that waits for other credentials looks for them, in milliseconds. */
#define RENEWAL_LOOK_MS 20

/* await_credentials repeats a call once there are other credentials than those that were refused, and finishes it with
 * the refusal when there are none. */
static void await_credentials(void *context) {
    struct sqs_call *call = context;
    struct credential_store *credentials = call->client->settings.credentials;
    struct sqs_answer answer = {.error = call->refusal};

    if (credential_store_is_renewing(credentials)) {
        loop_arm(call->client->settings.loop, &call->renewal_timer, RENEWAL_LOOK_MS, await_credentials, call);
    } else if (credential_store_generation(credentials) != call->generation) {
        start_request(call);
    } else {
        finish(call, &answer);
    }
}

/* renew sees to other credentials, unless another call did since this one was signed. */
static void renew(struct sqs_call *call, const struct sqs_error *refusal) {
    call->credentials_renewed = true;
    call->refusal = *refusal;
    if (credential_store_generation(call->client->settings.credentials) == call->generation) {
        credential_store_begin_renewal(call->client->settings.credentials);
    }
    loop_arm(call->client->settings.loop, &call->renewal_timer, 0, await_credentials, call);
}

/* repair removes the cause of a refusal where it can; true when the call is worth one more try at once. */
static bool repair(struct sqs_call *call, const struct sqs_error *error, const struct http_answer *answer) {
    if (error->class == SQS_ERROR_CLOCK && !call->clock_corrected) {
        call->clock_corrected = true;
        /* Another call that was refused at the same time may have corrected it already. */
        return call->clock_correction != call->client->clock_correction || correct_clock(call->client, answer);
    }
    return false;
}

static void handle_answer(void *context, const struct http_answer *http_answer) {
    struct sqs_call *call = context;
    struct sqs_answer answer = {.body = http_answer->body, .body_length = http_answer->body_length};

    call->http_call = NULL;
    if (!http_answer->complete) {
        sqs_error_set(&answer.error, SQS_ERROR_TRANSIENT, "NoConnection", http_answer->failure);
    } else if (http_answer->status != 200) {
        sqs_decode_error(http_answer->status, http_answer->body, http_answer->body_length,
                         http_answer_header(http_answer, "x-amzn-errortype"),
                         http_answer_header(http_answer, "x-amzn-query-error"), &answer.error);
    }
    if (answer.error.class == SQS_ERROR_CREDENTIALS && !call->credentials_renewed) {
        renew(call, &answer.error);
        return;
    }
    if (repair(call, &answer.error, http_answer)) {
        start_request(call);
        return;
    }
    finish(call, &answer);
}
