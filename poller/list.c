#include "list.h"

void list_append(struct list *list, struct list_place *place) {
    place->list = list;
    place->previous = list->last;
    place->next = NULL;
    if (list->last != NULL) {
        list->last->next = place;
    } else {
        list->first = place;
    }
    list->last = place;
    list->count++;
}

void list_prepend(struct list *list, struct list_place *place) {
    place->list = list;
    place->previous = NULL;
    place->next = list->first;
    if (list->first != NULL) {
        list->first->previous = place;
    } else {
        list->last = place;
    }
    list->first = place;
    list->count++;
}

void list_remove(struct list_place *place) {
    struct list *list = place->list;

    if (list == NULL) {
        return;
    }
    if (place->previous != NULL) {
        place->previous->next = place->next;
    } else {
        list->first = place->next;
    }
    if (place->next != NULL) {
        place->next->previous = place->previous;
    } else {
        list->last = place->previous;
    }
    list->count--;
    *place = (struct list_place){0};
}

void *list_first(const struct list *list) {
    return list->first;
}

void *list_next(const void *place) {
    return ((const struct list_place *)place)->next;
}

bool list_is_empty(const struct list *list) {
    return list->first == NULL;
}
