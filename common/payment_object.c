#include "payment_object.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "text.h"

/* The largest amount that a shop can ask for: 9,999,999,999.99. */
#define AMOUNT_DIGITS 10

struct outcome_word {
    const char *word;
    enum payment_outcome outcome;
};

void payment_key(char out[PAYMENT_KEY_SIZE], const char *kind, int64_t store_id, int64_t id) {
    snprintf(out, PAYMENT_KEY_SIZE, "%s-%" PRId64 "-%" PRId64, kind, store_id, id);
}

bool payment_key_read(const char *text, const char *kind, int64_t *store_id, int64_t *id) {
    char copy[PAYMENT_KEY_SIZE];
    size_t length = strlen(kind);
    char *dash;

    if (text == NULL || strlen(text) >= sizeof(copy) || strncmp(text, kind, length) != 0 || text[length] != '-') {
        return false;
    }
    snprintf(copy, sizeof(copy), "%s", text + length + 1);
    dash = strchr(copy, '-');
    if (dash == NULL) {
        return false;
    }
    *dash = '\0';
    return text_to_int64(copy, 1, INT32_MAX, store_id) && text_to_int64(dash + 1, 1, INT64_MAX, id);
}

void payment_amount_text(char out[PAYMENT_AMOUNT_SIZE], int64_t cents) {
    snprintf(out, PAYMENT_AMOUNT_SIZE, "%" PRId64 ".%02d", cents / 100, (int)(cents % 100));
}

bool payment_amount_read(const char *text, int64_t *cents) {
    static const char digits[] = "0123456789";
    char whole[AMOUNT_DIGITS + 1];
    size_t before, after = 0;
    int64_t units;

    if (text == NULL) {
        return false;
    }
    before = strspn(text, digits);
    if (text[before] == '.') {
        after = strspn(text + before + 1, digits);
    }
    if (before == 0 || before > AMOUNT_DIGITS || after > 2 || (text[before] == '.' && after == 0) ||
        text[before + after + (text[before] == '.' ? 1 : 0)] != '\0') {
        return false;
    }
    snprintf(whole, sizeof(whole), "%.*s", (int)before, text);
    if (!text_to_int64(whole, 0, INT64_MAX / 1000, &units)) {
        return false;
    }
    *cents = units * 100 + (after > 0 ? (text[before + 1] - '0') * 10 : 0) + (after > 1 ? text[before + 2] - '0' : 0);
    return true;
}

bool payment_currency_is_valid(const char *code) {
    static const char *const others[] = {"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG",
                                         "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF", "BHD",
                                         "IQD", "JOD", "KWD", "LYD", "OMR", "TND", "CLF", "UYW"};
    size_t i;

    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (strcmp(others[i], code) == 0) {
            return false;
        }
    }
    return strlen(code) == 3 && strspn(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 3;
}

static const char *member_text(const json_t *object, const char *name) {
    return json_string_value(json_object_get(object, name));
}

static bool outcome_of(const struct outcome_word *words, size_t count, const char *word, enum payment_outcome *out) {
    size_t i;

    for (i = 0; word != NULL && i < count; i++) {
        if (strcmp(words[i].word, word) == 0) {
            *out = words[i].outcome;
            return true;
        }
    }
    return false;
}

/* ---- Stripe ---- */

/* Status of a PaymentIntent. One that wants a payment method again after it was confirmed was declined. */
static const struct outcome_word intent_words[] = {
    {"succeeded", PAYMENT_CAPTURED},
    {"requires_capture", PAYMENT_AUTHORIZED},
    {"requires_payment_method", PAYMENT_DECLINED},
    {"canceled", PAYMENT_VOIDED},
    {"processing", PAYMENT_PENDING},
    {"requires_action", PAYMENT_PENDING},
    {"requires_confirmation", PAYMENT_PENDING},
};

static const struct outcome_word stripe_refund_words[] = {
    {"succeeded", PAYMENT_REFUNDED},   {"pending", PAYMENT_PENDING},        {"requires_action", PAYMENT_PENDING},
    {"failed", PAYMENT_REFUND_FAILED}, {"canceled", PAYMENT_REFUND_FAILED},
};

