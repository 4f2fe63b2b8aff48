/*
 * The provider that speaks Stripe's API: PaymentIntents and Refunds, form-encoded, every POST with an Idempotency-Key
 * (docs.stripe.com/api: "Idempotent requests", "Errors", "PaymentIntents", "Refunds").
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "allocation.h"
#include "payment_service.h"

#define STRIPE_VERSION "2023-10-16"

/*
 * Stripe keeps the answer under a key for at least 24 hours, failures of its own (500) included. So a charge whose
 * number is unknown is asked about by the same request again at first, and by a search after that. The search lags by
 * a minute as a rule; after the third limit its silence is the truth.
 */
#define REPEAT_SECONDS      600
#define SEARCH_SURE_SECONDS 3600

/* use_key makes the message a POST with this form, which it takes over, under an idempotency key. */
static void use_key(struct payment_message *message, char *form, const char *operation, const char *key) {
    message->body = form;
    payment_message_header(message, memory_format("Content-Type: application/x-www-form-urlencoded"));
    payment_message_header(message, memory_format("Idempotency-Key: %s%s", operation, key));
}

/* is_number tells whether a text can be a number of Stripe's, and so a part of a path. */
static bool is_number(const char *text) {
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";

    return text != NULL && text[0] != '\0' && text[strspn(text, allowed)] == '\0';
}

/* lower_case copies a currency's code as Stripe writes it; the caller frees the copy. */
static char *lower_case(const char *text) {
    char *copy = memory_duplicate(text), *letter;

    for (letter = copy; *letter != '\0'; letter++) {
        *letter = (char)tolower((unsigned char)*letter);
    }
    return copy;
}

static void write_charge(const struct payment_exchange *exchange, const struct payment_request *request,
                         const char *key, struct payment_message *message) {
    const struct payment_service_settings *settings = &exchange->service->settings;

    char *currency = lower_case(settings->currency);

    message->url = memory_format("%s/v1/payment_intents", settings->url);
    use_key(message,
            memory_format("amount=%lld&currency=%s&capture_method=%s&confirm=true&off_session=true"
                          "&error_on_requires_action=true&payment_method_types[]=card&payment_method=%s"
                          "&metadata[attempt]=%s&metadata[order]=%lld",
                          (long long)request->amount_cents, currency, settings->capture_later ? "manual" : "automatic",
                          settings->payment_method, key, (long long)request->order_id),
            "", key);
    free(currency);
}

static void write_status(struct payment_exchange *exchange, const struct payment_request *request, const char *key,
                         struct payment_message *message) {
    const char *url = exchange->service->settings.url;

    if (is_number(request->reference)) {
        message->url = memory_format("%s/v1/payment_intents/%s", url, request->reference);
    } else if (request->age_seconds < REPEAT_SECONDS) {
        write_charge(exchange, request, key, message);
    } else {
        exchange->searching = true;
        message->url =
            memory_format("%s/v1/payment_intents/search?query=metadata%%5B%%27attempt%%27%%5D%%3A%%27%s%%27", url, key);
    }
}

static void write_refund(const struct payment_exchange *exchange, const struct payment_request *request,
                         const char *key, struct payment_message *message) {
    message->url = memory_format("%s/v1/refunds", exchange->service->settings.url);
    use_key(message,
            memory_format("payment_intent=%s&amount=%lld&metadata[refund]=%s", request->reference,
                          (long long)request->amount_cents, key),
            "", key);
}

static void write_refund_status(struct payment_exchange *exchange, const struct payment_request *request,
                                const char *key, struct payment_message *message) {
    const char *url = exchange->service->settings.url;

    if (is_number(request->refund_reference)) {
        message->url = memory_format("%s/v1/refunds/%s", url, request->refund_reference);
    } else if (request->age_seconds < REPEAT_SECONDS) {
        write_refund(exchange, request, key, message);
    } else {
        exchange->searching = true;
        message->url = memory_format("%s/v1/refunds?payment_intent=%s&limit=100", url, request->reference);
    }
}

