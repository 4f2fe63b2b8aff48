/*
 * The consumer of the queue: long polls, hands each message to its work, deletes what is done, gives back what failed,
 * and extends the visibility of what takes long. It asks only for what it has room for, pauses while the database is
 * away, and cannot end but by being stopped.
 */
#ifndef SHOP_POLLER_QUEUE_CONSUMER_H
#define SHOP_POLLER_QUEUE_CONSUMER_H

#include <stdbool.h>
#include <stddef.h>

#include "database.h"
#include "loop.h"
#include "message_work.h"
#include "sqs_client.h"

struct queue_consumer;

/* The pointers have to outlive the consumer. */
struct queue_consumer_settings {
    struct loop *loop;
    struct database_pool *pool;
    struct sqs_client *sqs;
    const struct message_work_services *work;
    const char *queue_url;
    int wait_seconds;       /* of a long poll */
    int maximum_messages;   /* of one receive, 1 to 10 */
    int visibility_seconds; /* given to each message that is received */
    int idle_delay_ms;      /* least time between the starts of two receives when nothing came meanwhile */
    int poll_timeout_ms;    /* when a receive without an answer is given up */
    int capacity;           /* messages that may be in hand */
};

struct queue_consumer *queue_consumer_create(const struct queue_consumer_settings *settings);

/* queue_consumer_destroy drops what is in hand, which SQS then delivers again. NULL is allowed. */
void queue_consumer_destroy(struct queue_consumer *consumer);

/* queue_consumer_advance starts receives where there is room; to be called in every round of the loop. */
void queue_consumer_advance(struct queue_consumer *consumer);

/*
 * queue_consumer_stop ends receiving. A receive under way is left to end by itself, because SQS may hand a message to
 * an aborted one, which hides it for its visibility timeout; messages that it still brings are given back at once.
 */
void queue_consumer_stop(struct queue_consumer *consumer);

/* queue_consumer_abandon drops the work in hand and gives its messages back at once. */
void queue_consumer_abandon(struct queue_consumer *consumer);

/* queue_consumer_abort_receives aborts the receives under way; to be called after queue_consumer_abandon, because SQS
 * may hand what is given back to a receive that nobody reads any more. */
void queue_consumer_abort_receives(struct queue_consumer *consumer);

/* queue_consumer_in_hand tells how many messages are being worked on. */
size_t queue_consumer_in_hand(const struct queue_consumer *consumer);

/* queue_consumer_is_receiving tells whether a receive is under way. */
bool queue_consumer_is_receiving(const struct queue_consumer *consumer);

/* queue_consumer_is_idle tells whether nothing is under way, deletes and visibility changes included. */
bool queue_consumer_is_idle(const struct queue_consumer *consumer);

#endif
