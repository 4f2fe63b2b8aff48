#include "outbox.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "text.h"
#include "backoff.h"
#include "database_calls.h"
#include "allocation.h"
#include "sqs_protocol.h"

#define CALL_TIMEOUT_MS 10000

#define OUTBOX_VALUES_MAXIMUM 5

/* Waits between two tries to tell the database something, in milliseconds. */
#define REPEAT_BASE_MS    100
#define REPEAT_MAXIMUM_MS 2000

/* Something that the database has to be told about rows. */
struct outbox_news {
    struct list_place place;
    struct outbox *outbox;
    const struct database_statement *statement;
    const char *values[OUTBOX_VALUES_MAXIMUM]; /* the statement's; they point to what follows */
    char *ids;                                 /* "{1,2,3}" */
    char *error;                               /* of rows that are given back */
    char milliseconds[NUMBER_TEXT_SIZE];       /* until they are due */
    int64_t lease_end_ms;
    int tries;
    struct loop_timer timer; /* armed while it waits for its next try */
};

struct outbox {
    struct loop *loop;
    struct database_pool *pool;
    char store_id[NUMBER_TEXT_SIZE];
    outbox_claim_callback *on_claim; /* NULL: no claim under way */
    void *claim_context;
    struct list news;
};

static void take_claim_answer(void *context, const struct database_answer *answer);
static void tell(void *context);
static void take_news_answer(void *context, const struct database_answer *answer);

struct outbox *outbox_create(struct loop *loop, struct database_pool *pool, long store_id) {
    struct outbox *outbox = memory_allocate(sizeof(*outbox));

    outbox->loop = loop;
    outbox->pool = pool;
    number_text(store_id, outbox->store_id);
    return outbox;
}

const char *outbox_store_id(const struct outbox *outbox) {
    return outbox->store_id;
}

static void free_news(struct outbox_news *news) {
    list_remove(&news->place);
    loop_disarm(&news->timer);
    free(news->ids);
    free(news->error);
    free(news);
}

void outbox_destroy(struct outbox *outbox) {
    if (outbox == NULL) {
        return;
    }
    database_pool_cancel_context(outbox->pool, outbox);
    while (!list_is_empty(&outbox->news)) {
        database_pool_cancel_context(outbox->pool, list_first(&outbox->news));
        free_news(list_first(&outbox->news));
    }
    free(outbox);
}

bool outbox_is_settled(const struct outbox *outbox) {
    return outbox->on_claim == NULL && list_is_empty(&outbox->news);
}

void outbox_row_clear(struct outbox_row *row) {
    free(row->topic);
    free(row->body);
    free(row->request_id);
    free(row->traceparent);
    *row = (struct outbox_row){0};
}

json_t *outbox_row_attributes(const struct outbox_row *row, const struct message_content *content) {
    json_t *attributes = json_object();

    sqs_string_attribute(attributes, "requestId", row->request_id);
    sqs_string_attribute(attributes, "traceparent", row->traceparent);
    sqs_string_attribute(attributes, "order_id", content->order_key);
    sqs_string_attribute(attributes, "customer_id", content->customer_key);
    return attributes;
}

/* ---- claims ---- */

void outbox_claim(struct outbox *outbox, int limit, int lease_ms, outbox_claim_callback *callback, void *context) {
    char limit_text[NUMBER_TEXT_SIZE], lease_text[NUMBER_TEXT_SIZE];
    const char *values[] = {outbox->store_id, number_text(limit, limit_text), number_text(lease_ms, lease_text)};

    outbox->on_claim = callback;
    outbox->claim_context = context;
    database_pool_submit(outbox->pool, &claim_outbox_statement, values, CALL_TIMEOUT_MS, take_claim_answer, outbox);
}

static char *column_text(const PGresult *rows, int row, int column) {
    return PQgetisnull(rows, row, column) ? NULL : memory_duplicate(PQgetvalue(rows, row, column));
}

static int64_t column_number(const PGresult *rows, int row, int column) {
    int64_t number = 0;

    text_to_int64(PQgetvalue(rows, row, column), INT64_MIN, INT64_MAX, &number); /* NULL reads as "": stays 0 */
    return number;
}

