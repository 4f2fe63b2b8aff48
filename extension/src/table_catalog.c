#include "postgres.h"

#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "nodes/readfuncs.h"
#include "optimizer/optimizer.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "compat.h"
#include "errors.h"
#include "table_catalog.h"

typedef struct ColumnDescription {
    const char *name;
    Oid type;
} ColumnDescription;

typedef struct TableDescription {
    const char *name;
    bool has_identity;
    ColumnDescription columns[MAX_COLUMNS + 1]; /* in the order of the enums in tables.h; ends with a NULL name */
} TableDescription;

static const TableDescription descriptions[TABLE_COUNT] = {
    [CARTS] = {"carts",
               true,
               {{"store_id", INT4OID},
                {"id", INT8OID},
                {"user_id", INT8OID},
                {"status", TEXTOID},
                {"created_at", TIMESTAMPTZOID},
                {"updated_at", TIMESTAMPTZOID}}},
    [CART_ITEMS] = {"cart_items",
                    true,
                    {{"store_id", INT4OID},
                     {"id", INT8OID},
                     {"cart_id", INT8OID},
                     {"product_id", INT8OID},
                     {"qty", INT4OID},
                     {"created_at", TIMESTAMPTZOID},
                     {"updated_at", TIMESTAMPTZOID}}},
    [PRODUCTS] = {"products",
                  true,
                  {{"store_id", INT4OID},
                   {"id", INT8OID},
                   {"sku", TEXTOID},
                   {"name", TEXTOID},
                   {"price", NUMERICOID},
                   {"created_at", TIMESTAMPTZOID},
                   {"updated_at", TIMESTAMPTZOID}}},
    [INVENTORY] = {"inventory",
                   false,
                   {{"store_id", INT4OID},
                    {"product_id", INT8OID},
                    {"on_hand", INT4OID},
                    {"reserved", INT4OID},
                    {"updated_at", TIMESTAMPTZOID}}},
    [STOCK_MOVEMENTS] = {"stock_movements",
                         true,
                         {{"store_id", INT4OID},
                          {"id", INT8OID},
                          {"product_id", INT8OID},
                          {"kind", TEXTOID},
                          {"on_hand_delta", INT4OID},
                          {"reserved_delta", INT4OID},
                          {"order_id", INT8OID},
                          {"order_item_id", INT8OID},
                          {"actor", TEXTOID},
                          {"request_id", TEXTOID},
                          {"at", TIMESTAMPTZOID}}},
    [ORDERS] = {"orders",
                true,
                {{"store_id", INT4OID},
                 {"id", INT8OID},
                 {"user_id", INT8OID},
                 {"cart_id", INT8OID},
                 {"status", TEXTOID},
                 {"total_price", NUMERICOID},
                 {"last_event", INT4OID},
                 {"created_at", TIMESTAMPTZOID},
                 {"updated_at", TIMESTAMPTZOID}}},
    [ORDER_ITEMS] = {"order_items",
                     true,
                     {{"store_id", INT4OID},
                      {"id", INT8OID},
                      {"order_id", INT8OID},
                      {"product_id", INT8OID},
                      {"qty", INT4OID},
                      {"price", NUMERICOID},
                      {"returned", INT4OID}}},
    [ORDER_EVENTS] = {"order_events",
                      false,
                      {{"store_id", INT4OID},
                       {"order_id", INT8OID},
                       {"seq", INT4OID},
                       {"from_status", TEXTOID},
                       {"to_status", TEXTOID},
                       {"event", TEXTOID},
                       {"actor", TEXTOID},
                       {"reason", TEXTOID},
                       {"request_id", TEXTOID},
                       {"at", TIMESTAMPTZOID}}},
    [OUTBOX] = {"outbox",
                true,
                {{"store_id", INT4OID},
                 {"id", INT8OID},
                 {"topic", TEXTOID},
                 {"order_id", INT8OID},
                 {"body", TEXTOID},
                 {"request_id", TEXTOID},
                 {"traceparent", TEXTOID},
                 {"status", TEXTOID},
                 {"attempts", INT4OID},
                 {"next_attempt_at", TIMESTAMPTZOID},
                 {"last_error", TEXTOID},
                 {"created_at", TIMESTAMPTZOID},
                 {"finished_at", TIMESTAMPTZOID}}},
    [IDEMPOTENCY_KEYS] = {"idempotency_keys",
                          false,
                          {{"store_id", INT4OID},
                           {"user_id", INT8OID},
                           {"route", TEXTOID},
                           {"key", TEXTOID},
                           {"fingerprint", BYTEAOID},
                           {"status", INT4OID},
                           {"body", TEXTOID},
                           {"order_id", INT8OID},
                           {"location", TEXTOID},
                           {"created_at", TIMESTAMPTZOID}}},
    [PAYMENT_ATTEMPTS] = {"payment_attempts",
                          true,
                          {{"store_id", INT4OID},
                           {"id", INT8OID},
                           {"order_id", INT8OID},
                           {"provider", TEXTOID},
                           {"provider_reference", TEXTOID},
                           {"status", TEXTOID},
                           {"amount", NUMERICOID},
                           {"captured_amount", NUMERICOID},
                           {"refunded_amount", NUMERICOID},
                           {"reason", TEXTOID},
                           {"request_id", TEXTOID},
                           {"created_at", TIMESTAMPTZOID},
                           {"updated_at", TIMESTAMPTZOID}}},
    [REFUNDS] = {"refunds",
                 true,
                 {{"store_id", INT4OID},
                  {"id", INT8OID},
                  {"order_id", INT8OID},
                  {"attempt_id", INT8OID},
                  {"kind", TEXTOID},
                  {"amount", NUMERICOID},
                  {"status", TEXTOID},
                  {"provider_reference", TEXTOID},
                  {"reason", TEXTOID},
                  {"actor", TEXTOID},
                  {"request_id", TEXTOID},
                  {"created_at", TIMESTAMPTZOID},
                  {"updated_at", TIMESTAMPTZOID}}},
    [INTAKE_ORDERS] = {"intake_orders",
                       false,
                       {{"store_id", INT4OID},
                        {"order_id", INT8OID},
                        {"external_id", TEXTOID},
                        {"customer_id", TEXTOID},
                        {"items", TEXTOID},
                        {"fingerprint", BYTEAOID},
                        {"source", TEXTOID},
                        {"created_at", TIMESTAMPTZOID}}},
    [ORDER_COUNT_DELTAS] = {"order_count_deltas",
                            false,
                            {{"store_id", INT4OID}, {"at", TIMESTAMPTZOID}, {"orders", INT4OID}}},
};

