/*
 * Orders as the API answers them.
 */
#ifndef SHOP_ORDER_H
#define SHOP_ORDER_H

#include "postgres.h"

#include "response.h"

/* order_as_it_is answers 200 with an order that the calling function has just changed. */
extern Response order_as_it_is(int32 store_id, int64 order_id);

#endif
