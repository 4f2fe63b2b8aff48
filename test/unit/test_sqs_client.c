/* Calls to SQS: what they are signed with. The test stands in for the store of credentials and for HTTP (see the
 * linker's --wrap in poller/Makefile). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocation.h"
#include "sqs_client.h"

#define HEADERS_MAXIMUM 8

/* What the store has; each question takes over the next ones, as when a renewal has just ended. */
static struct aws_credentials current;
static unsigned generation;

static char *sent[HEADERS_MAXIMUM];
static size_t sent_count;

const struct aws_credentials *__wrap_credential_store_current(struct credential_store *store);
unsigned __wrap_credential_store_generation(const struct credential_store *store);
struct http_call *__wrap_http_client_post(struct http_client *client, const struct http_request *request,
                                          http_callback *callback, void *context);

const struct aws_credentials *__wrap_credential_store_current(struct credential_store *store) {
    (void)store;
    aws_credentials_wipe(&current);
    generation++;
    current = (struct aws_credentials){
        .access_key_id = memory_format("KEY%u", generation),
        .secret_access_key = memory_format("secret%u", generation),
        .session_token = memory_format("token%u", generation),
    };
    return &current;
}

unsigned __wrap_credential_store_generation(const struct credential_store *store) {
    (void)store;
    return generation;
}

struct http_call *__wrap_http_client_post(struct http_client *client, const struct http_request *request,
                                          http_callback *callback, void *context) {
    (void)client;
    (void)callback;
    (void)context;
    for (sent_count = 0; sent_count < request->header_count; sent_count++) {
        assert_in_range(sent_count, 0, HEADERS_MAXIMUM - 1);
        sent[sent_count] = memory_duplicate(request->headers[sent_count]);
    }
    return NULL;
}

/* was_sent tells whether a header with this beginning was sent. */
static bool was_sent(const char *beginning) {
    size_t i;

    for (i = 0; i < sent_count; i++) {
        if (strncmp(sent[i], beginning, strlen(beginning)) == 0) {
            return true;
        }
    }
    return false;
}

static void signs_a_request_with_credentials_that_belong_together(void **state) {
    struct aws_endpoint endpoint = {.url = (char *)"http://q/", .host = (char *)"q", .path = (char *)"/"};
    struct sqs_client_settings settings = {.endpoint = &endpoint, .region = "us-east-1"};
    struct sqs_client *client = sqs_client_create(&settings);
    struct sqs_call *call =
        sqs_client_call(client, "SendMessage", memory_duplicate("{}"), SQS_CALL_TIMEOUT_MS, NULL, NULL);

    (void)state;
    assert_true(was_sent("X-Amz-Security-Token: token1"));
    assert_true(was_sent("Authorization: AWS4-HMAC-SHA256 Credential=KEY1/"));
    sqs_client_abort(call);
    sqs_client_destroy(client);
    while (sent_count > 0) {
        free(sent[--sent_count]);
    }
    aws_credentials_wipe(&current);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signs_a_request_with_credentials_that_belong_together),
    };

    return cmocka_run_group_tests_name("sqs_client", tests, NULL, NULL);
}
