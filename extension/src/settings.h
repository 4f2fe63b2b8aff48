/*
 * The configuration parameters shop.* (GUCs).
 */
#ifndef SHOP_SETTINGS_H
#define SHOP_SETTINGS_H

/* shop.idempotency_wait: how long a request waits for a running one with the same key, in milliseconds. */
extern int setting_idempotency_wait;

/* settings_register defines the parameters; called once by _PG_init. */
extern void settings_register(void);

#endif
