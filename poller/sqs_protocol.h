/*
 * The wire format of SQS: AWS JSON 1.0 bodies and error answers (Amazon SQS API Reference, "AWS JSON protocol").
 * Pure functions; sqs_client.h sends what they make.
 */
#ifndef SHOP_POLLER_SQS_PROTOCOL_H
#define SHOP_POLLER_SQS_PROTOCOL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Limits of SQS ("Amazon SQS message quotas"). */
#define SQS_BATCH_ENTRIES        10
#define SQS_VISIBILITY_MAXIMUM   43200 /* seconds */
#define SQS_WAIT_SECONDS_MAXIMUM 20
#define SQS_BATCH_BYTES          262144 /* the older limit of 256 KiB, which compatible servers keep */
#define SQS_ERROR_CODE_SIZE      96
#define SQS_ERROR_MESSAGE_SIZE   384
#define SQS_MESSAGE_ID_SIZE      128

/* What to do about an error; the codes are those of the Amazon SQS API Reference, "Common Errors" and each action's
 * own. */
enum sqs_error_class {
    SQS_NO_ERROR,
    SQS_ERROR_TRANSIENT,   /* transport, throttling, 5xx, an answer that makes no sense: try again later */
    SQS_ERROR_CREDENTIALS, /* renew the credentials, then try again */
    SQS_ERROR_CLOCK,       /* correct the clock by the answer's Date, then try again */
    SQS_ERROR_QUEUE,       /* queue missing or access refused: needs an operator; keep asking, slowly */
    SQS_ERROR_LEASE_LOST,  /* the receipt handle is no longer good: the message went back to the queue */
    SQS_ERROR_MESSAGE,     /* the queue will never take this message */
    SQS_ERROR_REQUEST,     /* the service will never accept this request */
};

struct sqs_error {
    enum sqs_error_class class;
    char code[SQS_ERROR_CODE_SIZE];       /* "QueueDoesNotExist"; "" when class is SQS_NO_ERROR */
    char message[SQS_ERROR_MESSAGE_SIZE]; /* for the log */
};

struct sqs_outgoing_message {
    const char *body;
    json_t *attributes;           /* MessageAttributes, an object; NULL or empty: none. Borrowed. */
    const char *group_id;         /* for a FIFO queue; NULL: none */
    const char *deduplication_id; /* for a FIFO queue; NULL: none */
};

struct sqs_visibility_change {
    const char *receipt_handle;
    int seconds; /* counted from now; 0 gives the message back at once */
};

struct sqs_received_message {
    char *message_id, *receipt_handle, *body;
    char *group_id;     /* MessageGroupId; NULL where the message has none */
    json_t *attributes; /* MessageAttributes, an object, possibly empty */
    int receive_count;  /* ApproximateReceiveCount, at least 1 */
};

/* The outcome of one entry of a batch. */
struct sqs_entry_outcome {
    struct sqs_error error;               /* class SQS_NO_ERROR: it succeeded */
    char message_id[SQS_MESSAGE_ID_SIZE]; /* of a message that was sent, else "" */
};

/* sqs_is_fifo tells whether a queue is a FIFO queue: their names end in ".fifo" ("Amazon SQS FIFO queues"). A standard
 * queue's messages may have a group too, which then says nothing about order. */
bool sqs_is_fifo(const char *queue_url);

/* sqs_string_attribute adds a String attribute to a MessageAttributes object; nothing happens for NULL or "". */
void sqs_string_attribute(json_t *attributes, const char *name, const char *value);

/* sqs_attribute_text gives the value of a String attribute, or NULL. */
const char *sqs_attribute_text(const json_t *attributes, const char *name);

/*
 * The encoders give the request body as ASCII JSON, which the caller frees, or NULL when a text is no UTF-8.
 * Entries of a batch carry their index as Id; count is 1 to SQS_BATCH_ENTRIES.
 */
char *sqs_encode_send(const char *queue_url, const struct sqs_outgoing_message *message);
char *sqs_encode_send_batch(const char *queue_url, const struct sqs_outgoing_message *messages, size_t count);
char *sqs_encode_receive(const char *queue_url, int maximum, int wait_seconds, int visibility_seconds);
char *sqs_encode_delete_batch(const char *queue_url, const char *const *receipt_handles, size_t count);
char *sqs_encode_visibility_batch(const char *queue_url, const struct sqs_visibility_change *changes, size_t count);

/* sqs_encode_get_depth asks GetQueueAttributes how many messages are on the queue. */
char *sqs_encode_get_depth(const char *queue_url);

/* sqs_decode_depth gives the number of messages, waiting and in flight, from its answer; -1 when it does not tell. */
int64_t sqs_decode_depth(const char *body, size_t length);

/*
 * sqs_decode_receive reads the answer of ReceiveMessage. Returns false when it is no such answer. messages has room for
 * SQS_BATCH_ENTRIES; each one that is set has to be given to sqs_received_message_clear.
 */
bool sqs_decode_receive(const char *body, size_t length, struct sqs_received_message *messages, size_t *count);

/* sqs_received_message_clear frees the parts of a message that are still there. */
void sqs_received_message_clear(struct sqs_received_message *message);

/*
 * sqs_decode_batch reads the answer of a batch of count entries. Entries that the answer does not mention count as
 * failed with a transient error; so does every entry when the answer cannot be read.
 */
void sqs_decode_batch(const char *body, size_t length, struct sqs_entry_outcome *outcomes, size_t count);

/* sqs_decode_sent_id copies the MessageId of a SendMessage answer; "" when there is none. */
void sqs_decode_sent_id(const char *body, size_t length, char message_id[SQS_MESSAGE_ID_SIZE]);

/*
 * sqs_decode_error reads an error answer. The code is taken from the body's __type, else from the x-amzn-errortype
 * header, else from x-amzn-query-error (both may be NULL), and is given without namespace.
 */
void sqs_decode_error(long status, const char *body, size_t length, const char *error_type, const char *query_error,
                      struct sqs_error *error);

/* sqs_error_class_of tells what to do about an error code, "" being unknown, that came with an HTTP status. */
enum sqs_error_class sqs_error_class_of(long status, const char *code);

/* sqs_error_text gives "Code: message" for the log; the caller frees it. */
char *sqs_error_text(const struct sqs_error *error);

/* sqs_error_set fills an error. Texts that are too long are cut at a character's end, a message that quotes the
 * request, with its session token, where it begins to. */
void sqs_error_set(struct sqs_error *error, enum sqs_error_class class, const char *code, const char *message);

#endif
