/*
 * The catalogue: shop.list_products, get_product, create_product, update_product.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/json.h"

#include "arguments.h"
#include "money.h"
#include "paging.h"
#include "plans.h"
#include "response.h"
#include "subtransaction.h"

#define SKU_MAX          255
#define PRODUCT_NAME_MAX 1000

/* The columns that append_product prints, in its order. */
#define PRODUCT_COLUMNS "id::pg_catalog.int8, sku::pg_catalog.text, name::pg_catalog.text, price::pg_catalog.numeric"

static KeptPlan product_by_id = {
    .name = "product_by_id",
    .sql = "SELECT " PRODUCT_COLUMNS " FROM shop.products WHERE store_id = $1 AND id = $2",
    .expected = SPI_OK_SELECT,
    .argument_count = 2,
    .argument_types = {INT4OID, INT8OID},
};

static KeptPlan products_after = {
    .name = "products_after",
    .sql = "SELECT " PRODUCT_COLUMNS " FROM shop.products WHERE store_id = $1 AND id > $2 ORDER BY id LIMIT $3",
    .expected = SPI_OK_SELECT,
    .argument_count = 3,
    .argument_types = {INT4OID, INT8OID, INT8OID},
};

static KeptPlan insert_product = {
    .name = "insert_product",
    .sql = "WITH product AS (INSERT INTO shop.products (store_id, sku, name, price) VALUES ($1, $2, $3, $4)"
           " ON CONFLICT (store_id, sku) DO NOTHING RETURNING id, sku, name, price),"
           " level AS (INSERT INTO shop.inventory (store_id, product_id) SELECT $1, id FROM product)"
           " SELECT " PRODUCT_COLUMNS " FROM product",
    .expected = SPI_OK_SELECT,
    .argument_count = 4,
    .argument_types = {INT4OID, TEXTOID, TEXTOID, NUMERICOID},
};

static KeptPlan update_product = {
    .name = "update_product",
    .sql = "UPDATE shop.products SET sku = coalesce($3, sku), name = coalesce($4, name), price = coalesce($5, price),"
           " updated_at = pg_catalog.clock_timestamp() WHERE store_id = $1 AND id = $2 RETURNING " PRODUCT_COLUMNS,
    .expected = SPI_OK_UPDATE_RETURNING,
    .argument_count = 5,
    .argument_types = {INT4OID, INT8OID, TEXTOID, TEXTOID, NUMERICOID},
};

/* append_product prints {id,sku,name,price} of a row of the last plan. */
static void append_product(StringInfo out, int64 row) {
    appendStringInfo(out, "{\"id\":" INT64_FORMAT ",\"sku\":", plan_int64(row, 1));
    escape_json(out, plan_text(row, 2));
    appendStringInfoString(out, ",\"name\":");
    escape_json(out, plan_text(row, 3));
    appendStringInfoString(out, ",\"price\":");
    money_append(out, money_cents(plan_datum(row, 4)));
    appendStringInfoChar(out, '}');
}

PG_FUNCTION_INFO_V1(shop_get_product);

/* shop.get_product(store_id, product_id, request_id) */
Datum shop_get_product(PG_FUNCTION_ARGS) {
    int32 store_id = argument_store_id(fcinfo, 0);
    const char *request_id = argument_text(fcinfo, 2);
    Response response = problem(PROBLEM_PRODUCT_NOT_FOUND, request_id, "Product not found");
    StringInfoData body;

    if (PG_ARGISNULL(1)) {
        response = problem(PROBLEM_INVALID_FIELD, request_id, "id must be an integer");
        return response_datum(fcinfo, &response);
    }
    initStringInfo(&body);
    plans_begin(PLANS_READ);
    if (plan_run(&product_by_id, (Datum[]){Int32GetDatum(store_id), PG_GETARG_DATUM(1)}, NULL) == 1) {
        append_product(&body, 0);
        response = success(200, &body);
    }
    plans_end();
    return response_datum(fcinfo, &response);
}

PG_FUNCTION_INFO_V1(shop_list_products);

/* shop.list_products(store_id, after_id, row_limit, request_id) */
Datum shop_list_products(PG_FUNCTION_ARGS) {
    int32 store_id = argument_store_id(fcinfo, 0);
    int64 after = argument_int64(fcinfo, 1, 0);
    PageRequest page;
    Response response;
    StringInfoData body;
    int64 count;

    if (!page_read(fcinfo, 2, argument_text(fcinfo, 3), &page, &response))
        return response_datum(fcinfo, &response);
    if (after < 0) {
        response = problem(PROBLEM_INVALID_FIELD, page.request_id, "after must be a non-negative integer");
        return response_datum(fcinfo, &response);
    }
    initStringInfo(&body);
    appendStringInfoChar(&body, '[');
    plans_begin(PLANS_READ);
    count = plan_run(&products_after, (Datum[]){Int32GetDatum(store_id), Int64GetDatum(after), page.limit},
                     page.has_limit ? NULL : "  n");
    for (int64 row = 0; row < count; row++) {
        if (row > 0)
            appendStringInfoChar(&body, ',');
        append_product(&body, row);
    }
    plans_end();
    appendStringInfoChar(&body, ']');
    response = success(200, &body);
    return response_datum(fcinfo, &response);
}

