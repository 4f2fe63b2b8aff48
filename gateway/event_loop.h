/*
 * The one loop of the gateway: HTTP, database, password hashes and signals, all in one thread.
 */
#ifndef SHOP_GATEWAY_EVENT_LOOP_H
#define SHOP_GATEWAY_EVENT_LOOP_H

#include <stdbool.h>

struct gateway;

/*
 * event_loop_block_signals keeps SIGTERM, SIGINT and SIGHUP from their default action, so that event_loop_run can read
 * them. Call it before any thread is started. hangup_reloads: SIGHUP asks to read the certificate anew, not to stop.
 * Returns the descriptor for event_loop_run, or -1.
 */
int event_loop_block_signals(bool hangup_reloads);

/*
 * event_loop_run serves until a signal asks to stop, then lets requests in flight finish for HTTP_SHUTDOWN_GRACE_MS. A
 * second signal ends the grace. When it returns, nothing more is read, and what is unanswered waits for the owner of
 * the database pool and the hash thread to end them.
 */
void event_loop_run(struct gateway *gateway, int signal_fd);

/* event_loop_flush gives the answers made meanwhile up to limit_ms to leave. */
void event_loop_flush(struct gateway *gateway, int limit_ms);

#endif
