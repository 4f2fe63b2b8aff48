/*
 * Faults: the SQLSTATE class SH and one raise function per fault, so that all wording is in one place. Refusals of a
 * request are answers, not faults: see problem.h.
 */
#ifndef SHOP_ERRORS_H
#define SHOP_ERRORS_H

#include "postgres.h"

/* Classes that begin with 5-9 or I-Z are left to implementations by the SQL standard (errcodes.txt). */
#define ERRCODE_SHOP_NOT_MIGRATED     MAKE_SQLSTATE('S', 'H', '0', '0', '1')
#define ERRCODE_SHOP_VERSION_MISMATCH MAKE_SQLSTATE('S', 'H', '0', '0', '2')
#define ERRCODE_SHOP_INVARIANT_LOST   MAKE_SQLSTATE('S', 'H', '0', '0', '3')
#define ERRCODE_SHOP_WRONG_ISOLATION  MAKE_SQLSTATE('S', 'H', '0', '0', '4')
#define ERRCODE_SHOP_INVALID_ARGUMENT MAKE_SQLSTATE('S', 'H', '0', '0', '5')

/* The tables are not there: SH001. */
extern void raise_not_migrated(void) pg_attribute_noreturn();

/* A column is missing or has another type than this library reads: SH002. */
extern void raise_unexpected_column(const char *table, const char *column) pg_attribute_noreturn();

/* Library, catalog and tables are not of one version: SH002. */
extern void raise_version_mismatch(const char *what, const char *found, const char *expected) pg_attribute_noreturn();

/* The stored data contradicts an invariant that the functions keep: SH003. detail: a sentence. */
extern void raise_invariant_lost(const char *detail) pg_attribute_noreturn();

/* The call needs READ COMMITTED: SH004. */
extern void raise_wrong_isolation_level(const char *purpose) pg_attribute_noreturn();

/* An argument that no client of the API can cause: SH005. */
extern void raise_invalid_argument(const char *name, const char *rule) pg_attribute_noreturn();

#endif
