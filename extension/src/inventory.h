/*
 * Stock: the only code that changes inventory and writes the ledger of stock movements.
 */
#ifndef SHOP_INVENTORY_H
#define SHOP_INVENTORY_H

#include "postgres.h"

#include "arguments.h"
#include "tables.h"

/* The locked level of one product, shared by all lines of that product. */
typedef struct StockLevel {
    Row *row;     /* NULL: the product has no inventory row */
    bool changed; /* there is something for inventory_write to store */
    int64 price;  /* cents per unit; the caller's, who reads it once the level is locked; -1: not read yet */
} StockLevel;

/* A quantity of one product, as a line of an order or a delivery. */
typedef struct StockLine {
    int64 order_id; /* 0 where it belongs to none */
    int64 order_item_id;
    int64 product_id;
    int32 qty;
    int group;         /* the caller's own mark: which of several carts the line is of */
    StockLevel *level; /* set by inventory_lock */
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
    STOCK_RELEASE, /* it was not: they are free again */
    STOCK_SELL,    /* an order was placed and paid at once: the goods go out */
    STOCK_RETURN,  /* goods of a paid order came back, fit for sale */
    STOCK_ADJUST   /* somebody counted */
} StockMovement;

/* stock_movement_name gives the word in the ledger's column "kind". */
extern const char *stock_movement_name(StockMovement movement);

/* stock_lines_add appends a line. */
extern void stock_lines_add(StockLines *lines, StockLine line);

/*
 * inventory_lock locks the inventory rows of the lines' products and reads their newest levels. It sorts the lines by
 * product first: ascending is the order in which all of pg_shop locks products.
 */
extern void inventory_lock(Tables *tables, const RequestContext *context, StockLines *lines);

/* inventory_try_lock is inventory_lock that does not wait: a level that somebody else holds is left without its row. */
extern void inventory_try_lock(Tables *tables, const RequestContext *context, StockLines *lines);

/* inventory_available gives the units of a locked line's product that are neither sold nor reserved. */
extern int32 inventory_available(const StockLine *line);

/*
 * inventory_move applies one kind of movement to the lines of one order (0: the lines without one): ledger rows now,
 * new levels at inventory_write. Raises SH003 for a movement that the levels do not allow; callers exclude that
 * beforehand.
 */
extern void inventory_move(Tables *tables, const RequestContext *context, StockMovement movement, int64 order_id,
                           const StockLines *lines);

/* inventory_write stores the levels that changed, each once. */
extern void inventory_write(const StockLines *lines);

#endif
