/*
 * The library's entry: module magic and start-up. Each topic has its own file; shop.checkout() in checkout.c is the one
 * to read first.
 */
#include "postgres.h"

#include "fmgr.h"

#include "compat.h"
#include "fault_point.h"
#include "installation.h"
#include "settings.h"
#include "tables.h"

compat_module_magic("pg_shop", PG_SHOP_VERSION);

extern void _PG_init(void);

void _PG_init(void) {
    settings_register();
    tables_register();
    installation_register();
    fault_points_register();
}
