#include "webhooks.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "errmap.h"
#include "log.h"
#include "payment_object.h"
#include "request.h"
#include "sql_route.h"
#include "text.h"
#include "webhook_signature.h"

#define EVENT_ID_MAXIMUM 255
#define NUMBER_SIZE      24
#define AMOUNT_MAXIMUM   INT64_C(999999999999) /* cents: what an amount of the shop can be at most */

/* A provider that may send events. */
struct webhook_provider {
    const char *name; /* as in the path, and in shop.payment_attempts */
    const char *signature_header;
    const char *secrets; /* NULL: not set up */
    /* read finds the payment or refund that the event is about; false: none, or a kind of event that is ignored. */
    bool (*read)(const json_t *event, const char *type, struct payment_object *object);
};

/* The types of events of Stripe that tell of a payment's or refund's state. */
static bool read_stripe(const json_t *event, const char *type, struct payment_object *object) {
    static const char *const types[] = {
        "payment_intent.succeeded",
        "payment_intent.payment_failed",
        "payment_intent.canceled",
        "payment_intent.amount_capturable_updated",
        "payment_intent.processing",
        "refund.created",
        "refund.updated",
        "refund.failed",
        "charge.refund.updated",
    };
    size_t i;

    for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(type, types[i]) == 0) {
            return payment_object_read_stripe(json_object_get(json_object_get(event, "data"), "object"), object);
        }
    }
    return false;
}

static bool read_http(const json_t *event, const char *type, struct payment_object *object) {
    if (strcmp(type, "payment.updated") == 0) {
        return payment_object_read_http(json_object_get(event, "payment"), false, object);
    }
    return strcmp(type, "refund.updated") == 0 &&
           payment_object_read_http(json_object_get(event, "refund"), true, object);
}

/* find_provider finds who the path names; false when there is none, or none that is set up. */
static bool find_provider(const struct request *request, struct webhook_provider *out) {
    const struct configuration *configuration = &request->gateway->configuration;
    const struct webhook_provider providers[] = {
        {"stripe", "Stripe-Signature", configuration->stripe_webhook_secret, read_stripe},
        {"http", "Payment-Signature", configuration->payment_webhook_secret, read_http},
    };
    size_t i;

    for (i = 0; i < sizeof(providers) / sizeof(providers[0]); i++) {
        if (strcmp(request->sources.path_values[0].value, providers[i].name) == 0) {
            *out = providers[i];
            return out->secrets != NULL;
        }
    }
    return false;
}

/* outcome_word gives an outcome as shop.receive_payment_event takes it. */
static const char *outcome_word(const struct payment_object *object) {
    switch (object->outcome) {
    case PAYMENT_CAPTURED:
        return "captured";
    case PAYMENT_AUTHORIZED:
        return "authorized";
    case PAYMENT_DECLINED:
        return "declined";
    case PAYMENT_VOIDED:
        return "voided";
    case PAYMENT_REFUNDED:
        return "completed";
    case PAYMENT_REFUND_FAILED:
        return "failed";
    default:
        return "unknown";
    }
}

static const char *number(char out[NUMBER_SIZE], int64_t value) {
    snprintf(out, NUMBER_SIZE, "%lld", (long long)value);
    return value > 0 ? out : NULL;
}

static void log_received(const struct request *request, const char *provider, const char *event_id, const char *type,
                         const struct payment_object *object) {
    log_event(LOG_INFO, "payment_event_received",
              json_pack("{s:s,s:s,s:o,s:o,s:I,s:I,s:s}", "requestId", request->request_id, "provider", provider,
                        "eventId", log_text(event_id), "type", log_text(type), "attemptId",
                        (json_int_t)object->attempt_id, "refundId", (json_int_t)object->refund_id, "outcome",
                        outcome_word(object)));
}

/* apply hands the event to the database, which answers it. */
static void apply(struct request *request, const char *provider, const char *event_id,
                  const struct payment_object *object) {
    char attempt_id[NUMBER_SIZE], refund_id[NUMBER_SIZE], amount[PAYMENT_AMOUNT_SIZE];
    bool has_amount = object->amount_cents >= 0 && object->amount_cents <= AMOUNT_MAXIMUM;
    const char *values[] = {
        request->gateway->store_id,
        provider,
        event_id,
        number(attempt_id, object->attempt_id),
        number(refund_id, object->refund_id),
        outcome_word(object),
        object->reference,
        has_amount ? amount : NULL,
        object->reason,
        request->request_id,
    };

    if (has_amount) {
        payment_amount_text(amount, object->amount_cents);
    }
    sql_route_submit(request, values);
}

static void answer(struct request *request, const char *body) {
    request_answer_json(request, MHD_HTTP_OK, strdup(body));
    request_answered(request);
}

static void refuse(struct request *request, unsigned status, const char *code, const char *message) {
    request_answer_problem(request, status, code, message, NO_RETRY);
    request_answered(request);
}

/* is_ours tells whether the event is about a payment or refund of the shop that this gateway serves. */
static bool is_ours(const struct request *request, const struct payment_object *object) {
    return (object->attempt_id > 0 || object->refund_id > 0) &&
           object->store_id == request->gateway->configuration.shared.store_id;
}

/* take_event reads the event, whose signature is right. */
static void take_event(struct request *request, const struct webhook_provider *provider, const json_t *event) {
    const char *event_id = json_string_value(json_object_get(event, "id"));
    const char *type = json_string_value(json_object_get(event, "type"));
    struct payment_object object;

    if (event_id == NULL || type == NULL || event_id[0] == '\0' || strlen(event_id) > EVENT_ID_MAXIMUM) {
        refuse(request, MHD_HTTP_BAD_REQUEST, "invalid_json", "Invalid JSON body");
    } else if (!provider->read(event, type, &object) || !is_ours(request, &object)) {
        answer(request, "{\"received\":true,\"result\":\"ignored\"}");
    } else {
        payment_object_expect(&object, request->gateway->configuration.payment_currency);
        if (object.is_refund && object.outcome != PAYMENT_REFUNDED && object.outcome != PAYMENT_REFUND_FAILED) {
            object.outcome = PAYMENT_PENDING;
        }
        log_received(request, provider->name, event_id, type, &object);
        apply(request, provider->name, event_id, &object);
    }
}

void webhook_handle(struct request *request) {
    const char *body = request->body_text != NULL ? request->body_text : "";
    struct webhook_provider provider;
    json_t *event;

    if (!find_provider(request, &provider)) {
        refuse(request, MHD_HTTP_NOT_FOUND, "not_found", "Not found");
    } else if (!webhook_signature_valid(provider.secrets, request_header(request, provider.signature_header), body,
                                        request->body_size, (int64_t)time(NULL))) {
        refuse(request, MHD_HTTP_BAD_REQUEST, "invalid_signature",
               "The signature is missing, wrong or too far from the present time");
    } else {
        event = json_loadb(body, request->body_size, JSON_REJECT_DUPLICATES, NULL);
        take_event(request, &provider, event);
        json_decref(event);
    }
}
