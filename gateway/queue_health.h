/*
 * GET /api/health: the database and the queue, for operators and load balancers.
 */
#ifndef SHOP_GATEWAY_QUEUE_HEALTH_H
#define SHOP_GATEWAY_QUEUE_HEALTH_H

struct request;

/*
 * queue_health_handle answers {status, database:{status}, queue:{status, depth, dlq_depth, oldest_message_age_seconds,
 * last_poll_at, backend}, uptime_seconds, version} within a second. status is "healthy", or "degraded" when the
 * database does not answer (503) or no poller reported within 60 s (200, but 503 where the query asks strict=1).
 */
void queue_health_handle(struct request *request);

#endif
