#include "excused_receives.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "allocation.h"

/* Messages that are remembered; the oldest is forgotten for a new one. An outage gives back what is in hand, which is
 * far less. */
#define REMEMBERED 256

struct excused_message {
    char *message_id; /* NULL: free */
    int count;
};

struct excused_receives {
    struct excused_message messages[REMEMBERED];
    size_t oldest; /* the place that is used next */
};

struct excused_receives *excused_receives_create(void) {
    return memory_allocate(sizeof(struct excused_receives));
}

void excused_receives_destroy(struct excused_receives *excused) {
    size_t i;

    if (excused == NULL) {
        return;
    }
    for (i = 0; i < REMEMBERED; i++) {
        free(excused->messages[i].message_id);
    }
    free(excused);
}

/* place_of gives the index of a message, or REMEMBERED. */
static size_t place_of(const struct excused_receives *excused, const char *message_id) {
    size_t i;

    for (i = 0; i < REMEMBERED; i++) {
        if (excused->messages[i].message_id != NULL && strcmp(excused->messages[i].message_id, message_id) == 0) {
            return i;
        }
    }
    return REMEMBERED;
}

void excused_receives_add(struct excused_receives *excused, const char *message_id) {
    size_t place = place_of(excused, message_id);

    if (place == REMEMBERED) {
        place = excused->oldest;
        excused->oldest = (excused->oldest + 1) % REMEMBERED;
        free(excused->messages[place].message_id);
        excused->messages[place].message_id = memory_duplicate(message_id);
        excused->messages[place].count = 0;
    }
    excused->messages[place].count++;
}

int excused_receives_count(const struct excused_receives *excused, const char *message_id) {
    size_t place = place_of(excused, message_id);

    return place < REMEMBERED ? excused->messages[place].count : 0;
}

void excused_receives_forget(struct excused_receives *excused, const char *message_id) {
    size_t place = place_of(excused, message_id);

    if (place < REMEMBERED) {
        free(excused->messages[place].message_id);
        excused->messages[place] = (struct excused_message){0};
    }
}
