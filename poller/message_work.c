#include "message_work.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "allocation.h"
#include "message_content.h"
#include "metrics.h"

struct message_work {
    const struct message_work_services *services;
    const struct sqs_received_message *message;
    int tries;
    struct message_content content;
    const char *request_id; /* part of the message; NULL where unknown */
    message_work_callback *callback;
    void *context;
    struct handling *handling; /* at most one of these two is under way */
    struct dead_letter_move *move;
};

static void handle(struct message_work *work);
static void take_outcome(void *context, const struct handling_answer *answer);
static void move_to_dead_letters(struct message_work *work, const char *reason, const char *error);
static void take_move(void *context, const struct dead_letter_answer *answer);

/* maximum_tries tells how often such a message is tried. */
static int maximum_tries(const struct message_work *work) {
    return handling_maximum_tries(work->services->handlings, work->content.kind);
}

/* log_work writes a line about the message; fields is taken over, and what every line has is put before it. */
static void log_work(const struct message_work *work, enum log_level level, const char *event, json_t *fields) {
    json_t *line =
        json_pack("{s:s,s:o,s:o,s:o,s:i}", "worker", message_content_worker(&work->content), "requestId",
                  log_text(work->request_id), "orderId", message_content_order(&work->content, 0), "messageId",
                  log_text(work->message->message_id), "receiveCount", work->message->receive_count);

    json_object_update(line, fields);
    json_decref(fields);
    log_event(level, event, line);
}

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
    if (!message_content_read(message->body, &work->content, &error)) {
        metrics_count(METRIC_INVALID_MESSAGES);
        log_work(work, LOG_WARN, "invalid_message_body", json_pack("{s:s}", "error", error));
        move_to_dead_letters(work, DEAD_LETTER_INVALID_BODY, error);
    } else if (tries > maximum_tries(work)) {
        /* It had all its tries, or it takes the process down each time before its end can be noted. */
        move_to_dead_letters(work, DEAD_LETTER_MAX_RETRIES, "received more often than it may be tried");
    } else {
        handle(work);
    }
    return work;
}

static void free_work(struct message_work *work) {
    message_content_clear(&work->content);
    free(work);
}

void message_work_cancel(struct message_work *work) {
    if (work->handling != NULL) {
        handling_cancel(work->handling);
    }
    if (work->move != NULL) {
        dead_letter_cancel(work->move);
    }
    free_work(work);
}

/* finish calls back and frees the work. */
static void finish(struct message_work *work, enum message_work_result result) {
    work->callback(work->context, work->message, result);
    free_work(work);
}

/* ---- handling ---- */

static void handle(struct message_work *work) {
    struct handling_request request = {
        .content = &work->content,
        .body = work->message->body,
        .request_id = work->request_id,
        .traceparent = sqs_attribute_text(work->message->attributes, "traceparent"),
    };

    work->handling = handling_start(work->services->handlings, &request, take_outcome, work);
}

static void log_failed(const struct message_work *work, enum log_level level, const char *error) {
    metrics_count(METRIC_TRIES_FAILED);
    log_work(work, level, "order_process_failed", json_pack("{s:o}", "error", log_text(error)));
}

/* fail ends a try that failed through the message's own fault. */
static void fail(struct message_work *work, const struct handling_answer *answer) {
    if (work->tries < maximum_tries(work)) {
        log_failed(work, LOG_WARN, answer->error);
        finish(work, MESSAGE_FAILED);
    } else if (answer->inconclusive) {
        log_failed(work, LOG_ERROR, answer->error);
        finish(work, MESSAGE_UNDECIDED);
    } else {
        log_failed(work, LOG_ERROR, answer->error);
        move_to_dead_letters(work, DEAD_LETTER_MAX_RETRIES, answer->error);
    }
}

/* finish_done ends the work on a message that has its effect. */
static void finish_done(struct message_work *work, const char *order_status, const char *result) {
    metrics_count(work->content.kind == MESSAGE_INTAKE ? METRIC_INTAKE_PROCESSED : METRIC_PAYMENTS_PROCESSED);
    log_work(work, LOG_INFO, "order_processed",
             json_pack("{s:o,s:o}", "status", log_text(order_status), "result", log_text(result)));
    finish(work, MESSAGE_DONE);
}

static void take_outcome(void *context, const struct handling_answer *answer) {
    struct message_work *work = context;

    work->handling = NULL;
    switch (answer->result) {
    case HANDLING_DONE:
        finish_done(work, answer->order_status, answer->result_text);
        break;
    case HANDLING_FAILED:
        fail(work, answer);
        break;
    case HANDLING_BUSY:
        log_failed(work, LOG_WARN, answer->error);
        finish(work, MESSAGE_BUSY);
        break;
    case HANDLING_DEFERRED:
        log_work(
            work, LOG_WARN, "payment_deferred",
            json_pack("{s:o,s:I}", "error", log_text(answer->error), "retryInMs", (json_int_t)answer->retry_after_ms));
        finish(work, MESSAGE_DONE);
        break;
    case HANDLING_HOPELESS:
        if (strcmp(answer->reason, DEAD_LETTER_INVALID_BODY) == 0) {
            metrics_count(METRIC_INVALID_MESSAGES);
            log_work(work, LOG_WARN, "invalid_message_body", json_pack("{s:o}", "error", log_text(answer->error)));
        } else {
            log_failed(work, LOG_ERROR, answer->error);
        }
        move_to_dead_letters(work, answer->reason, answer->error);
        break;
    case HANDLING_DATABASE_AWAY:
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
        .order_id = work->content.order_id,
        .request_id = work->request_id,
        .group_id = work->message->group_id,
    };

    work->move = dead_letter_start(work->services->dead_letters, &letter, take_move, work);
}

static void take_move(void *context, const struct dead_letter_answer *answer) {
    struct message_work *work = context;
    const struct message_work_services *services = work->services;

    work->move = NULL;
    if (answer->needless) {
        finish_done(work, NULL, "already_settled");
        return;
    }
    if (answer->error == NULL) {
        metrics_count(METRIC_DEAD_LETTERS);
        log_work(work, LOG_WARN, "message_moved_to_dlq",
                 json_pack("{s:i,s:o,s:s}", "maxReceiveCount", maximum_tries(work), "dlqUrl",
                           log_text(services->dead_letters->dlq_url), "reason", answer->reason));
        finish(work, MESSAGE_DONE);
        return;
    }
    metrics_count(METRIC_DEAD_LETTER_MOVES_FAILED);
    log_work(work, LOG_ERROR, "dlq_move_failed",
             json_pack("{s:s,s:s,s:o}", "reason", answer->reason, "step", answer->failed_step, "error",
                       log_text(answer->error)));
    finish(work, answer->not_begun ? MESSAGE_DATABASE_AWAY : MESSAGE_FAILED);
}
