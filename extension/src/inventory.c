#include "postgres.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/timestamp.h"

#include "errors.h"
#include "fault_point.h"
#include "idempotency.h"
#include "inventory.h"
#include "plans.h"
#include "response.h"

/* Tells the queues for products from users' advisory locks (1 and 2) and from those of idempotency keys (3). */
#define PRODUCT_QUEUE_LOCK_SPACE 4

/* What each movement does to the two levels, per unit (design: the stock table of the ledger). */
static const struct {
    const char *kind;
    int on_hand;
    int reserved;
} movements[] = {
    [STOCK_RESTOCK] = {"restock", +1, 0}, [STOCK_RESERVE] = {"reserve", 0, +1}, [STOCK_COMMIT] = {"commit", -1, -1},
    [STOCK_RELEASE] = {"release", 0, -1}, [STOCK_SELL] = {"sell", -1, 0},       [STOCK_RETURN] = {"return", +1, 0},
    [STOCK_ADJUST] = {"adjust", +1, 0},
};

const char *stock_movement_name(StockMovement movement) {
    return movements[movement].kind;
}

void stock_lines_add(StockLines *lines, StockLine line) {
    if (lines->count == lines->capacity) {
        lines->capacity = Max(8, lines->capacity * 2);
        lines->line = lines->line == NULL ? palloc(lines->capacity * sizeof(StockLine))
                                          : repalloc(lines->line, lines->capacity * sizeof(StockLine));
    }
    lines->line[lines->count++] = line;
}

static int compare_products(const void *left, const void *right) {
    const StockLine *a = left;
    const StockLine *b = right;

    return a->product_id < b->product_id ? -1 : a->product_id > b->product_id;
}

#if PLANTED_BUG == BUG_NO_STOCK_LOCK
/* lock_too_late locks a level, but goes on with what it held before the lock: the bug that others' stock code has. */
static Row *lock_too_late(Tables *tables, IndexId index, Datum *key, int key_count) {
    Row *seen = row_find(tables, index, key, key_count);
    Row *row = seen == NULL ? NULL : row_lock(tables, index, key, key_count);

    if (row != NULL) {
        row_set_int32(row, INVENTORY_ON_HAND, row_int32(seen, INVENTORY_ON_HAND));
        row_set_int32(row, INVENTORY_RESERVED, row_int32(seen, INVENTORY_RESERVED));
    }
    return row;
}
#define row_lock     lock_too_late
#define row_try_lock lock_too_late
#endif

/* try_lock_level locks the level of a product without waiting. */
static Row *try_lock_level(Tables *tables, int32 store_id, int64 product_id) {
    return row_try_lock(tables, INVENTORY_BY_PRODUCT, ROW_KEY(Int32GetDatum(store_id), Int64GetDatum(product_id)));
}

/*
 * lock_level waits for the level of a product where somebody holds it. Those who wait line up for an advisory lock, so
 * that only the first of them waits for the row: a crowd that waits for one row is woken and put to sleep again at
 * every commit. It is taken directly before the row, so the lock order stays that of the products.
 */
static Row *lock_level(Tables *tables, int32 store_id, int64 product_id) {
    Row *row = try_lock_level(tables, store_id, product_id);
    LOCKTAG queue;

    if (row != NULL)
        return row;
    SET_LOCKTAG_ADVISORY(queue, MyDatabaseId, (uint32)store_id, (uint32)product_id, PRODUCT_QUEUE_LOCK_SPACE);
    LockAcquire(&queue, ExclusiveLock, false, false);
    return row_lock(tables, INVENTORY_BY_PRODUCT, ROW_KEY(Int32GetDatum(store_id), Int64GetDatum(product_id)));
}

/* lock_levels sorts the lines by product and locks the level of each product once. */
static void lock_levels(Tables *tables, const RequestContext *context, StockLines *lines,
                        Row *(*lock)(Tables *, int32, int64)) {
    if (lines->count > 1)
        qsort(lines->line, lines->count, sizeof(StockLine), compare_products);
    for (int i = 0; i < lines->count; i++) {
        StockLine *line = &lines->line[i];

        if (i > 0 && line->product_id == line[-1].product_id) {
            line->level = line[-1].level;
            continue;
        }
        line->level = palloc0(sizeof(StockLevel));
        line->level->price = -1;
        line->level->row = lock(tables, context->store_id, line->product_id);
    }
}

