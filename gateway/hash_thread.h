/*
 * The one thread that hashes passwords, so that the event loop never waits for it. At most HASH_QUEUE_LIMIT jobs exist
 * at a time: one core is the most that sign-ins can take.
 */
#ifndef SHOP_GATEWAY_HASH_THREAD_H
#define SHOP_GATEWAY_HASH_THREAD_H

#include <stdbool.h>

#define HASH_QUEUE_LIMIT 8

struct hash_thread;

enum hash_outcome {
    HASH_DONE,     /* the password matches; or the hash was made */
    HASH_MISMATCH, /* it does not match */
    HASH_FAILED,   /* nothing was found out: no memory, or the thread is going down */
};

/* hash_callback gets the outcome, on the event loop. hash: the new hash when one was made, else NULL. */
typedef void hash_callback(void *context, enum hash_outcome outcome, const char *hash);

/* hash_thread_start starts the thread. NULL when it cannot. */
struct hash_thread *hash_thread_start(void);

/* hash_thread_fd gives the descriptor that becomes readable when results wait. */
int hash_thread_fd(const struct hash_thread *thread);

/*
 * hash_thread_verify queues a check. hash NULL: there is no such account; the same work is done on a hash that nothing
 * matches, so that the time of the answer does not tell who exists. Texts are copied.
 * Returns false, and does not call back, when the queue is full or the thread has been stopped.
 */
bool hash_thread_verify(struct hash_thread *thread, const char *password, const char *hash, hash_callback *callback,
                        void *context);

/* hash_thread_make queues the making of a new hash; otherwise as hash_thread_verify. */
bool hash_thread_make(struct hash_thread *thread, const char *password, hash_callback *callback, void *context);

/* hash_thread_process calls the callbacks of finished jobs. Call it when the descriptor is readable. */
void hash_thread_process(struct hash_thread *thread);

/* hash_thread_stop waits for the running job and answers the others with HASH_FAILED. NULL is allowed. */
void hash_thread_stop(struct hash_thread *thread);

/* hash_thread_free frees a thread that has been stopped. NULL is allowed. */
void hash_thread_free(struct hash_thread *thread);

#endif
