/*
 * What the payment providers over HTTP share: requests under way, their transport, and what an answer without a payment
 * in it means. A provider adds how a request is written and how its answers are read.
 */
#ifndef SHOP_POLLER_PAYMENT_SERVICE_H
#define SHOP_POLLER_PAYMENT_SERVICE_H

#include "list.h"
#include "payment.h"

#define PAYMENT_SERVICE_HEADERS 8

struct payment_service;

/* A request on its way. */
struct payment_exchange {
    struct list_place place;
    struct payment_service *service;
    enum payment_operation operation;
    int64_t age_seconds;
    char key[PAYMENT_KEY_SIZE]; /* ours, by which to look in a list */
    bool searching;             /* the answer is such a list */
    payment_callback *callback;
    void *context;
    struct http_call *call;
};

/* A request as it goes out; everything is freed by the service. */
struct payment_message {
    char *url;
    char *body; /* NULL: GET */
    char *headers[PAYMENT_SERVICE_HEADERS];
    size_t header_count;
};

struct payment_service {
    struct payment_provider provider; /* has to be the first member: the callbacks cast it back */
    struct payment_service_settings settings;
    struct list exchanges;
    /* write fills the message; it may note on the exchange how the answer is to be read. */
    void (*write)(struct payment_exchange *exchange, const struct payment_request *request,
                  struct payment_message *message);
    /* read judges a JSON answer (NULL: the body is none) of a status that may hold a payment, a refund or an error. */
    void (*read)(const struct payment_exchange *exchange, long status, const json_t *body,
                 struct payment_answer *answer);
};

/* payment_service_create makes a provider of two functions. settings are copied, what they point to is not. */
struct payment_provider *payment_service_create(const char *name, const struct payment_service_settings *settings,
                                                void (*write)(struct payment_exchange *, const struct payment_request *,
                                                              struct payment_message *),
                                                void (*read)(const struct payment_exchange *, long, const json_t *,
                                                             struct payment_answer *));

/* payment_message_header adds a header line, which the message takes over. */
void payment_message_header(struct payment_message *message, char *line);

/* payment_answer_take makes the answer of an object that was read: in our currency, or held back. */
void payment_answer_take(struct payment_answer *answer, struct payment_object *object, const char *currency);

#endif
