/*
 * What the gateway counts about itself, for Prometheus (text exposition format 0.0.4).
 */
#ifndef SHOP_GATEWAY_METRICS_H
#define SHOP_GATEWAY_METRICS_H

#include <stddef.h>

struct gateway;
struct metrics;
struct request;

/* metrics_create makes the counters, all 0. NULL when memory is short. */
struct metrics *metrics_create(void);

/* metrics_free frees them; NULL is allowed. */
void metrics_free(struct metrics *metrics);

/* metrics_request_began and metrics_request_ended count a request of which at least the first line was read; one that
 * ends without an answer counts as a 4xx, as in the log. */
void metrics_request_began(struct metrics *metrics);
void metrics_request_ended(struct metrics *metrics, const struct request *request);

/* metrics_refused counts a refusal by the code in its problem document. */
void metrics_refused(struct metrics *metrics, const char *problem);

/* metrics_text writes all metrics of the gateway. Returns malloc'd text, or NULL when memory is short. */
char *metrics_text(const struct gateway *gateway);

/* metrics_asked_primary counts reads that the replica could not answer. */
void metrics_asked_primary(struct metrics *metrics, size_t reads);

#endif
