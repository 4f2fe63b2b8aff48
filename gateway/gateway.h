/*
 * What the parts of the running gateway share.
 */
#ifndef SHOP_GATEWAY_GATEWAY_H
#define SHOP_GATEWAY_GATEWAY_H

#include "call_lane.h"
#include "configuration.h"
#include "database.h"
#include "hash_thread.h"
#include "token.h"

struct request_batcher;
struct certificate;
struct demo_accounts;
struct http_server;
struct metrics;
struct reading_lanes;
struct token_cache;

struct gateway {
    struct configuration configuration;
    struct token_settings tokens;
    struct token_cache *token_cache;
    char store_id[16]; /* the shop of this process, as SQL takes it */
    struct database_pool *database;
    struct database_pool *replica;      /* of DATABASE_READ_URL; NULL: none */
    struct call_lanes lanes;            /* of the batchers and readings */
    struct request_batcher *cart_items; /* what is put into carts */
    struct request_batcher *checkouts;
    struct reading_lanes *readings;
    struct hash_thread *hashing;
    struct demo_accounts *demo_accounts;
    struct certificate *certificate; /* NULL: plain HTTP */
    struct http_server *server;
    struct metrics *metrics;
    struct http_server *metrics_server; /* of METRICS_PORT; NULL: none */
    size_t body_bytes;                  /* that bodies of requests take, see request_add_body */
    int64_t started_us;                 /* clock_monotonic_us */
    bool stopping;                      /* after SIGTERM: what comes now is refused */
    bool closing;                       /* the grace is over: what has come in full only now is refused too */
};

/* How long one call to the database may take, waiting for a connection included. */
#define DATABASE_CALL_TIMEOUT_MS 10000

#endif
