/*
 * What is in a cart: shop.add_cart_item, add_cart_items, remove_cart_item. A user has at most one open cart. Who
 * changes a cart's items holds the lock on the cart row, so an item added while the cart is checked out goes to the
 * next cart.
 *
 * Adding one item is a batch of one. Locks are taken in the order of all of pg_shop: carts, then products ascending.
 * A single request waits for its cart; in a batch that would hold the neighbours, so there the request stays undecided
 * and is to be sent again alone. Carts that are not there yet are made ascending by user, so that batches that make the
 * same ones wait for each other in one direction only.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/timestamp.h"

#include "arguments.h"
#include "cart.h"
#include "plans.h"
#include "request_array.h"
#include "response.h"
#include "tables.h"

/* How often the search for the open cart starts anew because others made or closed one meanwhile. */
#define OPEN_CART_TRIES 100

static KeptPlan insert_carts = {
    .name = "insert_carts",
    .sql = "INSERT INTO shop.carts AS cart (store_id, user_id)"
           " SELECT $1, wanted.user_id FROM pg_catalog.unnest($2) AS wanted (user_id)"
           " ON CONFLICT (store_id, user_id) WHERE status = 'open' DO NOTHING"
           " RETURNING cart.user_id::pg_catalog.int8, cart.id::pg_catalog.int8",
    .expected = SPI_OK_INSERT_RETURNING,
    .argument_count = 2,
    .argument_types = {INT4OID, INT8ARRAYOID},
};

/* The open cart of a user of the batch. */
typedef struct OpenCart {
    int64 user_id;
    int64 id; /* locked by this transaction; 0: not found, or somebody else holds it */
} OpenCart;

/* A product of the batch. */
typedef struct WantedProduct {
    int64 id;
    bool exists;
} WantedProduct;

typedef struct ItemRequest {
    RequestContext context;
    int64 user_id;
    int64 product_id;
    int32 qty;
    bool answered;
    Response response;
} ItemRequest;

typedef struct ItemBatch {
    Tables *tables;
    int32 store_id;
    ItemRequest *request;
    int count;
    WantedProduct *product; /* ascending by id */
    int product_count;
    OpenCart *cart; /* ascending by user */
    int cart_count;
} ItemBatch;

/* answer gives the request its answer. */
static void answer(ItemRequest *request, Response response) {
    request->response = response;
    request->answered = true;
}

/* refuse_arguments refuses what needs no table, and tells whether it did. actor_id: only where has_actor. */
static bool refuse_arguments(ItemRequest *request, bool has_actor, int64 actor_id) {
    const char *request_id = request->context.request_id;

    if (request->user_id <= 0)
        answer(request, problem(PROBLEM_INVALID_FIELD, request_id, "userId must be a positive integer"));
    else if (request->product_id <= 0)
        answer(request, problem(PROBLEM_INVALID_FIELD, request_id, "productId must be a positive integer"));
    else if (has_actor && actor_id != request->user_id)
        answer(request, problem(PROBLEM_FORBIDDEN, request_id, "The token does not allow acting for this user"));
    return request->answered;
}

/* refuse_quantity refuses a quantity that cannot be added. */
static void refuse_quantity(ItemRequest *request) {
    if (request->qty <= 0)
        answer(request,
               problem(PROBLEM_INVALID_FIELD, request->context.request_id, "qty must be an integer greater than 0"));
}

/* append_item prints {id,cart_id,product_id,qty}. */
static void append_item(StringInfo out, const Row *item) {
    appendStringInfo(
        out, "{\"id\":" INT64_FORMAT ",\"cart_id\":" INT64_FORMAT ",\"product_id\":" INT64_FORMAT ",\"qty\":%d}",
        row_int64(item, CART_ITEM_ID), row_int64(item, CART_ITEM_CART_ID), row_int64(item, CART_ITEM_PRODUCT_ID),
        row_int32(item, CART_ITEM_QTY));
}

/* lock_item locks the line of the product in the locked cart; NULL when there is none. */
static Row *lock_item(Tables *tables, const ItemRequest *request, int64 cart_id) {
    return row_lock(
        tables, CART_ITEMS_BY_CART,
        ROW_KEY(Int32GetDatum(request->context.store_id), Int64GetDatum(cart_id), Int64GetDatum(request->product_id)));
}

/* --- products ------------------------------------------------------------------------------------------------- */

static int compare_products(const void *left, const void *right) {
    const WantedProduct *a = left;
    const WantedProduct *b = right;

    return a->id < b->id ? -1 : a->id > b->id;
}

