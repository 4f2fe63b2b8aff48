/* Bodies of payment messages, and the dead letters that bad ones become. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "dead_letter.h"
#include "order_message.h"

static void takes_orders(void **state) {
    int64_t id = 0;
    const char *error = NULL;

    (void)state;
    assert_true(order_message_parse("{\"orderId\": 42}", &id, &error));
    assert_int_equal(id, 42);
    assert_true(order_message_parse(" {\"more\":[{}],\"orderId\":9223372036854775807}\n", &id, &error));
    assert_int_equal(id, INT64_MAX);
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
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        int64_t id = 7;
        const char *error = NULL;

        if (order_message_parse(bodies[i], &id, &error)) {
            fail_msg("accepted %s", bodies[i]);
        }
        assert_int_equal(id, 7);
        assert_non_null(error);
    }
}

static void a_deep_body_is_refused(void **state) {
    size_t depth = 100000;
    char *body = malloc(depth + 1);
    int64_t id;
    const char *error = NULL;

    (void)state;
    assert_non_null(body);
    memset(body, '[', depth);
    body[depth] = '\0';
    assert_false(order_message_parse(body, &id, &error));
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
        cmocka_unit_test(takes_orders),           cmocka_unit_test(refuses_everything_else),
        cmocka_unit_test(a_deep_body_is_refused), cmocka_unit_test(knows_good_request_ids),
        cmocka_unit_test(wraps_dead_letters),
    };

    return cmocka_run_group_tests_name("order_message", tests, NULL, NULL);
}
