/*
 * The tables as the hot path knows them: columns and indexes by name, and a small vocabulary over the executor's row
 * interface (the one logical replication's apply worker uses): open the tables, find or lock a row by key, read and set
 * its columns, insert, update. Constraints, indexes, CHECKs and foreign keys are enforced as for any SQL statement.
 * Table privileges are not checked: the EXECUTE grant on the SQL function is the gate.
 *
 * Business code uses this header and knows nothing of slots, scans or snapshots beyond tables_look_again().
 */
#ifndef SHOP_TABLES_H
#define SHOP_TABLES_H

#include "postgres.h"

typedef enum TableId {
    CARTS,
    CART_ITEMS,
    PRODUCTS,
    INVENTORY,
    STOCK_MOVEMENTS,
    ORDERS,
    ORDER_ITEMS,
    ORDER_EVENTS,
    OUTBOX,
    IDEMPOTENCY_KEYS,
    PAYMENT_ATTEMPTS,
    REFUNDS,
    INTAKE_ORDERS,
    ORDER_COUNT_DELTAS,
    TABLE_COUNT
} TableId;

/* Columns, numbered by table in the order of the descriptions in tables.c. */
enum { CART_STORE_ID, CART_ID, CART_USER_ID, CART_STATUS, CART_CREATED_AT, CART_UPDATED_AT };
enum {
    CART_ITEM_STORE_ID,
    CART_ITEM_ID,
    CART_ITEM_CART_ID,
    CART_ITEM_PRODUCT_ID,
    CART_ITEM_QTY,
    CART_ITEM_CREATED_AT,
    CART_ITEM_UPDATED_AT
};
enum { PRODUCT_STORE_ID, PRODUCT_ID, PRODUCT_SKU, PRODUCT_NAME, PRODUCT_PRICE, PRODUCT_CREATED_AT, PRODUCT_UPDATED_AT };
enum { INVENTORY_STORE_ID, INVENTORY_PRODUCT_ID, INVENTORY_ON_HAND, INVENTORY_RESERVED, INVENTORY_UPDATED_AT };
enum {
    MOVEMENT_STORE_ID,
    MOVEMENT_ID,
    MOVEMENT_PRODUCT_ID,
    MOVEMENT_KIND,
    MOVEMENT_ON_HAND_DELTA,
    MOVEMENT_RESERVED_DELTA,
    MOVEMENT_ORDER_ID,
    MOVEMENT_ORDER_ITEM_ID,
    MOVEMENT_ACTOR,
    MOVEMENT_REQUEST_ID,
    MOVEMENT_AT
};
enum {
    ORDER_STORE_ID,
    ORDER_ID,
    ORDER_USER_ID,
    ORDER_CART_ID,
    ORDER_STATUS,
    ORDER_TOTAL_PRICE,
    ORDER_LAST_EVENT,
    ORDER_CREATED_AT,
    ORDER_UPDATED_AT
};
enum {
    ORDER_ITEM_STORE_ID,
    ORDER_ITEM_ID,
    ORDER_ITEM_ORDER_ID,
    ORDER_ITEM_PRODUCT_ID,
    ORDER_ITEM_QTY,
    ORDER_ITEM_PRICE,
    ORDER_ITEM_RETURNED
};
enum {
    EVENT_STORE_ID,
    EVENT_ORDER_ID,
    EVENT_SEQ,
    EVENT_FROM_STATUS,
    EVENT_TO_STATUS,
    EVENT_EVENT,
    EVENT_ACTOR,
    EVENT_REASON,
    EVENT_REQUEST_ID,
    EVENT_AT
};
enum {
    OUTBOX_STORE_ID,
    OUTBOX_ID,
    OUTBOX_TOPIC,
    OUTBOX_ORDER_ID,
    OUTBOX_BODY,
    OUTBOX_REQUEST_ID,
    OUTBOX_TRACEPARENT,
    OUTBOX_STATUS,
    OUTBOX_ATTEMPTS,
    OUTBOX_NEXT_ATTEMPT_AT,
    OUTBOX_LAST_ERROR,
    OUTBOX_CREATED_AT,
    OUTBOX_FINISHED_AT
};
enum {
    KEY_STORE_ID,
    KEY_USER_ID,
    KEY_ROUTE,
    KEY_KEY,
    KEY_FINGERPRINT,
    KEY_STATUS,
    KEY_BODY,
    KEY_ORDER_ID,
    KEY_LOCATION,
    KEY_CREATED_AT
};
enum {
    ATTEMPT_STORE_ID,
    ATTEMPT_ID,
    ATTEMPT_ORDER_ID,
    ATTEMPT_PROVIDER,
    ATTEMPT_PROVIDER_REFERENCE,
    ATTEMPT_STATUS,
    ATTEMPT_AMOUNT,
    ATTEMPT_CAPTURED_AMOUNT,
    ATTEMPT_REFUNDED_AMOUNT,
    ATTEMPT_REASON,
    ATTEMPT_REQUEST_ID,
    ATTEMPT_CREATED_AT,
    ATTEMPT_UPDATED_AT
};
enum {
    REFUND_STORE_ID,
    REFUND_ID,
    REFUND_ORDER_ID,
    REFUND_ATTEMPT_ID,
    REFUND_KIND,
    REFUND_AMOUNT,
    REFUND_STATUS,
    REFUND_PROVIDER_REFERENCE,
    REFUND_REASON,
    REFUND_ACTOR,
    REFUND_REQUEST_ID,
    REFUND_CREATED_AT,
    REFUND_UPDATED_AT
};
enum {
    INTAKE_STORE_ID,
    INTAKE_ORDER_ID,
    INTAKE_EXTERNAL_ID,
    INTAKE_CUSTOMER_ID,
    INTAKE_ITEMS,
    INTAKE_FINGERPRINT,
    INTAKE_SOURCE,
    INTAKE_CREATED_AT
};
enum { DELTA_STORE_ID, DELTA_AT, DELTA_ORDERS };

