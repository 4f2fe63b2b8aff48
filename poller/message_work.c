#include "message_work.h"

#include <stdlib.h>

#include "log.h"
#include "allocation.h"
#include "order_message.h"

struct message_work {
    const struct message_work_services *services;
    const struct sqs_received_message *message;
    int tries;
    int64_t order_id;       /* 0 until the body is read */
    const char *request_id; /* part of the message; NULL where unknown */
    const char *reason;     /* of the dead letter */
    message_work_callback *callback;
    void *context;
    struct settlement *settlement; /* at most one of these two is under way */
    struct dead_letter_move *move;
};

static void settle(struct message_work *work);
static void take_settlement(void *context, const struct settlement_answer *answer);
static void move_to_dead_letters(struct message_work *work, const char *reason, const char *error);
static void take_move(void *context, const struct dead_letter_answer *answer);

struct message_work *message_work_start(const struct message_work_services *services,
                                        const struct sqs_received_message *message, int tries,
                                        message_work_callback *callback, void *context) {
    struct message_work *work = memory_allocate(sizeof(*work));
    const char *request_id = sqs_attribute_text(message->attributes, "requestId"), *error = NULL;

    work->services = services;
    work->message = message;
    work->tries = tries;
    work->request_id = request_id_is_well_formed(request_id) ? request_id : NULL;
    work->callback = callback;
    work->context = context;
    if (!order_message_parse(message->body, &work->order_id, &error)) {
        log_event(LOG_WARN, "invalid_message_body",
                  json_pack("{s:o,s:o,s:i,s:s}", "requestId", log_text(work->request_id), "messageId",
                            log_text(message->message_id), "receiveCount", message->receive_count, "error", error));
        move_to_dead_letters(work, DEAD_LETTER_INVALID_BODY, error);
    } else if (tries > services->maximum_receive_count) {
        /* It had all its tries, or it takes the process down each time before its end can be noted. */
        move_to_dead_letters(work, DEAD_LETTER_MAX_RETRIES, "received more often than it may be tried");
    } else {
        settle(work);
    }
    return work;
}

void message_work_cancel(struct message_work *work) {
    if (work->settlement != NULL) {
        settlement_cancel(work->settlement);
    }
    if (work->move != NULL) {
        dead_letter_cancel(work->move);
    }
    free(work);
}

/* finish calls back and frees the work. */
static void finish(struct message_work *work, enum message_work_result result) {
    work->callback(work->context, work->message, result);
    free(work);
}

/* ---- settling ---- */

static void settle(struct message_work *work) {
    struct settlement_request request = {.order_id = work->order_id, .request_id = work->request_id};

    work->settlement = settlement_start(work->services->settlements, &request, take_settlement, work);
}

static void log_processed(const struct message_work *work, const struct settlement_answer *answer) {
    log_event(LOG_INFO, "order_processed",
              json_pack("{s:o,s:I,s:o,s:i,s:o}", "requestId", log_text(work->request_id), "orderId",
                        (json_int_t)work->order_id, "status", log_text(answer->order_status), "receiveCount",
                        work->message->receive_count, "result", log_text(answer->result_text)));
}

static void log_failed(const struct message_work *work, enum log_level level, const char *error) {
    log_event(level, "order_process_failed",
              json_pack("{s:o,s:I,s:o,s:i}", "requestId", log_text(work->request_id), "orderId",
                        (json_int_t)work->order_id, "error", log_text(error), "receiveCount",
                        work->message->receive_count));
}

static void take_settlement(void *context, const struct settlement_answer *answer) {
    struct message_work *work = context;

    work->settlement = NULL;
    switch (answer->result) {
    case SETTLEMENT_SETTLED:
    case SETTLEMENT_ALREADY_SETTLED:
        log_processed(work, answer);
        finish(work, MESSAGE_DONE);
        break;
    case SETTLEMENT_ORDER_NOT_FOUND:
        log_failed(work, LOG_ERROR, answer->error);
        move_to_dead_letters(work, DEAD_LETTER_ORDER_NOT_FOUND, answer->error);
        break;
    case SETTLEMENT_FAILED:
        if (work->tries >= work->services->maximum_receive_count) {
            log_failed(work, LOG_ERROR, answer->error);
            move_to_dead_letters(work, DEAD_LETTER_MAX_RETRIES, answer->error);
        } else {
            log_failed(work, LOG_WARN, answer->error);
            finish(work, MESSAGE_FAILED);
        }
        break;
    case SETTLEMENT_DATABASE_AWAY:
        log_failed(work, LOG_WARN, answer->error);
        finish(work, MESSAGE_DATABASE_AWAY);
        break;
    }
}

/* ---- dead letters ---- */

static void move_to_dead_letters(struct message_work *work, const char *reason, const char *error) {
    struct dead_letter letter = {
        .source = DEAD_LETTER_SOURCE_SQS,
        .message_key = work->message->message_id,
        .body = work->message->body,
        .attributes = work->message->attributes,
        .reason = reason,
        .error = error,
        .receive_count = work->message->receive_count,
        .order_id = work->order_id,
        .request_id = work->request_id,
    };

    work->reason = reason;
    work->move = dead_letter_start(work->services->dead_letters, &letter, take_move, work);
}

static json_t *known_order(const struct message_work *work) {
    return work->order_id > 0 ? json_integer(work->order_id) : json_null();
}

static void take_move(void *context, const struct dead_letter_answer *answer) {
    struct message_work *work = context;
    const struct message_work_services *services = work->services;
    const struct sqs_received_message *message = work->message;

    work->move = NULL;
    if (answer->error == NULL) {
        log_event(LOG_WARN, "message_moved_to_dlq",
                  json_pack("{s:o,s:o,s:o,s:i,s:i,s:o,s:s}", "requestId", log_text(work->request_id), "orderId",
                            known_order(work), "messageId", log_text(message->message_id), "receiveCount",
                            message->receive_count, "maxReceiveCount", services->maximum_receive_count, "dlqUrl",
                            log_text(services->dead_letters->dlq_url), "reason", work->reason));
        finish(work, MESSAGE_DONE);
        return;
    }
    log_event(LOG_ERROR, "dlq_move_failed",
              json_pack("{s:o,s:o,s:o,s:i,s:s,s:s,s:o}", "requestId", log_text(work->request_id), "orderId",
                        known_order(work), "messageId", log_text(message->message_id), "receiveCount",
                        message->receive_count, "reason", work->reason, "step", answer->failed_step, "error",
                        log_text(answer->error)));
    finish(work, answer->not_begun ? MESSAGE_DATABASE_AWAY : MESSAGE_FAILED);
}