/* gather_products lists the products that are asked for, each once, ascending. */
static void gather_products(ItemBatch *batch) {
    int count = 0;

    batch->product = palloc0(batch->count * sizeof(WantedProduct));
    for (int i = 0; i < batch->count; i++)
        if (!batch->request[i].answered)
            batch->product[count++].id = batch->request[i].product_id;
    qsort(batch->product, count, sizeof(WantedProduct), compare_products);
    for (int i = 0; i < count; i++)
        if (i == 0 || batch->product[i].id != batch->product[batch->product_count - 1].id)
            batch->product[batch->product_count++].id = batch->product[i].id;
}

/* look_for_products finds, or keeps, each product, and refuses the requests whose product is not there. */
static void look_for_products(ItemBatch *batch, bool keep) {
    for (int i = 0; i < batch->product_count; i++) {
        WantedProduct *product = &batch->product[i];
        Datum key[] = {Int32GetDatum(batch->store_id), Int64GetDatum(product->id)};

        product->exists = keep ? row_keep(batch->tables, PRODUCTS_BY_ID, key, lengthof(key))
                               : row_find(batch->tables, PRODUCTS_BY_ID, key, lengthof(key)) != NULL;
    }
    for (int i = 0; i < batch->count; i++) {
        ItemRequest *request = &batch->request[i];
        WantedProduct wanted = {.id = request->product_id};
        WantedProduct *product;

        if (request->answered)
            continue;
        product = bsearch(&wanted, batch->product, batch->product_count, sizeof(WantedProduct), compare_products);
        if (!product->exists)
            answer(request, problem(PROBLEM_PRODUCT_NOT_FOUND, request->context.request_id, "Product not found"));
    }
}

/* --- carts ---------------------------------------------------------------------------------------------------- */

static int compare_users(const void *left, const void *right) {
    const OpenCart *a = left;
    const OpenCart *b = right;

    return a->user_id < b->user_id ? -1 : a->user_id > b->user_id;
}

/* gather_carts lists the users whose carts are asked for, each once, ascending. */
static void gather_carts(ItemBatch *batch) {
    int count = 0;

    batch->cart = palloc0(batch->count * sizeof(OpenCart));
    for (int i = 0; i < batch->count; i++)
        if (!batch->request[i].answered)
            batch->cart[count++].user_id = batch->request[i].user_id;
    qsort(batch->cart, count, sizeof(OpenCart), compare_users);
    for (int i = 0; i < count; i++)
        if (i == 0 || batch->cart[i].user_id != batch->cart[batch->cart_count - 1].user_id)
            batch->cart[batch->cart_count++].user_id = batch->cart[i].user_id;
}

static OpenCart *cart_of(const ItemBatch *batch, int64 user_id) {
    OpenCart wanted = {.user_id = user_id};

    return bsearch(&wanted, batch->cart, batch->cart_count, sizeof(OpenCart), compare_users);
}

/* lock_open_cart locks the user's open cart, or gives NULL. *exists: there is, or was when we looked, such a cart. */
static Row *lock_open_cart(Tables *tables, int32 store_id, int64 user_id, bool wait, bool *exists) {
    Datum key[] = {Int32GetDatum(store_id), Int64GetDatum(user_id)};
    Row *cart = wait ? row_lock(tables, OPEN_CARTS_BY_USER, key, lengthof(key))
                     : row_try_lock(tables, OPEN_CARTS_BY_USER, key, lengthof(key));

    *exists = cart != NULL || (!wait && row_find(tables, OPEN_CARTS_BY_USER, key, lengthof(key)) != NULL);
    return cart != NULL && strcmp(row_text(cart, CART_STATUS), CART_OPEN) == 0 ? cart : NULL;
}

/* lock_carts locks the carts that are there. Returns how many of those that are missing were never made. */
static int lock_carts(ItemBatch *batch, Datum *without_cart) {
    int missing = 0;

    for (int i = 0; i < batch->cart_count; i++) {
        OpenCart *cart = &batch->cart[i];
        bool exists;
        Row *row;

        if (cart->id != 0)
            continue;
        row = lock_open_cart(batch->tables, batch->store_id, cart->user_id, batch->count == 1, &exists);
        if (row != NULL)
            cart->id = row_int64(row, CART_ID);
        else if (!exists)
            without_cart[missing++] = Int64GetDatum(cart->user_id);
    }
    tables_look_again(batch->tables);
    return missing;
}

