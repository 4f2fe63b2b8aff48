#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/timestamp.h"

#include "errors.h"
#include "idempotency.h"
#include "inventory.h"
#include "plans.h"
#include "response.h"

/* What each movement does to the two levels, per unit (design: the stock table of the ledger). */
static const struct {
    const char *kind;
    int on_hand;
    int reserved;
} movements[] = {
    [STOCK_RESTOCK] = {"restock", +1, 0},
    [STOCK_RESERVE] = {"reserve", 0, +1},
    [STOCK_COMMIT] = {"commit", -1, -1},
    [STOCK_RELEASE] = {"release", 0, -1},
};

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

void inventory_lock(Tables *tables, const RequestContext *context, StockLines *lines) {
    qsort(lines->line, lines->count, sizeof(StockLine), compare_products);
    for (int i = 0; i < lines->count; i++) {
        StockLine *line = &lines->line[i];

        if (i > 0 && line->product_id == line[-1].product_id)
            line->level = line[-1].level;
        else
            line->level = row_lock(tables, INVENTORY_BY_PRODUCT,
                                   ROW_KEY(Int32GetDatum(context->store_id), Int64GetDatum(line->product_id)));
    }
}

int32 inventory_available(const StockLine *line) {
    if (line->level == NULL)
        return 0;
    return row_int32(line->level, INVENTORY_ON_HAND) - row_int32(line->level, INVENTORY_RESERVED);
}

/* write_movement adds one row to the ledger. */
static void write_movement(Tables *tables, const RequestContext *context, StockMovement movement, int64 order_id,
                           const StockLine *line, TimestampTz now) {
    Row *row = row_new(tables, STOCK_MOVEMENTS);

    row_set_int32(row, MOVEMENT_STORE_ID, context->store_id);
    row_set_int64(row, MOVEMENT_ID, row_next_id(tables, STOCK_MOVEMENTS));
    row_set_int64(row, MOVEMENT_PRODUCT_ID, line->product_id);
    row_set_text(row, MOVEMENT_KIND, movements[movement].kind);
    row_set_int32(row, MOVEMENT_ON_HAND_DELTA, movements[movement].on_hand * line->qty);
    row_set_int32(row, MOVEMENT_RESERVED_DELTA, movements[movement].reserved * line->qty);
    if (order_id != 0)
        row_set_int64(row, MOVEMENT_ORDER_ID, order_id);
    if (line->order_item_id != 0)
        row_set_int64(row, MOVEMENT_ORDER_ITEM_ID, line->order_item_id);
    row_set_text(row, MOVEMENT_ACTOR, context->actor);
    row_set_text(row, MOVEMENT_REQUEST_ID, context->request_id);
    row_set_datum(row, MOVEMENT_AT, TimestampTzGetDatum(now));
    row_insert(row);
}

void inventory_move(Tables *tables, const RequestContext *context, StockMovement movement, int64 order_id,
                    StockLines *lines) {
    TimestampTz now = GetCurrentTimestamp();

    for (int i = 0; i < lines->count; i++) {
        const StockLine *line = &lines->line[i];
        Row *level = line->level;

        if (level == NULL)
            raise_invariant_lost(psprintf("Product " INT64_FORMAT " has no inventory row.", line->product_id));
        write_movement(tables, context, movement, order_id, line, now);
        row_set_int32(level, INVENTORY_ON_HAND,
                      row_int32(level, INVENTORY_ON_HAND) + movements[movement].on_hand * line->qty);
        row_set_int32(level, INVENTORY_RESERVED,
                      row_int32(level, INVENTORY_RESERVED) + movements[movement].reserved * line->qty);
        row_set_datum(level, INVENTORY_UPDATED_AT, TimestampTzGetDatum(now));
        if (i + 1 == lines->count || line[1].level != level)
            row_update(level);
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
    if (line->level == NULL)
        return problem(PROBLEM_PRODUCT_NOT_FOUND, context->request_id, "Product not found");
    if (line->qty > PG_INT32_MAX - row_int32(line->level, INVENTORY_ON_HAND))
        return problem(PROBLEM_INVALID_FIELD, context->request_id, "qty is too large: at most %d units can be in stock",
                       PG_INT32_MAX);
    inventory_move(tables, context, STOCK_RESTOCK, 0, &lines);
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
