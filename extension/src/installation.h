/*
 * Is this database ready for this library: are the tables there, and do library, catalog and tables agree in version?
 */
#ifndef SHOP_INSTALLATION_H
#define SHOP_INSTALLATION_H

/* The layout of the tables that this library works with: the number of the last step of shop.migrate(). */
#define SHOP_SCHEMA_VERSION 1

/*
 * require_migrated is called first by everything that touches the tables. Raises SH001 when they are missing, SH002
 * when library, catalog and tables are of different versions. Looks at the versions once per session, and again after
 * functions were changed: a session that was there before an upgrade goes on with the old library, and must not.
 */
extern void require_migrated(void);

/* installation_register asks PostgreSQL to tell us of changed functions; called once by _PG_init. */
extern void installation_register(void);

#endif