void inventory_lock(Tables *tables, const RequestContext *context, StockLines *lines) {
    lock_levels(tables, context, lines, lock_level);
}

void inventory_try_lock(Tables *tables, const RequestContext *context, StockLines *lines) {
    lock_levels(tables, context, lines, try_lock_level);
}

int32 inventory_available(const StockLine *line) {
    const Row *row = line->level->row;

    return row == NULL ? 0 : row_int32(row, INVENTORY_ON_HAND) - row_int32(row, INVENTORY_RESERVED);
}

/* write_movement adds one row to the ledger. */
static void write_movement(Tables *tables, const RequestContext *context, StockMovement movement, const StockLine *line,
                           TimestampTz now) {
    Row *row = row_new(tables, STOCK_MOVEMENTS);

    row_set_int32(row, MOVEMENT_STORE_ID, context->store_id);
    row_set_int64(row, MOVEMENT_ID, row_next_id(tables, STOCK_MOVEMENTS));
    row_set_int64(row, MOVEMENT_PRODUCT_ID, line->product_id);
    row_set_text(row, MOVEMENT_KIND, movements[movement].kind);
    row_set_int32(row, MOVEMENT_ON_HAND_DELTA, movements[movement].on_hand * line->qty);
    row_set_int32(row, MOVEMENT_RESERVED_DELTA, movements[movement].reserved * line->qty);
    if (line->order_id != 0)
        row_set_int64(row, MOVEMENT_ORDER_ID, line->order_id);
    if (line->order_item_id != 0)
        row_set_int64(row, MOVEMENT_ORDER_ITEM_ID, line->order_item_id);
    row_set_text(row, MOVEMENT_ACTOR, context->actor);
    row_set_text(row, MOVEMENT_REQUEST_ID, context->request_id);
    row_set_datum(row, MOVEMENT_AT, TimestampTzGetDatum(now));
    row_insert(row);
}

void inventory_move(Tables *tables, const RequestContext *context, StockMovement movement, int64 order_id,
                    const StockLines *lines) {
    TimestampTz now = GetCurrentTimestamp();

    for (int i = 0; i < lines->count; i++) {
        const StockLine *line = &lines->line[i];
        Row *row = line->level->row;
        int32 on_hand;
        int32 reserved;

        if (line->order_id != order_id || line->qty == 0)
            continue;
        if (row == NULL)
            raise_invariant_lost(psprintf("Product " INT64_FORMAT " has no inventory row.", line->product_id));
        on_hand = row_int32(row, INVENTORY_ON_HAND) + movements[movement].on_hand * line->qty;
        reserved = row_int32(row, INVENTORY_RESERVED) + movements[movement].reserved * line->qty;
        if (reserved < 0 || on_hand < reserved)
            raise_invariant_lost(psprintf("A movement would leave %d units of product " INT64_FORMAT
                                          " in stock and %d reserved.",
                                          on_hand, line->product_id, reserved));
        write_movement(tables, context, movement, line, now);
        row_set_int32(row, INVENTORY_ON_HAND, on_hand);
        row_set_int32(row, INVENTORY_RESERVED, reserved);
        row_set_datum(row, INVENTORY_UPDATED_AT, TimestampTzGetDatum(now));
        line->level->changed = true;
    }
}

void inventory_write(const StockLines *lines) {
    for (int i = 0; i < lines->count; i++) {
        StockLevel *level = lines->line[i].level;

        if (level->changed)
            row_update(level->row);
        level->changed = false;
    }
}

