#include "postgres.h"

#include "access/genam.h"
#include "access/tableam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "errors.h"
#include "installation.h"
#include "table_catalog.h"
#include "tables.h"

/* So many new rows of a table wait at most to be written together. */
#define WAITING_MAXIMUM 500

typedef struct OpenTable {
    Tables *tables;
    const TableCatalog *catalog;
    ResultRelInfo *result; /* the relation and its indexes, open for writing */
    bool rows_may_wait;    /* nothing has to happen before a row is stored but what store_later does */
    int waiting_count;
    int waiting_capacity;
    TupleTableSlot **waiting; /* new rows, checked but not stored yet */
    bool *waiting_referenced; /* by the same number: what they refer to is there for certain */
} OpenTable;

struct Tables {
    EState *estate;
    EPQState epq; /* asked for by ExecSimpleRelationUpdate; in use only with BEFORE triggers of somebody else */
    OpenTable *open[TABLE_COUNT];
    uint64 changes; /* table_catalog_changes() when the snapshot was taken */
};

struct Row {
    OpenTable *table;
    TupleTableSlot *stored; /* the version read from the table, NULL for a new row */
    TupleTableSlot *edited; /* the version being filled, NULL while nothing was set */
};

struct RowScan {
    IndexScanDesc scan;
    Snapshot snapshot; /* held, for the active one may be replaced meanwhile */
    Relation index;
    Row row;
};

static void write_waiting_rows(Tables *tables);

void tables_register(void) {
    table_catalog_register();
}

/* take_snapshot makes what is committed by now visible. BEFORE triggers look at rows as of es_output_cid. */
static void take_snapshot(Tables *tables) {
    tables->changes = table_catalog_changes();
    tables->estate->es_output_cid = GetCurrentCommandId(false);
    PushActiveSnapshot(GetTransactionSnapshot());
}

Tables *tables_begin(const char *purpose) {
    Tables *tables = palloc0(sizeof(Tables));

    PreventCommandIfReadOnly(purpose);
    require_migrated();
    if (IsolationUsesXactSnapshot())
        raise_wrong_isolation_level(purpose);
    tables->estate = CreateExecutorState();
    compat_init_epq(&tables->epq, tables->estate);
    AfterTriggerBeginQuery();
    CommandCounterIncrement();
    take_snapshot(tables);
    return tables;
}

void tables_look_again(Tables *tables) {
    write_waiting_rows(tables);
    PopActiveSnapshot();
    CommandCounterIncrement();
    take_snapshot(tables);
}

void tables_end(Tables *tables) {
    EState *estate = tables->estate;

    write_waiting_rows(tables);
    AfterTriggerEndQuery(estate);
    ExecResetTupleTable(estate->es_tupleTable, false);
    for (int i = 0; i < TABLE_COUNT; i++) {
        OpenTable *table = tables->open[i];

        if (table == NULL)
            continue;
        ExecCloseIndices(table->result);
        table_close(table->result->ri_RelationDesc, NoLock);
    }
    compat_close_result_relations(estate);
    PopActiveSnapshot();
    FreeExecutorState(estate);
    CommandCounterIncrement();
    pfree(tables);
}

/* rows_may_wait tells whether new rows of the table need nothing before they are stored but the check of constraints.
 */
static bool rows_may_wait(const ResultRelInfo *result) {
    const TriggerDesc *triggers = result->ri_TrigDesc;
    const TupleConstr *constraints = RelationGetDescr(result->ri_RelationDesc)->constr;

    return (triggers == NULL || (!triggers->trig_insert_before_row && !triggers->trig_insert_instead_row)) &&
           (constraints == NULL || !constraints->has_generated_stored) &&
           !result->ri_RelationDesc->rd_rel->relispartition;
}

/*
 * lock_table opens a table for writing. While that waits for an ALTER TABLE the entry of the catalog goes out of date,
 * and rows that were written anew are newer than our snapshot: such a wait must not hide them.
 */
static Relation lock_table(Tables *tables, TableId id, const TableCatalog **catalog) {
    Relation relation;

    for (;;) {
        *catalog = table_catalog(id);
        relation = table_open((*catalog)->relation, RowExclusiveLock);
        if ((*catalog)->valid)
            break;
        table_close(relation, NoLock);
    }
    if (tables->changes != table_catalog_changes()) {
        PopActiveSnapshot();
        take_snapshot(tables);
    }
    return relation;
}

