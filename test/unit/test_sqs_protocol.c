/* Requests and answers of SQS as they look on the wire. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sqs_protocol.h"

/* assert_request compares a request with the JSON that is expected, and frees it. */
static void assert_request(char *request, const char *expected) {
    json_t *got, *wanted = json_loads(expected, 0, NULL);

    assert_non_null(request);
    assert_non_null(wanted);
    got = json_loads(request, 0, NULL);
    if (!json_equal(got, wanted)) {
        fail_msg("request %s is not %s", request, expected);
    }
    json_decref(got);
    json_decref(wanted);
    free(request);
}

static void encodes_sends(void **state) {
    json_t *attributes = json_object();
    struct sqs_outgoing_message messages[] = {{"{\"orderId\": 42}", attributes, NULL, NULL},
                                              {"second", NULL, "order-7", "outbox-1-9"}};

    (void)state;
    sqs_string_attribute(attributes, "requestId", "r-1");
    sqs_string_attribute(attributes, "traceparent", NULL);
    sqs_string_attribute(attributes, "empty", ""); /* SQS refuses empty values */
    assert_request(
        sqs_encode_send_batch("http://q/1/a", messages, 2),
        "{\"QueueUrl\":\"http://q/1/a\",\"Entries\":[{\"Id\":\"0\",\"MessageBody\":\"{\\\"orderId\\\": 42}\","
        "\"MessageAttributes\":{\"requestId\":{\"DataType\":\"String\",\"StringValue\":\"r-1\"}}},"
        "{\"Id\":\"1\",\"MessageBody\":\"second\",\"MessageGroupId\":\"order-7\",\"MessageDeduplicationId\":\"outbox-1-"
        "9\"}]}");
    assert_request(
        sqs_encode_send("http://q/1/a", &messages[1]),
        "{\"QueueUrl\":\"http://q/1/"
        "a\",\"MessageBody\":\"second\",\"MessageGroupId\":\"order-7\",\"MessageDeduplicationId\":\"outbox-1-9\"}");
    json_decref(attributes);
}

static void encodes_to_ascii_only(void **state) {
    struct sqs_outgoing_message message = {.body = "gr\xc3\xbc\xc3\x9f \xf0\x9f\x9b\x92"};
    char *request = sqs_encode_send("http://q/1/a", &message);
    const char *letter;

    (void)state;
    assert_non_null(request);
    for (letter = request; *letter != '\0'; letter++) {
        assert_in_range((unsigned char)*letter, ' ', '~');
    }
    assert_non_null(strstr(request, "\\uD83D\\uDED2"));
    free(request);
    message.body = "\xff";
    assert_null(sqs_encode_send("http://q/1/a", &message));
    assert_null(sqs_encode_send_batch("http://q/1/a", &message, 1));
}

static void encodes_the_rest(void **state) {
    const char *const handles[] = {"h0", "h1"};
    const struct sqs_visibility_change changes[] = {{"h0", 30}, {"h1", 0}};

    (void)state;
    assert_request(
        sqs_encode_receive("http://q/1/a", 10, 20, 30),
        "{\"QueueUrl\":\"http://q/1/a\",\"MaxNumberOfMessages\":10,\"WaitTimeSeconds\":20,"
        "\"VisibilityTimeout\":30,\"MessageSystemAttributeNames\":[\"ApproximateReceiveCount\",\"MessageGroupId\"],"
        "\"AttributeNames\":[\"ApproximateReceiveCount\",\"MessageGroupId\"],\"MessageAttributeNames\":[\"All\"]}");
    assert_request(sqs_encode_delete_batch("http://q/1/a", handles, 2),
                   "{\"QueueUrl\":\"http://q/1/a\",\"Entries\":[{\"Id\":\"0\",\"ReceiptHandle\":\"h0\"},"
                   "{\"Id\":\"1\",\"ReceiptHandle\":\"h1\"}]}");
    assert_request(sqs_encode_visibility_batch("http://q/1/a", changes, 2),
                   "{\"QueueUrl\":\"http://q/1/a\",\"Entries\":[{\"Id\":\"0\",\"ReceiptHandle\":\"h0\","
                   "\"VisibilityTimeout\":30},{\"Id\":\"1\",\"ReceiptHandle\":\"h1\",\"VisibilityTimeout\":0}]}");
}

