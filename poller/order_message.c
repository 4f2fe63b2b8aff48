#include "order_message.h"

#include <jansson.h>
#include <string.h>

#define REQUEST_ID_MAXIMUM 128

bool order_message_parse(const char *body, int64_t *order_id, const char **error) {
    json_t *message = json_loads(body, JSON_REJECT_DUPLICATES, NULL);
    const json_t *id = json_object_get(message, "orderId");
    bool usable = false;

    if (message == NULL) {
        *error = "the body is not valid JSON";
    } else if (!json_is_object(message)) {
        *error = "the body is not a JSON object";
    } else if (!json_is_integer(id) || json_integer_value(id) <= 0) {
        *error = "orderId is not a positive integer";
    } else {
        *order_id = json_integer_value(id);
        usable = true;
    }
    json_decref(message);
    return usable;
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
