/*
 * Dead letters of the queue: the row in the database first, then the message on the dead-letter queue, then the note
 * that it is there, which finishes a message of the outbox; whoever asked deletes one of the main queue afterwards.
 * Each step can be repeated: when the message is delivered again after a step failed, the row tells how far the move
 * had come.
 */
#ifndef SHOP_POLLER_DEAD_LETTER_H
#define SHOP_POLLER_DEAD_LETTER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "database.h"
#include "sqs_client.h"

/* Reasons, as the dead-letter queue and shop.dead_letters show them. */
#define DEAD_LETTER_INVALID_BODY     "invalid_message_body"
#define DEAD_LETTER_ORDER_NOT_FOUND  "order_not_found"
#define DEAD_LETTER_REFUND_NOT_FOUND "refund_not_found"
#define DEAD_LETTER_TOTAL_MISMATCH   "total_mismatch"
#define DEAD_LETTER_MAX_RETRIES      "max_retries_exceeded"

/* Sources of dead letters, as shop.record_dead_letter knows them. */
#define DEAD_LETTER_SOURCE_SQS    "sqs"
#define DEAD_LETTER_SOURCE_OUTBOX "outbox"

/* What every move needs; made once, has to outlive them. */
struct dead_letter_services {
    struct database_pool *pool;
    struct sqs_client *sqs; /* NULL without a dead-letter queue */
    const char *dlq_url;    /* NULL: the row alone */
    long store_id;
    int timeout_ms; /* of each database call */
};

/* One dead letter; everything is copied. */
struct dead_letter {
    const char *source, *message_key; /* message_key: SQS MessageId, or the outbox id */
    const char *body;
    json_t *attributes; /* MessageAttributes; NULL: none */
    const char *reason;
    const char *error;
    int receive_count;
    int64_t order_id;       /* 0 where unknown */
    const char *request_id; /* NULL where unknown */
    int64_t outbox_id;      /* 0: not from the outbox */
    const char *group_id;   /* MessageGroupId that it had on its queue; NULL: none */
};

struct dead_letter_answer {
    const char *reason;      /* of the first time that the message was given up */
    const char *failed_step; /* NULL: done; otherwise the step that failed, for the log */
    const char *error;       /* why; NULL when done */
    bool needless;           /* done without a dead letter: an earlier try had its effect after all */
    bool not_begun;          /* not even the row was written, because the database cannot serve anyone just now */
};

/* Called exactly once for each move that is not cancelled, never inside dead_letter_start. */
typedef void dead_letter_callback(void *context, const struct dead_letter_answer *answer);

struct dead_letter_move;

struct dead_letter_move *dead_letter_start(const struct dead_letter_services *services,
                                           const struct dead_letter *letter, dead_letter_callback *callback,
                                           void *context);

/* dead_letter_cancel drops a move without calling back, wherever it stands. */
void dead_letter_cancel(struct dead_letter_move *move);

/* dead_letter_queue_body makes the body of the message for the dead-letter queue: a JSON object with originalMessageId,
 * originalBody, receiveCount, reason, error and movedAt. moved_at is an ISO 8601 text. The caller frees it; NULL when a
 * text is no UTF-8. */
char *dead_letter_queue_body(const struct dead_letter *letter, const char *moved_at);

#endif
