/*
 * The embedded queue: with no queue configured the outbox itself is the queue, and its rows are handled straight from
 * it. A row is delivered in the commit that has its effect. With a queue configured it handles what is not for the
 * queue, refunds, and what the queue does not take.
 */
#ifndef SHOP_POLLER_EMBEDDED_QUEUE_H
#define SHOP_POLLER_EMBEDDED_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

#include "database.h"
#include "dead_letter.h"
#include "handling.h"
#include "loop.h"
#include "outbox.h"

struct embedded_queue;

/* The pointers have to outlive the queue. */
struct embedded_queue_settings {
    struct loop *loop;
    struct database_pool *pool;
    struct outbox *outbox;
    const struct handling_services *handlings;
    const struct dead_letter_services *dead_letters;
    bool claims;  /* false: it only handles what embedded_queue_take is given */
    int capacity; /* rows that may be in hand */
    int lease_ms; /* how long a claimed row is ours; longer than a try may take */
};

struct embedded_queue *embedded_queue_create(const struct embedded_queue_settings *settings);

/* embedded_queue_destroy drops what is in hand, which comes back when its claim runs out. NULL is allowed. */
void embedded_queue_destroy(struct embedded_queue *queue);

/* embedded_queue_advance claims rows where there is room; to be called in every round of the loop. */
void embedded_queue_advance(struct embedded_queue *queue);

/*
 * embedded_queue_take handles a row that somebody else claimed, until lease_end_ms on clock_monotonic_ms. The row is
 * taken over. Its lease has to be longer than a try may take.
 */
void embedded_queue_take(struct embedded_queue *queue, const struct outbox_row *row, int64_t lease_end_ms);

/* embedded_queue_stop ends claiming; what is in hand goes on to its end. */
void embedded_queue_stop(struct embedded_queue *queue);

/* embedded_queue_abandon drops the work in hand and gives its rows back. */
void embedded_queue_abandon(struct embedded_queue *queue);

/* embedded_queue_in_hand tells how many rows are being worked on. */
size_t embedded_queue_in_hand(const struct embedded_queue *queue);

/* embedded_queue_bytes tells how many bytes their bodies have. */
size_t embedded_queue_bytes(const struct embedded_queue *queue);

/* embedded_queue_is_idle tells whether nothing is under way. */
bool embedded_queue_is_idle(const struct embedded_queue *queue);

#endif