/* The indexes that rows are found by, each with its leading key columns. */
typedef enum IndexId {
    CARTS_BY_ID,             /* store_id, id */
    OPEN_CARTS_BY_USER,      /* store_id, user_id; only open carts */
    CART_ITEMS_BY_CART,      /* store_id, cart_id, product_id */
    PRODUCTS_BY_ID,          /* store_id, id */
    INVENTORY_BY_PRODUCT,    /* store_id, product_id */
    ORDERS_BY_ID,            /* store_id, id */
    ORDERS_BY_CART,          /* store_id, cart_id */
    ORDER_ITEMS_BY_ORDER,    /* store_id, order_id, id */
    OUTBOX_BY_ID,            /* store_id, id */
    IDEMPOTENCY_KEYS_BY_KEY, /* store_id, user_id, route, key */
    ATTEMPTS_BY_ORDER,       /* store_id, order_id, id */
    ATTEMPTS_BY_ID,          /* store_id, id */
    REFUNDS_BY_ID,           /* store_id, id */
    REFUNDS_BY_ORDER,        /* store_id, order_id, id */
    INTAKE_BY_ORDER,         /* store_id, order_id */
    INTAKE_BY_EXTERNAL_ID,   /* store_id, external_id */
    PRODUCTS_BY_SKU          /* store_id, sku */
} IndexId;

typedef struct Tables Tables; /* the tables open in one API call */
typedef struct Row Row;       /* one row: a stored version that was read, or a new one being filled */
typedef struct RowScan RowScan;

/* The values of the leading key columns, in the index's order: pass as ROW_KEY(Int32GetDatum(store_id), ...). */
#define ROW_KEY(...) ((Datum[]){__VA_ARGS__}), (int)lengthof(((Datum[]){__VA_ARGS__}))

