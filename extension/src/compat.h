/*
 * Differences between the PostgreSQL versions we build for (13 to 18), in this one place.
 */
#ifndef SHOP_COMPAT_H
#define SHOP_COMPAT_H

#include "postgres.h"

#include "access/genam.h"
#include "catalog/dependency.h"
#include "utils/numeric.h"
#include "utils/rel.h"

/* From 16 on what reads values of variable length has a header of its own, and wait events from 14 on. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif
#if PG_VERSION_NUM >= 140000
#include "utils/wait_event.h"
#else
#include "pgstat.h"
#endif

/* From 18 on the server has this word, which stands before a declaration, in place of the attribute after it. */
#ifndef pg_noreturn
#define pg_noreturn _Noreturn
#endif

/* From 18 on a library also tells its name and version, which pg_get_loaded_modules() shows. */
#ifdef PG_MODULE_MAGIC_EXT
#define compat_module_magic(name_text, version_text) PG_MODULE_MAGIC_EXT(.name = name_text, .version = version_text)
#else
#define compat_module_magic(name_text, version_text) PG_MODULE_MAGIC
#endif

/* Settings of ours that do not exist: from 15 on nobody can make them, before that there is a warning. */
#if PG_VERSION_NUM >= 150000
#define compat_reserve_settings(prefix) MarkGUCPrefixReserved(prefix)
#else
#define compat_reserve_settings(prefix) EmitWarningsOnPlaceholders(prefix)
#endif

#if PG_VERSION_NUM >= 180000
#define compat_index_beginscan(heap, index, snapshot, keys) index_beginscan(heap, index, snapshot, NULL, keys, 0)
#else
#define compat_index_beginscan(heap, index, snapshot, keys) index_beginscan(heap, index, snapshot, keys, 0)
#endif

/* From 14 on ResultRelInfo belongs to the call, before it to the executor state. */
#if PG_VERSION_NUM >= 140000
#define compat_insert(result, estate, slot)          ExecSimpleRelationInsert(result, estate, slot)
#define compat_update(result, estate, epq, old, new) ExecSimpleRelationUpdate(result, estate, epq, old, new)
#define compat_delete(result, estate, epq, old)      ExecSimpleRelationDelete(result, estate, epq, old)
#define compat_use_result_relation(estate, result)   ((void)0)
#define compat_close_result_relations(estate)        ExecCloseResultRelations(estate)
#else
#define compat_insert(result, estate, slot)          ExecSimpleRelationInsert(estate, slot)
#define compat_update(result, estate, epq, old, new) ExecSimpleRelationUpdate(estate, epq, old, new)
#define compat_delete(result, estate, epq, old)      ExecSimpleRelationDelete(estate, epq, old)
#define compat_use_result_relation(estate, result)   ((estate)->es_result_relation_info = (result))
#define compat_close_result_relations(estate)        ExecCleanUpTriggerState(estate)
#endif

/* The index entries of a row that was just inserted; gives the indexes that are to be checked again. */
#if PG_VERSION_NUM >= 160000
#define compat_insert_index_entries(result, estate, slot)                                                              \
    ExecInsertIndexTuples(result, slot, estate, false, false, NULL, NIL, false)
#elif PG_VERSION_NUM >= 140000
#define compat_insert_index_entries(result, estate, slot)                                                              \
    ExecInsertIndexTuples(result, slot, estate, false, false, NULL, NIL)
#else
#define compat_insert_index_entries(result, estate, slot) ExecInsertIndexTuples(slot, estate, false, NULL, NIL)
#endif

#if PG_VERSION_NUM >= 160000
#define compat_init_epq(epq, estate) EvalPlanQualInit(epq, estate, NULL, NIL, -1, NIL)
#else
#define compat_init_epq(epq, estate) EvalPlanQualInit(epq, estate, NULL, NIL, -1)
#endif

#if PG_VERSION_NUM >= 170000
#define compat_identity_sequence(relation, attribute) getIdentitySequence(relation, attribute, false)
#else
#define compat_identity_sequence(relation, attribute) getIdentitySequence(RelationGetRelid(relation), attribute, false)
#endif

/* Cents to numeric with two decimals; before 14 only by way of text. */
#if PG_VERSION_NUM >= 140000
#define compat_numeric_of_cents(cents) int64_div_fast_to_numeric(cents, 2)
#else
#define compat_numeric_of_cents(cents)                                                                                 \
    DatumGetNumeric(DirectFunctionCall3(                                                                               \
        numeric_in, CStringGetDatum(psprintf(INT64_FORMAT ".%02d", (cents) / 100, (int)((cents) % 100))),              \
        ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)))
#endif

/* Where a result relation keeps its prepared CHECK constraints. */
#if PG_VERSION_NUM >= 180000
#define compat_check_expressions(result) ((result)->ri_CheckConstraintExprs)
#else
#define compat_check_expressions(result) ((result)->ri_ConstraintExprs)
#endif

/* A set-returning function that fills a tuplestore: before 15 without help from the server, in compat.c. */
#if PG_VERSION_NUM >= 150000
#define compat_materialize_result(fcinfo) InitMaterializedSRF(fcinfo, 0)
#else
extern void compat_materialize_result(FunctionCallInfo fcinfo);
#endif

#endif
