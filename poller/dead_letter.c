#include "dead_letter.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "text.h"
#include "database_calls.h"
#include "allocation.h"

/* Bytes of the original body that are sent when the dead-letter queue refuses the whole of it. */
#define SHORTENED_BODY_SIZE 1024

/* The columns of record_dead_letter_statement. */
enum {
    ROW_ID,
    MOVED,
    FIRST_REASON,
    FIRST_ERROR,
};

struct dead_letter_move {
    const struct dead_letter_services *services;
    struct dead_letter letter; /* copies of all texts */
    dead_letter_callback *callback;
    void *context;
    int64_t row_id;
    struct sqs_call *call;                              /* while the message is being sent */
    enum { WHOLE, WITHOUT_ATTRIBUTES, SHORTENED } form; /* of the message */
};

static void record(struct dead_letter_move *move);
static void take_row(void *context, const struct database_answer *answer);
static void send_message(struct dead_letter_move *move);
static void take_send_answer(void *context, const struct sqs_answer *answer);
static void note_moved(struct dead_letter_move *move, const char *dlq_message_id);
static void take_note_answer(void *context, const struct database_answer *answer);

/* clean_copy copies a text and makes it one that the database takes. */
static char *clean_copy(const char *text) {
    char *copy = memory_duplicate(text);

    if (copy != NULL) {
        text_replace_bad_utf8(copy, strlen(copy));
    }
    return copy;
}

struct dead_letter_move *dead_letter_start(const struct dead_letter_services *services,
                                           const struct dead_letter *letter, dead_letter_callback *callback,
                                           void *context) {
    struct dead_letter_move *move = memory_allocate(sizeof(*move));

    move->services = services;
    move->callback = callback;
    move->context = context;
    move->letter = *letter;
    move->letter.source = memory_duplicate(letter->source);
    move->letter.message_key = clean_copy(letter->message_key);
    move->letter.body = clean_copy(letter->body);
    move->letter.attributes = json_incref(letter->attributes);
    move->letter.reason = memory_duplicate(letter->reason);
    move->letter.error = clean_copy(letter->error);
    move->letter.request_id = memory_duplicate(letter->request_id);
    move->letter.group_id = memory_duplicate(letter->group_id);
    record(move);
    return move;
}

static void free_move(struct dead_letter_move *move) {
    free((char *)move->letter.source);
    free((char *)move->letter.message_key);
    free((char *)move->letter.body);
    json_decref(move->letter.attributes);
    free((char *)move->letter.reason);
    free((char *)move->letter.error);
    free((char *)move->letter.request_id);
    free((char *)move->letter.group_id);
    free(move);
}

void dead_letter_cancel(struct dead_letter_move *move) {
    database_pool_cancel_context(move->services->pool, move);
    if (move->call != NULL) {
        sqs_client_abort(move->call);
    }
    free_move(move);
}

static void finish(struct dead_letter_move *move, const struct dead_letter_answer *answer) {
    struct dead_letter_answer told = *answer;

    told.reason = move->letter.reason;
    move->callback(move->context, &told);
    free_move(move);
}

static void finish_done(struct dead_letter_move *move, bool needless) {
    struct dead_letter_answer answer = {.needless = needless};

    finish(move, &answer);
}

static void finish_database_failure(struct dead_letter_move *move, const char *step, bool nothing_recorded,
                                    const struct database_answer *database_answer) {
    char *text = database_failure_text(database_answer);
    struct dead_letter_answer answer = {
        .failed_step = step,
        .error = text,
        .not_begun = nothing_recorded && database_verdict_of(database_answer) == DATABASE_AWAY,
    };

    finish(move, &answer);
    free(text);
}

/* ---- the row ---- */

static void record(struct dead_letter_move *move) {
    const struct dead_letter *letter = &move->letter;
    char store_id[NUMBER_TEXT_SIZE], count[NUMBER_TEXT_SIZE], order_id[NUMBER_TEXT_SIZE], outbox_id[NUMBER_TEXT_SIZE];
    char *attributes = json_object_size(letter->attributes) > 0 ? json_dumps(letter->attributes, JSON_COMPACT) : NULL;
    const char *values[] = {
        number_text(move->services->store_id, store_id),
        letter->source,
        letter->message_key,
        letter->body,
        attributes,
        letter->reason,
        letter->error,
        number_text(letter->receive_count, count),
        letter->order_id > 0 ? number_text(letter->order_id, order_id) : NULL,
        letter->request_id,
        /* One that is to be moved stays pending until it is, so that it comes again when the move fails. */
        letter->outbox_id > 0 && move->services->dlq_url == NULL ? number_text(letter->outbox_id, outbox_id) : NULL,
    };

    database_pool_submit(move->services->pool, &record_dead_letter_statement, values, move->services->timeout_ms,
                         take_row, move);
    free(attributes);
}

/* take_first_reason: a message that is given up again, because the rest of its move had failed, keeps its reason. */
static void take_first_reason(struct dead_letter_move *move, const PGresult *row) {
    free((char *)move->letter.reason);
    free((char *)move->letter.error);
    move->letter.reason = memory_duplicate(PQgetvalue(row, 0, FIRST_REASON));
    move->letter.error = memory_duplicate(PQgetvalue(row, 0, FIRST_ERROR));
}