static bool receive(const char *answer, struct sqs_received_message *messages, size_t *count) {
    return sqs_decode_receive(answer, strlen(answer), messages, count);
}

static void decodes_messages(void **state) {
    struct sqs_received_message messages[SQS_BATCH_ENTRIES];
    size_t count;

    (void)state;
    assert_true(receive("{\"Messages\":[{\"MessageId\":\"m\",\"ReceiptHandle\":\"h\",\"Body\":\"{}\",\"Attributes\":"
                        "{\"ApproximateReceiveCount\":\"3\"},\"MessageAttributes\":{\"requestId\":{\"DataType\":"
                        "\"String\",\"StringValue\":\"r\"},\"n\":{\"DataType\":\"Number\",\"StringValue\":\"1\"}}},"
                        "{\"MessageId\":\"m2\",\"ReceiptHandle\":\"h2\",\"Body\":\"b\"},{\"Body\":\"no id\"}]}",
                        messages, &count));
    assert_int_equal(count, 2);
    assert_null(messages[0].group_id);
    assert_null(messages[1].group_id);
    assert_string_equal(messages[0].message_id, "m");
    assert_string_equal(messages[0].receipt_handle, "h");
    assert_string_equal(messages[0].body, "{}");
    assert_int_equal(messages[0].receive_count, 3);
    assert_string_equal(sqs_attribute_text(messages[0].attributes, "requestId"), "r");
    assert_null(sqs_attribute_text(messages[0].attributes, "n"));
    assert_null(sqs_attribute_text(messages[0].attributes, "other"));
    assert_int_equal(messages[1].receive_count, 1);
    assert_int_equal(json_object_size(messages[1].attributes), 0);
    sqs_received_message_clear(&messages[0]);
    sqs_received_message_clear(&messages[1]);
    assert_null(messages[0].body);
}

static void decodes_groups(void **state) {
    struct sqs_received_message messages[SQS_BATCH_ENTRIES];
    size_t count;

    (void)state;
    assert_true(receive("{\"Messages\":[{\"MessageId\":\"m\",\"ReceiptHandle\":\"h\",\"Body\":\"\",\"Attributes\":"
                        "{\"MessageGroupId\":\"order-7\"}},{\"MessageId\":\"m\",\"ReceiptHandle\":\"h\",\"Body\":\"\","
                        "\"Attributes\":{\"MessageGroupId\":\"\"}}]}",
                        messages, &count));
    assert_int_equal(count, 2);
    assert_string_equal(messages[0].group_id, "order-7");
    assert_null(messages[1].group_id);
    sqs_received_message_clear(&messages[0]);
    sqs_received_message_clear(&messages[1]);
}

static void decodes_empty_and_bad_receives(void **state) {
    static const char *const empty[] = {"{}", "{\"Messages\":[]}", "{\"Messages\":null}"};
    static const char *const bad[] = {"", "[]", "{\"Messages\":1}", "{\"Messages\":[", "<html>"};
    struct sqs_received_message messages[SQS_BATCH_ENTRIES];
    size_t count = 1, i;

    (void)state;
    for (i = 0; i < sizeof(empty) / sizeof(empty[0]); i++) {
        assert_true(receive(empty[i], messages, &count));
        assert_int_equal(count, 0);
    }
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(receive(bad[i], messages, &count));
        assert_int_equal(count, 0);
    }
}

static void decode_batch(const char *answer, struct sqs_entry_outcome *outcomes, size_t count) {
    sqs_decode_batch(answer, strlen(answer), outcomes, count);
}

