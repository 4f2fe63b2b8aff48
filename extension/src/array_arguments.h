/*
 * What functions over many things at once share: reading arguments that are arrays of one length, one array for each
 * column, and lists of ids in the order in which all of pg_shop locks.
 */
#ifndef SHOP_ARRAY_ARGUMENTS_H
#define SHOP_ARRAY_ARGUMENTS_H

#include "postgres.h"

#include "fmgr.h"

/* Most elements of a batch. */
#define BATCH_MAX 1000

/* One array argument, taken apart; a NULL argument is a column of SQL NULLs. */
typedef struct ArrayColumn {
    Datum *values;
    bool *nulls; /* NULL: all are */
} ArrayColumn;

/*
 * array_argument_count gives the length of the array that says how many there are. Raises SH005 where it is NULL or has
 * over BATCH_MAX elements. name: the argument's; elements: what they are, in the plural.
 */
extern int array_argument_count(FunctionCallInfo fcinfo, int number, const char *name, const char *elements);

/*
 * array_argument takes an array argument apart, which may be NULL. type: of its elements. Raises SH005 where it has not
 * count elements.
 */
extern ArrayColumn array_argument(FunctionCallInfo fcinfo, int number, const char *name, Oid type, int count);

/* column_is_null tells whether an element is SQL NULL. */
extern bool column_is_null(const ArrayColumn *column, int row);

/* column_text copies an element of text; NULL for SQL NULL. */
extern char *column_text(const ArrayColumn *column, int row);

/* column_int64 gives an element of bigint; 0 for SQL NULL. */
extern int64 column_int64(const ArrayColumn *column, int row);

/* ids_sort sorts ids ascending in place and removes those that come again. Returns how many are left. */
extern int ids_sort(int64 *ids, int count);

/* ids_place gives the place of an id that is among the sorted ones. */
extern int ids_place(const int64 *ids, int count, int64 id);

#endif
