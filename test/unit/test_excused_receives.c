/* The memory of receives that do not count, and the list under everything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "excused_receives.h"
#include "list.h"

static void counts_by_message(void **state) {
    struct excused_receives *excused = excused_receives_create();

    (void)state;
    assert_int_equal(excused_receives_count(excused, "a"), 0);
    excused_receives_add(excused, "a");
    excused_receives_add(excused, "a");
    excused_receives_add(excused, "b");
    assert_int_equal(excused_receives_count(excused, "a"), 2);
    assert_int_equal(excused_receives_count(excused, "b"), 1);
    excused_receives_forget(excused, "a");
    excused_receives_forget(excused, "never seen");
    assert_int_equal(excused_receives_count(excused, "a"), 0);
    assert_int_equal(excused_receives_count(excused, "b"), 1);
    excused_receives_destroy(excused);
}

static void forgets_the_oldest(void **state) {
    struct excused_receives *excused = excused_receives_create();
    char id[16];
    int i;

    (void)state;
    for (i = 0; i < 300; i++) {
        snprintf(id, sizeof(id), "m%d", i);
        excused_receives_add(excused, id);
    }
    assert_int_equal(excused_receives_count(excused, "m0"), 0);
    assert_int_equal(excused_receives_count(excused, "m100"), 1);
    assert_int_equal(excused_receives_count(excused, "m299"), 1);
    excused_receives_destroy(excused);
}

static void lists_keep_their_order(void **state) {
    struct list list = {0};
    struct list_place places[4] = {{0}};

    (void)state;
    assert_true(list_is_empty(&list));
    assert_null(list_first(&list));
    list_append(&list, &places[0]);
    list_append(&list, &places[1]);
    list_append(&list, &places[2]);
    list_append(&list, &places[3]);
    assert_int_equal(list.count, 4);
    list_remove(&places[1]);
    list_remove(&places[1]); /* in no list any more */
    assert_ptr_equal(list_first(&list), &places[0]);
    assert_ptr_equal(list_next(&places[0]), &places[2]);
    list_remove(&places[0]);
    list_remove(&places[3]);
    assert_ptr_equal(list_first(&list), &places[2]);
    assert_null(list_next(&places[2]));
    list_append(&list, &places[1]);
    assert_ptr_equal(list_next(&places[2]), &places[1]);
    list_remove(&places[2]);
    list_remove(&places[1]);
    assert_true(list_is_empty(&list));
    assert_int_equal(list.count, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_by_message),
        cmocka_unit_test(forgets_the_oldest),
        cmocka_unit_test(lists_keep_their_order),
    };

    return cmocka_run_group_tests_name("excused_receives", tests, NULL, NULL);
}
