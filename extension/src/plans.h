/*
 * SQL statements run from C, for what is not hot: prepared once per backend with a generic plan and kept. PostgreSQL
 * rebuilds a kept plan by itself when a table changes.
 */
#ifndef SHOP_PLANS_H
#define SHOP_PLANS_H

#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"

#define PLAN_MAX_ARGUMENTS 8

/* A statement, a static variable of its user. Every result column is cast in the SQL text to the type that is read. */
typedef struct KeptPlan {
    const char *name; /* for error messages */
    const char *sql;
    int expected; /* SPI_OK_SELECT, SPI_OK_INSERT_RETURNING ... */
    int argument_count;
    Oid argument_types[PLAN_MAX_ARGUMENTS];
    SPIPlanPtr prepared; /* set once it is kept */
} KeptPlan;

/*
 * plans_begin and plans_end enclose the use of plans and their results. A STABLE function only reads and keeps its
 * snapshot; a VOLATILE one sees what has been committed up to each statement and what it wrote itself. Raises SH001
 * before migrate().
 */
typedef enum PlanUse { PLANS_READ, PLANS_WRITE } PlanUse;
extern void plans_begin(PlanUse use);
extern void plans_end(void);

/*
 * plan_run executes the statement and returns the number of rows, which the readers below then read.
 * nulls: 'n' marks a NULL argument, ' ' any other; NULL: none is NULL.
 */
extern int64 plan_run(KeptPlan *plan, Datum *values, const char *nulls);

/* Columns of the last result, counted from 1; rows from 0. Text is copied into the current context. */
extern bool plan_is_null(int64 row, int column);
extern Datum plan_datum(int64 row, int column);
extern int32 plan_int32(int64 row, int column);
extern int64 plan_int64(int64 row, int column);
extern char *plan_text(int64 row, int column);

#endif
