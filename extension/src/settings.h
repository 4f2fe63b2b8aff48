/*
 * The configuration parameters shop.* (GUCs).
 */
#ifndef SHOP_SETTINGS_H
#define SHOP_SETTINGS_H

/* shop.idempotency_wait: how long a request waits for a running one with the same key, in milliseconds. */
extern int setting_idempotency_wait;

/* shop.pending_order_ttl: age in seconds from which an unpaid order expires; 0: never. */
extern int setting_pending_order_ttl;

/* settings_register defines all the parameters; called once by _PG_init. The other ones are read in SQL. */
extern void settings_register(void);

#endif
