/*
 * Names of our tables, columns and indexes resolved to catalog numbers, once per backend and again whenever PostgreSQL
 * says that a table changed.
 */
#ifndef SHOP_TABLE_CATALOG_H
#define SHOP_TABLE_CATALOG_H

#include "postgres.h"

#include "access/attnum.h"
#include "nodes/execnodes.h"
#include "utils/rel.h"

#include "tables.h"

#define MAX_COLUMNS 16

typedef struct TableCatalog {
    bool valid;                        /* set last, so that an error half-way leaves the entry unusable */
    Oid relation;                      /* the table */
    Oid sequence;                      /* of the identity column "id", or InvalidOid */
    int column_count;                  /* how many of attribute[] are in use */
    AttrNumber attribute[MAX_COLUMNS]; /* column -> attribute number */
} TableCatalog;

/* table_catalog gives the entry of a table. Raises SH001 when the table is missing, SH002 when a column is not as
 * expected. */
extern const TableCatalog *table_catalog(TableId table);

/* index_catalog gives the OID of an index and the table it belongs to. Raises SH001 when it is missing. */
extern Oid index_catalog(IndexId index, TableId *table);

/*
 * table_checks gives the table's CHECK constraints ready to be evaluated, for ResultRelInfo. The executor would read
 * them from their stored text anew in every call, which took a quarter of a checkout's CPU time.
 */
extern ExprState **table_checks(TableId table, Relation relation);

/* table_catalog_register asks PostgreSQL to tell us of changed tables; called once by _PG_init. */
extern void table_catalog_register(void);

#endif