static void decodes_batches_entry_by_entry(void **state) {
    struct sqs_entry_outcome outcomes[5];

    (void)state;
    decode_batch("{\"Successful\":[{\"Id\":\"2\",\"MessageId\":\"m-2\"},{\"Id\":\"9\"},{\"Id\":\"x\"}],\"Failed\":["
                 "{\"Id\":\"0\",\"Code\":\"InternalError\",\"Message\":\"try again\",\"SenderFault\":false},"
                 "{\"Id\":\"1\",\"Code\":\"InvalidMessageContents\",\"SenderFault\":true},"
                 "{\"Id\":\"4\",\"Code\":\"ReceiptHandleIsInvalid\",\"SenderFault\":true}]}",
                 outcomes, 5);
    assert_int_equal(outcomes[0].error.class, SQS_ERROR_TRANSIENT);
    assert_string_equal(outcomes[0].error.message, "try again");
    assert_int_equal(outcomes[1].error.class, SQS_ERROR_MESSAGE);
    assert_int_equal(outcomes[2].error.class, SQS_NO_ERROR);
    assert_string_equal(outcomes[2].message_id, "m-2");
    assert_int_equal(outcomes[3].error.class, SQS_ERROR_TRANSIENT); /* not mentioned: not accounted for */
    assert_int_equal(outcomes[4].error.class, SQS_ERROR_LEASE_LOST);
}

static void a_batch_that_cannot_be_read_failed(void **state) {
    static const char *const answers[] = {"", "{}", "[]", "{\"Successful\":1}", "{\"Successful\":[1,null]"};
    struct sqs_entry_outcome outcomes[2];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        decode_batch(answers[i], outcomes, 2);
        assert_int_equal(outcomes[0].error.class, SQS_ERROR_TRANSIENT);
        assert_int_equal(outcomes[1].error.class, SQS_ERROR_TRANSIENT);
    }
}

static void decodes_sent_ids(void **state) {
    char id[SQS_MESSAGE_ID_SIZE];

    (void)state;
    sqs_decode_sent_id("{\"MessageId\":\"m-1\"}", 19, id);
    assert_string_equal(id, "m-1");
    sqs_decode_sent_id("nonsense", 8, id);
    assert_string_equal(id, "");
}

struct error_answer {
    long status;
    const char *body, *error_type, *query_error;
    const char *code, *message;
    enum sqs_error_class class;
};

static void decodes_errors(void **state) {
    static const struct error_answer answers[] = {
        {400, "{\"__type\":\"com.amazonaws.sqs#QueueDoesNotExist\",\"message\":\"no queue\"}", NULL,
         "AWS.SimpleQueueService.NonExistentQueue;Sender", "QueueDoesNotExist", "no queue", SQS_ERROR_QUEUE},
        {403, "{\"__type\":\"com.amazon.coral.service#ExpiredTokenException\",\"Message\":\"old\"}", NULL, NULL,
         "ExpiredTokenException", "old", SQS_ERROR_CREDENTIALS},
        {403, "{\"__type\":\"InvalidSignatureException\",\"message\":\"clock\"}", NULL, NULL,
         "InvalidSignatureException", "clock", SQS_ERROR_CLOCK},
        {400, "", "RequestThrottled:http://internal/#doc", NULL, "RequestThrottled", "", SQS_ERROR_TRANSIENT},
        {400, "{}", NULL, "AWS.SimpleQueueService.NonExistentQueue;Sender", "NonExistentQueue", "", SQS_ERROR_QUEUE},
        {503, "<html>", NULL, NULL, "Http503", "", SQS_ERROR_TRANSIENT},
        {429, "", NULL, NULL, "Http429", "", SQS_ERROR_TRANSIENT},
        {403, "", NULL, NULL, "Http403", "", SQS_ERROR_QUEUE},
        {400, "{\"__type\":\"com.amazonaws.sqs#InvalidMessageContents\"}", NULL, NULL, "InvalidMessageContents", "",
         SQS_ERROR_MESSAGE},
        {400, "{\"__type\":\"InvalidAction\"}", NULL, NULL, "InvalidAction", "", SQS_ERROR_REQUEST},
        {400, "{\"__type\":\"com.amazonaws.sqs#ReceiptHandleIsInvalid\"}", NULL, NULL, "ReceiptHandleIsInvalid", "",
         SQS_ERROR_LEASE_LOST},
        {400, "{\"__type\":\"AccessDeniedException\"}", NULL, NULL, "AccessDeniedException", "", SQS_ERROR_QUEUE},
        {400, "{\"__type\":\"com.amazonaws.sqs#KmsThrottled\"}", NULL, NULL, "KmsThrottled", "", SQS_ERROR_TRANSIENT},
        {400, "{\"__type\":\"com.amazonaws.sqs#KmsDisabled\"}", NULL, NULL, "KmsDisabled", "", SQS_ERROR_QUEUE},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct sqs_error error;

        sqs_decode_error(answers[i].status, answers[i].body, strlen(answers[i].body), answers[i].error_type,
                         answers[i].query_error, &error);
        assert_string_equal(error.code, answers[i].code);
        assert_string_equal(error.message, answers[i].message);
        assert_int_equal(error.class, answers[i].class);
    }
}