typedef struct IndexDescription {
    const char *name;
    TableId table;
} IndexDescription;

static const IndexDescription indexes[] = {
    [CARTS_BY_ID] = {"carts_pkey", CARTS},
    [OPEN_CARTS_BY_USER] = {"carts_one_open_per_user", CARTS},
    [CART_ITEMS_BY_CART] = {"cart_items_pkey", CART_ITEMS},
    [PRODUCTS_BY_ID] = {"products_pkey", PRODUCTS},
    [INVENTORY_BY_PRODUCT] = {"inventory_pkey", INVENTORY},
    [ORDERS_BY_ID] = {"orders_pkey", ORDERS},
    [ORDERS_BY_CART] = {"orders_one_per_cart", ORDERS},
    [ORDER_ITEMS_BY_ORDER] = {"order_items_pkey", ORDER_ITEMS},
    [OUTBOX_BY_ID] = {"outbox_pkey", OUTBOX},
    [IDEMPOTENCY_KEYS_BY_KEY] = {"idempotency_keys_pkey", IDEMPOTENCY_KEYS},
    [ATTEMPTS_BY_ORDER] = {"payment_attempts_by_order", PAYMENT_ATTEMPTS},
    [ATTEMPTS_BY_ID] = {"payment_attempts_pkey", PAYMENT_ATTEMPTS},
    [REFUNDS_BY_ID] = {"refunds_pkey", REFUNDS},
    [REFUNDS_BY_ORDER] = {"refunds_by_order", REFUNDS},
    [INTAKE_BY_ORDER] = {"intake_orders_pkey", INTAKE_ORDERS},
    [INTAKE_BY_EXTERNAL_ID] = {"intake_orders_external_id_key", INTAKE_ORDERS},
    [PRODUCTS_BY_SKU] = {"products_sku_key", PRODUCTS},
};