/* open_table opens a table and its indexes at its first use in this unit of work. */
static OpenTable *open_table(Tables *tables, TableId id) {
    OpenTable *table = tables->open[id];
    Relation relation;

    if (table != NULL)
        return table;
    table = palloc0(sizeof(OpenTable));
    table->tables = tables;
    relation = lock_table(tables, id, &table->catalog);
    table->result = makeNode(ResultRelInfo);
    InitResultRelInfo(table->result, relation, 0, NULL, 0);
    ExecOpenIndices(table->result, false);
    compat_check_expressions(table->result) = table_checks(id, relation);
    table->rows_may_wait = rows_may_wait(table->result);
    tables->open[id] = table;
    return table;
}

/* open_index finds the index among those that open_table opened. */
static Relation open_index(Tables *tables, IndexId id, OpenTable **table) {
    Oid index;

    *table = open_table(tables, index_table(id));
    index = index_catalog(id);
    for (int i = 0; i < (*table)->result->ri_NumIndices; i++) {
        Relation found = (*table)->result->ri_IndexRelationDescs[i];

        if (RelationGetRelid(found) != index)
            continue;
        if (!found->rd_index->indisvalid) /* rows may be missing in it */
            raise_invalid_index(RelationGetRelationName(found));
        return found;
    }
    elog(ERROR, "index %u is not among the indexes of its table", index);
}

/* equality_function gives the btree equality of the three types our keys are made of. */
static RegProcedure equality_function(Oid type) {
    switch (type) {
    case INT4OID:
        return F_INT4EQ;
    case INT8OID:
        return F_INT8EQ;
    case TEXTOID:
        return F_TEXTEQ;
    default:
        elog(ERROR, "no equality known for key type %u", type);
    }
}

/* begin_scan starts an index scan for rows with these leading key values, as seen by the snapshot. */
static IndexScanDesc begin_scan(OpenTable *table, Relation index, Snapshot snapshot, const Datum *key, int key_count) {
    ScanKeyData scan_keys[INDEX_MAX_KEYS];
    IndexScanDesc scan;

    Assert(key_count <= IndexRelationGetNumberOfKeyAttributes(index));
    for (int i = 0; i < key_count; i++) {
        Oid type = TupleDescAttr(RelationGetDescr(index), i)->atttypid;

        ScanKeyEntryInitialize(&scan_keys[i], 0, i + 1, BTEqualStrategyNumber, InvalidOid, index->rd_indcollation[i],
                               equality_function(type), key[i]);
    }
    scan = compat_index_beginscan(table->result->ri_RelationDesc, index, snapshot, key_count);
    index_rescan(scan, scan_keys, key_count, NULL, 0);
    return scan;
}

/* new_slot makes a slot that tables_end releases. */
static TupleTableSlot *new_slot(OpenTable *table) {
    return table_slot_create(table->result->ri_RelationDesc, &table->tables->estate->es_tupleTable);
}

Row *row_find(Tables *tables, IndexId index_id, Datum *key, int key_count) {
    OpenTable *table;
    Relation index = open_index(tables, index_id, &table);
    IndexScanDesc scan = begin_scan(table, index, GetActiveSnapshot(), key, key_count);
    Row *row = palloc0(sizeof(Row));
    bool found;

    row->table = table;
    row->stored = new_slot(table);
    found = index_getnext_slot(scan, ForwardScanDirection, row->stored);
    index_endscan(scan); /* the slot keeps its own pin on the page */
    return found ? row : NULL;
}

/* find_and_lock does the work of row_lock, row_try_lock and row_keep. */
static Row *find_and_lock(Tables *tables, IndexId index, Datum *key, int key_count, LockTupleMode mode,
                          LockWaitPolicy policy) {
    Row *row = row_find(tables, index, key, key_count);
    ItemPointerData found_at;
    TM_FailureData failure;
    TM_Result result;

    if (row == NULL)
        return NULL;
    found_at = row->stored->tts_tid;
    result = table_tuple_lock(row->table->result->ri_RelationDesc, &found_at, GetActiveSnapshot(), row->stored,
                              GetCurrentCommandId(false), mode, policy, TUPLE_LOCK_FLAG_FIND_LAST_VERSION, &failure);
    switch (result) {
    case TM_Ok:
        return row;
    case TM_Deleted:
    case TM_WouldBlock:
        return NULL;
    default:
        elog(ERROR, "unexpected answer %d to a row lock", (int)result);
    }
}

Row *row_lock(Tables *tables, IndexId index, Datum *key, int key_count) {
    return find_and_lock(tables, index, key, key_count, LockTupleNoKeyExclusive, LockWaitBlock);
}

Row *row_try_lock(Tables *tables, IndexId index, Datum *key, int key_count) {
    return find_and_lock(tables, index, key, key_count, LockTupleNoKeyExclusive, LockWaitSkip);
}