static void keeps_no_session_token(void **state) {
    static const char *const answers[] = {
        "{\"__type\":\"SignatureDoesNotMatch\",\"message\":\"no match. Check the key.\\n\\nThe Canonical String for "
        "this "
        "request should have been\\n'POST\\n/\\n\\nx-amz-security-token:secret\\n'\"}",
        "{\"__type\":\"InvalidSignatureException\",\"message\":\"no match. Check the key.canonical request: "
        "X-Amz-Security-Token:secret\"}",
        "{\"__type\":\"AccessDenied\",\"message\":\"no match. Check the key.X-Amz-Security-Token=secret\"}",
    };
    struct sqs_entry_outcome outcome;
    struct sqs_error error;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        sqs_decode_error(403, answers[i], strlen(answers[i]), NULL, NULL, &error);
        assert_string_equal(error.message, "no match. Check the key.");
    }
    decode_batch(
        "{\"Failed\":[{\"Id\":\"0\",\"Code\":\"SignatureDoesNotMatch\",\"Message\":\"x-amz-security-token:secret\"}]}",
        &outcome, 1);
    assert_string_equal(outcome.error.message, "");
}

static void cuts_long_texts_at_a_character(void **state) {
    char text[2 * SQS_ERROR_MESSAGE_SIZE + 1];
    struct sqs_error error;
    size_t i;
    char *line;

    (void)state;
    for (i = 0; i < SQS_ERROR_MESSAGE_SIZE; i++) {
        snprintf(text + 2 * i, 3, "\xc3\xa4");
    }
    sqs_error_set(&error, SQS_ERROR_TRANSIENT, "Code", text);
    assert_int_equal(strlen(error.message), SQS_ERROR_MESSAGE_SIZE - 2);
    sqs_error_set(&error, SQS_ERROR_TRANSIENT, "Code", "why");
    line = sqs_error_text(&error);
    assert_string_equal(line, "Code: why");
    free(line);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encodes_sends),
        cmocka_unit_test(encodes_to_ascii_only),
        cmocka_unit_test(encodes_the_rest),
        cmocka_unit_test(decodes_messages),
        cmocka_unit_test(decodes_groups),
        cmocka_unit_test(decodes_empty_and_bad_receives),
        cmocka_unit_test(decodes_batches_entry_by_entry),
        cmocka_unit_test(a_batch_that_cannot_be_read_failed),
        cmocka_unit_test(decodes_sent_ids),
        cmocka_unit_test(decodes_errors),
        cmocka_unit_test(keeps_no_session_token),
        cmocka_unit_test(cuts_long_texts_at_a_character),
    };

    return cmocka_run_group_tests_name("sqs_protocol", tests, NULL, NULL);
}
