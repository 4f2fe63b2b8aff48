/*
 * Deletes and visibility changes, collected into batches of ten. An entry that fails for a passing reason is tried
 * again a few times; one that still fails is dropped, after which SQS delivers its message again.
 */
#ifndef SHOP_POLLER_RECEIPT_BATCHER_H
#define SHOP_POLLER_RECEIPT_BATCHER_H

#include <stdbool.h>
#include <stddef.h>

#include "loop.h"
#include "sqs_client.h"

enum receipt_action {
    RECEIPT_DELETE,
    RECEIPT_CHANGE_VISIBILITY,
};

struct receipt_batcher;

/* The pointers have to outlive the batcher. */
struct receipt_batcher_settings {
    struct loop *loop;
    struct sqs_client *sqs;
    const char *queue_url;
    enum receipt_action action;
    int delay_ms;       /* how long an entry may wait for company */
    int parallel_limit; /* batches under way at once; 1 keeps the order of changes */
};

struct receipt_batcher *receipt_batcher_create(const struct receipt_batcher_settings *settings);

/* receipt_batcher_destroy aborts what is under way and frees the batcher. NULL is allowed. */
void receipt_batcher_destroy(struct receipt_batcher *batcher);

/*
 * receipt_batcher_add collects an entry. seconds: the new visibility, for RECEIPT_CHANGE_VISIBILITY only. An entry for
 * the same handle that still waits is replaced.
 */
void receipt_batcher_add(struct receipt_batcher *batcher, const char *receipt_handle, int seconds);

/* receipt_batcher_flush sends what waits now, and from now on every entry at once. For the time of stopping. */
void receipt_batcher_flush(struct receipt_batcher *batcher);

/* receipt_batcher_pending tells how many entries wait or are under way. */
size_t receipt_batcher_pending(const struct receipt_batcher *batcher);

#endif
