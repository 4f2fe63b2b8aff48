/* Bodies of messages, and the dead letters that bad ones become. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "dead_letter.h"
#include "message_content.h"

static void takes_payments(void **state) {
    struct message_content content;
    const char *error = NULL;

    (void)state;
    assert_true(message_content_read("{\"orderId\": 42}", &content, &error));
    assert_int_equal(content.kind, MESSAGE_PAYMENT);
    assert_int_equal(content.order_id, 42);
    assert_string_equal(message_content_worker(&content), "payment");
    message_content_clear(&content);
    assert_true(message_content_read(" {\"more\":[{}],\"orderId\":9223372036854775807}\n", &content, &error));
    assert_int_equal(content.order_id, INT64_MAX);
    message_content_clear(&content);
}

static void takes_refunds(void **state) {
    struct message_content content;
    const char *error = NULL;

    (void)state;
    assert_true(message_content_read("{\"refundId\":7,\"orderId\":42}", &content, &error));
    assert_int_equal(content.kind, MESSAGE_REFUND);
    assert_int_equal(content.order_id, 42);
    assert_int_equal(content.refund_id, 7);
    assert_string_equal(message_content_worker(&content), "payment");
    message_content_clear(&content);
}

static void takes_intake_orders(void **state) {
    static const char *const bodies[] = {
        "{\"order_id\":\"ORD-1A2B3C4D\",\"customer_id\":\"c\",\"items\":[]}",
        "{\"order_id\":\"ORD-1A2B3C4D\",\"customer_id\":\"c\",\"items\":[{\"x\":99999999999999999999}]}",
        "{\"order_id\":\"ORD-1A2B3C4D\",\"customer_id\":\"c\",\"items\":[{\"x\":1,\"x\":2}],\"status\":\"pending\"}",
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct message_content content;
        const char *error = NULL;
        json_t *order;

        assert_true(message_content_read(bodies[i], &content, &error));
        assert_int_equal(content.kind, MESSAGE_INTAKE);
        assert_string_equal(content.order_key, "ORD-1A2B3C4D");
        assert_string_equal(content.customer_key, "c");
        assert_string_equal(message_content_worker(&content), "intake");
        order = message_content_order(&content, 5);
        assert_string_equal(json_string_value(order), "ORD-1A2B3C4D");
        json_decref(order);
        message_content_clear(&content);
    }
}

static void takes_broken_intake_orders(void **state) {
    static const char *const bodies[] = {
        "{\"order_id\":1,\"customer_id\":\"c\",\"items\":[]}",
        "{\"order_id\":\"1\",\"customer_id\":null,\"items\":[]}",
        "{\"order_id\":\"1\",\"customer_id\":\"c\"}",
        "{\"items\":7}",
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct message_content content;
        const char *error = NULL;

        assert_true(message_content_read(bodies[i], &content, &error));
        assert_int_equal(content.kind, MESSAGE_INTAKE);
        assert_true(content.order_key == NULL || strcmp(content.order_key, "1") == 0);
        assert_true(content.customer_key == NULL || strcmp(content.customer_key, "c") == 0);
        message_content_clear(&content);
    }
}

static void refuses_everything_else(void **state) {
    static const char *const bodies[] = {
        "",
        " ",
        "not json",
        "42",
        "null",
        "[]",
        "[{\"orderId\":1}]",
        "{}",
        "{\"orderId\":0}",
        "{\"orderId\":-1}",
        "{\"orderId\":1.0}",
        "{\"orderId\":1e3}",
        "{\"orderId\":\"1\"}",
        "{\"orderId\":true}",
        "{\"orderId\":null}",
        "{\"orderId\":[1]}",
        "{\"orderId\":9223372036854775808}",
        "{\"orderId\":1,\"orderId\":2}",
        "{\"orderId\":1}x",
        "{\"orderid\":1}",
        "{\"orderId\":1,}",
        "{\"orderId\":1,\"bad\":\"\xff\"}",
        "{\"orderId\":1,\"nul\":\"\\u0000\"}",
        "{\"refundId\":1}",
        "{\"refundId\":\"1\",\"orderId\":1}",
        "{\"refundId\":0,\"orderId\":1}",
        "{\"refundId\":1,\"refundId\":1,\"orderId\":1}",
        "{\"order_id\":\"1\",\"customer_id\":\"c\",\"items\":[{\"x\":1e400}]}",
        "{\"orderId\":1,\"orderId\":1,\"order_id\":\"1\",\"customer_id\":\"c\",\"items\":[]}",
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct message_content content;
        const char *error = NULL;

        if (message_content_read(bodies[i], &content, &error)) {
            fail_msg("accepted %s", bodies[i]);
        }
        assert_int_equal(content.kind, MESSAGE_UNREADABLE);
        assert_int_equal(content.order_id, 0);
        assert_non_null(error);
        message_content_clear(&content);
    }
}

static void a_deep_body_is_refused(void **state) {
    size_t depth = 100000;
    char *body = malloc(depth + 1);
    struct message_content content;
    const char *error = NULL;

    (void)state;
    assert_non_null(body);
    memset(body, '[', depth);
    body[depth] = '\0';
    assert_false(message_content_read(body, &content, &error));
    message_content_clear(&content);
    free(body);
}

static void knows_good_request_ids(void **state) {
    char longest[130];

    (void)state;
    memset(longest, 'a', sizeof(longest));
    longest[128] = '\0';
    assert_true(request_id_is_well_formed("0a1b.C-d_e:f"));
    assert_true(request_id_is_well_formed(longest));
    longest[128] = 'a';
    longest[129] = '\0';
    assert_false(request_id_is_well_formed(longest));
    assert_false(request_id_is_well_formed(""));
    assert_false(request_id_is_well_formed(NULL));
    assert_false(request_id_is_well_formed("a b"));
    assert_false(request_id_is_well_formed("a\nb"));
    assert_false(request_id_is_well_formed("\xc3\xa4"));
}

static void wraps_dead_letters(void **state) {
    struct dead_letter letter = {.message_key = "m-1",
                                 .body = "not \"json\" \xc3\xa4",
                                 .receive_count = 5,
                                 .reason = DEAD_LETTER_INVALID_BODY,
                                 .error = "why"};
    char *body = dead_letter_queue_body(&letter, "2024-05-06T07:08:09.123Z");

    (void)state;
    assert_string_equal(body, "{\"originalMessageId\":\"m-1\",\"originalBody\":\"not \\\"json\\\" \\u00E4\","
                              "\"receiveCount\":5,\"reason\":\"invalid_message_body\",\"error\":\"why\","
                              "\"movedAt\":\"2024-05-06T07:08:09.123Z\"}");
    free(body);
    letter.body = "\xff";
    assert_null(dead_letter_queue_body(&letter, "2024-05-06T07:08:09.123Z"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_payments),          cmocka_unit_test(takes_refunds),
        cmocka_unit_test(takes_intake_orders),     cmocka_unit_test(takes_broken_intake_orders),
        cmocka_unit_test(refuses_everything_else), cmocka_unit_test(a_deep_body_is_refused),
        cmocka_unit_test(knows_good_request_ids),  cmocka_unit_test(wraps_dead_letters),
    };

    return cmocka_run_group_tests_name("message_content", tests, NULL, NULL);
}