static void write(struct payment_exchange *exchange, const struct payment_request *request,
                  struct payment_message *message) {
    const char *url = exchange->service->settings.url;
    const char *reference = is_number(request->reference) ? request->reference : "unknown";
    struct payment_request known = *request;
    char payment[PAYMENT_KEY_SIZE], refund[PAYMENT_KEY_SIZE];

    known.reference = reference;
    payment_key(payment, "payment", request->store_id, request->attempt_id);
    payment_key(refund, "refund", request->store_id, request->refund_id);
    memcpy(exchange->key, request->refund_id > 0 ? refund : payment, sizeof(exchange->key));
    payment_message_header(message, memory_format("Stripe-Version: %s", STRIPE_VERSION));
    switch (request->operation) {
    case PAYMENT_CHARGE:
        write_charge(exchange, request, payment, message);
        break;
    case PAYMENT_CAPTURE:
        message->url = memory_format("%s/v1/payment_intents/%s/capture", url, reference);
        use_key(message, memory_format("amount_to_capture=%lld", (long long)request->amount_cents), "capture-",
                payment);
        break;
    case PAYMENT_STATUS:
        write_status(exchange, request, payment, message);
        break;
    case PAYMENT_VOID:
        message->url = memory_format("%s/v1/payment_intents/%s/cancel", url, reference);
        use_key(message, memory_format("cancellation_reason=abandoned"), "void-", refund);
        break;
    case PAYMENT_REFUND:
        write_refund(exchange, &known, refund, message);
        break;
    case PAYMENT_REFUND_STATUS:
        write_refund_status(exchange, &known, refund, message);
        break;
    }
}

static bool is_text(const json_t *object, const char *name, const char *text) {
    const char *found = json_string_value(json_object_get(object, name));

    return found != NULL && strcmp(found, text) == 0;
}

/* found_in looks for the object with our key in a list. */
static const json_t *found_in(const struct payment_exchange *exchange, const json_t *list) {
    const char *member = exchange->operation == PAYMENT_REFUND_STATUS ? "refund" : "attempt";
    const json_t *object;
    size_t i;

    json_array_foreach(json_object_get(list, "data"), i, object) {
        if (is_text(json_object_get(object, "metadata"), member, exchange->key)) {
            return object;
        }
    }
    return NULL;
}

/* read_list looks for ours in a list; its silence is an answer only once the search cannot lag any more. */
static void read_list(const struct payment_exchange *exchange, const json_t *list, struct payment_answer *answer) {
    struct payment_object object;

    if (payment_object_read_stripe(found_in(exchange, list), &object)) {
        answer->provider_failed = false;
        payment_answer_take(answer, &object, exchange->service->settings.currency);
    } else if (json_is_array(json_object_get(list, "data"))) {
        bool is_sure = exchange->age_seconds >= SEARCH_SURE_SECONDS;

        answer->provider_failed = false;
        answer->outcome = !is_sure                                       ? PAYMENT_UNKNOWN
                          : exchange->operation == PAYMENT_REFUND_STATUS ? PAYMENT_REFUND_FAILED
                                                                         : PAYMENT_DECLINED;
        answer->reason = "the payment provider does not know it";
    }
}

/* read_error reads {"error":{type,code,decline_code,payment_intent}}: a decline, or why it does not take the request.
 */
static void read_error(const struct payment_exchange *exchange, long status, const json_t *error,
                       struct payment_answer *answer) {
    const json_t *intent = json_object_get(error, "payment_intent");
    const char *code = json_string_value(json_object_get(error, "code"));
    const char *decline_code = json_string_value(json_object_get(error, "decline_code"));
    bool is_refund = exchange->operation == PAYMENT_REFUND || exchange->operation == PAYMENT_REFUND_STATUS;
    struct payment_object object;

    if (status >= 500 || status == 429 || status == 409) {
        return; /* what the status says by itself */
    }
    if (code != NULL) {
        answer->reason = code;
    }
    if (is_text(error, "type", "card_error")) {
        answer->outcome = PAYMENT_DECLINED;
        answer->reason = decline_code != NULL ? decline_code : answer->reason;
        answer->reference = json_string_value(json_object_get(intent, "id"));
    } else if (!is_refund && payment_object_read_stripe(intent, &object)) {
        payment_answer_take(answer, &object, exchange->service->settings.currency);
    } else if (is_refund && code != NULL && strncmp(code, "charge_", 7) == 0) {
        answer->outcome = PAYMENT_REFUND_FAILED; /* charge_already_refunded, charge_disputed ... */
    }
}

static void read(const struct payment_exchange *exchange, long status, const json_t *body,
                 struct payment_answer *answer) {
    const json_t *error = json_object_get(body, "error");
    struct payment_object object;

    if (error != NULL) {
        read_error(exchange, status, error, answer);
    } else if (status >= 200 && status < 300 && exchange->searching) {
        read_list(exchange, body, answer);
    } else if (status >= 200 && status < 300 && payment_object_read_stripe(body, &object)) {
        answer->provider_failed = false;
        payment_answer_take(answer, &object, exchange->service->settings.currency);
    }
}

struct payment_provider *payment_stripe_create(const struct payment_service_settings *settings) {
    return payment_service_create("stripe", settings, write, read);
}
