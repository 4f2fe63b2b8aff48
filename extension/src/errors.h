/*
 * Faults: the SQLSTATE class SH and one raise function per fault, so that all wording is in one place. Refusals of a
 * request are answers, not faults: see response.h.
 */
#ifndef SHOP_ERRORS_H
#define SHOP_ERRORS_H

#include "postgres.h"

#include "compat.h"

/* Classes that begin with 5-9 or I-Z are left to implementations by the SQL standard (errcodes.txt). */
#define ERRCODE_SHOP_NOT_MIGRATED     MAKE_SQLSTATE('S', 'H', '0', '0', '1')
#define ERRCODE_SHOP_VERSION_MISMATCH MAKE_SQLSTATE('S', 'H', '0', '0', '2')
#define ERRCODE_SHOP_INVARIANT_LOST   MAKE_SQLSTATE('S', 'H', '0', '0', '3')
#define ERRCODE_SHOP_WRONG_ISOLATION  MAKE_SQLSTATE('S', 'H', '0', '0', '4')
#define ERRCODE_SHOP_INVALID_ARGUMENT MAKE_SQLSTATE('S', 'H', '0', '0', '5')

/* The tables are not there: SH001. */
pg_noreturn extern void raise_not_migrated(void);

/* A column is missing or has another type than this library reads: SH002. */
pg_noreturn extern void raise_unexpected_column(const char *table, const char *column);

/* An index that rows are found by is not valid: SH002. */
pg_noreturn extern void raise_invalid_index(const char *index);

/* Library, catalog and tables are not of one version: SH002. */
pg_noreturn extern void raise_version_mismatch(const char *what, const char *found, const char *expected);

/* The stored data contradicts an invariant that the functions keep: SH003. detail: a sentence. */
pg_noreturn extern void raise_invariant_lost(const char *detail);

/* The call needs READ COMMITTED: SH004. */
pg_noreturn extern void raise_wrong_isolation_level(const char *purpose);

/* An argument that no client of the API can cause: SH005. */
pg_noreturn extern void raise_invalid_argument(const char *name, const char *rule);

#endif