static void read_row(const PGresult *rows, int row, struct outbox_row *out) {
    out->id = column_number(rows, row, 0);
    out->topic = column_text(rows, row, 1);
    out->order_id = column_number(rows, row, 2);
    out->body = column_text(rows, row, 3);
    out->body_bytes = (size_t)PQgetlength(rows, row, 3);
    out->request_id = column_text(rows, row, 4);
    out->traceparent = column_text(rows, row, 5);
    out->attempts = (int)column_number(rows, row, 6);
}

static void take_claim_answer(void *context, const struct database_answer *answer) {
    struct outbox *outbox = context;
    outbox_claim_callback *callback = outbox->on_claim;
    struct outbox_row *rows = NULL;
    char *failure = NULL;
    size_t count = 0, i;

    outbox->on_claim = NULL;
    if (answer->outcome == DATABASE_OK) {
        count = (size_t)PQntuples(answer->result);
        rows = memory_allocate(count * sizeof(*rows));
        for (i = 0; i < count; i++) {
            read_row(answer->result, (int)i, &rows[i]);
        }
    } else {
        failure = database_failure_text(answer);
    }
    callback(outbox->claim_context, rows, count, failure);
    free(rows);
    free(failure);
}

/* ---- news ---- */

/* id_list writes ids as the text of an array. */
static char *id_list(const int64_t *ids, size_t count) {
    size_t size = count * NUMBER_TEXT_SIZE + 3, length = 0, i;
    char *text = memory_allocate(size), number[NUMBER_TEXT_SIZE];

    for (i = 0; i < count; i++) {
        length +=
            (size_t)snprintf(text + length, size - length, "%c%s", i == 0 ? '{' : ',', number_text(ids[i], number));
    }
    snprintf(text + length, size - length, "}");
    return text;
}

static struct outbox_news *add_news(struct outbox *outbox, const struct database_statement *statement,
                                    const int64_t *ids, size_t count, int64_t lease_end_ms) {
    struct outbox_news *news = memory_allocate(sizeof(*news));

    news->outbox = outbox;
    news->statement = statement;
    news->ids = id_list(ids, count);
    news->lease_end_ms = lease_end_ms;
    news->values[0] = outbox->store_id;
    news->values[1] = news->ids;
    list_append(&outbox->news, &news->place);
    return news;
}

void outbox_mark_delivered(struct outbox *outbox, const int64_t *ids, size_t count, int64_t lease_end_ms) {
    if (count > 0) {
        tell(add_news(outbox, &mark_outbox_delivered_statement, ids, count, lease_end_ms));
    }
}

void outbox_release(struct outbox *outbox, const struct outbox_row *row, const char *error, bool tried,
                    int64_t retry_after_ms, int64_t lease_end_ms) {
    struct outbox_news *news = add_news(outbox, &release_outbox_statement, &row->id, 1, lease_end_ms);

    news->error = memory_duplicate(error);
    if (error != NULL) {
        text_replace_bad_utf8(news->error, strlen(news->error)); /* the database would refuse the call */
    }
    news->values[2] = news->error;
    news->values[3] = number_text(retry_after_ms < INT_MAX ? retry_after_ms : INT_MAX, news->milliseconds);
    news->values[4] = tried ? "true" : "false";
    tell(news);
}

void outbox_extend(struct outbox *outbox, const struct outbox_row *row, int lease_ms) {
    struct outbox_news *news = add_news(outbox, &extend_outbox_statement, &row->id, 1, clock_monotonic_ms() + lease_ms);

    news->values[2] = number_text(lease_ms, news->milliseconds);
    tell(news);
}

static void tell(void *context) {
    struct outbox_news *news = context;

    database_pool_submit(news->outbox->pool, news->statement, news->values, CALL_TIMEOUT_MS, take_news_answer, news);
}

static void take_news_answer(void *context, const struct database_answer *answer) {
    struct outbox_news *news = context;
    char *failure;

    if (answer->outcome == DATABASE_OK) {
        free_news(news);
        return;
    }
    news->tries++;
    if (clock_monotonic_ms() < news->lease_end_ms) {
        loop_arm(news->outbox->loop, &news->timer, backoff_delay_ms(REPEAT_BASE_MS, REPEAT_MAXIMUM_MS, news->tries),
                 tell, news);
        return;
    }
    failure = database_failure_text(answer);
    log_event(
        LOG_WARN, "outbox_publish_failed",
        json_pack("{s:s,s:s,s:o}", "action", news->statement->name, "rows", news->ids, "error", log_text(failure)));
    free(failure);
    free_news(news);
}
