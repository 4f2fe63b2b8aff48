/*
 * The SQL statements of the routes: each calls one function of the extension and gives the columns of shop.response.
 */
#ifndef SHOP_GATEWAY_STATEMENTS_H
#define SHOP_GATEWAY_STATEMENTS_H

#include "request_batcher.h"
#include "database.h"
#include "reading.h"

/* The columns of shop.response, in the order in which RESPONSE_COLUMNS names them. */
enum response_column {
    COLUMN_STATUS,
    COLUMN_BODY,
    COLUMN_REPLAYED,
    COLUMN_ORDER_ID,
    COLUMN_RETRY_AFTER,
    COLUMN_LOCATION,
    COLUMN_COUNT
};

#define RESPONSE_COLUMNS "status, body, replayed, order_id, retry_after, location"

extern const struct database_statement list_products_statement;
extern const struct database_statement get_product_statement;
extern const struct database_statement create_product_statement;
extern const struct database_statement update_product_statement;
extern const struct database_statement restock_statement;
extern const struct database_statement restock_keyed_statement;
extern const struct database_statement adjust_stock_statement;
extern const struct database_statement get_inventory_statement;

extern const struct database_statement get_cart_statement;
extern const struct database_statement add_cart_item_statement;
extern const struct database_statement remove_cart_item_statement;
extern const struct database_statement checkout_statement;

extern const struct database_statement get_order_statement;
extern const struct database_statement list_orders_statement;
extern const struct database_statement order_events_statement;
extern const struct database_statement cancel_order_statement;
extern const struct database_statement fulfil_order_statement;
extern const struct database_statement refund_order_statement;
extern const struct database_statement refund_order_keyed_statement;
extern const struct database_statement list_all_orders_statement;

extern const struct database_statement accept_order_statement;
extern const struct database_statement accept_order_keyed_statement;
extern const struct database_statement list_intake_orders_statement;
extern const struct database_statement get_intake_order_statement;
extern const struct database_statement order_statistics_statement;

extern const struct database_statement list_dead_letters_statement;
extern const struct database_statement get_dead_letter_statement;
extern const struct database_statement redrive_statement;
extern const struct database_statement discard_statement;

extern const struct database_statement receive_payment_event_statement;

/* Requests that go together as one call. */
extern const struct batched_statements add_cart_item_batch;
extern const struct batched_statements checkout_batch;

/* Reads that may be a moment behind. */
extern const struct reading_statements list_products_reading;
extern const struct reading_statements get_product_reading;
extern const struct reading_statements list_all_orders_reading;
extern const struct reading_statements list_intake_orders_reading;
extern const struct reading_statements order_statistics_reading;

/* A report in the shape of a shop.response: 200 and an array of {check, subject, detail}. */
extern const struct database_statement verify_statement;

#endif
