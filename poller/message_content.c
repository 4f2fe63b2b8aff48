#include "message_content.h"

#include <stdlib.h>
#include <string.h>

#include "allocation.h"
#include "log.h"

#define REQUEST_ID_MAXIMUM 128

/* take_id reads a positive integer member. */
static bool take_id(const json_t *message, const char *name, int64_t *id) {
    const json_t *value = json_object_get(message, name);

    if (!json_is_integer(value) || json_integer_value(value) <= 0) {
        return false;
    }
    *id = json_integer_value(value);
    return true;
}

/* take_numbers reads a payment or refund, whose members have the exact form that the shop writes. */
static const char *take_numbers(const json_t *message, struct message_content *content) {
    struct message_content read = {.kind = MESSAGE_PAYMENT};

    if (!take_id(message, "orderId", &read.order_id)) {
        return "orderId is not a positive integer";
    }
    if (json_object_get(message, "refundId") != NULL) {
        read.kind = MESSAGE_REFUND;
        if (!take_id(message, "refundId", &read.refund_id)) {
            return "refundId is not a positive integer";
        }
    }
    *content = read;
    return NULL;
}

static const char *take_intake(const json_t *message, struct message_content *content) {
    const json_t *order_id = json_object_get(message, "order_id");
    const json_t *customer_id = json_object_get(message, "customer_id");

    if (order_id == NULL && customer_id == NULL && json_object_get(message, "items") == NULL) {
        return "the body has neither orderId nor order_id, customer_id and items";
    }
    content->kind = MESSAGE_INTAKE;
    content->order_key = memory_duplicate(json_string_value(order_id));
    content->customer_key = memory_duplicate(json_string_value(customer_id));
    return NULL;
}

static bool has_numbers(const json_t *message) {
    return json_object_get(message, "orderId") != NULL || json_object_get(message, "refundId") != NULL;
}

/*
 * take_strictly reads a body without double members. *again is set where an intake body may still be hidden in it: the
 * members of its items are free, so numbers beyond 64 bits and double members are the producer's business.
 */
static const char *take_strictly(const char *body, struct message_content *content, bool *again) {
    json_t *message = json_loads(body, JSON_REJECT_DUPLICATES, NULL);
    const char *error;

    *again = false;
    if (message == NULL) {
        *again = true;
        error = "the body is not valid JSON";
    } else if (!json_is_object(message)) {
        error = "the body is not a JSON object";
    } else if (has_numbers(message)) {
        error = take_numbers(message, content);
    } else {
        error = take_intake(message, content);
    }
    json_decref(message);
    return error;
}

bool message_content_read(const char *body, struct message_content *content, const char **error) {
    bool again;
    json_t *message;

    *content = (struct message_content){0};
    *error = take_strictly(body, content, &again);
    if (again) {
        message = json_loads(body, JSON_DECODE_INT_AS_REAL, NULL);
        if (json_is_object(message) && !has_numbers(message)) {
            *error = take_intake(message, content);
        }
        json_decref(message);
    }
    return *error == NULL;
}

void message_content_clear(struct message_content *content) {
    free(content->order_key);
    free(content->customer_key);
    *content = (struct message_content){0};
}

const char *message_content_worker(const struct message_content *content) {
    return content->kind == MESSAGE_INTAKE ? "intake" : "payment";
}

json_t *message_content_order(const struct message_content *content, int64_t order_id) {
    if (content->order_key != NULL) {
        return log_text(content->order_key);
    }
    if (content->order_id > 0) {
        return json_integer(content->order_id);
    }
    return order_id > 0 ? json_integer(order_id) : json_null();
}

bool request_id_is_well_formed(const char *request_id) {
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-";
    size_t length;

    if (request_id == NULL) {
        return false;
    }
    length = strlen(request_id);
    return length > 0 && length <= REQUEST_ID_MAXIMUM && strspn(request_id, allowed) == length;
}
