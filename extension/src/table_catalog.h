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

/*
 * table_catalog gives the entry of a table. It can be relied on as long as the table is locked and the entry still
 * valid after that. Raises SH001 when the table is missing, SH002 when a column is not as expected.
 */
extern const TableCatalog *table_catalog(TableId table);

/* table_catalog_changes counts what PostgreSQL told of changes of our tables: the same number twice means that the
 * tables are what they were, as far as locked ones go. */
extern uint64 table_catalog_changes(void);

/* index_table gives the table that an index belongs to. */
extern TableId index_table(IndexId index);

/* index_catalog gives the OID of an index, whose table is locked. Raises SH001 when it is missing. */
extern Oid index_catalog(IndexId index);

/*
 * table_checks gives the table's CHECK constraints ready to be evaluated, for ResultRelInfo. The executor would read
 * them from their stored text anew in every call, which took a quarter of a checkout's CPU time.
 */
extern ExprState **table_checks(TableId table, Relation relation);

/* table_catalog_register asks PostgreSQL to tell us of changed tables; called once by _PG_init. */
extern void table_catalog_register(void);

#endif
