/*
 * The two demo accounts, admin (id 1) and user (id 2): put into the database where the configuration gives them
 * passwords, without touching them when they already have those; where it gives none, in production, an account that
 * still has the well-known password gets one that nobody knows.
 */
#ifndef SHOP_GATEWAY_DEMO_ACCOUNTS_H
#define SHOP_GATEWAY_DEMO_ACCOUNTS_H

#include <stdbool.h>

struct demo_accounts;
struct gateway;

/* demo_accounts_create plans the work; it starts with the first demo_accounts_process. NULL when memory is short. */
struct demo_accounts *demo_accounts_create(struct gateway *gateway);

/* demo_accounts_process starts the next step when it is due. What fails is tried again every second. */
void demo_accounts_process(struct demo_accounts *accounts);

/* demo_accounts_timeout_ms gives the milliseconds until the next step is due, -1 when none is. */
int demo_accounts_timeout_ms(const struct demo_accounts *accounts);

/* demo_accounts_stored tells whether nothing is left to do. */
bool demo_accounts_stored(const struct demo_accounts *accounts);

/* demo_accounts_free frees the plan; calls in flight must have been answered before. */
void demo_accounts_free(struct demo_accounts *accounts);

#endif
