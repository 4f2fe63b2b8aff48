/*
 * Doubly linked lists whose links live in the things that are listed.
 *
 * A struct that can be in a list has a struct list_place as its first member, so that a pointer to the place, cast, is
 * a pointer to the struct. Lists and places begin as zeros.
 */
#ifndef SHOP_POLLER_LIST_H
#define SHOP_POLLER_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list;

struct list_place {
    struct list *list; /* NULL: in no list */
    struct list_place *previous, *next;
};

struct list {
    struct list_place *first, *last;
    size_t count;
};

/* list_append puts a place that is in no list at the end. */
void list_append(struct list *list, struct list_place *place);

/* list_prepend puts a place that is in no list at the beginning. */
void list_prepend(struct list *list, struct list_place *place);

/* list_remove takes a place out of its list; nothing happens when it is in none. */
void list_remove(struct list_place *place);

/* list_first gives the first place, or NULL when the list is empty. */
void *list_first(const struct list *list);

/* list_next gives the place after this one (a struct that begins with a place), or NULL at the end. */
void *list_next(const void *place);

/* list_is_empty tells whether nothing is in the list. */
bool list_is_empty(const struct list *list);

#endif