/* refuse_text refuses a text that is empty or too long; NULL passes. */
static bool refuse_text(const char *field, const char *value, int maximum, const char *request_id, Response *refusal) {
    if (value == NULL)
        return false;
    if (value[0] == '\0')
        *refusal = problem(PROBLEM_INVALID_FIELD, request_id, "%s must not be empty", field);
    else if (pg_mbstrlen(value) > maximum)
        *refusal = problem(PROBLEM_INVALID_FIELD, request_id, "%s must have at most %d characters", field, maximum);
    else
        return false;
    return true;
}

/* refuse_fields checks what create and update have in common: texts, then the price. */
static bool refuse_fields(FunctionCallInfo fcinfo, int sku_number, const char *request_id, Response *refusal) {
    int64 cents;

    if (refuse_text("sku", argument_text(fcinfo, sku_number), SKU_MAX, request_id, refusal) ||
        refuse_text("name", argument_text(fcinfo, sku_number + 1), PRODUCT_NAME_MAX, request_id, refusal))
        return true;
    if (PG_ARGISNULL(sku_number + 2) || money_parse(PG_GETARG_DATUM(sku_number + 2), &cents))
        return false;
    *refusal = problem(PROBLEM_INVALID_FIELD, request_id, "price must be a non-negative number");
    return true;
}

/* is_absent tells whether a required text is missing or empty. */
static bool is_absent(FunctionCallInfo fcinfo, int number) {
    const char *value = argument_text(fcinfo, number);

    return value == NULL || value[0] == '\0';
}

PG_FUNCTION_INFO_V1(shop_create_product);

/* shop.create_product(store_id, sku, name, price, actor, request_id) */
Datum shop_create_product(PG_FUNCTION_ARGS) {
    int32 store_id = argument_store_id(fcinfo, 0);
    const char *request_id = argument_text(fcinfo, 5);
    Response response;
    StringInfoData body;

    if (is_absent(fcinfo, 1) || is_absent(fcinfo, 2) || PG_ARGISNULL(3)) {
        response = problem(PROBLEM_INVALID_FIELD, request_id, "sku, name, price are required");
        return response_datum(fcinfo, &response);
    }
    if (refuse_fields(fcinfo, 1, request_id, &response))
        return response_datum(fcinfo, &response);
    initStringInfo(&body);
    plans_begin(PLANS_WRITE);
    if (plan_run(&insert_product,
                 (Datum[]){Int32GetDatum(store_id), PG_GETARG_DATUM(1), PG_GETARG_DATUM(2), PG_GETARG_DATUM(3)},
                 NULL) == 1) {
        append_product(&body, 0);
        response = success(201, &body);
    } else {
        response = problem(PROBLEM_SKU_EXISTS, request_id, "sku already exists");
    }
    plans_end();
    return response_datum(fcinfo, &response);
}

/* The parameters of update_product, and how many rows it has changed. */
typedef struct ProductUpdate {
    Datum *values;
    const char *nulls;
    int64 count;
} ProductUpdate;

static void run_update(void *argument) {
    ProductUpdate *update = argument;

    update->count = plan_run(&update_product, update->values, update->nulls);
}

/* update_unless_taken runs the update. Returns false when another product has the SKU, also one that was being
 * committed just now. */
static bool update_unless_taken(ProductUpdate *update) {
    ErrorData *error = subtransaction_try(run_update, update);

    if (error != NULL && error->sqlerrcode != ERRCODE_UNIQUE_VIOLATION)
        ReThrowError(error);
    return error == NULL;
}

/* update_answer runs the update and prints its result. */
static Response update_answer(Datum *values, const char *nulls, const char *request_id) {
    ProductUpdate update = {.values = values, .nulls = nulls};
    Response response;
    StringInfoData body;

    initStringInfo(&body);
    plans_begin(PLANS_WRITE);
    if (!update_unless_taken(&update)) {
        response = problem(PROBLEM_SKU_EXISTS, request_id, "sku already exists");
    } else if (update.count == 0) {
        response = problem(PROBLEM_PRODUCT_NOT_FOUND, request_id, "Product not found");
    } else {
        append_product(&body, 0);
        response = success(200, &body);
    }
    plans_end();
    return response;
}

PG_FUNCTION_INFO_V1(shop_update_product);

/* shop.update_product(store_id, product_id, sku, name, price, actor, request_id); NULL leaves a field as it is */
Datum shop_update_product(PG_FUNCTION_ARGS) {
    Datum values[] = {Int32GetDatum(argument_store_id(fcinfo, 0)), PG_GETARG_DATUM(1), PG_GETARG_DATUM(2),
                      PG_GETARG_DATUM(3), PG_GETARG_DATUM(4)};
    char nulls[] = "     ";
    const char *request_id = argument_text(fcinfo, 6);
    Response response;

    for (int i = 2; i < 5; i++)
        nulls[i] = PG_ARGISNULL(i) ? 'n' : ' ';
    if (PG_ARGISNULL(1))
        response = problem(PROBLEM_INVALID_FIELD, request_id, "id must be an integer");
    else if (PG_ARGISNULL(2) && PG_ARGISNULL(3) && PG_ARGISNULL(4))
        response = problem(PROBLEM_INVALID_FIELD, request_id, "No fields to update");
    else if (!refuse_fields(fcinfo, 2, request_id, &response))
        response = update_answer(values, nulls, request_id);
    return response_datum(fcinfo, &response);
}