bool row_keep(Tables *tables, IndexId index, Datum *key, int key_count) {
    return find_and_lock(tables, index, key, key_count, LockTupleKeyShare, LockWaitBlock) != NULL;
}

RowScan *row_scan_begin(Tables *tables, IndexId index_id, Datum *key, int key_count) {
    RowScan *scan = palloc0(sizeof(RowScan));

    scan->index = open_index(tables, index_id, &scan->row.table);
    scan->snapshot = RegisterSnapshot(GetActiveSnapshot());
    scan->scan = begin_scan(scan->row.table, scan->index, scan->snapshot, key, key_count);
    scan->row.stored = new_slot(scan->row.table);
    return scan;
}

Row *row_scan_next(RowScan *scan) {
    return index_getnext_slot(scan->scan, ForwardScanDirection, scan->row.stored) ? &scan->row : NULL;
}

void row_scan_end(RowScan *scan) {
    index_endscan(scan->scan);
    UnregisterSnapshot(scan->snapshot);
    ExecClearTuple(scan->row.stored);
    pfree(scan);
}

/* edit gives the version of the row that is being filled, a copy of the stored one at first. */
static TupleTableSlot *edit(Row *row) {
    OpenTable *table = row->table;
    int count;

    if (row->edited != NULL)
        return row->edited;
    row->edited =
        ExecInitExtraTupleSlot(table->tables->estate, RelationGetDescr(table->result->ri_RelationDesc), &TTSOpsVirtual);
    count = row->edited->tts_tupleDescriptor->natts;
    if (row->stored != NULL) {
        slot_getallattrs(row->stored);
        memcpy(row->edited->tts_values, row->stored->tts_values, count * sizeof(Datum));
        memcpy(row->edited->tts_isnull, row->stored->tts_isnull, count * sizeof(bool));
    } else {
        memset(row->edited->tts_values, 0, count * sizeof(Datum));
        memset(row->edited->tts_isnull, true, count * sizeof(bool));
    }
    ExecStoreVirtualTuple(row->edited);
    return row->edited;
}

Row *row_new(Tables *tables, TableId table) {
    Row *row = palloc0(sizeof(Row));

    row->table = open_table(tables, table);
    edit(row);
    return row;
}

int64 row_next_id(Tables *tables, TableId table) {
    return nextval_internal(open_table(tables, table)->catalog->sequence, false);
}

/* get_attribute reads one column of the version that counts: the edited one where there is one. */
static Datum get_attribute(const Row *row, int column, bool *is_null) {
    Assert(column < row->table->catalog->column_count);
    return slot_getattr(row->edited != NULL ? row->edited : row->stored, row->table->catalog->attribute[column],
                        is_null);
}

bool row_is_null(const Row *row, int column) {
    bool is_null;

    get_attribute(row, column, &is_null);
    return is_null;
}

Datum row_datum(const Row *row, int column) {
    bool is_null;
    Datum value = get_attribute(row, column, &is_null);

    if (is_null)
        elog(ERROR, "column %d of table \"%s\" is unexpectedly null", column,
             RelationGetRelationName(row->table->result->ri_RelationDesc));
    return value;
}

int32 row_int32(const Row *row, int column) {
    return DatumGetInt32(row_datum(row, column));
}

int64 row_int64(const Row *row, int column) {
    return DatumGetInt64(row_datum(row, column));
}

char *row_text(const Row *row, int column) {
    return TextDatumGetCString(row_datum(row, column));
}

void row_set_datum(Row *row, int column, Datum value) {
    TupleTableSlot *slot = edit(row);
    AttrNumber attribute = row->table->catalog->attribute[column];

    slot->tts_values[attribute - 1] = value;
    slot->tts_isnull[attribute - 1] = false;
}

void row_set_int32(Row *row, int column, int32 value) {
    row_set_datum(row, column, Int32GetDatum(value));
}

void row_set_int64(Row *row, int column, int64 value) {
    row_set_datum(row, column, Int64GetDatum(value));
}

void row_set_text(Row *row, int column, const char *value) {
    if (value == NULL)
        row_set_null(row, column);
    else
        row_set_datum(row, column, CStringGetTextDatum(value));
}

void row_set_null(Row *row, int column) {
    TupleTableSlot *slot = edit(row);
    AttrNumber attribute = row->table->catalog->attribute[column];

    slot->tts_values[attribute - 1] = (Datum)0;
    slot->tts_isnull[attribute - 1] = true;
}

