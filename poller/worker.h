/*
 * The worker: everything that runs between start and stop, wired together.
 */
#ifndef SHOP_POLLER_WORKER_H
#define SHOP_POLLER_WORKER_H

#include "configuration.h"
#include "credentials.h"

struct worker;

/*
 * worker_create makes the worker. configuration and credentials (NULL with the embedded queue) have to outlive it.
 * Returns NULL, with a message in error, when the kernel refuses what the loop needs or the port of the monitor.
 */
struct worker *worker_create(const struct poller_configuration *configuration, struct credential_store *credentials,
                             char *error, size_t error_size);

/*
 * worker_run works until SIGTERM or SIGINT and then drains. Returns the exit code: 0, or 1 when work was left over at
 * the end of the grace period.
 */
int worker_run(struct worker *worker);

/* worker_destroy frees the worker. NULL is allowed. */
void worker_destroy(struct worker *worker);

#endif