/* restock_locked adds the delivery to the locked level, or says why not. */
static Response restock_locked(Tables *tables, const RequestContext *context, StockLine delivery) {
    StockLines lines = {0};
    StringInfoData body;
    StockLine *line;

    stock_lines_add(&lines, delivery);
    inventory_lock(tables, context, &lines);
    line = &lines.line[0];
    if (line->level->row == NULL)
        return problem(PROBLEM_PRODUCT_NOT_FOUND, context->request_id, "Product not found");
    if (line->qty > PG_INT32_MAX - row_int32(line->level->row, INVENTORY_ON_HAND))
        return problem(PROBLEM_INVALID_FIELD, context->request_id, "qty is too large: at most %d units can be in stock",
                       PG_INT32_MAX);
    FAULT_POINT("restock.level_locked");
    inventory_move(tables, context, STOCK_RESTOCK, 0, &lines);
    inventory_write(&lines);
    FAULT_POINT("restock.level_written");
    initStringInfo(&body);
    appendStringInfo(&body, "{\"product_id\":" INT64_FORMAT ",\"available_qty\":%d}", line->product_id,
                     inventory_available(line));
    return success(200, &body);
}

/* restock answers a replay, or does the work and remembers the answer. */
static Response restock(const RequestContext *context, const IdempotencyKey *key, StockLine delivery) {
    Response response;
    Tables *tables;

    if (!idempotency_lock(key, &response))
        return response;
    tables = tables_begin("shop.restock");
    if (!idempotency_replay(tables, key, &response)) {
        response = restock_locked(tables, context, delivery);
        if (response.status < 300)
            idempotency_store(tables, key, &response);
        FAULT_POINT("restock.answer_stored");
    }
    tables_end(tables);
    return response;
}

PG_FUNCTION_INFO_V1(shop_restock);

/* shop.restock(store_id, actor_id, product_id, qty, idempotency_key, actor, request_id) */
Datum shop_restock(PG_FUNCTION_ARGS) {
    RequestContext context = {
        .store_id = argument_store_id(fcinfo, 0),
        .actor = argument_text(fcinfo, 5),
        .request_id = argument_text(fcinfo, 6),
    };
    int64 actor_id = argument_int64(fcinfo, 1, 0);
    StockLine line = {.product_id = argument_int64(fcinfo, 2, 0), .qty = argument_int32(fcinfo, 3, 0)};
    const char *header = argument_text(fcinfo, 4);
    char *normalised_key = NULL;
    IdempotencyKey key;
    Response response;

    if (header != NULL && (normalised_key = idempotency_parse(header, &context, &response)) == NULL)
        return response_datum(fcinfo, &response);
    if (PG_ARGISNULL(2))
        response = problem(PROBLEM_INVALID_FIELD, context.request_id, "productId must be an integer");
    else if (line.qty <= 0)
        response = problem(PROBLEM_INVALID_FIELD, context.request_id, "qty must be an integer greater than 0");
    else {
        idempotency_init(&key, &context, actor_id, "restock", normalised_key,
                         psprintf("product=" INT64_FORMAT " qty=%d", line.product_id, line.qty));
        response = restock(&context, &key, line);
    }
    return response_datum(fcinfo, &response);
}

static KeptPlan holders_of_product = {
    .name = "holders_of_product",
    .sql = "SELECT coalesce(pg_catalog.string_agg(holder.order_id::pg_catalog.text, ',' ORDER BY holder.order_id), '')"
           " FROM (SELECT DISTINCT item.order_id FROM shop.order_items item"
           " JOIN shop.orders purchase ON purchase.store_id = item.store_id AND purchase.id = item.order_id"
           " WHERE item.store_id = $1 AND item.product_id = $2 AND purchase.status = 'pending'"
           " ORDER BY item.order_id LIMIT 100) holder",
    .expected = SPI_OK_SELECT,
    .argument_count = 2,
    .argument_types = {INT4OID, INT8OID},
};

/* stock_reserved refuses a count that is below what pending orders hold, and lists those orders (at most 100). */
static Response stock_reserved(const RequestContext *context, const StockLine *line) {
    Response refusal;

    plans_begin(PLANS_WRITE);
    plan_run(&holders_of_product, (Datum[]){Int32GetDatum(context->store_id), Int64GetDatum(line->product_id)}, NULL);
    refusal = problem_with(PROBLEM_STOCK_RESERVED, context->request_id, psprintf(",\"orderIds\":[%s]", plan_text(0, 1)),
                           "Pending orders hold %d units of product " INT64_FORMAT,
                           row_int32(line->level->row, INVENTORY_RESERVED), line->product_id);
    plans_end();
    return refusal;
}