/* CHECK constraints of a table, in a memory context of their own that is thrown away when the table changes. */
typedef struct TableChecks {
    MemoryContext context; /* NULL: not made yet, or out of date */
    ExprState **expressions;
} TableChecks;

static uint64 changes; /* how often we were told that one of our relations changed */
static TableCatalog table_entries[TABLE_COUNT];
static TableChecks check_entries[TABLE_COUNT];
static Oid index_entries[lengthof(indexes)];

/* resolve_name gives the OID of schema shop's relation with this name; SH001 when there is none. */
static Oid resolve_name(const char *name) {
    Oid schema = get_namespace_oid("shop", true);
    Oid relation = OidIsValid(schema) ? get_relname_relid(name, schema) : InvalidOid;

    if (!OidIsValid(relation))
        raise_not_migrated();
    return relation;
}

/* resolve_columns fills the attribute numbers and refuses a column of another type than the C code reads. */
static void resolve_columns(TableCatalog *entry, const TableDescription *description) {
    entry->column_count = 0;
    for (const ColumnDescription *column = description->columns; column->name != NULL; column++) {
        AttrNumber attribute = get_attnum(entry->relation, column->name);

        if (attribute == InvalidAttrNumber || get_atttype(entry->relation, attribute) != column->type)
            raise_unexpected_column(description->name, column->name);
        entry->attribute[entry->column_count++] = attribute;
    }
}

/* resolve fills the entry of a table. */
static void resolve(TableCatalog *entry, const TableDescription *description) {
    entry->relation = resolve_name(description->name);
    resolve_columns(entry, description);
    entry->sequence = InvalidOid;
    if (description->has_identity) {
        Relation relation = table_open(entry->relation, AccessShareLock);

        entry->sequence = compat_identity_sequence(relation, get_attnum(entry->relation, "id"));
        table_close(relation, AccessShareLock);
    }
}

/* forget_checks throws the ready CHECK constraints of a table away. */
static void forget_checks(TableId table) {
    MemoryContext context = check_entries[table].context;

    check_entries[table].context = NULL;
    if (context != NULL)
        MemoryContextDelete(context);
}

const TableCatalog *table_catalog(TableId table) {
    TableCatalog *entry = &table_entries[table];

    while (!entry->valid) {
        uint64 changes_before = changes;

        forget_checks(table);
        resolve(entry, &descriptions[table]);
        entry->valid = changes == changes_before;
    }
    return entry;
}

uint64 table_catalog_changes(void) {
    return changes;
}

ExprState **table_checks(TableId table, Relation relation) {
    TableChecks *entry = &check_entries[table];
    const TupleConstr *constraints = RelationGetDescr(relation)->constr;
    int count = constraints == NULL ? 0 : constraints->num_check;
    MemoryContext context;
    MemoryContext caller;

    if (count == 0 || entry->context != NULL)
        return count == 0 ? NULL : entry->expressions;
    context = AllocSetContextCreate(CacheMemoryContext, "pg_shop check constraints", ALLOCSET_SMALL_SIZES);
    caller = MemoryContextSwitchTo(context);
    entry->expressions = palloc(count * sizeof(ExprState *));
    for (int i = 0; i < count; i++)
        entry->expressions[i] = ExecInitExpr(expression_planner(stringToNode(constraints->check[i].ccbin)), NULL);
    MemoryContextSwitchTo(caller);
    entry->context = context;
    return entry->expressions;
}

TableId index_table(IndexId index) {
    return indexes[index].table;
}

Oid index_catalog(IndexId index) {
    if (!OidIsValid(index_entries[index]))
        index_entries[index] = resolve_name(indexes[index].name);
    return index_entries[index];
}

/* forget_relation drops what we know of one relation, or of all when PostgreSQL does not say which changed. */
static void forget_relation(Datum argument, Oid relation) {
    for (int i = 0; i < TABLE_COUNT; i++)
        if (!OidIsValid(relation) || table_entries[i].relation == relation) {
            table_entries[i].valid = false;
            changes++;
        }
    for (int i = 0; i < (int)lengthof(indexes); i++)
        if (!OidIsValid(relation) || index_entries[i] == relation)
            index_entries[i] = InvalidOid;
}

void table_catalog_register(void) {
    CacheRegisterRelcacheCallback(forget_relation, (Datum)0);
}