static void take_row(void *context, const struct database_answer *answer) {
    struct dead_letter_move *move = context;
    bool moved;

    if (answer->outcome != DATABASE_OK) {
        finish_database_failure(move, "record_dead_letter", true, answer);
        return;
    }
    if (PQntuples(answer->result) > 0 && PQgetisnull(answer->result, 0, ROW_ID)) {
        finish_done(move, true);
        return;
    }
    moved = PQntuples(answer->result) > 0 && strcmp(PQgetvalue(answer->result, 0, MOVED), "t") == 0;
    if (PQntuples(answer->result) > 0) {
        take_first_reason(move, answer->result);
    }
    if (PQntuples(answer->result) == 0 ||
        !text_to_int64(PQgetvalue(answer->result, 0, ROW_ID), 1, INT64_MAX, &move->row_id)) {
        struct dead_letter_answer unusable = {.failed_step = "record_dead_letter",
                                              .error = "shop.record_dead_letter gave no row"};

        finish(move, &unusable);
    } else if (moved || move->services->dlq_url == NULL) {
        finish_done(move, false);
    } else {
        send_message(move);
    }
}

/* ---- the message ---- */

char *dead_letter_queue_body(const struct dead_letter *letter, const char *moved_at) {
    json_t *body = json_pack("{s:s,s:s,s:i,s:s,s:s,s:s}", "originalMessageId", letter->message_key, "originalBody",
                             letter->body, "receiveCount", letter->receive_count, "reason", letter->reason, "error",
                             letter->error, "movedAt", moved_at);
    char *text = body != NULL ? json_dumps(body, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;

    json_decref(body);
    return text;
}

/* copy_attributes keeps of each attribute what SendMessage takes: a received one may carry more. */
static json_t *copy_attributes(const json_t *attributes) {
    static const char *const members[] = {"DataType", "StringValue", "BinaryValue"};
    json_t *copies = json_object(), *attribute;
    const char *name;
    size_t i;

    json_object_foreach((json_t *)attributes, name, attribute) {
        json_t *copy = json_object();

        for (i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
            json_t *value = json_object_get(attribute, members[i]);

            if (json_is_string(value)) {
                json_object_set(copy, members[i], value);
            }
        }
        json_object_set_new(copies, name, copy);
    }
    return copies;
}

static void send_message(struct dead_letter_move *move) {
    char moved_at[CLOCK_ISO_TEXT_SIZE];
    struct sqs_outgoing_message message = {0};
    char *request = NULL, *body;

    clock_iso_text(moved_at);
    body = dead_letter_queue_body(&move->letter, moved_at);
    message.body = body;
    message.attributes = move->form == WHOLE ? copy_attributes(move->letter.attributes) : NULL;
    if (sqs_is_fifo(move->services->dlq_url)) {
        /* Its own id as group where it had none: dead letters need no order. */
        message.group_id = move->letter.group_id != NULL ? move->letter.group_id : move->letter.message_key;
        message.deduplication_id = move->letter.message_key;
    }
    if (body != NULL) {
        request = sqs_encode_send(move->services->dlq_url, &message);
    }
    json_decref(message.attributes);
    free(body);
    move->call =
        sqs_client_call(move->services->sqs, "SendMessage", request, SQS_CALL_TIMEOUT_MS, take_send_answer, move);
}

/*
 * reduce leaves something out of a message that the queue refused: its attributes, then all but the beginning of the
 * body. false when nothing is left to leave out. The wrapped body is longer than the original one, which may have had
 * the greatest length that SQS allows; and either may be what another queue refused before. The row keeps all of it.
 */
static bool reduce(struct dead_letter_move *move) {
    char *body = (char *)move->letter.body;

    if (move->form == WHOLE && json_object_size(move->letter.attributes) > 0) {
        move->form = WITHOUT_ATTRIBUTES;
        return true;
    }
    if (move->form == SHORTENED || strlen(body) <= SHORTENED_BODY_SIZE) {
        return false;
    }
    body[SHORTENED_BODY_SIZE] = '\0';
    text_replace_bad_utf8(body, SHORTENED_BODY_SIZE);
    move->form = SHORTENED;
    return true;
}

static void take_send_answer(void *context, const struct sqs_answer *answer) {
    struct dead_letter_move *move = context;
    char message_id[SQS_MESSAGE_ID_SIZE];

    move->call = NULL;
    if ((answer->error.class == SQS_ERROR_MESSAGE || answer->error.class == SQS_ERROR_REQUEST) && reduce(move)) {
        send_message(move);
        return;
    }
    if (answer->error.class != SQS_NO_ERROR) {
        char *text = sqs_error_text(&answer->error);
        struct dead_letter_answer failed = {.failed_step = "SendMessage", .error = text};

        finish(move, &failed);
        free(text);
        return;
    }
    sqs_decode_sent_id(answer->body, answer->body_length, message_id);
    note_moved(move, message_id);
}

/* ---- the note ---- */

static void note_moved(struct dead_letter_move *move, const char *dlq_message_id) {
    char store_id[NUMBER_TEXT_SIZE], row_id[NUMBER_TEXT_SIZE];
    const char *values[] = {number_text(move->services->store_id, store_id), number_text(move->row_id, row_id),
                            dlq_message_id};

    database_pool_submit(move->services->pool, &mark_dead_letter_moved_statement, values, move->services->timeout_ms,
                         take_note_answer, move);
}

static void take_note_answer(void *context, const struct database_answer *answer) {
    struct dead_letter_move *move = context;

    if (answer->outcome != DATABASE_OK) {
        finish_database_failure(move, "mark_dead_letter_moved", false, answer);
    } else {
        finish_done(move, false);
    }
}
