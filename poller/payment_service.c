#include "payment_service.h"

#include <stdlib.h>
#include <string.h>

#include "allocation.h"
#include "text.h"

/* The longest pause that a provider can ask for by Retry-After, in seconds. */
#define RETRY_AFTER_MAXIMUM 300

static void take_http_answer(void *context, const struct http_answer *http);

void payment_message_header(struct payment_message *message, char *line) {
    if (message->header_count < PAYMENT_SERVICE_HEADERS) {
        message->headers[message->header_count++] = line;
    } else {
        free(line);
    }
}

static void clear_message(struct payment_message *message) {
    size_t i;

    for (i = 0; i < message->header_count; i++) {
        free(message->headers[i]);
    }
    free(message->url);
    free(message->body);
}

static void start(struct payment_provider *provider, const struct payment_request *request, payment_callback *callback,
                  void *context) {
    struct payment_service *service = (struct payment_service *)provider;
    struct payment_exchange *exchange = memory_allocate(sizeof(*exchange));
    struct payment_message message = {0};

    exchange->service = service;
    exchange->operation = request->operation;
    exchange->age_seconds = request->age_seconds;
    exchange->callback = callback;
    exchange->context = context;
    payment_message_header(&message, memory_format("Authorization: Bearer %s", service->settings.token));
    payment_message_header(&message, memory_format("Accept: application/json"));
    if (request->request_id != NULL) {
        payment_message_header(&message, memory_format("X-Request-Id: %s", request->request_id));
    }
    service->write(exchange, request, &message);
    exchange->call = http_client_post(service->settings.http,
                                      &(struct http_request){
                                          .url = message.url,
                                          .headers = (const char *const *)message.headers,
                                          .header_count = message.header_count,
                                          .body = message.body,
                                          .body_length = message.body != NULL ? strlen(message.body) : 0,
                                          .timeout_ms = request->timeout_ms,
                                      },
                                      take_http_answer, exchange);
    list_append(&service->exchanges, &exchange->place);
    clear_message(&message);
}

static void free_exchange(struct payment_exchange *exchange) {
    list_remove(&exchange->place);
    free(exchange);
}

static void cancel(struct payment_provider *provider, const void *context) {
    const struct payment_service *service = (const struct payment_service *)provider;
    struct payment_exchange *exchange = list_first(&service->exchanges), *next;

    for (; exchange != NULL; exchange = next) {
        next = list_next(exchange);
        if (exchange->context == context) {
            http_client_abort(exchange->call);
            free_exchange(exchange);
        }
    }
}

static void destroy(struct payment_provider *provider) {
    struct payment_service *service = (struct payment_service *)provider;

    while (!list_is_empty(&service->exchanges)) {
        struct payment_exchange *exchange = list_first(&service->exchanges);

        http_client_abort(exchange->call);
        free_exchange(exchange);
    }
    free(service);
}

struct payment_provider *payment_service_create(const char *name, const struct payment_service_settings *settings,
                                                void (*write)(struct payment_exchange *, const struct payment_request *,
                                                              struct payment_message *),
                                                void (*read)(const struct payment_exchange *, long, const json_t *,
                                                             struct payment_answer *)) {
    struct payment_service *service = memory_allocate(sizeof(*service));

    service->provider = (struct payment_provider){.name = name, .start = start, .cancel = cancel, .destroy = destroy};
    service->settings = *settings;
    service->write = write;
    service->read = read;
    return &service->provider;
}

void payment_answer_take(struct payment_answer *answer, struct payment_object *object, const char *currency) {
    payment_object_expect(object, currency);
    answer->outcome = object->outcome;
    answer->reference = object->reference;
    answer->amount_cents = object->amount_cents;
    if (object->reason != NULL) {
        answer->reason = object->reason;
    }
}

/* retry_after_ms reads Retry-After in its form of seconds (RFC 9110 section 10.2.3); 0 for none and for dates. */
static int64_t retry_after_ms(const struct http_answer *http) {
    const char *text = http_answer_header(http, "Retry-After");
    int64_t seconds;

    return text != NULL && text_to_int64(text, 0, RETRY_AFTER_MAXIMUM, &seconds) ? seconds * 1000 : 0;
}

/* judge_status gives what a status means by itself. 408, 425 and 5xx may have had an effect or still get one. */
static void judge_status(long status, struct payment_answer *answer) {
    if (status == 429) {
        answer->outcome = PAYMENT_NOT_SENT;
        answer->reason = "the payment provider limits the rate of requests";
    } else if (status == 401 || status == 403) {
        answer->outcome = PAYMENT_NOT_SENT;
        answer->reason = "the payment provider refuses our credentials";
        answer->provider_failed = true;
    } else if (status == 409) {
        answer->outcome = PAYMENT_UNKNOWN;
        answer->reason = "the payment provider is at the same request already";
    } else if (status == 404) {
        answer->outcome = PAYMENT_NOT_FOUND;
        answer->reason = "the payment provider has no such payment";
    } else if (status == 408 || status == 425 || status >= 500) {
        answer->outcome = PAYMENT_UNKNOWN;
        answer->reason = "the payment provider failed";
        answer->provider_failed = true;
    } else if (status >= 400) {
        answer->outcome = PAYMENT_REJECTED;
        answer->reason = "the payment provider does not take the request";
    } else {
        answer->outcome = PAYMENT_UNKNOWN;
        answer->reason = "the payment provider's answer cannot be read";
        answer->provider_failed = true;
    }
}

static void take_http_answer(void *context, const struct http_answer *http) {
    struct payment_exchange *exchange = context;
    struct payment_answer answer = {.amount_cents = -1};
    json_t *body = NULL;

    if (!http->complete) {
        answer.outcome = http->nothing_sent ? PAYMENT_NOT_SENT : PAYMENT_UNKNOWN;
        answer.reason = http->failure;
        answer.provider_failed = true;
    } else {
        body = json_loadb(http->body, http->body_length, JSON_REJECT_DUPLICATES, NULL);
        judge_status(http->status, &answer);
        answer.retry_after_ms = retry_after_ms(http);
        exchange->service->read(exchange, http->status, body, &answer);
    }
    exchange->callback(exchange->context, &answer);
    free_exchange(exchange);
    json_decref(body);
}
