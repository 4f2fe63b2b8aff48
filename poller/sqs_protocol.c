#include "sqs_protocol.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"
#include "allocation.h"

/* copy_text copies what fits into out and never leaves half a character at its end. */
static void copy_text(char *out, size_t size, const char *text) {
    size_t length = strlen(text);

    if (length >= size) {
        length = size - 1;
        while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80) {
            length--;
        }
    }
    memcpy(out, text, length);
    out[length] = '\0';
}

static const char *text_member(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));

    return text != NULL ? text : "";
}

/* ---- encoders ---- */

void sqs_string_attribute(json_t *attributes, const char *name, const char *value) {
    if (value != NULL && *value != '\0') {
        json_object_set_new(attributes, name, json_pack("{s:s,s:s}", "DataType", "String", "StringValue", value));
    }
}

const char *sqs_attribute_text(const json_t *attributes, const char *name) {
    const json_t *attribute = json_object_get(attributes, name);

    if (strcmp(text_member(attribute, "DataType"), "String") != 0) {
        return NULL;
    }
    return json_string_value(json_object_get(attribute, "StringValue"));
}

/* encode gives the text of a request and drops the object. */
static char *encode(json_t *request) {
    char *text = request != NULL ? json_dumps(request, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;

    json_decref(request);
    return text;
}

/* set_message puts body and attributes into a request or batch entry. */
static bool set_message(json_t *target, const struct sqs_outgoing_message *message) {
    if (json_object_set_new(target, "MessageBody", json_string(message->body)) != 0) {
        return false;
    }
    if ((message->group_id != NULL &&
         json_object_set_new(target, "MessageGroupId", json_string(message->group_id)) != 0) ||
        (message->deduplication_id != NULL &&
         json_object_set_new(target, "MessageDeduplicationId", json_string(message->deduplication_id)) != 0)) {
        return false;
    }
    return json_object_size(message->attributes) == 0 ||
           json_object_set(target, "MessageAttributes", message->attributes) == 0;
}

bool sqs_is_fifo(const char *queue_url) {
    size_t length = strlen(queue_url);

    return length >= 5 && strcmp(queue_url + length - 5, ".fifo") == 0;
}

char *sqs_encode_send(const char *queue_url, const struct sqs_outgoing_message *message) {
    json_t *request = json_pack("{s:s}", "QueueUrl", queue_url);

    if (request == NULL || !set_message(request, message)) {
        json_decref(request);
        return NULL;
    }
    return encode(request);
}

/* new_batch makes a batch request with an empty list of entries. */
static json_t *new_batch(const char *queue_url) {
    return json_pack("{s:s,s:[]}", "QueueUrl", queue_url, "Entries");
}

/* add_entry appends an entry whose Id is its index and gives it back, borrowed, or NULL. */
static json_t *add_entry(json_t *batch) {
    json_t *entries = json_object_get(batch, "Entries");
    char id[24];
    json_t *entry;

    snprintf(id, sizeof(id), "%zu", json_array_size(entries));
    entry = json_pack("{s:s}", "Id", id);
    if (entry == NULL || json_array_append_new(entries, entry) != 0) {
        return NULL;
    }
    return entry;
}

char *sqs_encode_send_batch(const char *queue_url, const struct sqs_outgoing_message *messages, size_t count) {
    json_t *batch = new_batch(queue_url);
    size_t i;

    for (i = 0; i < count; i++) {
        json_t *entry = add_entry(batch);

        if (entry == NULL || !set_message(entry, &messages[i])) {
            json_decref(batch);
            return NULL;
        }
    }
    return encode(batch);
}

char *sqs_encode_receive(const char *queue_url, int maximum, int wait_seconds, int visibility_seconds) {
    /* MessageSystemAttributeNames is today's name; compatible servers may only know the older AttributeNames. */
    return encode(json_pack("{s:s,s:i,s:i,s:i,s:[s,s],s:[s,s],s:[s]}", "QueueUrl", queue_url, "MaxNumberOfMessages",
                            maximum, "WaitTimeSeconds", wait_seconds, "VisibilityTimeout", visibility_seconds,
                            "MessageSystemAttributeNames", "ApproximateReceiveCount", "MessageGroupId",
                            "AttributeNames", "ApproximateReceiveCount", "MessageGroupId", "MessageAttributeNames",
                            "All"));
}

char *sqs_encode_get_depth(const char *queue_url) {
    return encode(json_pack("{s:s,s:[s,s]}", "QueueUrl", queue_url, "AttributeNames", "ApproximateNumberOfMessages",
                            "ApproximateNumberOfMessagesNotVisible"));
}

char *sqs_encode_delete_batch(const char *queue_url, const char *const *receipt_handles, size_t count) {
    json_t *batch = new_batch(queue_url);
    size_t i;

    for (i = 0; i < count; i++) {
        json_object_set_new(add_entry(batch), "ReceiptHandle", json_string(receipt_handles[i]));
    }
    return encode(batch);
}

char *sqs_encode_visibility_batch(const char *queue_url, const struct sqs_visibility_change *changes, size_t count) {
    json_t *batch = new_batch(queue_url);
    size_t i;

    for (i = 0; i < count; i++) {
        json_t *entry = add_entry(batch);

        json_object_set_new(entry, "ReceiptHandle", json_string(changes[i].receipt_handle));
        json_object_set_new(entry, "VisibilityTimeout", json_integer(changes[i].seconds));
    }
    return encode(batch);
}

/* ---- decoders ---- */

static json_t *decode_object(const char *body, size_t length) {
    json_t *answer = json_loadb(body, length, 0, NULL);

    if (!json_is_object(answer)) {
        json_decref(answer);
        return NULL;
    }
    return answer;
}

/* group_of gives a message's MessageGroupId; NULL where it has none, or an empty one, which no queue takes. */
static const char *group_of(const json_t *source) {
    const char *group = text_member(json_object_get(source, "Attributes"), "MessageGroupId");

    return *group != '\0' ? group : NULL;
}

/* take_message copies one message of an answer; false when it lacks what every message has. */
static bool take_message(const json_t *source, struct sqs_received_message *message) {
    const char *id = json_string_value(json_object_get(source, "MessageId"));
    const char *handle = json_string_value(json_object_get(source, "ReceiptHandle"));
    const char *body = json_string_value(json_object_get(source, "Body"));
    const char *count = text_member(json_object_get(source, "Attributes"), "ApproximateReceiveCount");
    json_t *attributes = json_object_get(source, "MessageAttributes");
    int64_t receive_count = 1;

    if (id == NULL || handle == NULL || body == NULL) {
        return false;
    }
    if (!text_to_int64(count, 1, INT32_MAX, &receive_count)) {
        receive_count = 1;
    }
    message->message_id = memory_duplicate(id);
    message->receipt_handle = memory_duplicate(handle);
    message->body = memory_duplicate(body);
    message->group_id = memory_duplicate(group_of(source));
    message->attributes = json_is_object(attributes) ? json_incref(attributes) : json_object();
    message->receive_count = (int)receive_count;
    return true;
}

bool sqs_decode_receive(const char *body, size_t length, struct sqs_received_message *messages, size_t *count) {
    json_t *answer = decode_object(body, length);
    const json_t *list = json_object_get(answer, "Messages");
    size_t i;

    *count = 0;
    if (answer == NULL || (list != NULL && !json_is_null(list) && !json_is_array(list))) {
        json_decref(answer);
        return false;
    }
    for (i = 0; i < json_array_size(list) && *count < SQS_BATCH_ENTRIES; i++) {
        if (take_message(json_array_get(list, i), &messages[*count])) {
            (*count)++;
        }
    }
    json_decref(answer);
    return true;
}

void sqs_received_message_clear(struct sqs_received_message *message) {
    free(message->message_id);
    free(message->receipt_handle);
    free(message->body);
    free(message->group_id);
    json_decref(message->attributes);
    *message = (struct sqs_received_message){0};
}

/* entry_of finds the outcome that an entry of the answer is about, or NULL. */
static struct sqs_entry_outcome *entry_of(const json_t *entry, struct sqs_entry_outcome *outcomes, size_t count) {
    int64_t index;

    if (count == 0 || !text_to_int64(text_member(entry, "Id"), 0, (int64_t)count - 1, &index)) {
        return NULL;
    }
    return &outcomes[index];
}

static void decode_failed_entry(const json_t *entry, struct sqs_entry_outcome *outcome) {
    const char *code = text_member(entry, "Code");
    /* The service says whose fault it was; without its word an entry counts as worth another try. */
    long status = json_is_true(json_object_get(entry, "SenderFault")) ? 400 : 500;

    sqs_error_set(&outcome->error, sqs_error_class_of(status, code), code, text_member(entry, "Message"));
}

void sqs_decode_batch(const char *body, size_t length, struct sqs_entry_outcome *outcomes, size_t count) {
    json_t *answer = decode_object(body, length);
    struct sqs_entry_outcome *outcome;
    const json_t *entry;
    size_t i;

    for (i = 0; i < count; i++) {
        outcomes[i] = (struct sqs_entry_outcome){0};
        sqs_error_set(&outcomes[i].error, SQS_ERROR_TRANSIENT, "NoAnswer", "the answer does not name this entry");
    }
    json_array_foreach(json_object_get(answer, "Successful"), i, entry) {
        outcome = entry_of(entry, outcomes, count);
        if (outcome != NULL) {
            sqs_error_set(&outcome->error, SQS_NO_ERROR, "", "");
            copy_text(outcome->message_id, sizeof(outcome->message_id), text_member(entry, "MessageId"));
        }
    }
    json_array_foreach(json_object_get(answer, "Failed"), i, entry) {
        outcome = entry_of(entry, outcomes, count);
        if (outcome != NULL) {
            decode_failed_entry(entry, outcome);
        }
    }
    json_decref(answer);
}

int64_t sqs_decode_depth(const char *body, size_t length) {
    json_t *answer = decode_object(body, length);
    const json_t *attributes = json_object_get(answer, "Attributes");
    int64_t waiting, in_flight, depth = -1;

    if (text_to_int64(text_member(attributes, "ApproximateNumberOfMessages"), 0, INT32_MAX, &waiting) &&
        text_to_int64(text_member(attributes, "ApproximateNumberOfMessagesNotVisible"), 0, INT32_MAX, &in_flight)) {
        depth = waiting + in_flight;
    }
    json_decref(answer);
    return depth;
}

void sqs_decode_sent_id(const char *body, size_t length, char message_id[SQS_MESSAGE_ID_SIZE]) {
    json_t *answer = decode_object(body, length);

    copy_text(message_id, SQS_MESSAGE_ID_SIZE, text_member(answer, "MessageId"));
    json_decref(answer);
}

/* ---- errors ---- */

/* Codes by class; a code that ends in '*' stands for all that begin so. */
static const struct {
    const char *code;
    enum sqs_error_class class;
} error_classes[] = {
    {"Throttl*", SQS_ERROR_TRANSIENT},
    {"RequestThrottled*", SQS_ERROR_TRANSIENT},
    {"TooManyRequests*", SQS_ERROR_TRANSIENT},
    {"KmsThrottled", SQS_ERROR_TRANSIENT},
    {"OverLimit", SQS_ERROR_TRANSIENT},
    {"ServiceUnavailable*", SQS_ERROR_TRANSIENT},
    {"InternalFailure", SQS_ERROR_TRANSIENT},
    {"InternalError", SQS_ERROR_TRANSIENT},
    {"InternalServerError", SQS_ERROR_TRANSIENT},
    {"RequestTimeout*", SQS_ERROR_TRANSIENT},
    {"ExpiredToken*", SQS_ERROR_CREDENTIALS},
    {"InvalidClientTokenId", SQS_ERROR_CREDENTIALS},
    {"UnrecognizedClient*", SQS_ERROR_CREDENTIALS},
    {"InvalidAccessKeyId", SQS_ERROR_CREDENTIALS},
    {"SignatureDoesNotMatch", SQS_ERROR_CLOCK},
    {"InvalidSignature*", SQS_ERROR_CLOCK},
    {"RequestExpired", SQS_ERROR_CLOCK},
    {"RequestTimeTooSkewed", SQS_ERROR_CLOCK},
    {"RequestInTheFuture", SQS_ERROR_CLOCK},
    {"QueueDoesNotExist", SQS_ERROR_QUEUE},
    {"NonExistentQueue", SQS_ERROR_QUEUE},
    {"QueueDeletedRecently", SQS_ERROR_QUEUE},
    {"InvalidAddress", SQS_ERROR_QUEUE},
    {"AccessDenied*", SQS_ERROR_QUEUE},
    {"InvalidSecurity", SQS_ERROR_QUEUE},
    {"MissingAuthenticationToken*", SQS_ERROR_QUEUE},
    {"IncompleteSignature*", SQS_ERROR_QUEUE},
    {"OptInRequired", SQS_ERROR_QUEUE},
    {"Kms*", SQS_ERROR_QUEUE},
    {"KMS.*", SQS_ERROR_QUEUE},
    {"InvalidMessageContents", SQS_ERROR_MESSAGE},
    {"InvalidParameterValue", SQS_ERROR_MESSAGE}, /* SendMessage: the size of a message, the text of an attribute */
    {"InvalidAttributeValue", SQS_ERROR_MESSAGE},
    {"BatchRequestTooLong", SQS_ERROR_MESSAGE},
    {"ReceiptHandleIsInvalid", SQS_ERROR_LEASE_LOST},
    {"MessageNotInflight", SQS_ERROR_LEASE_LOST},
};

static bool code_matches(const char *pattern, const char *code) {
    size_t length = strlen(pattern);

    if (pattern[length - 1] == '*') {
        return strncmp(pattern, code, length - 1) == 0;
    }
    return strcmp(pattern, code) == 0;
}

/* plain_code gives a code without the namespaces that the older protocol puts before it. */
static const char *plain_code(const char *code) {
    static const char *const namespaces[] = {"AWS.SimpleQueueService.", "AWS."};
    size_t i;

    for (i = 0; i < sizeof(namespaces) / sizeof(namespaces[0]); i++) {
        if (strncmp(code, namespaces[i], strlen(namespaces[i])) == 0) {
            return code + strlen(namespaces[i]);
        }
    }
    return code;
}

enum sqs_error_class sqs_error_class_of(long status, const char *code) {
    const char *plain = plain_code(code);
    size_t i;

    for (i = 0; i < sizeof(error_classes) / sizeof(error_classes[0]); i++) {
        if (code_matches(error_classes[i].code, plain)) {
            return error_classes[i].class;
        }
    }
    if (status == 401 || status == 403) {
        return SQS_ERROR_QUEUE;
    }
    return status >= 400 && status < 500 && status != 408 && status != 429 ? SQS_ERROR_REQUEST : SQS_ERROR_TRANSIENT;
}

/*
 * cut_quoted_request ends a message where it begins to quote the request. The answer to a wrong signature may do so,
 * and the headers that were signed hold the session token, which belongs neither into a log nor into the outbox.
 */
static void cut_quoted_request(char *message) {
    static const char *const beginnings[] = {"\n", "canonical", "x-amz-security-token"};
    size_t i;

    for (i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++) {
        char *found = strcasestr(message, beginnings[i]);

        if (found != NULL) {
            *found = '\0';
        }
    }
}

void sqs_error_set(struct sqs_error *error, enum sqs_error_class class, const char *code, const char *message) {
    error->class = class;
    copy_text(error->code, sizeof(error->code), code);
    copy_text(error->message, sizeof(error->message), message);
    cut_quoted_request(error->message);
}

char *sqs_error_text(const struct sqs_error *error) {
    return memory_format("%s%s%s", error->code, error->message[0] != '\0' ? ": " : "", error->message);
}

/*
 * take_code copies the code out of a text such as "com.amazonaws.sqs#QueueDoesNotExist", "Throttling:http://…" or
 * "AWS.SimpleQueueService.NonExistentQueue;Sender". Returns false when nothing is left of it.
 */
static bool take_code(const char *text, char code[SQS_ERROR_CODE_SIZE]) {
    char first[2 * SQS_ERROR_CODE_SIZE];
    const char *hash;

    if (text == NULL) {
        return false;
    }
    copy_text(first, sizeof(first), text);
    first[strcspn(first, ":;, ")] = '\0';
    hash = strrchr(first, '#');
    copy_text(code, SQS_ERROR_CODE_SIZE, plain_code(hash != NULL ? hash + 1 : first));
    return code[0] != '\0';
}

void sqs_decode_error(long status, const char *body, size_t length, const char *error_type, const char *query_error,
                      struct sqs_error *error) {
    json_t *answer = decode_object(body, length);
    const char *message = text_member(answer, "message");
    char code[SQS_ERROR_CODE_SIZE] = "", numbered[32];

    if (!take_code(json_string_value(json_object_get(answer, "__type")), code) && !take_code(error_type, code) &&
        !take_code(query_error, code)) {
        snprintf(numbered, sizeof(numbered), "Http%ld", status);
        copy_text(code, sizeof(code), numbered);
    }
    if (*message == '\0') {
        message = text_member(answer, "Message");
    }
    sqs_error_set(error, sqs_error_class_of(status, code), code, message);
    json_decref(answer);
}
