/*
 * The work on one message of the queue, from its body to its end: handled, moved to the dead letters, or to be tried
 * again. Every way that a message can go is in message_work.c; receiving, deleting and visibility are the consumer's.
 */
#ifndef SHOP_POLLER_MESSAGE_WORK_H
#define SHOP_POLLER_MESSAGE_WORK_H

#include "dead_letter.h"
#include "handling.h"
#include "sqs_protocol.h"

/* What every message's work needs; has to outlive it. */
struct message_work_services {
    const struct handling_services *handlings;
    const struct dead_letter_services *dead_letters;
};

enum message_work_result {
    MESSAGE_DONE,          /* committed, put off in the outbox, or kept among the dead letters: delete it */
    MESSAGE_FAILED,        /* to be delivered again, later */
    MESSAGE_BUSY,          /* to be delivered again, later; this was no try */
    MESSAGE_UNDECIDED,     /* the last try may still take effect: to be delivered again, as the last try once more */
    MESSAGE_DATABASE_AWAY, /* it had no try, because the database cannot serve anyone just now */
};

struct message_work;

/* Called exactly once for each work that is not cancelled, never inside message_work_start. The message is valid during
 * the callback. */
typedef void message_work_callback(void *context, const struct sqs_received_message *message,
                                   enum message_work_result result);

/*
 * message_work_start begins the work. message has to stay where it is until the callback or message_work_cancel.
 * tries: how many times the message has been tried, this time included.
 */
struct message_work *message_work_start(const struct message_work_services *services,
                                        const struct sqs_received_message *message, int tries,
                                        message_work_callback *callback, void *context);

/* message_work_cancel drops the work without calling back; what was committed stays. */
void message_work_cancel(struct message_work *work);

#endif