/* adjust sets the units in the house to what was counted, if they are still what the counter believed. */
static Response adjust(Tables *tables, const RequestContext *context, int64 product_id, int32 expected, int32 counted) {
    StockLines lines = {0};
    StringInfoData body;
    StockLine *line;
    int32 on_hand;

    stock_lines_add(&lines, (StockLine){.product_id = product_id});
    inventory_lock(tables, context, &lines);
    line = &lines.line[0];
    if (line->level->row == NULL)
        return problem(PROBLEM_INVENTORY_NOT_FOUND, context->request_id, "Inventory not found");
    on_hand = row_int32(line->level->row, INVENTORY_ON_HAND);
    if (on_hand != expected)
        return problem_with(PROBLEM_STOCK_CHANGED, context->request_id, psprintf(",\"on_hand\":%d", on_hand),
                            "on_hand is %d, not %d", on_hand, expected);
    if (counted < row_int32(line->level->row, INVENTORY_RESERVED))
        return stock_reserved(context, line);
    line->qty = counted - on_hand;
    inventory_move(tables, context, STOCK_ADJUST, 0, &lines);
    inventory_write(&lines);
    initStringInfo(&body);
    appendStringInfo(&body, "{\"product_id\":" INT64_FORMAT ",\"available_qty\":%d,\"on_hand\":%d,\"reserved\":%d}",
                     product_id, inventory_available(line), counted, row_int32(line->level->row, INVENTORY_RESERVED));
    return success(200, &body);
}

PG_FUNCTION_INFO_V1(shop_adjust_stock);

/* shop.adjust_stock(store_id, product_id, expected_on_hand, counted, actor, request_id) */
Datum shop_adjust_stock(PG_FUNCTION_ARGS) {
    RequestContext context = {
        .store_id = argument_store_id(fcinfo, 0),
        .actor = argument_text(fcinfo, 4),
        .request_id = argument_text(fcinfo, 5),
    };
    Response response;

    if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
        response = problem(PROBLEM_INVALID_FIELD, context.request_id, "productId and expectedOnHand must be integers");
    else if (argument_int32(fcinfo, 3, -1) < 0)
        response = problem(PROBLEM_INVALID_FIELD, context.request_id, "counted must be a non-negative integer");
    else {
        Tables *tables = tables_begin("shop.adjust_stock");

        response = adjust(tables, &context, PG_GETARG_INT64(1), PG_GETARG_INT32(2), PG_GETARG_INT32(3));
        tables_end(tables);
    }
    return response_datum(fcinfo, &response);
}

static KeptPlan level_of_product = {
    .name = "level_of_product",
    .sql = "SELECT on_hand::pg_catalog.int4, reserved::pg_catalog.int4 FROM shop.inventory"
           " WHERE store_id = $1 AND product_id = $2",
    .expected = SPI_OK_SELECT,
    .argument_count = 2,
    .argument_types = {INT4OID, INT8OID},
};

PG_FUNCTION_INFO_V1(shop_get_inventory);

/* shop.get_inventory(store_id, product_id, request_id) */
Datum shop_get_inventory(PG_FUNCTION_ARGS) {
    int32 store_id = argument_store_id(fcinfo, 0);
    int64 product_id = argument_int64(fcinfo, 1, 0);
    const char *request_id = argument_text(fcinfo, 2);
    Response response = problem(PROBLEM_INVENTORY_NOT_FOUND, request_id, "Inventory not found");
    StringInfoData body;

    if (PG_ARGISNULL(1)) {
        response = problem(PROBLEM_INVALID_FIELD, request_id, "productId must be an integer");
        return response_datum(fcinfo, &response);
    }
    initStringInfo(&body);
    plans_begin(PLANS_READ);
    if (plan_run(&level_of_product, (Datum[]){Int32GetDatum(store_id), Int64GetDatum(product_id)}, NULL) == 1) {
        int32 on_hand = plan_int32(0, 1);
        int32 reserved = plan_int32(0, 2);

        appendStringInfo(&body, "{\"product_id\":" INT64_FORMAT ",\"available_qty\":%d,\"on_hand\":%d,\"reserved\":%d}",
                         product_id, on_hand - reserved, on_hand, reserved);
        response = success(200, &body);
    }
    plans_end();
    return response_datum(fcinfo, &response);
}