/* make_carts makes carts for users, but for those for whom somebody else has made one meanwhile. */
static void make_carts(ItemBatch *batch, Datum *users, int count) {
    ArrayType *array = construct_array(users, count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
    int64 made;

    plans_begin(PLANS_WRITE);
    made = plan_run(&insert_carts, (Datum[]){Int32GetDatum(batch->store_id), PointerGetDatum(array)}, NULL);
    for (int64 row = 0; row < made; row++)
        cart_of(batch, plan_int64(row, 1))->id = plan_int64(row, 2);
    plans_end();
    tables_look_again(batch->tables);
}

/* find_carts locks or makes the open cart of each user: of a single request certainly, of a batch where nobody waits.
 */
static void find_carts(ItemBatch *batch) {
    Datum *without_cart = palloc(batch->cart_count * sizeof(Datum));

    for (int tries = 0; tries < OPEN_CART_TRIES; tries++) {
        int missing = lock_carts(batch, without_cart);

        if (missing > 0)
            make_carts(batch, without_cart, missing);
        if (batch->count > 1 || batch->cart[0].id != 0)
            return;
    }
    ereport(ERROR, (errcode(ERRCODE_LOCK_NOT_AVAILABLE), errmsg("the user's cart changes too often to be locked")));
}

/* --- items ---------------------------------------------------------------------------------------------------- */

/* new_item makes the first line of a product in the cart; look_for_products keeps the product. */
static Row *new_item(Tables *tables, const ItemRequest *request, int64 cart_id) {
    Datum now = TimestampTzGetDatum(GetCurrentTimestamp());
    Row *item = row_new(tables, CART_ITEMS);

    row_set_int32(item, CART_ITEM_STORE_ID, request->context.store_id);
    row_set_int64(item, CART_ITEM_ID, row_next_id(tables, CART_ITEMS));
    row_set_int64(item, CART_ITEM_CART_ID, cart_id);
    row_set_int64(item, CART_ITEM_PRODUCT_ID, request->product_id);
    row_set_int32(item, CART_ITEM_QTY, request->qty);
    row_set_datum(item, CART_ITEM_CREATED_AT, now);
    row_set_datum(item, CART_ITEM_UPDATED_AT, now);
    row_insert_referenced(item);
    return item;
}

/* more_of_item adds to a line that is there; NULL: it was answered that this is too much. */
static Row *more_of_item(ItemRequest *request, Row *item) {
    int32 qty = row_int32(item, CART_ITEM_QTY);

    if (request->qty > PG_INT32_MAX - qty) {
        answer(request, problem(PROBLEM_INVALID_FIELD, request->context.request_id,
                                "qty is too large: a cart holds at most %d units of a product", PG_INT32_MAX));
        return NULL;
    }
    row_set_int32(item, CART_ITEM_QTY, qty + request->qty);
    row_set_datum(item, CART_ITEM_UPDATED_AT, TimestampTzGetDatum(GetCurrentTimestamp()));
    row_update(item);
    return item;
}

/* added prints the 201 answer of the contract. */
static Response added(const ItemRequest *request, const Row *item) {
    StringInfoData body;

    initStringInfo(&body);
    appendStringInfo(&body,
                     "{\"cart\":{\"id\":" INT64_FORMAT ",\"user_id\":" INT64_FORMAT ",\"status\":\"" CART_OPEN
                     "\"},\"item\":",
                     row_int64(item, CART_ITEM_CART_ID), request->user_id);
    append_item(&body, item);
    appendStringInfoChar(&body, '}');
    return success(201, &body);
}

/* is_repeated tells whether an earlier request of the batch was about the same line. */
static bool is_repeated(const ItemBatch *batch, int number) {
    const ItemRequest *request = &batch->request[number];

    for (int i = 0; i < number; i++)
        if (batch->request[i].user_id == request->user_id && batch->request[i].product_id == request->product_id)
            return true;
    return false;
}

/* add_item adds the quantity to the product's line in the open cart. */
static void add_item(ItemBatch *batch, int number) {
    ItemRequest *request = &batch->request[number];
    int64 cart_id = cart_of(batch, request->user_id)->id;
    Row *item;

    if (cart_id == 0) {
        answer(request, undecided());
        return;
    }
    if (is_repeated(batch, number))
        tables_look_again(batch->tables);
    item = lock_item(batch->tables, request, cart_id);
    item = item == NULL ? new_item(batch->tables, request, cart_id) : more_of_item(request, item);
    if (item != NULL)
        answer(request, added(request, item));
}

/* add_items answers all requests of the batch in one unit of work; those that are refused for their product make no
 * cart. */
static void add_items(ItemBatch *batch) {
    batch->tables = tables_begin("shop.add_cart_item");
    gather_products(batch);
    look_for_products(batch, false);
    gather_carts(batch);
    if (batch->cart_count > 0) {
        find_carts(batch);
        look_for_products(batch, true);
    }
    for (int i = 0; i < batch->count; i++)
        if (!batch->request[i].answered)
            add_item(batch, i);
    tables_end(batch->tables);
}

/* --- the SQL functions ---------------------------------------------------------------------------------------- */

PG_FUNCTION_INFO_V1(shop_add_cart_item);

/* shop.add_cart_item(store_id, actor_id, user_id, product_id, qty, request_id) */
Datum shop_add_cart_item(PG_FUNCTION_ARGS) {
    ItemRequest request = {
        .context = {.store_id = argument_store_id(fcinfo, 0), .request_id = argument_text(fcinfo, 5)},
        .user_id = argument_int64(fcinfo, 2, 0),
        .product_id = argument_int64(fcinfo, 3, 0),
        .qty = argument_int32(fcinfo, 4, 0),
    };
    ItemBatch batch = {.store_id = request.context.store_id, .request = &request, .count = 1};

    if (!refuse_arguments(&request, !PG_ARGISNULL(1), argument_int64(fcinfo, 1, 0)))
        refuse_quantity(&request);
    if (!request.answered)
        add_items(&batch);
    return response_datum(fcinfo, &request.response);
}

/* The fields of shop.cart_item_request, in their order. */
enum { FIELD_ACTOR_ID, FIELD_USER_ID, FIELD_PRODUCT_ID, FIELD_QTY, FIELD_REQUEST_ID, FIELD_COUNT };

/* read_request reads one shop.cart_item_request. */
static void read_request(const RequestArray *array, int index, int32 store_id, ItemRequest *request) {
    RequestFields fields;

    request_array_fields(array, index, &fields);
    request->context.store_id = store_id;
    request->context.request_id = field_text(&fields, FIELD_REQUEST_ID);
    request->user_id = field_int64(&fields, FIELD_USER_ID);
    request->product_id = field_int64(&fields, FIELD_PRODUCT_ID);
    request->qty = field_int32(&fields, FIELD_QTY);
    if (!refuse_arguments(request, !fields.nulls[FIELD_ACTOR_ID], field_int64(&fields, FIELD_ACTOR_ID)))
        refuse_quantity(request);
}

PG_FUNCTION_INFO_V1(shop_add_cart_items);

/* shop.add_cart_items(store_id, requests) -> answers in the order of the requests */
Datum shop_add_cart_items(PG_FUNCTION_ARGS) {
    ItemBatch batch = {.store_id = argument_store_id(fcinfo, 0)};
    RequestArray array = request_array_read(fcinfo, 1, FIELD_COUNT);

    responses_begin(fcinfo);
    batch.count = array.count;
    batch.request = palloc0(Max(1, batch.count) * sizeof(ItemRequest));
    for (int i = 0; i < batch.count; i++)
        read_request(&array, i, batch.store_id, &batch.request[i]);
    if (batch.count > 0)
        add_items(&batch);
    for (int i = 0; i < batch.count; i++)
        responses_add(fcinfo, &batch.request[i].response);
    return (Datum)0;
}

/* remove_item takes the product's line out of the open cart. */
static void remove_item(Tables *tables, ItemRequest *request) {
    StringInfoData body;
    bool exists;
    Row *cart = lock_open_cart(tables, request->context.store_id, request->user_id, true, &exists);
    Row *item;

    tables_look_again(tables);
    if (cart == NULL) {
        answer(request, problem(PROBLEM_CART_NOT_FOUND, request->context.request_id, "Cart not found"));
        return;
    }
    item = lock_item(tables, request, row_int64(cart, CART_ID));
    if (item == NULL) {
        answer(request, problem(PROBLEM_CART_ITEM_NOT_FOUND, request->context.request_id, "Cart item not found"));
        return;
    }
    initStringInfo(&body);
    append_item(&body, item);
    row_delete(item);
    answer(request, success(200, &body));
}

PG_FUNCTION_INFO_V1(shop_remove_cart_item);

/* shop.remove_cart_item(store_id, actor_id, user_id, product_id, request_id) */
Datum shop_remove_cart_item(PG_FUNCTION_ARGS) {
    ItemRequest request = {
        .context = {.store_id = argument_store_id(fcinfo, 0), .request_id = argument_text(fcinfo, 4)},
        .user_id = argument_int64(fcinfo, 2, 0),
        .product_id = argument_int64(fcinfo, 3, 0),
    };

    if (!refuse_arguments(&request, !PG_ARGISNULL(1), argument_int64(fcinfo, 1, 0))) {
        Tables *tables = tables_begin("shop.remove_cart_item");

        remove_item(tables, &request);
        tables_end(tables);
    }
    return response_datum(fcinfo, &request.response);
}
