/*
 * The JSON document of an intake order (contract, sections 3 and 4), as a client posts it or a producer queues it, read
 * strictly: what cannot be processed later is refused now.
 */
#ifndef SHOP_INTAKE_DOCUMENT_H
#define SHOP_INTAKE_DOCUMENT_H

#include "postgres.h"

#define INTAKE_ITEMS_MAX       1000
#define INTAKE_QUANTITY_MAX    1000000
#define INTAKE_CUSTOMER_ID_MAX 255
#define INTAKE_ORDER_ID_MAX    128

/* For a given_total: there is none, or it is no amount. */
#define INTAKE_TOTAL_MISSING    (-1)
#define INTAKE_TOTAL_UNREADABLE (-2)

typedef struct IntakeItem {
    char *product_id; /* as text; the SKU where the catalogue has one */
    int32 quantity;
    int64 price; /* cents per unit */
} IntakeItem;

typedef struct IntakeDocument {
    char *order_id; /* NULL: none given */
    char *customer_id;
    IntakeItem *items;
    int item_count;
    char *items_json;  /* the items in full, quantity and price as numbers, further members kept */
    int64 total;       /* cents, exact */
    int64 given_total; /* the document's total_amount in cents, or one of those above; it decides nothing */
} IntakeDocument;

/*
 * intake_read_document reads the JSON text.
 * Returns NULL, or the message that says what is wrong with it. Raises class 22 errors for text that is no JSON.
 */
extern const char *intake_read_document(const char *json, IntakeDocument *document);

/*
 * intake_read_message is intake_read_document for one document among others: what is wrong with a text that is no JSON
 * is a message too. Raises what says nothing about the text, for example that memory ran out.
 */
extern const char *intake_read_message(const char *json, IntakeDocument *document);

/* intake_order_id_is_number tells whether the document's own id is of digits only, as the numbers of checkout's orders
 * are. */
extern bool intake_order_id_is_number(const IntakeDocument *document);

#endif
