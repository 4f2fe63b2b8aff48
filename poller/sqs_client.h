/*
 * Calls to SQS: signs what sqs_protocol.h encodes, sends it, and says what came of it. Credentials that the service
 * refuses are renewed, and a clock that it finds wrong is corrected, once per call and without the caller's help; other
 * repeats are the caller's decision.
 */
#ifndef SHOP_POLLER_SQS_CLIENT_H
#define SHOP_POLLER_SQS_CLIENT_H

#include <stddef.h>

#include "credentials.h"
#include "http_client.h"
#include "aws_endpoint.h"
#include "sqs_protocol.h"

/* Timeout of every call but ReceiveMessage, in milliseconds. */
#define SQS_CALL_TIMEOUT_MS 10000

struct sqs_client;
struct sqs_call;

struct sqs_client_settings {
    struct loop *loop;
    struct http_client *http;
    struct credential_store *credentials;
    const struct aws_endpoint *endpoint; /* has to outlive the client */
    const char *region;                  /* has to outlive the client */
};

struct sqs_answer {
    struct sqs_error error; /* class SQS_NO_ERROR: the service answered 200 */
    const char *body;       /* of that answer; valid during the callback */
    size_t body_length;
};

/* Called exactly once for each call that is not aborted, never inside sqs_client_call. */
typedef void sqs_callback(void *context, const struct sqs_answer *answer);

struct sqs_client *sqs_client_create(const struct sqs_client_settings *settings);

/* sqs_client_destroy frees the client; its calls have to be over. NULL is allowed. */
void sqs_client_destroy(struct sqs_client *client);

/*
 * sqs_client_call performs an action. action: static text such as "ReceiveMessage". body: from an encoder, taken over;
 * NULL is answered with SQS_ERROR_REQUEST. timeout_ms covers each of the tries.
 */
struct sqs_call *sqs_client_call(struct sqs_client *client, const char *action, char *body, int timeout_ms,
                                 sqs_callback *callback, void *context);

/* sqs_client_abort drops a call without calling back. The service may have acted on it. */
void sqs_client_abort(struct sqs_call *call);

#endif
