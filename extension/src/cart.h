/*
 * The status words of carts.
 */
#ifndef SHOP_CART_H
#define SHOP_CART_H

#define CART_OPEN        "open"
#define CART_CHECKED_OUT "checked_out"

#endif
