/*
 * What a poller does by the clock: the scheduled work of the database, where nobody else does it, and the report that
 * /api/health and /api/stats show. Both are safe to be done by several pollers at once.
 */
#ifndef SHOP_POLLER_DUTIES_H
#define SHOP_POLLER_DUTIES_H

#include <stdbool.h>
#include <stdint.h>

#include "database.h"
#include "loop.h"
#include "sqs_client.h"

struct duties;

/* The pointers have to outlive the duties. */
struct duties_settings {
    struct loop *loop;
    struct database_pool *pool;
    struct sqs_client *sqs;          /* NULL: the embedded queue */
    const char *queue_url, *dlq_url; /* NULL where there is none */
    long store_id;
    long maintenance_interval_seconds; /* 0: never */
};

/* duties_create begins them: the first report at once, the first maintenance somewhen in the first interval. */
struct duties *duties_create(const struct duties_settings *settings);

/* duties_destroy drops what is under way. NULL is allowed. */
void duties_destroy(struct duties *duties);

/* duties_stop ends them; what is under way is dropped. */
void duties_stop(struct duties *duties);

/* duties_queue_depth and duties_dlq_depth give how many messages were last seen, duties_outbox_age_seconds how long the
 * oldest pending one has been in the outbox, 0 when there is none; -1 where unknown. */
int64_t duties_queue_depth(const struct duties *duties);
int64_t duties_dlq_depth(const struct duties *duties);
int64_t duties_outbox_age_seconds(const struct duties *duties);

#endif