/*
 * tables_begin opens a unit of work on the tables; every API call that uses this module has exactly one.
 * purpose: the function's name for the message of 25006 (read-only transaction).
 * Raises 25006, and SH004 when the transaction is not READ COMMITTED: after a lock wait the newest rows must be seen.
 */
extern Tables *tables_begin(const char *purpose);

/* tables_end runs the foreign key checks that are due and closes the tables. Not called when an error is raised. */
extern void tables_end(Tables *tables);

/*
 * tables_look_again makes every later find and scan see what has been committed up to now, and what this call itself
 * has written. To be called after a lock that may have been waited for.
 */
extern void tables_look_again(Tables *tables);

/* row_find reads the row with this key without a lock; NULL when there is none. */
extern Row *row_find(Tables *tables, IndexId index, Datum *key, int key_count);

/*
 * row_lock finds the row with this key, locks it as SELECT ... FOR NO KEY UPDATE does and reads its newest version;
 * NULL when there is none. Waits for other holders, bounded by lock_timeout (55P03). Key columns never change, other
 * columns may have since the row was found, so conditions on them are to be checked on the row returned.
 */
extern Row *row_lock(Tables *tables, IndexId index, Datum *key, int key_count);

/* row_try_lock is row_lock that does not wait: NULL also when somebody else holds the row, as with SKIP LOCKED. */
extern Row *row_try_lock(Tables *tables, IndexId index, Datum *key, int key_count);

/*
 * row_keep makes the row with this key stay until the transaction ends, as SELECT ... FOR KEY SHARE and the check of a
 * foreign key do; others may change it. False when there is none.
 */
extern bool row_keep(Tables *tables, IndexId index, Datum *key, int key_count);

/* row_scan_begin reads all rows with these leading key values in index order; rows are valid until the next one. */
extern RowScan *row_scan_begin(Tables *tables, IndexId index, Datum *key, int key_count);
extern Row *row_scan_next(RowScan *scan);
extern void row_scan_end(RowScan *scan);

/* row_new starts a row of the table with every column NULL. */
extern Row *row_new(Tables *tables, TableId table);

/* row_next_id draws the next value of the table's identity column "id". */
extern int64 row_next_id(Tables *tables, TableId table);

/* Reading a column; the column must be NOT NULL, or row_is_null asked before. Text is copied into the current context.
 */
extern bool row_is_null(const Row *row, int column);
extern Datum row_datum(const Row *row, int column);
extern int32 row_int32(const Row *row, int column);
extern int64 row_int64(const Row *row, int column);
extern char *row_text(const Row *row, int column);

/* Setting a column of a new row, or of a locked row before row_update. A NULL text sets SQL NULL. */
extern void row_set_datum(Row *row, int column, Datum value);
extern void row_set_int32(Row *row, int column, int32 value);
extern void row_set_int64(Row *row, int column, int64 value);
extern void row_set_text(Row *row, int column, const char *value);
extern void row_set_null(Row *row, int column);

/*
 * row_insert adds a new row. CHECK and NOT NULL are enforced at once; the row is stored together with the table's other
 * new ones by tables_look_again or tables_end, at the latest, so only then do unique indexes and foreign keys raise
 * their errors. Rows of one table are stored in the order of these calls.
 *
 * row_update stores the changed columns of a locked row, row_delete removes it, both at once. Errors as in SQL. One row
 * is written at most once between two calls of tables_look_again.
 */
extern void row_insert(Row *row);

/*
 * row_insert_referenced is row_insert for a row whose foreign keys the caller has made sure of: it holds locks that
 * keep the rows there that this one refers to, until its transaction ends. Saves the query that PostgreSQL's own check
 * runs for every row. Any other trigger, and the other side of the foreign key, works as ever.
 */
extern void row_insert_referenced(Row *row);
extern void row_update(Row *row);
extern void row_delete(Row *row);

/* tables_register prepares the module for this backend; called once by _PG_init. */
extern void tables_register(void);

#endif
