/* Calls that go to the database together: which go with which, and what each of them is told. The test stands in for
 * the database pool (see the linker's --wrap in poller/Makefile). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocation.h"
#include "call_batcher.h"

#define CALLS_MAXIMUM 100
#define LONG_TEXT     700000

static const struct database_statement one = {"one", "", 4, true};
static const struct database_statement many = {"many", "", 4, true};

/* What went to the pool and is not answered yet, oldest first. */
struct sent {
    const struct database_statement *statement;
    char *values[4];
    int timeout_ms;
    database_callback *callback;
    void *context;
};

static struct sent sent[CALLS_MAXIMUM];
static size_t sent_count;

void __wrap_database_pool_submit(struct database_pool *pool, const struct database_statement *statement,
                                 const char *const *values, int timeout_ms, database_callback *callback, void *context);
void __wrap_database_pool_cancel_context(struct database_pool *pool, const void *context);

void __wrap_database_pool_submit(struct database_pool *pool, const struct database_statement *statement,
                                 const char *const *values, int timeout_ms, database_callback *callback,
                                 void *context) {
    struct sent *call = &sent[sent_count++];
    int i;

    assert_null(pool);
    assert_in_range(sent_count, 1, CALLS_MAXIMUM);
    *call = (struct sent){.statement = statement, .timeout_ms = timeout_ms, .callback = callback, .context = context};
    for (i = 0; i < statement->parameter_count; i++) {
        call->values[i] = memory_duplicate(values[i]);
    }
}

/* take_sent takes the oldest call. */
static struct sent take_sent(void) {
    struct sent call = sent[0];

    assert_int_not_equal(sent_count, 0);
    memmove(sent, sent + 1, --sent_count * sizeof(sent[0]));
    return call;
}

static void forget_sent(struct sent *call) {
    int i;

    for (i = 0; i < 4; i++) {
        free(call->values[i]);
    }
}

void __wrap_database_pool_cancel_context(struct database_pool *pool, const void *context) {
    size_t i;

    assert_null(pool);
    for (i = 0; i < sent_count; i++) {
        if (sent[i].context == context) {
            forget_sent(&sent[i]);
            memmove(sent + i, sent + i + 1, (--sent_count - i) * sizeof(sent[0]));
            return;
        }
    }
    fail_msg("nothing was sent with this context");
}

/* The batcher under test, whose round ends after each answer. */
static struct call_batcher *tested;

/* answer answers the oldest call with a row for each text; NULL: the row's result is SQL NULL. */
static void answer(const char *const *texts, size_t count) {
    PGresAttDesc columns[] = {{.name = (char *)"result"}, {.name = (char *)"detail"}};
    PGresult *rows = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    struct database_answer rows_answer = {.outcome = DATABASE_OK, .result = rows, .message = ""};
    struct sent call = take_sent();
    size_t i;

    assert_true(PQsetResultAttrs(rows, 2, columns));
    for (i = 0; i < count; i++) {
        int length = texts[i] == NULL ? -1 : (int)strlen(texts[i]);

        assert_true(PQsetvalue(rows, (int)i, 0, (char *)texts[i], length));
        assert_true(PQsetvalue(rows, (int)i, 1, NULL, -1));
    }
    call.callback(call.context, &rows_answer);
    PQclear(rows);
    forget_sent(&call);
    call_batcher_depart(tested);
}

static void fail_with(enum database_outcome outcome, const char *sqlstate) {
    struct database_answer failure = {.outcome = outcome, .message = "it failed"};
    struct sent call = take_sent();

    snprintf(failure.sqlstate, sizeof(failure.sqlstate), "%s", sqlstate);
    call.callback(call.context, &failure);
    forget_sent(&call);
    call_batcher_depart(tested);
}

/* One who waits for an answer. */
struct caller {
    char told[20];
    int answers;
};

static void be_told(void *context, const struct database_answer *told) {
    struct caller *caller = context;

    caller->answers++;
    if (told->outcome == DATABASE_OK) {
        assert_int_equal(PQntuples(told->result), 1);
        assert_int_equal(PQnfields(told->result), 2);
        assert_true(PQgetisnull(told->result, 0, 1));
        snprintf(caller->told, sizeof(caller->told), "%s", PQgetvalue(told->result, 0, 0));
    } else {
        snprintf(caller->told, sizeof(caller->told), "%d %s", (int)told->outcome, told->sqlstate);
    }
}

static void assert_told(const struct caller *caller, const char *told) {
    assert_int_equal(caller->answers, 1);
    assert_string_equal(caller->told, told);
}