/* only_checks_references tells whether all triggers of the table are the checks of its own foreign keys. */
static bool only_checks_references(const TriggerDesc *triggers) {
    for (int i = 0; i < triggers->numtriggers; i++)
        if (RI_FKey_trigger_type(triggers->triggers[i].tgfoid) != RI_TRIGGER_FK)
            return false;
    return true;
}

/* triggers_of gives the triggers that a new row fires; referenced: what it refers to is there for certain. */
static TriggerDesc *triggers_of(const ResultRelInfo *result, bool referenced) {
    TriggerDesc *triggers = result->ri_TrigDesc;

    return triggers != NULL && referenced && only_checks_references(triggers) ? NULL : triggers;
}

/* write_waiting stores the rows of a table that wait, many in one record of the WAL, with their index entries. */
static void write_waiting(OpenTable *table) {
    EState *estate = table->tables->estate;
    ResultRelInfo *result = table->result;
    TriggerDesc *triggers = result->ri_TrigDesc;

    compat_use_result_relation(estate, result);
    if (table->waiting_count == 1)
        table_tuple_insert(result->ri_RelationDesc, table->waiting[0], GetCurrentCommandId(true), 0, NULL);
    else
        table_multi_insert(result->ri_RelationDesc, table->waiting, table->waiting_count, GetCurrentCommandId(true), 0,
                           NULL);
    for (int i = 0; i < table->waiting_count; i++) {
        List *recheck = NIL;

        if (result->ri_NumIndices > 0)
            recheck = compat_insert_index_entries(result, estate, table->waiting[i]);
        result->ri_TrigDesc = triggers_of(result, table->waiting_referenced[i]);
        ExecARInsertTriggers(estate, result, table->waiting[i], recheck, NULL);
        result->ri_TrigDesc = triggers;
        list_free(recheck);
    }
    table->waiting_count = 0;
}

static void write_waiting_rows(Tables *tables) {
    for (int i = 0; i < TABLE_COUNT; i++)
        if (tables->open[i] != NULL && tables->open[i]->waiting_count > 0)
            write_waiting(tables->open[i]);
}

/* make_room makes sure that one more row can wait. */
static void make_room(OpenTable *table) {
    if (table->waiting_count == WAITING_MAXIMUM)
        write_waiting(table);
    if (table->waiting_count < table->waiting_capacity)
        return;
    if (table->waiting_capacity == 0) {
        table->waiting_capacity = 4;
        table->waiting = palloc(table->waiting_capacity * sizeof(TupleTableSlot *));
        table->waiting_referenced = palloc(table->waiting_capacity * sizeof(bool));
        return;
    }
    table->waiting_capacity *= 2;
    table->waiting = repalloc(table->waiting, table->waiting_capacity * sizeof(TupleTableSlot *));
    table->waiting_referenced = repalloc(table->waiting_referenced, table->waiting_capacity * sizeof(bool));
}

/* store_later checks a new row and lets it wait for others of its table. */
static void store_later(OpenTable *table, TupleTableSlot *slot, bool referenced) {
    if (RelationGetDescr(table->result->ri_RelationDesc)->constr != NULL)
        ExecConstraints(table->result, slot, table->tables->estate);
    make_room(table);
    ExecMaterializeSlot(slot); /* its values may lie in pages or memory that do not stay */
    table->waiting_referenced[table->waiting_count] = referenced;
    table->waiting[table->waiting_count++] = slot;
}

/* insert does the work of row_insert and row_insert_referenced. */
static void insert(Row *row, bool referenced) {
    EState *estate = row->table->tables->estate;
    ResultRelInfo *result = row->table->result;
    TriggerDesc *triggers = result->ri_TrigDesc;

    Assert(row->stored == NULL);
    if (row->table->rows_may_wait) {
        store_later(row->table, row->edited, referenced);
        return;
    }
    compat_use_result_relation(estate, result);
    result->ri_TrigDesc = triggers_of(result, referenced);
    compat_insert(result, estate, row->edited);
    result->ri_TrigDesc = triggers;
}

void row_insert(Row *row) {
    insert(row, false);
}

void row_insert_referenced(Row *row) {
    insert(row, true);
}

void row_update(Row *row) {
    EState *estate = row->table->tables->estate;

    Assert(row->stored != NULL && row->edited != NULL);
    compat_use_result_relation(estate, row->table->result);
    compat_update(row->table->result, estate, &row->table->tables->epq, row->stored, row->edited);
}

void row_delete(Row *row) {
    EState *estate = row->table->tables->estate;

    Assert(row->stored != NULL);
    compat_use_result_relation(estate, row->table->result);
    compat_delete(row->table->result, estate, &row->table->tables->epq, row->stored);
}
