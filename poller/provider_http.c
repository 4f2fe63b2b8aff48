/* The provider that speaks the contract of docs/payments.md. */
#include <stdlib.h>

#include "allocation.h"
#include "payment_service.h"

/* set_text sets a member; the object is always large enough in memory, see allocation.h. */
static void set_text(json_t *object, const char *name, const char *text) {
    if (json_object_set_new(object, name, json_string(text)) != 0) {
        abort(); /* no memory */
    }
}

/* amount_body begins a body with an amount. */
static json_t *amount_body(const struct payment_exchange *exchange, const struct payment_request *request) {
    char amount[PAYMENT_AMOUNT_SIZE];
    json_t *body = json_object();

    payment_amount_text(amount, request->amount_cents);
    set_text(body, "amount", amount);
    set_text(body, "currency", exchange->service->settings.currency);
    return body;
}

/* put_body makes the message a POST with this JSON, which it takes over, under an idempotency key. */
static void put_body(struct payment_message *message, json_t *body, const char *key) {
    message->body = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    if (message->body == NULL) {
        abort(); /* no memory: see allocation.h */
    }
    payment_message_header(message, memory_format("Content-Type: application/json"));
    payment_message_header(message, memory_format("Idempotency-Key: %s", key));
}

static void write_charge(const struct payment_exchange *exchange, const struct payment_request *request,
                         const char *payment, struct payment_message *message) {
    json_t *body = amount_body(exchange, request);
    char *order_id = memory_format("%lld", (long long)request->order_id);

    set_text(body, "attempt_id", payment);
    set_text(body, "order_id", order_id);
    json_object_set_new(body, "capture", json_boolean(!exchange->service->settings.capture_later));
    message->url = memory_format("%s/payments", exchange->service->settings.url);
    put_body(message, body, payment);
    free(order_id);
}

static void write(struct payment_exchange *exchange, const struct payment_request *request,
                  struct payment_message *message) {
    const char *url = exchange->service->settings.url;
    char payment[PAYMENT_KEY_SIZE], refund[PAYMENT_KEY_SIZE], *capture;
    json_t *body;

    payment_key(payment, "payment", request->store_id, request->attempt_id);
    payment_key(refund, "refund", request->store_id, request->refund_id);
    switch (request->operation) {
    case PAYMENT_CHARGE:
        write_charge(exchange, request, payment, message);
        break;
    case PAYMENT_CAPTURE:
        message->url = memory_format("%s/payments/%s/capture", url, payment);
        capture = memory_format("capture-%s", payment);
        put_body(message, amount_body(exchange, request), capture);
        free(capture);
        break;
    case PAYMENT_STATUS:
        message->url = memory_format("%s/payments/%s", url, payment);
        break;
    case PAYMENT_VOID:
        message->url = memory_format("%s/payments/%s/void", url, payment);
        put_body(message, json_object(), refund);
        break;
    case PAYMENT_REFUND:
        body = amount_body(exchange, request);
        set_text(body, "refund_id", refund);
        message->url = memory_format("%s/payments/%s/refunds", url, payment);
        put_body(message, body, refund);
        break;
    case PAYMENT_REFUND_STATUS:
        message->url = memory_format("%s/refunds/%s", url, refund);
        break;
    }
}

static void read(const struct payment_exchange *exchange, long status, const json_t *body,
                 struct payment_answer *answer) {
    bool is_refund = exchange->operation == PAYMENT_REFUND || exchange->operation == PAYMENT_REFUND_STATUS;
    bool may_hold_object = (status >= 200 && status < 300) || status == 402 || status == 409;
    struct payment_object object;

    if (may_hold_object && payment_object_read_http(body, is_refund, &object)) {
        answer->provider_failed = false;
        payment_answer_take(answer, &object, exchange->service->settings.currency);
    }
}

struct payment_provider *payment_http_create(const struct payment_service_settings *settings) {
    return payment_service_create("http", settings, write, read);
}