static struct call_batcher *create(void) {
    assert_int_equal(sent_count, 0);
    tested = call_batcher_create(NULL, 7, &one, &many);
    return tested;
}

static void submit_in_round(struct call_batcher *batcher, const char *first, int timeout_ms, struct caller *caller) {
    const char *values[] = {first, NULL, "3"};

    call_batcher_submit(batcher, values, timeout_ms, be_told, caller);
}

/* submit makes a call in a round of its own. */
static void submit(struct call_batcher *batcher, const char *first, int timeout_ms, struct caller *caller) {
    submit_in_round(batcher, first, timeout_ms, caller);
    call_batcher_depart(batcher);
}

/* occupy lets three calls be under way, as many as may be. */
static void occupy(struct call_batcher *batcher, struct caller *caller) {
    int i;

    for (i = 0; i < 3; i++) {
        submit(batcher, "x", 1000, caller);
    }
    assert_int_equal(sent_count, 3);
}

static void the_first_go_alone_and_the_others_together(void **state) {
    static const char *const done[] = {"done"}, *const each[] = {"first", "second", "third"};
    struct call_batcher *batcher = create();
    struct caller callers[4] = {{{0}, 0}};

    (void)state;
    occupy(batcher, &callers[0]);
    assert_ptr_equal(sent[0].statement, &one);
    assert_string_equal(sent[0].values[0], "7");
    assert_string_equal(sent[0].values[1], "x");
    assert_null(sent[0].values[2]);
    assert_string_equal(sent[0].values[3], "3");

    submit(batcher, "plain", 1000, &callers[1]);
    submit(batcher, "a \"quoted\" \\ {text},", 400, &callers[2]);
    submit(batcher, "", 1000, &callers[3]);
    assert_int_equal(sent_count, 3);
    answer(done, 1);
    assert_told(&callers[0], "done");
    assert_int_equal(sent_count, 3);
    assert_ptr_equal(sent[2].statement, &many);
    assert_string_equal(sent[2].values[0], "7");
    assert_string_equal(sent[2].values[1], "{\"plain\",\"a \\\"quoted\\\" \\\\ {text},\",\"\"}");
    assert_string_equal(sent[2].values[2], "{NULL,NULL,NULL}");
    assert_string_equal(sent[2].values[3], "{\"3\",\"3\",\"3\"}");
    assert_in_range(sent[2].timeout_ms, 300, 400); /* the most urgent one counts */

    answer(done, 1);
    answer(done, 1);
    answer(each, 3);
    assert_told(&callers[1], "first");
    assert_told(&callers[2], "second");
    assert_told(&callers[3], "third");
    assert_int_equal(sent_count, 0);
    call_batcher_destroy(batcher);
}

static void those_of_one_round_go_together(void **state) {
    static const char *const each[] = {"first", "second"};
    struct call_batcher *batcher = create();
    struct caller callers[2] = {{{0}, 0}};

    (void)state;
    submit_in_round(batcher, "a", 1000, &callers[0]);
    submit_in_round(batcher, "b", 1000, &callers[1]);
    assert_int_equal(sent_count, 0);
    call_batcher_depart(batcher);
    assert_int_equal(sent_count, 1);
    assert_ptr_equal(sent[0].statement, &many);
    assert_string_equal(sent[0].values[1], "{\"a\",\"b\"}");
    answer(each, 2);
    assert_told(&callers[0], "first");
    assert_told(&callers[1], "second");
    call_batcher_destroy(batcher);
}

static void what_is_left_undecided_is_asked_for_alone(void **state) {
    static const char *const done[] = {"done"}, *const rows[] = {"first", NULL, "third"};
    struct call_batcher *batcher = create();
    struct caller first = {{0}, 0}, callers[4] = {{{0}, 0}};
    int i;

    (void)state;
    occupy(batcher, &first);
    for (i = 0; i < 3; i++) {
        submit(batcher, i == 1 ? "held" : "free", 1000, &callers[i]);
    }
    for (i = 0; i < 3; i++) {
        answer(done, 1);
    }
    answer(rows, 3);
    assert_told(&callers[0], "first");
    assert_told(&callers[2], "third");
    assert_int_equal(callers[1].answers, 0);
    assert_int_equal(sent_count, 1);
    assert_ptr_equal(sent[0].statement, &one);
    assert_string_equal(sent[0].values[1], "held");
    submit(batcher, "new", 1000, &callers[3]); /* others need not wait for it */
    assert_int_equal(sent_count, 2);
    answer(done, 1);
    assert_told(&callers[1], "done");
    answer(done, 1);
    call_batcher_destroy(batcher);
}

