/*
 * Stock: the only code that changes inventory and writes the ledger of stock movements.
 */
#ifndef SHOP_INVENTORY_H
#define SHOP_INVENTORY_H

#include "postgres.h"

#include "arguments.h"
#include "tables.h"

/* A quantity of one product, as a line of an order or a delivery. */
typedef struct StockLine {
    int64 product_id;
    int32 qty;
    int64 price;         /* cents per unit, where the line is sold */
    int64 order_item_id; /* 0 while there is none */
    Row *level;          /* the locked inventory row, set by inventory_lock; NULL: the product has none */
} StockLine;

/* Lines that grow one by one; start with zeroes. */
typedef struct StockLines {
    StockLine *line;
    int count;
    int capacity;
} StockLines;

typedef enum StockMovement {
    STOCK_RESTOCK, /* goods came in */
    STOCK_RESERVE, /* an order was placed */
    STOCK_COMMIT,  /* it was paid: the goods go out */
    STOCK_RELEASE  /* it was not: they are free again */
} StockMovement;

/* stock_lines_add appends a line. */
extern void stock_lines_add(StockLines *lines, StockLine line);

/*
 * inventory_lock locks the inventory rows of the lines' products and reads their newest levels. It sorts the lines by
 * product first: ascending is the order in which all of pg_shop locks products.
 */
extern void inventory_lock(Tables *tables, const RequestContext *context, StockLines *lines);

/* inventory_available gives the units of a locked line's product that are neither sold nor reserved. */
extern int32 inventory_available(const StockLine *line);

/*
 * inventory_move applies one kind of movement to all lines: ledger rows and new levels. order_id is 0 for movements
 * that belong to no order. The CHECKs of the table refuse levels below zero (23514), which callers exclude beforehand.
 */
extern void inventory_move(Tables *tables, const RequestContext *context, StockMovement movement, int64 order_id,
                           StockLines *lines);

#endif
