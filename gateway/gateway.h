/*
 * What the parts of the running gateway share.
 */
#ifndef SHOP_GATEWAY_GATEWAY_H
#define SHOP_GATEWAY_GATEWAY_H

#include "configuration.h"
#include "database.h"
#include "hash_thread.h"
#include "token.h"

struct demo_accounts;
struct http_server;

struct gateway {
    struct configuration configuration;
    struct token_settings tokens;
    char store_id[16]; /* the shop of this process, as SQL takes it */
    struct database_pool *database;
    struct hash_thread *hashing;
    struct demo_accounts *demo_accounts;
    struct http_server *server;
    bool stopping; /* after SIGTERM: what comes now is refused */
};

/* How long one call to the database may take, waiting for a connection included. */
#define DATABASE_CALL_TIMEOUT_MS 10000

#endif
