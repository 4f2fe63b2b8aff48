/*
 * Receives that must not count against a message, because the message never had its try: it was given back while the
 * database was away. SQS counts every receive (ApproximateReceiveCount), so this process keeps the difference.
 *
 * Kept in memory, for the messages seen last: another poller, or this one after a restart, does not know and may move a
 * message to the dead letters a few tries early, where it can be redriven.
 */
#ifndef SHOP_POLLER_EXCUSED_RECEIVES_H
#define SHOP_POLLER_EXCUSED_RECEIVES_H

struct excused_receives;

struct excused_receives *excused_receives_create(void);

/* excused_receives_destroy frees it. NULL is allowed. */
void excused_receives_destroy(struct excused_receives *excused);

/* excused_receives_add excuses one more receive of the message. */
void excused_receives_add(struct excused_receives *excused, const char *message_id);

/* excused_receives_count tells how many receives of the message are excused. */
int excused_receives_count(const struct excused_receives *excused, const char *message_id);

/* excused_receives_forget drops what is kept about a message that is done. */
void excused_receives_forget(struct excused_receives *excused, const char *message_id);

#endif