/* fail_batch lets two calls fail together, with these words. */
static void fail_batch(struct call_batcher *batcher, struct caller callers[2], enum database_outcome outcome,
                       const char *sqlstate) {
    static const char *const done[] = {"done"};
    struct caller first = {{0}, 0};
    int i;

    occupy(batcher, &first);
    submit(batcher, "good", 1000, &callers[0]);
    submit(batcher, "bad", 1000, &callers[1]);
    for (i = 0; i < 3; i++) {
        answer(done, 1);
    }
    assert_ptr_equal(sent[0].statement, &many);
    fail_with(outcome, sqlstate);
}

static void a_batch_that_fails_is_repeated_one_by_one(void **state) {
    static const char *const done[] = {"done"};
    struct call_batcher *batcher = create();
    struct caller callers[2] = {{{0}, 0}};
    int i;

    (void)state;
    fail_batch(batcher, callers, DATABASE_ERROR, "22021");
    assert_int_equal(callers[0].answers + callers[1].answers, 0);
    assert_int_equal(sent_count, 2);
    for (i = 0; i < 2; i++) {
        assert_ptr_equal(sent[0].statement, &one);
        if (strcmp(sent[0].values[1], "good") == 0) {
            answer(done, 1);
        } else {
            fail_with(DATABASE_ERROR, "22021");
        }
    }
    assert_told(&callers[0], "done");
    assert_told(&callers[1], "1 22021");
    assert_int_equal(sent_count, 0);
    call_batcher_destroy(batcher);
}

static void a_database_that_is_away_fails_all_at_once(void **state) {
    struct call_batcher *batcher = create();
    struct caller callers[2] = {{{0}, 0}};

    (void)state;
    fail_batch(batcher, callers, DATABASE_ERROR, "57P01");
    assert_told(&callers[0], "1 57P01");
    assert_told(&callers[1], "1 57P01");
    assert_int_equal(sent_count, 0);
    call_batcher_destroy(batcher);
}

static void batches_are_bounded(void **state) {
    static const char *const done[] = {"done"};
    struct call_batcher *batcher = create();
    struct caller caller = {{0}, 0};
    char *large = memory_allocate(LONG_TEXT + 1);
    int i;

    (void)state;
    memset(large, 'a', LONG_TEXT);
    occupy(batcher, &caller);
    for (i = 0; i < 70; i++) {
        submit(batcher, "small", 1000, &caller);
    }
    submit(batcher, large, 1000, &caller);
    submit(batcher, large, 1000, &caller);
    for (i = 0; i < 3; i++) {
        answer(done, 1);
    }
    assert_int_equal(sent_count, 3);
    assert_int_equal(strlen(sent[0].values[2]), 64 * strlen("NULL,") + 1);
    assert_int_equal(strlen(sent[1].values[2]), 7 * strlen("NULL,") + 1); /* with the first of the large ones */
    assert_in_range(strlen(sent[1].values[1]), LONG_TEXT, LONG_TEXT + 100);
    assert_ptr_equal(sent[2].statement, &one);
    assert_int_equal(strlen(sent[2].values[1]), LONG_TEXT);
    free(large);
    call_batcher_destroy(batcher);
    assert_int_equal(sent_count, 0);
}

static void who_is_gone_is_not_told(void **state) {
    static const char *const done[] = {"done"}, *const rows[] = {NULL, "second"};
    struct call_batcher *batcher = create();
    struct caller first = {{0}, 0}, callers[3] = {{{0}, 0}};
    int i;

    (void)state;
    occupy(batcher, &first);
    for (i = 0; i < 3; i++) {
        submit(batcher, "waits", 1000, &callers[i]);
    }
    call_batcher_cancel(batcher, &callers[2]); /* not sent yet */
    answer(done, 1);
    call_batcher_cancel(batcher, &callers[0]); /* under way, and about to be left undecided */
    answer(done, 1);
    answer(done, 1);
    answer(rows, 2);
    assert_int_equal(callers[0].answers, 0);
    assert_told(&callers[1], "second");
    assert_int_equal(callers[2].answers, 0);
    assert_int_equal(sent_count, 0);
    call_batcher_destroy(batcher);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_go_alone_and_the_others_together),
        cmocka_unit_test(those_of_one_round_go_together),
        cmocka_unit_test(what_is_left_undecided_is_asked_for_alone),
        cmocka_unit_test(a_batch_that_fails_is_repeated_one_by_one),
        cmocka_unit_test(a_database_that_is_away_fails_all_at_once),
        cmocka_unit_test(batches_are_bounded),
        cmocka_unit_test(who_is_gone_is_not_told),
    };

    return cmocka_run_group_tests_name("call_batcher", tests, NULL, NULL);
}
