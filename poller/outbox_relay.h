/*
 * The outbox relay: claims what checkout left in the outbox and puts it on the queue, at least once each. A row leaves
 * the outbox only when the queue has confirmed its message; until then it stays with its error and the time of its next
 * try. What is not for the queue, or is what no queue would take or this one does not, is handled from the outbox.
 */
#ifndef SHOP_POLLER_OUTBOX_RELAY_H
#define SHOP_POLLER_OUTBOX_RELAY_H

#include <stdbool.h>

#include "database.h"
#include "embedded_queue.h"
#include "loop.h"
#include "outbox.h"
#include "sqs_client.h"

struct outbox_relay;

/* The pointers have to outlive the relay. */
struct outbox_relay_settings {
    struct loop *loop;
    struct database_pool *pool;
    struct outbox *outbox;
    struct sqs_client *sqs;
    const char *queue_url;
    struct embedded_queue *own; /* handles what is not for the queue */
    int handling_ms;            /* how long a try of such a row may take */
    int visibility_seconds;     /* how long a received message is hidden, and a claimed row rests */
    int maximum_retries;        /* of a send, before its rows are released with the error */
    int retry_delay_ms;         /* base of the backoff between them */
};

struct outbox_relay *outbox_relay_create(const struct outbox_relay_settings *settings);

/* outbox_relay_destroy frees the relay; what it still has is dropped and comes back when its claim runs out. */
void outbox_relay_destroy(struct outbox_relay *relay);

/* outbox_relay_advance starts what can be started; to be called in every round of the loop. */
void outbox_relay_advance(struct outbox_relay *relay);

/* outbox_relay_stop ends claiming and gives back the rows that are not being sent. */
void outbox_relay_stop(struct outbox_relay *relay);

/* outbox_relay_abandon also aborts the sends under way and gives their rows back, although they may have arrived. */
void outbox_relay_abandon(struct outbox_relay *relay);

/* outbox_relay_is_idle tells whether the relay has no row in hand. */
bool outbox_relay_is_idle(const struct outbox_relay *relay);

#endif