/* minor_units reads an amount in the currency's minor unit; all of our currencies have two decimals. */
static int64_t minor_units(const json_t *object, const char *name) {
    const json_t *amount = json_object_get(object, name);

    return json_is_integer(amount) && json_integer_value(amount) >= 0 ? json_integer_value(amount) : -1;
}

static const char *first_text(const char *one, const char *other) {
    return one != NULL ? one : other;
}

static bool read_intent(const json_t *intent, struct payment_object *out) {
    const json_t *failure = json_object_get(intent, "last_payment_error");
    const char *status = member_text(intent, "status");

    if (!outcome_of(intent_words, sizeof(intent_words) / sizeof(intent_words[0]), status, &out->outcome)) {
        return false;
    }
    payment_key_read(member_text(json_object_get(intent, "metadata"), "attempt"), "payment", &out->store_id,
                     &out->attempt_id);
    if (out->outcome == PAYMENT_CAPTURED) {
        out->amount_cents = minor_units(intent, "amount_received");
        out->reason = "payment accepted";
    } else if (out->outcome == PAYMENT_AUTHORIZED) {
        out->amount_cents = minor_units(intent, "amount_capturable");
    } else {
        out->reason = first_text(first_text(member_text(failure, "decline_code"), member_text(failure, "code")),
                                 first_text(member_text(intent, "cancellation_reason"), status));
    }
    return true;
}

static bool read_stripe_refund(const json_t *refund, struct payment_object *out) {
    out->is_refund = true;
    payment_key_read(member_text(json_object_get(refund, "metadata"), "refund"), "refund", &out->store_id,
                     &out->refund_id);
    out->amount_cents = minor_units(refund, "amount");
    out->reason = member_text(refund, "failure_reason");
    return outcome_of(stripe_refund_words, sizeof(stripe_refund_words) / sizeof(stripe_refund_words[0]),
                      member_text(refund, "status"), &out->outcome);
}

bool payment_object_read_stripe(const json_t *object, struct payment_object *out) {
    const char *kind = member_text(object, "object");

    *out = (struct payment_object){.amount_cents = -1, .reference = member_text(object, "id")};
    out->currency = member_text(object, "currency");
    if (kind == NULL || out->reference == NULL) {
        return false;
    }
    if (strcmp(kind, "payment_intent") == 0) {
        return read_intent(object, out);
    }
    return strcmp(kind, "refund") == 0 && read_stripe_refund(object, out);
}

/* ---- our own contract ---- */

static const struct outcome_word payment_words[] = {
    {"captured", PAYMENT_CAPTURED}, {"authorized", PAYMENT_AUTHORIZED}, {"declined", PAYMENT_DECLINED},
    {"voided", PAYMENT_VOIDED},     {"pending", PAYMENT_PENDING},
};

static const struct outcome_word refund_words[] = {
    {"completed", PAYMENT_REFUNDED},
    {"pending", PAYMENT_PENDING},
    {"failed", PAYMENT_REFUND_FAILED},
};

bool payment_object_read_http(const json_t *object, bool is_refund, struct payment_object *out) {
    const json_t *amount = json_object_get(object, "amount");
    const char *status = member_text(object, "status");

    *out = (struct payment_object){.is_refund = is_refund, .amount_cents = -1};
    out->reference = member_text(object, "id");
    out->reason = member_text(object, "reason");
    out->currency = member_text(object, "currency");
    payment_key_read(member_text(object, "attempt_id"), "payment", &out->store_id, &out->attempt_id);
    if (is_refund) {
        out->attempt_id = 0;
        payment_key_read(member_text(object, "refund_id"), "refund", &out->store_id, &out->refund_id);
    }
    if (amount != NULL && !payment_amount_read(json_string_value(amount), &out->amount_cents)) {
        return false;
    }
    return is_refund
               ? outcome_of(refund_words, sizeof(refund_words) / sizeof(refund_words[0]), status, &out->outcome)
               : outcome_of(payment_words, sizeof(payment_words) / sizeof(payment_words[0]), status, &out->outcome);
}

void payment_object_expect(struct payment_object *object, const char *currency) {
    if (object->currency != NULL && strcasecmp(object->currency, currency) != 0) {
        object->outcome = PAYMENT_PENDING;
        object->reason = "currency_mismatch: the provider names another currency than PAYMENT_CURRENCY";
    }
}
